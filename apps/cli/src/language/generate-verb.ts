import { defineVerb } from '../frame/verb.ts';
import { MODEL_OPTION, numberOption } from './model-option.ts';

/** `mamba360 language generate`. */
export const command = defineVerb({
  name: 'generate',
  description: 'Continues a text with a model folder of transformers or mamba_ssm (Mamba, Falcon-Mamba, Mamba-2, RWKV-4).',
  options: {
    prompt: { type: 'positional', description: 'The text to continue.', required: true },
    ...MODEL_OPTION,
    'max-new-tokens': { type: 'string', description: 'Tokens at most. Default: 64.', valueHint: 'number' },
    temperature: { type: 'string', description: '0 takes the likeliest token. Default: 1.', valueHint: 'number' },
    'top-k': { type: 'string', description: 'Only the k likeliest tokens; 0 for all. Default: 0.', valueHint: 'number' },
    'top-p': { type: 'string', description: 'Only the likeliest tokens that together reach this probability. Default: 1.', valueHint: 'number' },
    stop: { type: 'string', description: 'Text that ends the generation.', valueHint: 'text' },
  },
  async run(args, context) {
    const { loadModel } = await import('./load-model.ts');
    using model = await loadModel(args.model, context);
    const [maxNewTokens, temperature, topK, topP] = (['max-new-tokens', 'temperature', 'top-k', 'top-p'] as const).map((name) => numberOption(name, args[name]));
    const started = performance.now();
    const result = await model.generate(args.prompt, { maxNewTokens: maxNewTokens ?? 64, temperature, topK, topP, seed: context.seed, signal: context.signal, ...(args.stop !== undefined && { stop: [args.stop] }) });
    const seconds = (performance.now() - started) / 1000;
    return { document: { prompt: args.prompt, ...result, seconds }, text: `${args.prompt}${result.text}\n\n${result.tokens.length} tokens in ${seconds.toFixed(1)} s, ended by ${result.finishReason}` };
  },
});
