import { tf } from '@mamba360/ssm/backend';
import { RetNet } from '@mamba360/ssm/layers';
import { tensorError } from '@mamba360/testing';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { caseWeights, parameterGradients } from './layer-case.ts';
import { plain } from './tensors.ts';

/** The official state holds its rows times 1 / sqrt(sum of gamma^i) and keys times 1 / sqrt(K), values before keys; that sum is its own output. */
function officialState(golden: GoldenCase, matrix: ReturnType<typeof plain>, steps: number): CaseOutputs {
  const gamma = Float64Array.from(golden.value('decay').values, Math.exp);
  const scale = Float32Array.from(gamma, (value) => (1 - value ** steps) / (1 - value));
  const factors = tf.tensor(scale.map((value) => 1 / Math.sqrt(value * matrix.shape[2]!)), [1, scale.length, 1, 1]);
  return { final_kv: tf.mul(tf.transpose(matrix, [0, 1, 3, 2]), factors).dataSync(), final_scale: scale };
}

function run(golden: GoldenCase): CaseOutputs {
  const layer = RetNet.fromOfficial(caseWeights(golden, (name) => (['x', 'dy', 'angle', 'decay'].includes(name) ? null : name)), golden.description.params);
  try {
    const x = plain(golden, 'x'), dy = plain(golden, 'dy');
    const { output, state } = layer.apply(x);
    const chunk = golden.description.params['chunk'] as number;
    const [batch, length, width] = x.shape as [number, number, number];
    let between = layer.initialState(batch);
    const parts = [];
    for (let at = 0; at < length; at += chunk) {
      const part = layer.apply(tf.slice(x, [0, at, 0], [batch, Math.min(chunk, length - at), width]), { state: between });
      parts.push(part.output);
      between = part.state;
    }
    let stepped = layer.initialState(batch);
    const steps = [];
    for (let at = 0; at < length; at++) {
      const one = layer.step(tf.reshape(tf.slice(x, [0, at, 0], [batch, 1, width]), [batch, width]), stepped);
      steps.push(one.output);
      stepped = one.state;
    }
    return {
      y: output.dataSync(), y_chunkwise: tf.concat(parts, 1).dataSync(), y_recurrent: tf.stack(steps, 1).dataSync(),
      ...officialState(golden, state.matrix, length),
      ...parameterGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy))),
    };
  } finally {
    layer.dispose();
  }
}

/**
 * Multi-scale retention, whole, in chunks and step by step.
 *
 * The official forms scale a row by different numbers before a norm that takes the scale away, up to its epsilon. Ours scales as the recurrent one does, in every
 * form; so the chunked output is compared up to how far the two official ones are apart.
 */
export const blockRetnetFamily: Family = {
  name: 'block_retnet',
  unsupported: () => null,
  gap: (golden, name) => (name === 'y_chunkwise' ? tensorError(golden.value(name).values, golden.value('y_recurrent').values).relative : 0),
  run,
};
