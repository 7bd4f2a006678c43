import { constant, fanInUniform } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { inverseSoftplusOfLogUniform } from './mamba-parameters.ts';
import { mamba2Sizes } from './mamba2-config.ts';
import type { Mamba2Config } from './mamba2-config.ts';
import type { ParameterSpecs } from './parameters.ts';

/**
 * Parameters of the official layer by their official names, with the published first values.
 *
 * @see state-spaces/mamba, mamba_ssm/modules/mamba2.py, `Mamba2.__init__`; Dao and Gu 2024, arXiv 2405.21060, section 7.
 */
export function mamba2Parameters(config: Mamba2Config): ParameterSpecs {
  const { inner, ssm, heads, convolved, projected } = mamba2Sizes(config);
  const { dModel, dConv, convInit, AInitRange: [low, high] } = config;
  const convolution: Initialiser = convInit === null ? fanInUniform() : (shape, random) => random.uniform(shape[0] * shape[2], { low: -convInit, high: convInit });
  return {
    dt_bias: { shape: [heads], initialise: inverseSoftplusOfLogUniform(config.dtMin, config.dtMax, config.dtInitFloor) },
    A_log: { shape: [heads], initialise: ([count], random) => random.uniform(count, { low, high }).map(Math.log) },
    D: { shape: [config.DHasHdim ? ssm : heads], initialise: constant(1) },
    'in_proj.weight': { shape: [projected, dModel], initialise: fanInUniform() },
    ...(config.bias ? { 'in_proj.bias': { shape: [projected], initialise: fanInUniform(dModel) } } : {}),
    'conv1d.weight': { shape: [convolved, 1, dConv], initialise: convolution },
    ...(config.convBias ? { 'conv1d.bias': { shape: [convolved], initialise: fanInUniform(dConv) } } : {}),
    ...(config.rmsnorm ? { 'norm.weight': { shape: [ssm], initialise: constant(1) } } : {}),
    'out_proj.weight': { shape: [dModel, inner], initialise: fanInUniform() },
    ...(config.bias ? { 'out_proj.bias': { shape: [dModel], initialise: fanInUniform(inner) } } : {}),
  };
}
