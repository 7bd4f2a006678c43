import { tf } from '@mamba360/ssm/backend';
import { LongConv, SgConv } from '@mamba360/ssm/layers';
import type { GlobalConvolution, GlobalConvolutionConfig } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { caseWeights, parameterGradients } from './layer-case.ts';
import { sequence, wantsGradients } from './tensors.ts';

/** u, dy and y are B H L in these families. */
function runLayer(golden: GoldenCase, layer: GlobalConvolution<GlobalConvolutionConfig>, kernel: (layer: GlobalConvolution<GlobalConvolutionConfig>) => ArrayLike<number>): CaseOutputs {
  try {
    const u = sequence(golden, 'u');
    const { output } = layer.apply(u);
    const outputs = { y: lengthLast(output.dataSync(), output.shape), kernel: kernel(layer) };
    if (!wantsGradients(golden)) return outputs;
    const dy = sequence(golden, 'dy');
    const gradients = parameterGradients(layer.parameters, { u }, () => tf.sum(tf.mul(layer.apply(u).output, dy)));
    return { ...outputs, ...gradients, grad_u: lengthLast(gradients['grad_u']!, u.shape) };
  } finally {
    layer.dispose();
  }
}

const weights = (golden: GoldenCase) => caseWeights(golden, (name) => (['u', 'dy', 'multiplier'].includes(name) ? null : name));

export const kernelLongConvFamily: Family = {
  name: 'kernel_longconv',
  unsupported: ({ params }) => (params['bidirectional'] === true ? 'the two-sided layer is tested against its own sums' : null),
  run(golden) {
    const { params, inputs } = golden.description;
    const layer = LongConv.fromOfficial(weights(golden), {
      dModel: Number(params['H']), maximumLength: Number(params['length']), channels: Number(params['channels']), lambda: Number(params['lam']),
      smoothing: params['ma_smoothing'] === true ? Number(params['ma_window']) : 1, mixing: 'output_linear.0.weight' in inputs ? 'glu' : 'none',
    });
    return runLayer(golden, layer, () => layer.kernel().dataSync());
  },
};

/** 'cat_randn_learnable' and the like: joining, first values, and whether the decay is learned. */
export const kernelSgConvFamily: Family = {
  name: 'kernel_sgconv',
  unsupported: () => null,
  run(golden) {
    const { params } = golden.description;
    const mode = String(params['mode']);
    const [length, bidirectional] = [Number(params['length']), params['bidirectional'] === true];
    const layer = SgConv.fromOfficial(weights(golden), {
      dModel: Number(params['H']), maximumLength: length, bidirectional, kernelDim: Number(params['kernel_dim']), combine: mode.startsWith('sum') ? 'sum' : 'cat',
      interpolation: mode.includes('nearest') ? 'nearest' : 'linear', decayMin: Number(params['decay_min']), decayMax: Number(params['decay_max']),
      learnableDecay: mode.includes('learnable'), activation: 'none', mixing: 'none',
    });
    return runLayer(golden, layer, () => tf.tidy(() => {
      const taps = layer.kernel();
      if (!bidirectional) return taps.dataSync();
      // Both halves as the official transform takes them: the one that looks ahead second, reversed.
      const [behind, ahead] = tf.split(taps, 2, 0);
      return tf.concat([behind!, tf.reverse(ahead!, -1)], -1).dataSync();
    }));
  },
};
