import { readFile } from 'node:fs/promises';
import { FileError } from '@mamba360/ssm/errors';
import { defineVerb } from '../frame/verb.ts';
import { MODEL_OPTION } from './model-option.ts';

/** `mamba360 language score`. */
export const command = defineVerb({
  name: 'score',
  description: 'How likely a model finds a text file: log-likelihood, perplexity per token, bits per byte. Any length, constant memory.',
  options: { file: { type: 'positional', description: 'Text file, UTF-8.', required: true }, ...MODEL_OPTION },
  async run(args, context) {
    const { loadModel } = await import('./load-model.ts');
    const text = await readFile(args.file, 'utf8').catch((cause: unknown) => { throw new FileError(`${args.file} could not be read (${(cause as Error).message}). Check the path.`, { cause }); });
    using model = await loadModel(args.model, context);
    const { logLikelihood, perToken, perplexity, bitsPerByte } = await model.score(text, { signal: context.signal });
    const tokens = perToken.length;
    return {
      document: { file: args.file, tokens, logLikelihood, perplexity, bitsPerByte },
      text: `${args.file}: ${tokens} tokens scored, perplexity ${perplexity.toFixed(3)} a token of this model's tokenizer, ${bitsPerByte.toFixed(4)} bits a byte, log-likelihood ${logLikelihood.toFixed(2)} nats`,
    };
  },
});
