import { constant, fanInUniform } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import { mambaSizes } from './mamba-config.ts';
import type { MambaConfig } from './mamba-config.ts';
import type { ParameterSpecs } from './parameters.ts';

/**
 * Parameters of the official layer by their official names, with the published first values.
 *
 * @see state-spaces/mamba, mamba_ssm/modules/mamba_simple.py, `Mamba.__init__`; Gu and Dao 2023, arXiv 2312.00752, section 3.6.
 */
export function mambaParameters(config: MambaConfig): ParameterSpecs {
  const { inner, state, width, rank } = mambaSizes(config);
  const deltaSize = config.dtScale / Math.sqrt(rank);
  const deltaWeight: Initialiser = config.dtInit === 'constant'
    ? constant(deltaSize)
    : (shape, random) => random.uniform(shape[0] * shape[1], { low: -deltaSize, high: deltaSize });
  return {
    'in_proj.weight': { shape: [2 * inner, config.dModel], initialise: fanInUniform() },
    ...(config.bias ? { 'in_proj.bias': { shape: [2 * inner], initialise: fanInUniform(config.dModel) } } : {}),
    'conv1d.weight': { shape: [inner, 1, width], initialise: fanInUniform() },
    ...(config.convBias ? { 'conv1d.bias': { shape: [inner], initialise: fanInUniform(width) } } : {}),
    'x_proj.weight': { shape: [rank + 2 * state, inner], initialise: fanInUniform() },
    'dt_proj.weight': { shape: [inner, rank], initialise: deltaWeight },
    'dt_proj.bias': { shape: [inner], initialise: inverseSoftplusOfLogUniform(config.dtMin, config.dtMax, config.dtInitFloor) },
    ...(config.innerNorm === 'weighted' ? {
      'dt_layernorm.weight': { shape: [rank], initialise: constant(1) }, 'b_layernorm.weight': { shape: [state], initialise: constant(1) }, 'c_layernorm.weight': { shape: [state], initialise: constant(1) },
    } : {}),
    A_log: { shape: [inner, state], initialise: ([channels, size]) => Float32Array.from({ length: channels * size }, (_, index) => Math.log((index % size) + 1)) },
    D: { shape: [inner], initialise: constant(1) },
    'out_proj.weight': { shape: [config.dModel, inner], initialise: fanInUniform() },
    ...(config.bias ? { 'out_proj.bias': { shape: [config.dModel], initialise: fanInUniform(inner) } } : {}),
  };
}

/** Values b such that softplus(b) is log-uniform in [low, high], not below `floor`: b = d + log(1 - exp(-d)). */
export function inverseSoftplusOfLogUniform(low: number, high: number, floor: number): Initialiser {
  return ([count], random) => Float32Array.from({ length: count }, () => {
    const delta = Math.max(floor, Math.exp(Math.log(low) + random.next() * (Math.log(high) - Math.log(low))));
    return delta + Math.log(-Math.expm1(-delta));
  });
}
