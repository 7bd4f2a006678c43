import type { ArgsDef } from 'citty';
import { closest } from './closest.ts';
import { UsageError } from './usage-error.ts';

const BACKENDS = ['auto', 'tensorflow', 'wasm', 'cpu'] as const;

/** Options every verb takes. */
export const GLOBAL_OPTIONS = {
  json: { type: 'boolean', description: 'Print one JSON document on standard output and nothing else there.' },
  seed: { type: 'string', description: 'Decides everything random.', valueHint: 'integer', default: '0' },
  backend: { type: 'string', description: `Where tensors live: ${BACKENDS.join(', ')}.`, valueHint: 'name', default: 'auto' },
} as const satisfies ArgsDef;

/** @throws UsageError unless `text` is an integer from 0 to 2^32 - 1. */
export function readSeed(text: string): number {
  const seed = Number(text);
  if (text.trim() === '' || !Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
    throw new UsageError(`--seed is ${JSON.stringify(text)}, expected a whole number from 0 to 4294967295.`);
  }
  return seed;
}

/** @throws UsageError for a name that is no backend. */
export function readBackend(name: string): string {
  if ((BACKENDS as readonly string[]).includes(name)) return name;
  const near = closest(name, BACKENDS);
  throw new UsageError(
    `--backend is ${JSON.stringify(name)}, expected one of ${BACKENDS.join(', ')}.${near === undefined ? '' : ` Did you mean ${near}?`}`,
  );
}
