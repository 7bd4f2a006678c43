import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { fftConvolution2d, s4CorrectedOutput, s4dKernel, s4Kernel } from '../ops/index.ts';
import { fanInUniform, normal } from '../random/index.ts';
import { gatedHalves, gelu } from './activations.ts';
import { affine } from './affine.ts';
import { createParameters, disposeParameters, setValues } from './parameters.ts';
import type { Parameters, ParameterSpecs } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { wholeNumber } from './state-space-layer.ts';
import { complexNormal, firstSystems, logUniformSteps, systemInitialisers } from './state-space-parameters.ts';

/** Images [B, height, width, D]; one system for each axis. */
export interface S4ndConfig {
  readonly dModel: number;
  /** State size of each axis' system, even. Default 64. */
  readonly dState: number;
  /** 'diag': S4D by zoh; 'dplr': S4. Default 'dplr'. */
  readonly kernel: 'diag' | 'dplr';
  /** As in S4 and S4D. Default 'legs'. */
  readonly init: string;
  /** Lengths [height, width] that C~ of 'dplr' belongs to: of the images that are learnt from. Default [32, 32]. */
  readonly lMax: readonly [number, number];
  /** Every pixel sees all sides; else only pixels above and to the left. Default true. */
  readonly bidirectional: boolean;
  readonly dtMin: number;
  readonly dtMax: number;
  /** Default 'gelu' (exact). */
  readonly activation: 'gelu' | 'none';
  /** Default 'glu'. */
  readonly finalAct: 'glu' | 'id' | 'none';
}

export type GivenS4ndConfig = { dModel: number } & Partial<S4ndConfig>;

const DEFAULTS = { dState: 64, kernel: 'dplr', init: 'legs', lMax: [32, 32], bidirectional: true, dtMin: 0.001, dtMax: 0.1, activation: 'gelu', finalAct: 'glu' } as const;
const AXES = [0, 1] as const;

/** Fills in the defaults and checks every value. Throws ConfigError naming the key. */
export function s4ndConfig(given: GivenS4ndConfig): S4ndConfig {
  for (const key of Object.keys(given)) if (key !== 'dModel' && !Object.hasOwn(DEFAULTS, key)) throw new ConfigError(`S4ND: unknown option "${key}", expected one of dModel, ${Object.keys(DEFAULTS).join(', ')}.`);
  const config = { ...DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) } as S4ndConfig;
  wholeNumber('S4ND', 'dModel', config.dModel);
  wholeNumber('S4ND', 'dState', config.dState, 2);
  if (config.dState % 2) throw new ConfigError(`S4ND: dState is ${config.dState}, expected an even number (conjugate pairs).`);
  if (config.kernel !== 'diag' && config.kernel !== 'dplr') throw new ConfigError(`S4ND: kernel is ${JSON.stringify(config.kernel)}, expected 'diag' or 'dplr'.`);
  if (!Array.isArray(config.lMax) || config.lMax.length !== 2) throw new ConfigError(`S4ND: lMax is ${JSON.stringify(config.lMax)}, expected [height, width].`);
  for (const axis of AXES) wholeNumber('S4ND', `lMax[${axis}]`, config.lMax[axis]);
  if (!(config.dtMin > 0 && config.dtMin <= config.dtMax)) throw new ConfigError(`S4ND: dtMin is ${config.dtMin} and dtMax ${config.dtMax}, expected 0 < dtMin <= dtMax.`);
  return config;
}

const rankOf = ({ kernel, init }: S4ndConfig): number => (kernel === 'diag' ? 0 : init === 'legt' ? 2 : 1);

/** Parameters `k0.*` and `k1.*` of the axes' systems as in S4 and S4D, the skip D and the linear map. */
export function s4ndParameters(config: S4ndConfig): ParameterSpecs {
  const { dModel, dState, bidirectional, finalAct } = config, modes = dState / 2, rank = rankOf(config), outputs = finalAct === 'glu' ? 2 * dModel : dModel;
  const transforms = { realTransform: 'exp', imagTransform: 'none' } as const;
  const axis = (name: string): ParameterSpecs => {
    const first = systemInitialisers(firstSystems('S4ND', config.init, dState, dModel, Math.max(rank, 1)), transforms, rank);
    return {
      [`${name}.inv_dt`]: { shape: [dModel, 1], initialise: logUniformSteps(config.dtMin, config.dtMax, 'exp') },
      [`${name}.A_real`]: { shape: [dModel, modes], initialise: first.real },
      [`${name}.A_imag`]: { shape: [dModel, modes], initialise: first.imag },
      [`${name}.B`]: { shape: [1, dModel, modes, 2], initialise: first.B },
      [`${name}.C`]: { shape: [bidirectional ? 2 : 1, dModel, modes, 2], initialise: complexNormal },
      ...(rank > 0 && { [`${name}.P`]: { shape: [rank, dModel, modes, 2], initialise: first.P } }),
    };
  };
  return {
    D: { shape: [1, dModel], initialise: normal(1) }, ...axis('k0'), ...axis('k1'),
    ...(finalAct !== 'none' && {
      'output_linear.0.weight': { shape: [outputs, dModel], initialise: fanInUniform() }, 'output_linear.0.bias': { shape: [outputs], initialise: fanInUniform(dModel) },
    }),
  };
}

