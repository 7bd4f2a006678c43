import { tf } from '@mamba360/ssm/backend';
import { createParameters, disposeParameters, Hyena, HYENA_FILTER_DEFAULTS, hyenaFilter, hyenaFilterParameters, assignParameters } from '@mamba360/ssm/layers';
import type { HyenaFilterConfig } from '@mamba360/ssm/layers';
import { fftConvolution } from '@mamba360/ssm/ops';
import { Random } from '@mamba360/ssm/random';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { caseWeights, parameterGradients } from './layer-case.ts';
import { plain, sequence } from './tensors.ts';

/** t is a buffer that follows from the length, and the sine's frequencies are stored once more behind each layer. */
const isWeight = (name: string): boolean => !/^(x|dy|dk|bias)$|pos_emb\.t$|implicit_filter\.(?!1\.)\d+\.freq$/.test(name);

/** The implicit filter, its taps and gradients, and a convolution with them. */
function runFilter(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  const config: HyenaFilterConfig = {
    ...HYENA_FILTER_DEFAULTS, maximumLength: Number(params['seq_len']), embeddingSize: Number(params['emb_dim']), filterOrder: Number(params['order']),
    innerLayers: Number(params['num_inner_mlps']), frequency: Number(params['w']), normalized: params['normalized'] === true, modulate: params['modulate'] === true, shift: Number(params['shift']),
  };
  const specs = hyenaFilterParameters(config, Number(params['d_model']), '');
  const parameters = createParameters(specs, Random.fromSeed(0));
  try {
    const own = parameters['pos_emb.z']!.dataSync();
    assignParameters(parameters, caseWeights(golden, (name) => (isWeight(name) ? name : null)), { what: 'kernel_hyena' });
    const taps = hyenaFilter(config, parameters, '');
    const { output } = fftConvolution(sequence(golden, 'x'), tf.transpose(taps), { D: plain(golden, 'bias') });
    return {
      k: taps.dataSync(), y: lengthLast(output.dataSync(), output.shape), z_exact: own,
      ...parameterGradients(parameters, {}, () => tf.sum(tf.mul(hyenaFilter(config, parameters, ''), tf.squeeze(plain(golden, 'dk'), [0])))),
    };
  } finally {
    disposeParameters(parameters);
  }
}

function runBlock(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  if (params['num_heads'] !== 1 || params['num_blocks'] !== 1) throw new Error(`num_heads is ${String(params['num_heads'])} and num_blocks ${String(params['num_blocks'])}, expected 1`);
  const layer = Hyena.fromOfficial(caseWeights(golden, (name) => (isWeight(name) ? name : null)), {
    dModel: Number(params['d_model']), maximumLength: Number(params['l_max']), order: Number(params['order']), filterOrder: Number(params['filter_order']),
    embeddingSize: Number(params['emb_dim']), shortFilterOrder: Number(params['short_filter_order']),
  });
  try {
    const [x, dy] = [plain(golden, 'x'), plain(golden, 'dy')];
    return { y: layer.apply(x).output.dataSync(), ...parameterGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy))) };
  } finally {
    layer.dispose();
  }
}

export const kernelHyenaFamily: Family = { name: 'kernel_hyena', unsupported: () => null, run: runFilter };
export const blockHyenaFamily: Family = { name: 'block_hyena', unsupported: () => null, run: runBlock };
