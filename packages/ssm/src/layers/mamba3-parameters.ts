import { constant, fanInUniform } from '../random/index.ts';
import { inverseSoftplusOfLogUniform } from './mamba-parameters.ts';
import { mamba3Sizes } from './mamba3-config.ts';
import type { Mamba3Config } from './mamba3-config.ts';
import type { ParameterSpecs } from './parameters.ts';

/**
 * Parameters of the official layer by their official names, with the published first values.
 *
 * @see state-spaces/mamba, mamba_ssm/modules/mamba3.py, `Mamba3.__init__`.
 */
export function mamba3Parameters(config: Mamba3Config): ParameterSpecs {
  const { inner, heads, rank, projected } = mamba3Sizes(config);
  const { dModel, dState, headdim } = config;
  const ofRanks = (value: number): ParameterSpecs[string] => ({ shape: [heads, rank, headdim], initialise: constant(value) });
  return {
    dt_bias: { shape: [heads], initialise: inverseSoftplusOfLogUniform(config.dtMin, config.dtMax, config.dtInitFloor) },
    B_bias: { shape: [heads, rank, dState], initialise: constant(1) },
    C_bias: { shape: [heads, rank, dState], initialise: constant(1) },
    ...(config.isMimo ? { mimo_x: ofRanks(1 / rank), mimo_z: ofRanks(1), mimo_o: ofRanks(1 / rank) } : {}),
    D: { shape: [heads], initialise: constant(1) },
    'in_proj.weight': { shape: [projected, dModel], initialise: fanInUniform() },
    'B_norm.weight': { shape: [dState], initialise: constant(1) },
    'C_norm.weight': { shape: [dState], initialise: constant(1) },
    ...(config.isOutprojNorm ? { 'norm.weight': { shape: [inner], initialise: constant(1) } } : {}),
    'out_proj.weight': { shape: [dModel, inner], initialise: fanInUniform() },
  };
}
