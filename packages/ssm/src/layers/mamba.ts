import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';
import { causalConv1d, causalConv1dStep, rmsNorm, selectiveScan, selectiveScanStep } from '../ops/index.ts';
import { affine } from './affine.ts';
import { camelKeys, mambaConfig, mambaSizes } from './mamba-config.ts';
import type { MambaConfig } from './mamba-config.ts';
import { mambaParameters } from './mamba-parameters.ts';
import { assignParameters, createParameters, disposeParameters } from './parameters.ts';
import type { Parameters, WeightSource } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import { sequenceOptions } from './sequence-layer.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { StateSpec } from './state.ts';

/** `convolution` [B, W - 1, E]: the last inputs of the convolution, oldest first; `ssm` [B, E, N]: the scan's state. */
export type MambaState = { readonly convolution: Tensor; readonly ssm: Tensor };

/**
 * Mamba: h[t] = exp(dt[t] A) h[t-1] + dt[t] B[t] u[t];  y[t] = (C[t] . h[t] + D u[t]) * silu(z[t]), where u = silu(conv(x W_in)) and dt, B, C are
 * projections of u.
 *
 * @remarks Parameters have the names and shapes of the official checkpoints (`in_proj.weight`, `A_log`, ...). Time O(L E N), state O(E (N + W)),
 * whatever the length. The convolution's tail holds W - 1 inputs; the official step state holds W, of which the first is never read again.
 * @see Gu and Dao 2023, arXiv 2312.00752, section 3. Official: state-spaces/mamba, mamba_ssm/modules/mamba_simple.py.
 * @example
 * const layer = Mamba.create({ dModel: 64 }, { seed: 1 });
 * const { output, state } = layer.apply(tf.zeros([2, 100, 64]));   // [2, 100, 64] and { convolution, ssm }
 * const next = layer.step(tf.zeros([2, 64]), state);               // [2, 64]
 */
export class Mamba implements SequenceLayer<MambaState> {
  static readonly kind = 'mamba';
  readonly kind = Mamba.kind;
  readonly config: MambaConfig;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly parameters: Parameters;

  /** @param parameters - Variables by the names of `mambaParameters(config)`; the layer owns them from now on. */
  constructor(config: { dModel: number } & Partial<MambaConfig>, parameters: Parameters) {
    this.config = mambaConfig(config);
    this.parameters = parameters;
  }

  /** A layer with the published first values. */
  static create(config: { dModel: number } & Partial<MambaConfig>, options: SeedOptions = {}): Mamba {
    const complete = mambaConfig(config);
    return new Mamba(complete, createParameters(mambaParameters(complete), seededRandom(options)));
  }

  /**
   * A layer with given weights.
   *
   * @param weights - By official names: `in_proj.weight`, `conv1d.weight`, ...
   * @param config - Official keys, `d_state` or `dState`. `conv_bias` and `bias` must say what the weights hold.
   */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Mamba {
    const layer = Mamba.create(camelKeys(config) as { dModel: number } & Partial<MambaConfig>);
    try {
      assignParameters(layer.parameters, weights, { what: 'Mamba.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }

  apply(x: Tensor, options: ApplyOptions<MambaState> = {}): SequenceResult<MambaState> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`Mamba.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    const { inner, width } = mambaSizes(this.config);
    const sequence = sequenceOptions(options);
    if (options.state !== undefined) checkState('Mamba.apply', this.stateSpec(x.shape[0]), options.state);
    return tf.tidy(() => {
      const weights = this.parameters;
      const [signal, gate] = tf.split(affine(x, weights['in_proj.weight'], weights['in_proj.bias']), 2, -1); // [B, L, E] each
      const convolved = causalConv1d(signal, tf.reshape(weights['conv1d.weight'], [inner, width]), {
        ...sequence, activation: 'silu', ...(weights['conv1d.bias'] && { bias: weights['conv1d.bias'] }), ...(options.state && { state: options.state.convolution }),
      });
      const { delta, B, C } = this.#selection(convolved.output);
      const scanned = selectiveScan(convolved.output, delta, this.#decay(), B, C, {
        ...sequence, D: weights.D, z: gate, deltaBias: weights['dt_proj.bias'], deltaSoftplus: true, ...(options.state && { state: options.state.ssm }),
      });
      const output = affine(scanned.output, weights['out_proj.weight'], weights['out_proj.bias']);
      return { output, state: { convolution: convolved.state, ssm: scanned.state } };
    });
  }

  step(x: Tensor, state: MambaState): SequenceResult<MambaState> {
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`Mamba.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState('Mamba.step', this.stateSpec(x.shape[0]), state);
    const { inner, width } = mambaSizes(this.config);
    return tf.tidy(() => {
      const weights = this.parameters;
      const [signal, gate] = tf.split(affine(x, weights['in_proj.weight'], weights['in_proj.bias']), 2, -1); // [B, E] each
      const convolved = causalConv1dStep(state.convolution, signal, tf.reshape(weights['conv1d.weight'], [inner, width]), {
        activation: 'silu', ...(weights['conv1d.bias'] && { bias: weights['conv1d.bias'] }),
      });
      const { delta, B, C } = this.#selection(convolved.output);
      const scanned = selectiveScanStep(state.ssm, convolved.output, delta, this.#decay(), B, C, {
        D: weights.D, z: gate, deltaBias: weights['dt_proj.bias'], deltaSoftplus: true,
      });
      const output = affine(scanned.output, weights['out_proj.weight'], weights['out_proj.bias']);
      return { output, state: { convolution: convolved.state, ssm: scanned.state } };
    });
  }

  initialState(batch: number): MambaState {
    return zeroState<MambaState>(this.stateSpec(batch));
  }

  stateSpec(batch: number): StateSpec {
    const { inner, state, width } = mambaSizes(this.config);
    return { convolution: [batch, width - 1, inner], ssm: [batch, inner, state] };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  /** Delta before bias and softplus [.., E], B and C [.., N] from the convolved signal [.., E]. */
  #selection(signal: Tensor): { delta: Tensor; B: Tensor; C: Tensor } {
    const { state, rank } = mambaSizes(this.config);
    const [low, B, C] = tf.split(affine(signal, this.parameters['x_proj.weight']), [rank, state, state], -1);
    return { delta: affine(this.#normed('dt', low), this.parameters['dt_proj.weight']), B: this.#normed('b', B), C: this.#normed('c', C) };
  }

  #normed(which: 'dt' | 'b' | 'c', x: Tensor): Tensor {
    const { innerNorm, innerNormEpsilon: epsilon } = this.config;
    return innerNorm === 'none' ? x : rmsNorm(x, this.parameters[`${which}_layernorm.weight`] ?? null, { epsilon });
  }

  /** A = -exp(A_log) [E, N], always negative. */
  #decay(): Tensor {
    return tf.neg(tf.exp(this.parameters.A_log));
  }
}
