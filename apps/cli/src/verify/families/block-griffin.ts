import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { Griffin, RgLru } from '@mamba360/ssm/layers';
import type { SequenceOptions, State } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { layerGradients, valuesOf, weightsOf } from './layer-gradients.ts';
import { plain } from './tensors.ts';

const BOOKKEEPING = ['x', 'dy', 'segment_pos', 'h0'];

/** The official layers reset where the position in the document is 0: a new segment there. The first step continues where its position is not 0. */
function segmentsOf(golden: GoldenCase): { segments: number[][]; begun: number[] } {
  const { values, shape } = golden.value('segment_pos');
  const [batch, length] = shape as [number, number];
  const segments = Array.from({ length: batch }, (_, b) => {
    let segment = 0;
    return Array.from({ length }, (__, t) => (t > 0 && values[b * length + t] === 0 ? ++segment : segment));
  });
  return { segments, begun: segments.map((_, b) => (values[b * length] === 0 ? 0 : 1)) };
}

interface Runner { apply(x: Tensor, options: SequenceOptions & { state: never }): { output: Tensor; state: State } }

function run(golden: GoldenCase): CaseOutputs {
  const { params, inputs } = golden.description;
  const weights = weightsOf(golden, Object.keys(inputs).filter((name) => !BOOKKEEPING.includes(name)));
  const dModel = params['width'] as number, numHeads = params['num_heads'] as number;
  const isBlock = 'linear_x.weight' in inputs;
  const layer = isBlock
    ? Griffin.fromOfficial(weights, { dModel, numHeads, lruWidth: params['lru_width'] as number, conv1dTemporalWidth: params['conv1d_temporal_width'] as number })
    : RgLru.fromOfficial(weights, { dModel, numHeads });
  try {
    const x = plain(golden, 'x'), dy = plain(golden, 'dy');
    const { segments, begun } = segmentsOf(golden);
    const zero = layer.initialState(x.shape[0]!) as { readonly [name: string]: Tensor };
    const state = { ...zero, begun: tf.tensor1d(begun, 'int32'), ...('h0' in inputs ? { hidden: plain(golden, 'h0') } : {}) } as never;
    const apply = (input: Tensor) => (layer as unknown as Runner).apply(input, { segments, state });
    const { output, state: last } = apply(x);
    const { hidden, convolution } = last as { readonly hidden: Tensor; readonly convolution?: Tensor };
    const gradients = layerGradients(layer.parameters, { x }, () => tf.sum(tf.mul(apply(x).output, dy)));
    return { y: output.dataSync(), final_state: hidden.dataSync(), ...(convolution ? { conv_state: convolution.dataSync() } : {}), ...valuesOf(gradients) };
  } finally {
    layer.dispose();
  }
}

/** RG-LRU and Griffin's recurrent block. */
export const blockGriffinFamily: Family = { name: 'block_griffin', unsupported: () => null, run };
