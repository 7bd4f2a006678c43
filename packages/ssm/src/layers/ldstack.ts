import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError } from '../errors/index.ts';
import { linearScan } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { normal } from '../random/index.ts';
import { affine } from './affine.ts';
import { multiplyComplex, realOfAffine } from './complex-pairs.ts';
import { createParameters } from './parameters.ts';
import type { ParameterSpecs, Parameters } from './parameters.ts';
import { seededRandom } from './seeded-random.ts';
import type { SeedOptions } from './seeded-random.ts';
import type { SequenceResult } from './sequence-layer.ts';
import type { StateSpec } from './state.ts';
import { checkWhole, completeConfig, StreamingLayer } from './streaming-layer.ts';

export interface LdStackConfig {
  readonly dModel: number;
  /** State size n of each system; n / 2 eigenvalues are kept, the others are their conjugates. Default 32. */
  readonly dState: number;
  /** Single-input systems k side by side, each fed by one projection of the input. Default dModel. */
  readonly projections: number;
  /** Depth of the stack: 1 is linear, more levels damp the state by what the level below remembers. Default 2. */
  readonly depth: number;
}

/** The complex states of all levels, [B, depth, k * n / 2] each. */
export type LdStackState = { readonly re: Tensor; readonly im: Tensor };

/**
 * LDStack: k single-input, multi-output linear systems in complex eigenvalue form, s[t] = a[t] lambda s[t-1] + x[t];  y[t] = 2 Re(C s[t]) + D x[t], x a projection of the input.
 * The stack runs them `depth` times: the first level with a = 1, each further one with a[t] = 1 / sqrt(1 + |lambda s[t]|^2) of the level below, which makes it
 * a time-varying, saturating recurrence that is still linear in its own state.
 *
 * @remarks Conjugate pairs hold by construction: one of each is kept and the real part is doubled. The official code multiplies inputs and outputs by the factors of a
 * canonical basis that depend on all eigenvalues; here C is free and takes them in. Its projections are fixed; here they are trained. Time O(depth L k n), state O(depth k n).
 * @see Kaul 2020, "Linear Dynamical Systems as a Core Computational Primitive", NeurIPS 2020, sections 3 and 4. Official: shivak/ldstack, ldstack.py, `LDStackInner`.
 * @example
 * const layer = LdStack.create({ dModel: 8, dState: 4 }, { seed: 1 });
 * const { output } = layer.apply(tf.zeros([2, 100, 8]));   // [2, 100, 8]
 */
export class LdStack extends StreamingLayer<LdStackState, LdStackConfig> {
  static readonly kind = 'ldstack';
  readonly kind = LdStack.kind;

  constructor(config: { dModel: number } & Partial<LdStackConfig>, parameters: Parameters) {
    super(ldStackConfig(config), parameters);
  }

  static create(config: { dModel: number } & Partial<LdStackConfig>, options: SeedOptions = {}): LdStack {
    const complete = ldStackConfig(config);
    return new LdStack(complete, createParameters(ldStackParameters(complete), seededRandom(options)));
  }

  stateSpec(batch: number): StateSpec {
    const { projections, dState, depth } = this.config;
    const shape = [batch, depth, projections * dState / 2];
    return { re: shape, im: shape };
  }

  protected forward(x: Tensor, state: LdStackState | undefined, sequence: SequenceOptions): SequenceResult<LdStackState> {
    const { projections, dState, depth } = this.config;
    const [batch, length] = x.shape as [number, number, number];
    const size = projections * dState / 2;
    const w = this.parameters;
    const input = affine(x, w['R']!); // [B, L, k]
    const driven = tf.reshape(tf.mul(tf.expandDims(input, -1), tf.ones([dState / 2])), [batch, length, size]);
    const modulus = tf.reshape(tf.exp(tf.neg(tf.exp(w['log_rate']!))), [size]), angle = tf.reshape(w['eig_angle']!, [size]);
    const lambda = { re: tf.mul(modulus, tf.cos(angle)), im: tf.mul(modulus, tf.sin(angle)) };
    const begin = (level: number) => state && { re: level_(state.re, level), im: level_(state.im, level) };
    let scanned = linearScan(lambda, driven, { ...sequence, state: begin(0) });
    const finals = [scanned.state];
    for (let level = 1; level < depth; level++) {
      const turned = multiplyComplex(lambda, scanned.output);
      const damping = tf.rsqrt(tf.add(1, tf.add(tf.square(turned.re), tf.square(turned.im))));
      scanned = linearScan({ re: tf.mul(damping, lambda.re), im: tf.mul(damping, lambda.im) }, driven, { ...sequence, state: begin(level) });
      finals.push(scanned.state);
    }
    const read = tf.mul(2, realOfAffine(scanned.output, { re: w['C_re']!, im: w['C_im']! }));
    const output = tf.add(tf.add(read, affine(input, w['D']!)), w['D0']!);
    return { output, state: { re: tf.stack(finals.map(({ re }) => re), 1), im: tf.stack(finals.map(({ im }) => im), 1) } };
  }
}

const level_ = (tensor: Tensor, level: number): Tensor => tf.squeeze(tf.slice(tensor, [0, level], [tensor.shape[0]!, 1]), [1]);

export function ldStackConfig(given: { dModel: number } & Partial<LdStackConfig>): LdStackConfig {
  const config = completeConfig<LdStackConfig>('LDStack', given, { dState: 32, projections: given.dModel, depth: 2 });
  checkWhole('LDStack', { dState: config.dState, projections: config.projections, depth: config.depth });
  if (config.dState % 2 !== 0) throw new ConfigError(`LDStack: dState is ${config.dState}, expected an even number: conjugate pairs are kept by one of each.`);
  return config;
}

/** Eigenvalues just inside the unit circle (modulus .999) with uniform phases; the official ones lie on it. R normal as official, scaled by 1 / sqrt(D). */
export function ldStackParameters({ dModel, dState, projections }: LdStackConfig): ParameterSpecs {
  const half = dState / 2;
  return {
    R: { shape: [projections, dModel], initialise: normal(1 / Math.sqrt(dModel)) },
    log_rate: { shape: [projections, half], initialise: () => new Float32Array(projections * half).fill(Math.log(-Math.log(0.999))) },
    eig_angle: { shape: [projections, half], initialise: (_shape, random) => random.uniform(projections * half, { low: -Math.PI, high: Math.PI }) },
    C_re: { shape: [dModel, projections * half], initialise: normal(1 / (dState * Math.sqrt(projections))) },
    C_im: { shape: [dModel, projections * half], initialise: normal(1 / (dState * Math.sqrt(projections))) },
    D: { shape: [dModel, projections], initialise: normal(1 / Math.sqrt(projections)) },
    D0: { shape: [dModel], initialise: ([count]) => new Float32Array(count!) },
  };
}
