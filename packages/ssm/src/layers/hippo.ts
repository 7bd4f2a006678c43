import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { hippoTransition } from '../math/index.ts';
import { createSystemCache, hippoScan, legsScan } from '../ops/index.ts';
import { fanInUniform, constant } from '../random/index.ts';
import { createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, ParameterSpecs } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { wholeNumber } from './state-space-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

export type HippoLayerMeasure = 'legs' | 'legt' | 'lagt' | 'fout';

export interface HippoConfig {
  readonly dModel: number;
  /** Coefficients N of each channel. Default 64. */
  readonly dState: number;
  /** 'legs': the whole history, scaled; 'legt', 'fout': a window of `theta` steps in Legendre or Fourier terms; 'lagt': a decaying history of about `theta` steps. Default 'legs'. */
  readonly measure: HippoLayerMeasure;
  /** Window in steps, above 0; not used by 'legs'. Default 128. */
  readonly theta: number;
}

export type GivenHippoConfig = { dModel: number } & Partial<HippoConfig>;
/** `memory` [B, H, N]: coefficients of every channel; 'legs' also `steps` [B]: samples seen. */
export type HippoState = { readonly memory: Tensor; readonly steps?: Tensor };

const DEFAULTS = { dState: 64, measure: 'legs', theta: 128 } as const;
export const HIPPO_KEYS = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
const MEASURES: readonly HippoLayerMeasure[] = ['legs', 'legt', 'lagt', 'fout'];

/** Fills in the defaults and checks every value. Throws ConfigError naming the key. */
export function hippoConfig(given: GivenHippoConfig): HippoConfig {
  for (const key of Object.keys(given)) {
    if (key !== 'dModel' && key !== 'layer' && !Object.hasOwn(DEFAULTS, key)) throw new ConfigError(`HiPPO: unknown option "${key}", expected one of dModel, ${HIPPO_KEYS.join(', ')}.`);
  }
  const config = { ...DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== undefined && key !== 'layer')) } as HippoConfig;
  for (const key of ['dModel', 'dState'] as const) wholeNumber('HiPPO', key, config[key]);
  if (!MEASURES.includes(config.measure)) throw new ConfigError(`HiPPO: measure is ${JSON.stringify(config.measure)}, expected one of ${MEASURES.join(', ')}.`);
  if (!(config.theta > 0)) throw new ConfigError(`HiPPO: theta is ${config.theta}, expected a window of more than 0 steps.`);
  hippoTransition(config.measure, config.dState);
  return config;
}

/** The memory has no parameters; what is learnt reads it: C [1, H, N], uniform in +-1/sqrt(N), and the skip D [H], zero. */
export function hippoParameters(config: HippoConfig): ParameterSpecs {
  return {
    C: { shape: [1, config.dModel, config.dState], initialise: fanInUniform(config.dState) },
    D: { shape: [config.dModel], initialise: constant(0) },
  };
}

/**
 * HiPPO: each channel's history as N coefficients of an orthogonal basis, c'(t) = A c(t) + B u(t) (for LegS: over t), read by a learnt vector: y = C c + D u.
 *
 * @remarks A and B are fixed by the measure. LegS is the time-varying recurrence over the whole history (its state counts samples), the others are time-invariant with a
 * step of 1 / theta; all bilinear, in double precision. O(L H N) for LegS, O(L H N^2) else.
 * @see Gu et al. 2020, arXiv 2008.07669. Official: state-spaces/s4, rnns/cells/memory.py (there inside a gated recurrent cell).
 */
export class Hippo implements SequenceLayer<HippoState> {
  static readonly kind = 'hippo';
  readonly kind = Hippo.kind;
  readonly config: HippoConfig;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;
  readonly #cache = createSystemCache();

  /** @param parameters - Variables by the names of `hippoParameters(config)`; the layer owns them from now on. */
  constructor(config: GivenHippoConfig, parameters: Parameters) {
    this.config = hippoConfig(config);
    this.parameters = parameters;
  }

  static create(config: GivenHippoConfig, options: SeedOptions = {}): Hippo {
    const complete = hippoConfig(config);
    return new Hippo(complete, createParameters(hippoParameters(complete), seededRandom(options)));
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<HippoState> = {}): SequenceResult<HippoState> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`HiPPO.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState('HiPPO.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { output, state } = this.#remember(x, options);
      return { output: tf.add(tf.squeeze(output, [2]), tf.mul(x, this.parameters['D']!)), state };
    });
  }

  step(x: Tensor, state: HippoState): SequenceResult<HippoState> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`HiPPO.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    return tf.tidy(() => {
      const next = this.apply(tf.expandDims(x, 1), { state });
      return { output: tf.squeeze(next.output, [1]), state: next.state };
    });
  }

  initialState(batch: number): HippoState { return zeroState<HippoState>(this.stateSpec(batch)); }

  stateSpec(batch: number): StateSpec {
    return { memory: [batch, this.dModel, this.config.dState], ...(this.config.measure === 'legs' && { steps: { shape: [batch], dtype: 'int32' as const } }) };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  #remember(x: Tensor, options: ApplyOptions<HippoState>): { output: Tensor; state: HippoState } {
    const { measure, theta } = this.config, { state } = options, readout = this.parameters['C']!;
    if (measure === 'legs') return legsScan(x, readout, { ...sequenceOptions(options), ...(state && { state: { memory: state.memory, steps: state.steps! } }) });
    const result = hippoScan(x, readout, { measure, step: 1 / theta }, { ...sequenceOptions(options), state: state?.memory, cache: this.#cache });
    return { output: result.output, state: { memory: result.state } };
  }
}
