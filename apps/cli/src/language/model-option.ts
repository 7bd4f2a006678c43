import { UsageError } from '../frame/usage-error.ts';

export const MODEL_OPTION = { model: { type: 'string', description: 'Folder with config.json, model.safetensors (or shards) and tokenizer.json.', valueHint: 'folder', required: true } } as const;

/** A number from the command line; undefined where the option was not given. */
export function numberOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) throw new UsageError(`--${name} is ${JSON.stringify(value)}, expected a number.`);
  return number;
}
