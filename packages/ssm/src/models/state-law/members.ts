import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import type { SequenceLayer } from '../../layers/index.ts';
import type { Random } from '../../random/index.ts';
import { Backbone } from '../backbone.ts';
import type { GivenBackboneConfig } from '../backbone-config.ts';
import { mixers } from '../mixers.ts';
import { Rwkv } from '../rwkv/index.ts';

/** Something that must obey the state law. */
export interface LawMember {
  readonly name: string;
  create(random: Random): SequenceLayer;
  /** Random input [1, length, ...]. */
  input(length: number, random: Random): Tensor;
  /** Whether a gradient with respect to the input exists; tokens have none. */
  readonly differentiable: boolean;
}

const WIDTH = 6;

const numbers = (length: number, random: Random): Tensor => tf.tensor(random.normal(length * WIDTH), [1, length, WIDTH]);
const tokens = (length: number, random: Random): Tensor => tf.tensor(Int32Array.from({ length }, () => random.integer(11)), [1, length], 'int32');

/**
 * The only things without a state, and so without the law (DESIGN.md section 2): wrappers that read both or many ways, S4ND, BiGS and vision scans. Each is
 * tested for what it promises instead.
 */
export const LAW_EXEMPTIONS: readonly RegExp[] = [/^bidirectional/, /^multi-directional/, /^s4nd$/, /^bigs$/, /scan/];

/** Names of the registered mixers that the law does not bind. */
export function lawExempt(): string[] {
  return mixers().filter(({ capabilities }) => capabilities.state === 'none').map(({ name }) => name);
}

/** Every registered mixer as a layer, those without a state left out, and backbones that put them together. */
export function lawMembers(): LawMember[] {
  const layers = mixers().filter(({ capabilities }) => capabilities.state !== 'none').map((entry): LawMember => ({
    name: entry.name, differentiable: true, input: numbers, create: (random) => entry.create({ ...entry.tiny, dModel: WIDTH }, random),
  }));
  const backbone = (name: string, config: GivenBackboneConfig): LawMember => {
    const isText = config.vocabSize !== undefined;
    return { name, differentiable: !isText, input: isText ? tokens : numbers, create: (random) => Backbone.create(config, { random }) };
  };
  const rwkv = ([4, 5, 6, 7] as const).map((version): LawMember => ({
    name: `rwkv (version ${version}, tokens)`, differentiable: false, input: tokens, create: (random) => Rwkv.create({ preset: 'tiny', version, outputScale: 1 }, { random }),
  }));
  return [
    ...layers, ...rwkv,
    backbone('backbone (mamba, mlp)', { dModel: 8, nLayer: 2, ssmCfg: { dState: 4 }, dIntermediate: 12, inputSize: WIDTH, outputSize: 3 }),
    backbone('backbone (lstm, layer norm)', { dModel: 8, nLayer: 2, mixer: 'lstm', rmsNorm: false, inputSize: WIDTH, outputSize: 3 }),
    backbone('backbone (gru, attention, interleaved)', { dModel: 6, nLayer: 3, layerMixers: ['gru', 'attention'], mixerCfg: { attention: { numHeads: 3, maximumLength: 40 } }, inputSize: WIDTH, outputSize: 3 }),
    backbone('backbone (mamba, tokens)', { dModel: 8, nLayer: 2, ssmCfg: { dState: 4 }, vocabSize: 11 }),
  ];
}