/**
 * S4ND: y = K * u + D u over the plane, K the outer product of one state space kernel for each axis; then GELU and a gated linear map of the channels.
 *
 * @remarks Not a sequence layer: an image has no first step, so it takes whole images only and promises equivariance instead: a shifted image inside wide margins gives a
 * shifted output. Kernels in double precision, the convolution by FFT.
 * @see Nguyen et al. 2022, arXiv 2210.06583. Official: state-spaces/s4, modules/s4nd.py.
 * @example
 * using layer = S4nd.create({ dModel: 16, lMax: [28, 28] }, { seed: 1 });
 * layer.apply(tf.zeros([2, 28, 28, 16]));   // [2, 28, 28, 16]
 */
export class S4nd {
  static readonly kind = 's4nd';
  readonly kind = S4nd.kind;
  readonly config: S4ndConfig;
  readonly capabilities = { state: 'none', causal: false, runtime: false } as const;
  readonly parameters: Parameters;

  /** @param parameters - Variables by the names of `s4ndParameters(config)`, C of 'dplr' corrected for lMax; the layer owns them from now on. */
  constructor(config: GivenS4ndConfig, parameters: Parameters) {
    this.config = s4ndConfig(config);
    this.parameters = parameters;
  }

  /** A layer with the published first values. */
  static create(config: GivenS4ndConfig, options: SeedOptions = {}): S4nd {
    const complete = s4ndConfig(config);
    const layer = new S4nd(complete, createParameters(s4ndParameters(complete), seededRandom(options)));
    layer.correctOutput();
    return layer;
  }

  get dModel(): number { return this.config.dModel; }

  /** Takes C of both axes as plain output vectors and corrects them for lMax ('dplr' only). For new weights; `create` has done it. */
  correctOutput(): void {
    const { dModel, dState, bidirectional, kernel, lMax } = this.config;
    if (kernel === 'diag') return;
    for (const axis of AXES) {
      const numbers = (name: string): Float64Array => Float64Array.from(this.parameters[`k${axis}.${name}`]!.dataSync());
      const corrected = s4CorrectedOutput({ invDt: numbers('inv_dt'), ARe: numbers('A_real'), AIm: numbers('A_imag'), B: numbers('B'), C: numbers('C'), P: numbers('P') }, {
        heads: dModel, modes: dState / 2, copies: dModel, channels: bidirectional ? 2 : 1, rank: rankOf(this.config), steps: 1, rate: 1, dtTransform: 'exp', realTransform: 'exp', imagTransform: 'none',
      }, lMax[axis]);
      setValues(this.parameters[`k${axis}.C`]!, Float32Array.from(corrected));
    }
  }

  /** The kernel of an axis, [1, D, length], or [2, D, length] with lags 0.. and -1..; length at most lMax with 'dplr'. The caller disposes it. */
  kernel(axis: 0 | 1, length: number): Tensor {
    const of = (name: string) => this.parameters[`k${axis}.${name}`]!, diagonal = { invDt: of('inv_dt'), ARe: of('A_real'), AIm: of('A_imag'), B: of('B'), C: of('C') };
    return this.config.kernel === 'diag' ? s4dKernel(diagonal, length) : s4Kernel({ ...diagonal, P: of('P') }, length, { kernelLength: this.config.lMax[axis] });
  }

  /** @param x - [B, height, width, D]. @returns [B, height, width, D]; the caller disposes it. */
  apply(x: Tensor): Tensor {
    const { dModel, bidirectional, activation, finalAct } = this.config;
    if (x.rank !== 4 || x.shape[3] !== dModel) throw new ShapeError(`S4ND.apply: x has shape [${x.shape}], expected [B, height, width, ${dModel}]. If your data is channels first, transpose it.`);
    const [, height, width] = x.shape as [number, number, number, number];
    return tf.tidy(() => {
      const taps = (axis: 0 | 1, length: number): Tensor => {
        const kernel = this.kernel(axis, length);
        if (!bidirectional) return tf.squeeze(kernel, [0]);
        const [past, future] = tf.unstack(kernel) as [Tensor, Tensor];
        return tf.concat([tf.reverse(future, 1), past], 1); // lags -length to length - 1
      };
      const plane = tf.mul(tf.expandDims(taps(0, height), 2), tf.expandDims(taps(1, width), 1)); // [D, KH, KW]
      const convolved = fftConvolution2d(x, plane, { D: tf.squeeze(this.parameters['D']!, [0]), centre: bidirectional ? [height, width] : [0, 0] });
      const active = activation === 'gelu' ? gelu(convolved) : convolved;
      if (finalAct === 'none') return active;
      const mixed = affine(active, this.parameters['output_linear.0.weight']!, this.parameters['output_linear.0.bias']);
      return finalAct === 'glu' ? gatedHalves(mixed) : mixed;
    });
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}
