import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { mamba3Scan, mamba3ScanStep, rmsNorm } from '../ops/index.ts';
import type { Mamba3ScanInputs, Mamba3ScanState, Mamba3ScanStepOptions } from '../ops/index.ts';
import { affine } from './affine.ts';
import { camelKeys } from './mamba-config.ts';
import { mamba3Config, mamba3Sizes } from './mamba3-config.ts';
import type { GivenMamba3Config, Mamba3Config } from './mamba3-config.ts';
import { mamba3Parameters } from './mamba3-parameters.ts';
import { assignParameters, createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

/** `angle` [B, H, S], `ssm` [B, H, P, N], and of the last step `B` [B, H, R, N] as it was turned and `x` [B, H, R, P] as it was projected. */
export type Mamba3State = Mamba3ScanState;

const EPSILON = 1e-5;

/**
 * Mamba-3: a decaying state fed by the trapezoidal rule from this step and the one before, with B and C normalised, biased and turned by accumulated
 * angles (complex states), optionally in several ranks; no convolution. See `mamba3Scan` for the equation.
 *
 * @remarks Parameters have the names and shapes of the official layer. Decay rates are 1 + a for a >= 0 and 1 / (1 - a) below, a from the input, as the official layer
 * computes them at the commit of the golden cases. With `isMimo` the official kernel pairs entry i of the state with i + N/2 where this one pairs 2i with 2i + 1: the same
 * family of functions, with the rows of B and C in another order. Time O(L E N R), state O(E N).
 * @see Lahoti et al. 2026, arXiv 2603.15569. Official: state-spaces/mamba, mamba_ssm/modules/mamba3.py.
 * @example
 * const layer = Mamba3.create({ dModel: 64 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64] and { angle, ssm, B, x }
 * const next = layer.step(tf.zeros([2, 64]), state);               // [2, 64]
 */
export class Mamba3 implements SequenceLayer<Mamba3State> {
  static readonly kind = 'mamba3';
  readonly kind = Mamba3.kind;
  readonly config: Mamba3Config;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;

  /** @param parameters - Variables by the names of `mamba3Parameters(config)`; the layer owns them from now on. */
  constructor(config: GivenMamba3Config, parameters: Parameters) {
    this.config = mamba3Config(config);
    this.parameters = parameters;
  }

  /** A layer with the published first values. */
  static create(config: GivenMamba3Config, options: SeedOptions = {}): Mamba3 {
    const complete = mamba3Config(config);
    return new Mamba3(complete, createParameters(mamba3Parameters(complete), seededRandom(options)));
  }

  /**
   * A layer with given weights.
   *
   * @param weights - By official names: `in_proj.weight`, `B_bias`, ...
   * @param config - Official keys, `d_state` or `dState`.
   * @throws ConfigError for `is_mimo`: there the official order of the state differs.
   */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Mamba3 {
    const layer = Mamba3.create(camelKeys(config) as GivenMamba3Config);
    try {
      if (layer.config.isMimo) {
        throw new ConfigError('Mamba3.fromOfficial: isMimo is true, expected false. Official weights with several ranks turn entry i of the state with i + N/2, this layer turns 2i with 2i + 1; reorder the rows of B and C (in_proj, norms, biases) and use assignParameters.');
      }
      assignParameters(layer.parameters, weights, { what: 'Mamba3.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<Mamba3State> = {}): SequenceResult<Mamba3State> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`Mamba3.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState('Mamba3.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { inputs, gate } = this.#project(x);
      const scanned = mamba3Scan(inputs, { ...sequenceOptions(options), ...this.#scanOptions(gate), ...(options.state && { state: options.state }) });
      return { output: this.#finish(scanned.output), state: scanned.state };
    });
  }

  step(x: Tensor, state: Mamba3State): SequenceResult<Mamba3State> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`Mamba3.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState('Mamba3.step', this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const { inputs, gate } = this.#project(x);
      const scanned = mamba3ScanStep(state, inputs, this.#scanOptions(gate));
      return { output: this.#finish(scanned.output), state: scanned.state };
    });
  }

  initialState(batch: number): Mamba3State {
    return zeroState<Mamba3State>(this.stateSpec(batch));
  }

  stateSpec(batch: number): StateSpec {
    const { heads, rank, rotated } = mamba3Sizes(this.config);
    const { headdim, dState } = this.config;
    return { angle: [batch, heads, rotated], ssm: [batch, heads, headdim, dState], B: [batch, heads, rank, dState], x: [batch, heads, rank, headdim] };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  /** What the scan takes, and the gate [.., H, P], from x [.., D]. */
  #project(x: Tensor): { inputs: Mamba3ScanInputs; gate: Tensor } {
    const { inner, heads, rank, rotated, coefficients } = mamba3Sizes(this.config);
    const { ngroups, dState, headdim } = this.config;
    const [gate, signal, B, C, rawDt, rawA, trap, angles] = tf.split(
      affine(x, this.parameters['in_proj.weight']), [inner, inner, coefficients, coefficients, heads, heads, heads, rotated], -1,
    );
    const leading = x.shape.slice(0, -1);
    const ranked = (value: Tensor, norm: string): Tensor => rmsNorm(tf.reshape(value, [...leading, rank, ngroups, dState]), this.parameters[norm], { epsilon: EPSILON });
    const dt = tf.softplus(tf.add(rawDt, this.parameters.dt_bias));
    return {
      gate: tf.reshape(gate, [...leading, heads, headdim]),
      inputs: {
        x: tf.reshape(signal, [...leading, heads, headdim]), dt, logDecay: tf.neg(tf.mul(this.#rate(rawA), dt)), trap,
        B: ranked(B, 'B_norm.weight'), C: ranked(C, 'C_norm.weight'), angles: tf.reshape(angles, [...leading, 1, rotated]),
      },
    };
  }

  /** Decay rate, positive: 1 + a for a >= 0, 1 / (1 - a) below, not under the floor. */
  #rate(a: Tensor): Tensor {
    return tf.maximum(tf.add(tf.relu(a), tf.reciprocal(tf.add(tf.relu(tf.neg(a)), 1))), this.config.AFloor);
  }

  #scanOptions(gate: Tensor): Mamba3ScanStepOptions {
    const { heads } = mamba3Sizes(this.config);
    const { B_bias, C_bias, D, mimo_x, mimo_z, mimo_o } = this.parameters;
    return {
      bBias: B_bias, cBias: C_bias, D, z: gate, xProjection: mimo_x, zProjection: mimo_z, outProjection: mimo_o,
      ...(this.config.isOutprojNorm && { normWeight: tf.reshape(this.parameters['norm.weight'], [heads, this.config.headdim]), normEpsilon: EPSILON }),
    };
  }

  #finish(scanned: Tensor): Tensor {
    return affine(tf.reshape(scanned, [...scanned.shape.slice(0, -2), mamba3Sizes(this.config).inner]), this.parameters['out_proj.weight']);
  }
}
