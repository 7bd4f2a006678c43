import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { disposeState } from '../layers/index.ts';
import type { State, WeightSource } from '../layers/index.ts';
import { Backbone } from './backbone.ts';

/**
 * Runs one case of the golden family `mamba_ssm_models`: logits of a prompt, and greedy tokens by cached steps.
 *
 * @param weights - The case folder's model.safetensors, official names.
 * @param config - Its config.json.
 * @param ids - Prompt, one array of token numbers a row.
 * @param steps - Tokens to generate.
 * @returns Logits [B, L, padded vocabulary] flat, and prompt + generated tokens.
 */
export function runBackboneGolden(weights: WeightSource, config: { readonly [key: string]: unknown }, ids: readonly (readonly number[])[], steps: number): { logits: Float32Array; greedy: number[][] } {
  const model = Backbone.fromOfficial(weights, config);
  const greedy = ids.map((row) => [...row]);
  const prompt = tf.tensor(ids.flat(), [ids.length, ids[0].length], 'int32');
  let { output, state } = model.apply(prompt);
  const logits = Float32Array.from(output.dataSync());
  let last = tf.tidy(() => tf.squeeze(tf.slice(output, [0, ids[0].length - 1, 0], [-1, 1, -1]), [1]));
  for (let step = 0; step < steps; step++) {
    const next = tf.tidy(() => tf.argMax(last, -1));
    next.dataSync().forEach((token, row) => greedy[row].push(token));
    const result = model.step(next, state);
    release(next, last, output);
    disposeState(state);
    ({ output, state } = result as { output: Tensor; state: State });
    last = output;
  }
  release(prompt, last, output);
  disposeState(state);
  model.dispose();
  return { logits, greedy };
}

function release(...tensors: Tensor[]): void {
  for (const tensor of tensors) if (!tensor.isDisposed) tensor.dispose();
}
