import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ShapeError } from '../errors/index.ts';
import { linearScan } from '../ops/index.ts';
import type { ComplexTensor, SequenceOptions } from '../ops/index.ts';
import { geluTanh } from './activations.ts';
import { affineToComplex, multiplyComplex, realOfAffine } from './complex-pairs.ts';
import { affine } from './affine.ts';
import { assignParameters, createParameters } from './parameters.ts';
import type { Parameters, WeightSource } from './parameters.ts';
import { discretiseDiagonal } from './s5-discretise.ts';
import { s5Config, s5Parameters, s5States } from './s5-parameters.ts';
import type { S5Config } from './s5-parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { LayerCapabilities, SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { StreamingLayer } from './streaming-layer.ts';

/** The complex state as its two parts, [B, P] each. */
export type S5State = { readonly re: Tensor; readonly im: Tensor };

/**
 * S5: one multi-input, multi-output system, x[t] = Lambda-bar x[t-1] + B-bar u[t];  y[t] = 2 Re(C x[t]) + D u[t], then activation and gate.
 *
 * @remarks One step size for each state. `bidirectional` adds a second pass from the end with its own C2; such a layer has no state and no step.
 * `norm` and `residual` make it the whole official sequence layer; without them it is the mixer of a backbone. Time O(L P H), state O(P).
 * @see Smith et al. 2023, arXiv 2208.04933. Official: lindermanlab/S5, s5/ssm.py `S5SSM` (names `seq.*`) and s5/layers.py `SequenceLayer`.
 * @example
 * const layer = S5.create({ dModel: 8, ssmSize: 16 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class S5 extends StreamingLayer<S5State, S5Config> {
  static readonly kind = 's5';
  readonly kind = S5.kind;
  override readonly capabilities: LayerCapabilities;

  constructor(config: { dModel: number } & Partial<S5Config>, parameters: Parameters) {
    super(s5Config(config), parameters);
    const { bidirectional } = this.config;
    this.capabilities = { state: bidirectional ? 'none' : 'constant', causal: !bidirectional, runtime: false };
  }

  /** A layer with the published first values: HiPPO-N eigenvalues in blocks, log-uniform steps. */
  static create(config: { dModel: number } & Partial<S5Config>, options: SeedOptions = {}): S5 {
    const complete = s5Config(config);
    return new S5(complete, createParameters(s5Parameters(complete), seededRandom(options)));
  }

  /** @param weights - By the flax names joined with dots; matrices of `out1` and `out2` are [inputs, outputs], as flax stores them. */
  static fromOfficial(weights: WeightSource, config: { dModel: number } & Partial<S5Config>): S5 {
    const layer = S5.create(config);
    try {
      assignParameters(layer.parameters, weights, { what: 'S5.fromOfficial' });
    } catch (error) {
      layer.dispose();
      throw error;
    }
    return layer;
  }

  stateSpec(batch: number): StateSpec {
    if (this.config.bidirectional) return {};
    const shape = [batch, s5States(this.config)];
    return { re: shape, im: shape };
  }

  override step(x: Tensor, state: S5State): SequenceResult<S5State> {
    if (this.config.bidirectional) throw new ShapeError('S5.step: the layer is bidirectional and reads whole sequences only, expected bidirectional: false for steps. Use apply(x).');
    return super.step(x, state);
  }

  /** Lambda-bar [P] and B-bar [P, H]. The caller disposes them. */
  discretised(): { decay: ComplexTensor; input: ComplexTensor } {
    return tf.tidy(() => {
      const w = this.parameters;
      const { clipEigs, discretization, stepRescale } = this.config;
      const lambda = { re: clipEigs ? tf.minimum(w['seq.Lambda_re'], -1e-4) : w['seq.Lambda_re'], im: w['seq.Lambda_im'] };
      const step = tf.mul(tf.exp(tf.squeeze(w['seq.log_step'], [1])), stepRescale);
      const { decay, input } = discretiseDiagonal(lambda, step, discretization);
      const column = (part: Tensor): Tensor => tf.expandDims(part, 1);
      return { decay: { re: tf.clone(decay.re), im: tf.clone(decay.im) }, input: multiplyComplex({ re: column(input.re), im: column(input.im) }, split(w['seq.B'])) };
    });
  }

  /** The system alone, without norm, activation and skip: output [B, L, H], states [B, L, P] of the forward pass, final state. */
  system(u: Tensor, state?: S5State, sequence: SequenceOptions = {}): { output: Tensor; states: ComplexTensor; state: ComplexTensor } {
    return tf.tidy(() => {
      const { decay, input } = this.discretised();
      const w = this.parameters;
      const driven = affineToComplex(u, input);
      const there = linearScan(decay, driven, { ...sequence, state });
      const factor = this.config.conjSym ? 2 : 1;
      let read: Tensor;
      if (this.config.bidirectional) {
        const back = linearScan(decay, driven, { ...sequence, reverse: true }).output;
        read = tf.add(realOfAffine(there.output, split(w['seq.C1'])), realOfAffine(back, split(w['seq.C2'])));
      } else read = realOfAffine(there.output, split(w['seq.C']));
      return { output: tf.add(tf.mul(read, factor), tf.mul(u, w['seq.D'])), states: there.output, state: there.state };
    });
  }

  protected forward(x: Tensor, state: S5State | undefined, sequence: SequenceOptions): SequenceResult<S5State> {
    const { prenorm, residual, bidirectional } = this.config;
    const system = this.system(prenorm ? this.#normalise(x) : x, state, sequence);
    const activated = this.#activate(system.output);
    const added = residual ? tf.add(x, activated) : activated;
    return { output: prenorm ? added : this.#normalise(added), state: (bidirectional ? {} : system.state) as S5State };
  }

  /** The gates of the official layer; gelu is its tanh form. */
  #activate(y: Tensor): Tensor {
    const { activation } = this.config;
    const dense = (name: string, input: Tensor): Tensor => affine(input, tf.transpose(this.parameters[`${name}.kernel`]), this.parameters[`${name}.bias`]);
    if (activation === 'none') return y;
    const bent = geluTanh(y);
    if (activation === 'full_glu') return tf.mul(dense('out1', bent), tf.sigmoid(dense('out2', bent)));
    if (activation === 'half_glu1') return tf.mul(bent, tf.sigmoid(dense('out2', bent)));
    if (activation === 'half_glu2') return tf.mul(y, tf.sigmoid(dense('out2', bent)));
    return bent;
  }

  #normalise(x: Tensor): Tensor {
    const { norm } = this.config;
    const w = this.parameters;
    if (norm === 'none') return x;
    // A batch norm uses its running statistics: only so do a step and a sequence agree.
    const mean = norm === 'layer' ? tf.mean(x, -1, true) : w['batch_stats.norm.mean'];
    const centred = tf.sub(x, mean);
    const variance = norm === 'layer' ? tf.mean(tf.square(centred), -1, true) : w['batch_stats.norm.var'];
    const scaled = tf.div(centred, tf.sqrt(tf.add(variance, norm === 'layer' ? 1e-6 : 1e-5)));
    return tf.add(tf.mul(scaled, w['norm.scale']), w['norm.bias']);
  }
}

/** A parameter with re, im on its last axis. */
function split(parameter: Tensor): ComplexTensor {
  const [re, im] = tf.unstack(parameter, -1);
  return { re: re!, im: im! };
}
