import { ConfigError } from '../errors/index.ts';
import { glorotUniform, orthogonal } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';
import type { ParameterSpecs } from './parameters.ts';

export interface RecurrentConfig {
  /** Width of the input, and of the output unless `projection` is false. */
  readonly dModel: number;
  /** Width of the hidden state. Default dModel. */
  readonly units: number;
  /** Blocks of the recurrent matrix; a unit sees only its own block. Default 1. */
  readonly heads: number;
  /** Project the hidden state back to dModel. Default: only where units differs from dModel. */
  readonly projection: boolean;
}

const KEYS = ['dModel', 'units', 'heads', 'projection'];

export function recurrentConfig(name: string, given: { dModel: number } & Partial<RecurrentConfig>): RecurrentConfig {
  for (const key of Object.keys(given)) if (!KEYS.includes(key)) throw new ConfigError(`${name}: unknown option "${key}", expected one of ${KEYS.join(', ')}.`);
  const units = given.units ?? given.dModel;
  const heads = given.heads ?? 1;
  for (const [key, value] of Object.entries({ dModel: given.dModel, units, heads })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new ConfigError(`${name}: ${key} is ${value}, expected a whole number of at least 1.`);
  }
  if (units % heads !== 0) throw new ConfigError(`${name}: units is ${units} and heads ${heads}, expected heads to divide units.`);
  return { dModel: given.dModel, units, heads, projection: given.projection ?? units !== given.dModel };
}

/**
 * Input weights [K * E, D], recurrent blocks [H, P, K * P] (inputs first, as the kernel reads them), biases, output projection.
 *
 * @remarks First values as in Keras: Glorot for the input, orthogonal per block and gate for the recurrence.
 */
export function recurrentParameters(config: RecurrentConfig, gates: number, bias: Initialiser, recurrentBias: boolean): ParameterSpecs {
  const { dModel, units, heads, projection } = config;
  const block = units / heads;
  const recurrent: Initialiser = (_shape, random) => {
    const values = new Float32Array(heads * block * gates * block);
    for (let head = 0; head < heads; head++) {
      for (let gate = 0; gate < gates; gate++) {
        const matrix = orthogonal()([block, block], random);
        for (let row = 0; row < block; row++) values.set(matrix.subarray(row * block, (row + 1) * block), ((head * block + row) * gates + gate) * block);
      }
    }
    return values;
  };
  return {
    'input.weight': { shape: [gates * units, dModel], initialise: glorotUniform() },
    'input.bias': { shape: [gates * units], initialise: bias },
    'recurrent.weight': { shape: [heads, block, gates * block], initialise: recurrent },
    ...(recurrentBias ? { 'recurrent.bias': { shape: [gates * units], initialise: bias } } : {}),
    ...(projection ? { 'out_proj.weight': { shape: [dModel, units], initialise: glorotUniform() }, 'out_proj.bias': { shape: [dModel], initialise: ([count]: readonly number[]) => new Float32Array(count) } } : {}),
  };
}
