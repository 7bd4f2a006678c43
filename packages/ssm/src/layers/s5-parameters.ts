import { ConfigError } from '../errors/index.ts';
import { blockDiagonalHippo } from '../math/index.ts';
import { constant, normal } from '../random/index.ts';
import type { Initialiser, Random } from '../random/index.ts';
import type { ParameterSpecs } from './parameters.ts';
import type { Discretisation } from './s5-discretise.ts';
import { checkWhole, completeConfig } from './streaming-layer.ts';

export interface S5Config {
  /** Width H of input and output. */
  readonly dModel: number;
  /** State size before halving by conjugate symmetry. Default dModel, made even. */
  readonly ssmSize: number;
  /** Blocks of the HiPPO-N matrix that the eigenvalues come from. Default 1. */
  readonly blocks: number;
  /** Default zoh. */
  readonly discretization: Discretisation;
  /** Keep one of each conjugate pair of eigenvalues. Default true. */
  readonly conjSym: boolean;
  /** Limit Re Lambda to at most -1e-4. Default false. */
  readonly clipEigs: boolean;
  readonly bidirectional: boolean;
  /** Multiplies the step sizes, for sequences of another sampling rate. Default 1. */
  readonly stepRescale: number;
  /** First step sizes are log-uniform in [dtMin, dtMax]. Default .001 and .1. */
  readonly dtMin: number;
  readonly dtMax: number;
  /** After the system. Default half_glu1, as published for the long range arena; `none` is the system alone. */
  readonly activation: 'none' | 'gelu' | 'full_glu' | 'half_glu1' | 'half_glu2';
  /** Norm inside the layer (batch: running statistics). Default none: the backbone has its own. */
  readonly norm: 'none' | 'layer' | 'batch';
  /** Norm before the system instead of after the skip. Default true. */
  readonly prenorm: boolean;
  /** Add the input. Default false. */
  readonly residual: boolean;
}

const OPTIONS = {
  discretization: ['zoh', 'bilinear'], activation: ['none', 'gelu', 'full_glu', 'half_glu1', 'half_glu2'], norm: ['none', 'layer', 'batch'],
} as const;

export function s5Config(given: { dModel: number } & Partial<S5Config>): S5Config {
  const config = completeConfig<S5Config>('S5', given, {
    ssmSize: given.dModel + (given.dModel % 2), blocks: 1, discretization: 'zoh', conjSym: true, clipEigs: false, bidirectional: false, stepRescale: 1,
    dtMin: 0.001, dtMax: 0.1, activation: 'half_glu1', norm: 'none', prenorm: true, residual: false,
  });
  checkWhole('S5', { ssmSize: config.ssmSize, blocks: config.blocks });
  for (const [key, known] of Object.entries(OPTIONS)) {
    const value = config[key as keyof typeof OPTIONS];
    if (!(known as readonly string[]).includes(value)) throw new ConfigError(`S5: ${key} is ${JSON.stringify(value)}, expected one of ${known.join(', ')}.`);
  }
  if (config.ssmSize % config.blocks !== 0 || (config.conjSym && (config.ssmSize / config.blocks) % 2 !== 0)) {
    throw new ConfigError(`S5: ssmSize is ${config.ssmSize} in ${config.blocks} blocks, expected a whole${config.conjSym ? ', even' : ''} number of states in each block.`);
  }
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`S5: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  return config;
}

/** States kept: half of ssmSize with conjugate symmetry. */
export const s5States = ({ ssmSize, conjSym }: S5Config): number => (conjSym ? ssmSize / 2 : ssmSize);

/** Parameters by the official names, with the published first values. */
export function s5Parameters(config: S5Config): ParameterSpecs {
  const { dModel, ssmSize, blocks, conjSym, bidirectional, dtMin, dtMax, activation, norm } = config;
  const states = s5States(config);
  const hippo = () => blockDiagonalHippo(ssmSize, blocks, conjSym);
  const eigenvalues = (part: 're' | 'im'): Initialiser => () => Float32Array.from(hippo().eigenvalues[part]);
  // C is complex normal, then taken into the eigenbasis: C V.
  const readout: Initialiser = (_shape, random) => {
    const { V } = hippo();
    const deviation = 1 / Math.sqrt(ssmSize);
    const [re, im] = [random.normal(dModel * ssmSize, { deviation }), random.normal(dModel * ssmSize, { deviation })];
    return pairs(dModel, states, (h, p) => sum(ssmSize, (i) => complexProduct(re[h * ssmSize + i], im[h * ssmSize + i], V.re[i * states + p], V.im[i * states + p])));
  };
  const dense = (name: string): ParameterSpecs => ({
    [`${name}.kernel`]: { shape: [dModel, dModel], initialise: normal(1 / Math.sqrt(dModel)) }, [`${name}.bias`]: { shape: [dModel], initialise: constant(0) },
  });
  return {
    'seq.Lambda_re': { shape: [states], initialise: eigenvalues('re') },
    'seq.Lambda_im': { shape: [states], initialise: eigenvalues('im') },
    // B is real normal of variance 1 / H, then taken into the eigenbasis: V^-1 B.
    'seq.B': { shape: [states, dModel, 2], initialise: (_shape, random) => {
      const { Vinverse } = hippo();
      const real = random.normal(ssmSize * dModel, { deviation: 1 / Math.sqrt(dModel) });
      return pairs(states, dModel, (p, h) => sum(ssmSize, (i) => [Vinverse.re[p * ssmSize + i] * real[i * dModel + h], Vinverse.im[p * ssmSize + i] * real[i * dModel + h]]));
    } },
    ...Object.fromEntries((bidirectional ? ['C1', 'C2'] : ['C']).map((name) => [`seq.${name}`, { shape: [dModel, states, 2], initialise: readout }])),
    'seq.D': { shape: [dModel], initialise: normal(1) },
    'seq.log_step': { shape: [states, 1], initialise: logUniform(dtMin, dtMax) },
    ...(activation === 'full_glu' ? dense('out1') : {}), ...(activation === 'full_glu' || activation.startsWith('half') ? dense('out2') : {}),
    ...(norm === 'none' ? {} : { 'norm.scale': { shape: [dModel], initialise: constant(1) }, 'norm.bias': { shape: [dModel], initialise: constant(0) } }),
    ...(norm === 'batch' ? { 'batch_stats.norm.mean': { shape: [dModel], initialise: constant(0) }, 'batch_stats.norm.var': { shape: [dModel], initialise: constant(1) } } : {}),
  };
}

/** Logarithms of values that are log-uniform in [low, high]. */
export function logUniform(low: number, high: number): Initialiser {
  return (shape, random: Random) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.log(low) + random.next() * Math.log(high / low));
}

type Pair = readonly [number, number];
const complexProduct = (a: number, b: number, c: number, d: number): Pair => [a * c - b * d, a * d + b * c];
function sum(count: number, term: (i: number) => Pair): Pair {
  let [re, im] = [0, 0];
  for (let i = 0; i < count; i++) {
    const [a, b] = term(i);
    re += a;
    im += b;
  }
  return [re, im];
}
function pairs(rows: number, columns: number, value: (row: number, column: number) => Pair): Float32Array {
  const result = new Float32Array(rows * columns * 2);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) result.set(value(row, column), (row * columns + column) * 2);
  return result;
}
