import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { LayerNorm, Rwkv4, Rwkv5, Rwkv6, Rwkv7, RwkvChannelMix } from '../../layers/index.ts';
import type { ApplyOptions, ParameterTree, SequenceLayer, State, StateSpec } from '../../layers/index.ts';
import type { Random } from '../../random/index.ts';
import type { RwkvConfig } from './rwkv-config.ts';

export type RwkvBlockState = { readonly att: State; readonly ffn: State };
export interface RwkvBlockResult { readonly output: Tensor; readonly state: RwkvBlockState; readonly valueFirst: Tensor | undefined }

function timeMix(config: RwkvConfig, layerIndex: number, random: Random): SequenceLayer {
  const { version, dModel, nLayer: layers, headSize, maaRank, decayRank, rateRank, valueRank, gateRank, outputScale } = config;
  const place = { dModel, layerIndex, layers, outputScale };
  if (version === 4) return Rwkv4.create(place, { random });
  if (version === 5) return Rwkv5.create({ ...place, headSize }, { random });
  if (version === 6) return Rwkv6.create({ ...place, headSize, maaRank, decayRank }, { random });
  return Rwkv7.create({ ...place, headSize, decayRank, rateRank, valueRank, gateRank }, { random });
}

/** x = x + timeMix(ln1(x)), then x = x + channelMix(ln2(x)); the first block norms its input too. */
export class RwkvBlock {
  readonly ln0: LayerNorm | undefined;
  readonly ln1: LayerNorm;
  readonly ln2: LayerNorm;
  readonly att: SequenceLayer;
  readonly ffn: RwkvChannelMix;

  constructor(config: RwkvConfig, layerIndex: number, random: Random) {
    const { dModel: size, version, dimFfn, nLayer: layers, outputScale } = config;
    if (layerIndex === 0) this.ln0 = LayerNorm.create({ size });
    this.ln1 = LayerNorm.create({ size });
    this.ln2 = LayerNorm.create({ size });
    this.att = timeMix(config, layerIndex, random.split('att'));
    this.ffn = RwkvChannelMix.create({ dModel: size, version, dimFfn, layerIndex, layers, outputScale }, { random: random.split('ffn') });
  }

  get parameters(): ParameterTree {
    return {
      ...(this.ln0 && { ln0: this.ln0.parameters }), ln1: this.ln1.parameters, ln2: this.ln2.parameters, att: this.att.parameters, ffn: this.ffn.parameters,
    };
  }

  stateSpec(batch: number): StateSpec {
    return { att: this.att.stateSpec(batch), ffn: this.ffn.stateSpec(batch) };
  }

  /** @param valueFirst - Of version 7, from the first block. Called inside a tidy. */
  apply(x: Tensor, options: ApplyOptions<RwkvBlockState>, valueFirst: Tensor | undefined): RwkvBlockResult {
    const { state, observe, ...sequence } = options;
    const input = this.ln0 ? this.ln0.apply(x) : x;
    const normed = this.ln1.apply(input);
    const given = { ...sequence, ...(state && { state: state.att }) };
    const mixed = this.att instanceof Rwkv7 ? this.att.applyInModel(normed, given as never, valueFirst) : this.att.apply(normed, given);
    observe?.('att', mixed.output);
    const between = tf.add(input, mixed.output);
    const channels = this.ffn.apply(this.ln2.apply(between), { ...sequence, ...(state && { state: state.ffn as never }) });
    observe?.('ffn', channels.output);
    return {
      output: tf.add(between, channels.output), state: { att: mixed.state, ffn: channels.state },
      valueFirst: 'valueFirst' in mixed ? mixed.valueFirst as Tensor : undefined,
    };
  }
}
