import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { readSafetensors } from '@mamba360/ssm/checkpoints';
import { Backbone } from '@mamba360/ssm/models';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';

/** Logits of the prompt, and prompt + greedy tokens made by single steps from its state. */
function run(golden: GoldenCase): CaseOutputs {
  if (!golden.model) throw new Error('the case has no folder with config.json and model.safetensors');
  const { values, shape } = golden.value('input_ids');
  const [batch, length] = shape as [number, number];
  const total = golden.description.outputs['greedy']?.[1] ?? length;
  const model = Backbone.fromOfficial(readSafetensors(golden.model.weights).tensors, golden.model.config);
  try {
    const first = model.apply(tf.tensor(Int32Array.from(values), [batch, length], 'int32'));
    const greedy = new Float32Array(batch * total);
    for (let b = 0; b < batch; b++) greedy.set(values.subarray(b * length, (b + 1) * length), b * total);
    let { state } = first;
    let last: Tensor = tf.squeeze(tf.slice(first.output, [0, length - 1, 0], [batch, 1, -1]), [1]);
    for (let t = length; t < total; t++) {
      const next = tf.argMax(last, -1);
      next.dataSync().forEach((token, b) => { greedy[b * total + t] = token; });
      ({ output: last, state } = model.step(next, state));
    }
    return { logits: first.output.dataSync(), ...('greedy' in golden.description.outputs ? { greedy } : {}) };
  } finally {
    model.dispose();
  }
}

/** Language models of mamba_ssm in their own layout: Mamba and Mamba-2. */
export const mambaSsmModelsFamily: Family = { name: 'mamba_ssm_models', unsupported: () => null, run };
