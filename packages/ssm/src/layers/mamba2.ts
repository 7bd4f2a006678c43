import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';
import { causalConv1d, causalConv1dStep, rmsNorm, ssdScan, ssdScanStep } from '../ops/index.ts';
import type { SsdScanStepOptions } from '../ops/index.ts';
import { affine } from './affine.ts';
import { camelKeys } from './mamba-config.ts';
import { mamba2Config, mamba2Sizes } from './mamba2-config.ts';
import type { GivenMamba2Config, Mamba2Config } from './mamba2-config.ts';
import { mamba2Parameters } from './mamba2-parameters.ts';
import { assignParameters, createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

/** `convolution` [B, W - 1, E + 2 G N]: the last inputs of the convolution, oldest first; `ssm` [B, H, P, N]: the scan's state. */
export type Mamba2State = { readonly convolution: Tensor; readonly ssm: Tensor };

/** Parts of in_proj's output: the pair beside the scan (where dSsm is smaller than the inner width), gate, convolution's input, step sizes. */
type Projected = { beside: readonly [Tensor, Tensor] | null; gate: Tensor; signal: Tensor; dt: Tensor };

/**
 * Mamba-2: for each head, h[t] = exp(dt[t] A) h[t-1] + dt[t] x[t] B[t]^T;  y[t] = h[t] C[t] + D x[t], where (x, B, C) = silu(conv(W u)) and dt = softplus(W u + bias);
 * then the gated RMSNorm and the output projection.
 *
 * @remarks Parameters have the names and shapes of the official checkpoints (`in_proj.weight`, `A_log`, `dt_bias`, `norm.weight`, ...). Time O(L E (N + 64)), state
 * O(E N + W (E + G N)), whatever the length. The convolution's tail holds W - 1 inputs; the official step state holds W, of which the first is never read again.
 * @see Dao and Gu 2024, arXiv 2405.21060, section 7. Official: state-spaces/mamba, mamba_ssm/modules/mamba2.py.
 * @example
 * const layer = Mamba2.create({ dModel: 64 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64] and { convolution, ssm }
 * const next = layer.step(tf.zeros([2, 64]), state);               // [2, 64]
 */
export class Mamba2 implements SequenceLayer<Mamba2State> {
  static readonly kind = 'mamba2';
  readonly kind = Mamba2.kind;
  readonly config: Mamba2Config;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;

  /** @param parameters - Variables by the names of `mamba2Parameters(config)`; the layer owns them from now on. */
  constructor(config: GivenMamba2Config, parameters: Parameters) {
    this.config = mamba2Config(config);
    this.parameters = parameters;
  }

  /** A layer with the published first values. */
  static create(config: GivenMamba2Config, options: SeedOptions = {}): Mamba2 {
    const complete = mamba2Config(config);
    return new Mamba2(complete, createParameters(mamba2Parameters(complete), seededRandom(options)));
  }

  /**
   * A layer with given weights.
   *
   * @param weights - By official names: `in_proj.weight`, `conv1d.weight`, ...
   * @param config - Official keys, `d_state` or `dState`. `conv_bias`, `bias` and `rmsnorm` must say what the weights hold.
   */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Mamba2 {
    const layer = Mamba2.create(camelKeys(config) as GivenMamba2Config);
    try {
      assignParameters(layer.parameters, weights, { what: 'Mamba2.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<Mamba2State> = {}): SequenceResult<Mamba2State> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`Mamba2.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    const sequence = sequenceOptions(options);
    if (options.state !== undefined) checkState('Mamba2.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const { beside, gate, signal, dt } = this.#project(x);
      const convolved = causalConv1d(signal, this.#filter(), { ...sequence, ...this.#activation(), ...(options.state && { state: options.state.convolution }) });
      const { input, B, C } = this.#selection(convolved.output);
      const scanned = ssdScan(input, dt, this.#decay(), B, C, { ...sequence, ...this.#scanOptions(gate), ...(options.state && { state: options.state.ssm }) });
      return { output: this.#finish(scanned.output, gate, beside), state: { convolution: convolved.state, ssm: scanned.state } };
    });
  }

  step(x: Tensor, state: Mamba2State): SequenceResult<Mamba2State> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`Mamba2.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState('Mamba2.step', this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const { beside, gate, signal, dt } = this.#project(x);
      const convolved = causalConv1dStep(state.convolution, signal, this.#filter(), this.#activation());
      const { input, B, C } = this.#selection(convolved.output);
      const scanned = ssdScanStep(state.ssm, input, dt, this.#decay(), B, C, this.#scanOptions(gate));
      return { output: this.#finish(scanned.output, gate, beside), state: { convolution: convolved.state, ssm: scanned.state } };
    });
  }

  initialState(batch: number): Mamba2State {
    return zeroState<Mamba2State>(this.stateSpec(batch));
  }

  stateSpec(batch: number): StateSpec {
    const { convolved, heads } = mamba2Sizes(this.config);
    return { convolution: [batch, this.config.dConv - 1, convolved], ssm: [batch, heads, this.config.headdim, this.config.dState] };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  #project(x: Tensor): Projected {
    const { ssm, heads, beside, convolved } = mamba2Sizes(this.config);
    const projected = affine(x, this.parameters['in_proj.weight'], this.parameters['in_proj.bias']);
    const parts = tf.split(projected, [...(beside > 0 ? [beside, beside] : []), ssm, convolved, heads], -1);
    const [gate, signal, dt] = parts.slice(-3);
    return { beside: beside > 0 ? [parts[0], parts[1]] : null, gate, signal, dt };
  }

  #filter(): Tensor {
    return tf.reshape(this.parameters['conv1d.weight'], [mamba2Sizes(this.config).convolved, this.config.dConv]);
  }

  #activation(): { activation: 'silu'; bias?: Tensor } {
    const bias = this.parameters['conv1d.bias'];
    return { activation: 'silu', ...(bias && { bias }) };
  }

  /** Heads of x [.., H, P], and B and C [.., G, N], from the convolved signal. */
  #selection(signal: Tensor): { input: Tensor; B: Tensor; C: Tensor } {
    const { ssm } = mamba2Sizes(this.config);
    const { ngroups, dState } = this.config;
    const [input, B, C] = tf.split(signal, [ssm, ngroups * dState, ngroups * dState], -1);
    const groups = [...signal.shape.slice(0, -1), ngroups, dState];
    return { input: this.#heads(input), B: tf.reshape(B, groups), C: tf.reshape(C, groups) };
  }

  #heads(x: Tensor): Tensor {
    return tf.reshape(x, [...x.shape.slice(0, -1), mamba2Sizes(this.config).heads, this.config.headdim]);
  }

  /** A = -exp(A_log) [H], always negative. */
  #decay(): Tensor {
    return tf.neg(tf.exp(this.parameters.A_log));
  }

  #scanOptions(gate: Tensor): SsdScanStepOptions {
    const { heads } = mamba2Sizes(this.config);
    const { D } = this.parameters;
    return {
      D: this.config.DHasHdim ? tf.reshape(D, [heads, this.config.headdim]) : D, dtBias: this.parameters.dt_bias, dtSoftplus: true,
      ...(this.config.dtLimit && { dtLimit: this.config.dtLimit }), ...(!this.config.rmsnorm && { z: this.#heads(gate) }),
    };
  }

  /** Gated norm, the product beside the scan, output projection. */
  #finish(scanned: Tensor, gate: Tensor, beside: Projected['beside']): Tensor {
    const { ssm } = mamba2Sizes(this.config);
    const { ngroups, normGroups, normEpsilon: epsilon, normBeforeGate } = this.config;
    const groups = normGroups ?? ngroups;
    const flat = tf.reshape(scanned, [...scanned.shape.slice(0, -2), ssm]);
    const normed = this.config.rmsnorm ? rmsNorm(flat, this.parameters['norm.weight'], { z: gate, groups, epsilon, normBeforeGate }) : flat;
    const whole = beside ? tf.concat([tf.mul(tf.mul(beside[0], tf.sigmoid(beside[0])), beside[1]), normed], -1) : normed;
    return affine(whole, this.parameters['out_proj.weight'], this.parameters['out_proj.bias']);
  }
}
