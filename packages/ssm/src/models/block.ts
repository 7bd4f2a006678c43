import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { GatedMlp, LayerNorm, RmsNorm } from '../layers/index.ts';
import type { ApplyOptions, ParameterTree, PointwiseLayer, SequenceLayer, SequenceResult, State } from '../layers/index.ts';
import type { Random } from '../random/index.ts';
import { mixerOfLayer } from './backbone-config.ts';
import type { BackboneConfig } from './backbone-config.ts';
import { mixer } from './mixers.ts';

/** Random numbers for dropout, by name of the place; absent outside of training. */
export type Dropout = (name: string, x: Tensor) => Tensor;

/** x = x + mixer(norm(x)), then x = x + mlp(norm2(x)) where there is an MLP: the pre-norm block of mamba_ssm. */
export class Block {
  readonly norm: PointwiseLayer;
  readonly mixer: SequenceLayer;
  readonly norm2: PointwiseLayer | undefined;
  readonly mlp: PointwiseLayer | undefined;

  constructor(config: BackboneConfig, random: Random, index = 0) {
    const { dModel, dIntermediate } = config;
    this.norm = norm(config, random.split('norm'));
    const { name, options } = mixerOfLayer(config, index);
    this.mixer = mixer(name).create({ ...options, dModel }, random.split('mixer'));
    if (dIntermediate > 0) {
      this.norm2 = norm(config, random.split('norm2'));
      this.mlp = GatedMlp.create({ dModel, hidden: dIntermediate }, { random: random.split('mlp') });
    }
  }

  get parameters(): ParameterTree {
    return {
      norm: this.norm.parameters, mixer: this.mixer.parameters,
      ...(this.norm2 && this.mlp && { norm2: this.norm2.parameters, mlp: this.mlp.parameters }),
    };
  }

  apply(x: Tensor, options: ApplyOptions, dropout: Dropout): SequenceResult {
    return this.#around(x, (normed) => this.mixer.apply(normed, options), dropout, options.observe);
  }

  step(x: Tensor, state: State): SequenceResult {
    return this.#around(x, (normed) => this.mixer.step(normed, state), (_name, value) => value);
  }

  #around(x: Tensor, mix: (normed: Tensor) => SequenceResult, dropout: Dropout, observe?: ApplyOptions['observe']): SequenceResult {
    const mixed = mix(this.norm.apply(x));
    observe?.('mixer', mixed.output);
    let output = tf.add(x, dropout('mixer', mixed.output));
    if (this.norm2 && this.mlp) {
      const changed = this.mlp.apply(this.norm2.apply(output));
      observe?.('mlp', changed);
      output = tf.add(output, dropout('mlp', changed));
    }
    return { output, state: mixed.state };
  }

  dispose(): void {
    for (const part of [this.norm, this.mixer, this.norm2, this.mlp]) part?.dispose();
  }
}

/** The norm a configuration asks for. */
export function norm(config: BackboneConfig, random: Random): PointwiseLayer {
  const options = { size: config.dModel, epsilon: config.normEpsilon };
  return config.rmsNorm ? RmsNorm.create(options, { random }) : LayerNorm.create(options, { random });
}
