import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { affine, assignParameters, createParameters, disposeParameters, Gss, gssStateSpace, gssStateSpaceParameters } from '@mamba360/ssm/layers';
import { Random } from '@mamba360/ssm/random';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { caseWeights } from './layer-case.ts';
import { plain } from './tensors.ts';

const shapeOf = (golden: GoldenCase, name: string): readonly number[] => golden.value(name).shape;

function runStateSpace(golden: GoldenCase): CaseOutputs {
  const parameters = createParameters(gssStateSpaceParameters(shapeOf(golden, 'C_real')[0]!, shapeOf(golden, 'C_real')[1]!, ''), Random.fromSeed(0));
  try {
    assignParameters(parameters, caseWeights(golden, (name) => (name === 'x' ? null : name)), { what: 'block_gss' });
    return { y: gssStateSpace(plain(golden, 'x'), parameters, '', golden.description.params['lambda_imag_exp'] === true).output.dataSync() };
  } finally {
    disposeParameters(parameters);
  }
}

/** A layer whose weights carry `prefix`. */
function layerOf(golden: GoldenCase, prefix: string): Gss {
  const [expansion, dModel] = shapeOf(golden, `${prefix}to_u.0.weight`) as [number, number];
  const [stateSpaceWidth, stateSize] = shapeOf(golden, `${prefix}dss.C_real`) as [number, number];
  return Gss.fromOfficial(caseWeights(golden, (name) => (name.startsWith(prefix) && name !== 'x' ? name.slice(prefix.length) : null)), {
    dModel, expansion, stateSpaceWidth, stateSize, lambdaImagExp: golden.description.params['lambda_imag_exp'] === true, residual: true,
  });
}

function runLayer(golden: GoldenCase, prefix: string, x: Tensor): Tensor {
  const layer = layerOf(golden, prefix);
  try {
    return layer.apply(x).output;
  } finally {
    layer.dispose();
  }
}

function run(golden: GoldenCase): CaseOutputs {
  const { kind, reverse } = golden.description.params;
  if (kind === 'dss') return runStateSpace(golden);
  if (kind === 'gss') {
    const turn = (tensor: Tensor): Tensor => (reverse === true ? tf.reverse(tensor, 1) : tensor);
    return { y: turn(runLayer(golden, '', turn(plain(golden, 'x')))).dataSync() };
  }
  const ids = tf.cast(plain(golden, 'x'), 'int32');
  let hidden: Tensor = tf.gather(plain(golden, 'token_emb.weight'), ids);
  for (let i = 0; `layers.${i}.norm.weight` in golden.description.inputs; i++) hidden = runLayer(golden, `layers.${i}.`, hidden);
  return { y: affine(hidden, plain(golden, 'to_logits.weight')).dataSync() };
}

/** Gated state space: the state space alone, the layer in either direction, and a language model of two layers. */
export const blockGssFamily: Family = { name: 'block_gss', unsupported: () => null, run };
