import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { stateLeaves } from '@mamba360/ssm/layers';
import { Rwkv } from '@mamba360/ssm/models';
import type { RwkvState } from '@mamba360/ssm/models';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { caseWeights } from './layer-case.ts';

const argMax = (logits: Tensor): number => tf.argMax(tf.reshape(logits, [logits.size]), 0).dataSync()[0]!;

/** The most likely next token, again and again, one step at a time. */
function greedy(model: Rwkv, logits: Tensor, state: RwkvState, count: number): number[] {
  const tokens = [argMax(logits)];
  let current = state;
  while (tokens.length < count) {
    const next = model.step(tf.tensor1d([tokens.at(-1)!], 'int32'), current);
    tokens.push(argMax(next.output));
    current = next.state;
  }
  return tokens;
}

/** Of each block: the channel mix's last input, the time mix's, then its sums (version 4: with their maximum) or its matrices. */
function officialState(model: Rwkv, state: RwkvState): CaseOutputs {
  const blocks = model.blocks.map((_, index) => state.blocks[index]!);
  const leaf = (index: number, name: string): number[] => [...new Map(stateLeaves(blocks[index]!))!.get(name)!.dataSync()];
  const { version } = model.config;
  if (version === 7) {
    return {
      state_shift: blocks.flatMap((_, i) => [...leaf(i, 'att.shift'), ...leaf(i, 'ffn.shift')]),
      // Theirs is values before keys.
      state_matrix: blocks.flatMap((block) => [...tf.transpose((block.att as { matrix: Tensor }).matrix, [0, 1, 3, 2]).dataSync()]),
    };
  }
  const kept = version === 4 ? ['att.numerator', 'att.denominator', 'att.maximum'] : ['att.matrix'];
  return { state: blocks.flatMap((_, i) => ['ffn.shift', 'att.shift', ...kept].flatMap((name) => leaf(i, name))) };
}

function run(golden: GoldenCase): CaseOutputs {
  const model = Rwkv.fromOfficial(caseWeights(golden, (name) => (['tokens'].includes(name) ? null : name)));
  try {
    const tokens = tf.tensor2d([Array.from(golden.value('tokens').values)], undefined, 'int32');
    const outputs: Record<string, ArrayLike<number>> = {};
    const { output, state } = model.apply(tokens, {
      observe: (name, tensor) => {
        const [, index, part] = /^blocks\.(\d+)\.(att|ffn)$/.exec(name) ?? [];
        if (part) outputs[`${part}_out_${index}`] = tensor.dataSync();
      },
    });
    const [, length, vocabulary] = output.shape as [number, number, number];
    const last = tf.slice(output, [0, length - 1, 0], [1, 1, vocabulary]);
    const { greedy: wanted } = golden.description.outputs;
    return { ...outputs, logits: output.dataSync(), ...officialState(model, state), ...(wanted && { greedy: greedy(model, last, state, wanted[0]!) }) };
  } finally {
    model.dispose();
  }
}

/** Whole RWKV language models, versions 4 to 7: logits, state, the output of each part, 20 greedy tokens. */
export const modelRwkvFamily: Family = { name: 'model_rwkv', unsupported: () => null, run };
