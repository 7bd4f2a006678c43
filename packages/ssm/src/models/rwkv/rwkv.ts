import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ShapeError } from '../../errors/index.ts';
import { assignParameters, checkState, disposeParameters, Embedding, LayerNorm, Linear, setValues, zeroState } from '../../layers/index.ts';
import type { ApplyOptions, LayerCapabilities, ParameterTree, SequenceLayer, SequenceResult, State, StateSpec, WeightSource } from '../../layers/index.ts';
import { normal, Random } from '../../random/index.ts';
import { RwkvBlock } from './rwkv-block.ts';
import type { RwkvBlockState } from './rwkv-block.ts';
import { configOfWeights, rwkvConfig } from './rwkv-config.ts';
import type { GivenRwkvConfig, RwkvConfig } from './rwkv-config.ts';

/** State of every block by its number: `att` of the time mix, `ffn` of the channel mix. */
export type RwkvState = { readonly blocks: { readonly [index: string]: RwkvBlockState } };

/**
 * RWKV language model, versions 4 to 7: embedding -> norm -> N x (time mix, channel mix) -> norm -> head.
 *
 * @remarks Parameters have the official names (`emb.weight`, `blocks.0.att.key.weight`, ...). State is [B, ...] of constant size. First values: those of the layers;
 * embeddings uniform in +-1e-4 and the head as large as the published orthogonal one of gain 1/2.
 * @see Peng et al., arXiv 2305.13048 (4), 2404.05892 (5 and 6), 2503.14456 (7). Official: BlinkDL/ChatRWKV, BlinkDL/RWKV-LM.
 * @example
 * const model = Rwkv.create({ preset: 'tiny', version: 7 }, { seed: 1 });
 * const { output } = model.apply(tf.zeros([2, 20], 'int32'));   // [2, 20, 16]
 */
export class Rwkv implements SequenceLayer<RwkvState> {
  readonly kind = 'rwkv';
  readonly config: RwkvConfig;
  readonly capabilities: LayerCapabilities = { state: 'constant', causal: true, runtime: false };
  readonly blocks: readonly RwkvBlock[];
  readonly #embedding: Embedding;
  readonly #norm: LayerNorm;
  readonly #head: Linear;

  private constructor(config: RwkvConfig, random: Random) {
    this.config = config;
    const { vocabSize, dModel, nLayer } = config;
    this.#embedding = Embedding.create({ vocabSize, dModel }, { random: random.split('emb') });
    setValues(this.#embedding.parameters['weight']!, random.split('emb').uniform(vocabSize * dModel, { low: -1e-4, high: 1e-4 }));
    this.blocks = Array.from({ length: nLayer }, (_, index) => new RwkvBlock(config, index, random.split('blocks').split(index)));
    this.#norm = LayerNorm.create({ size: dModel });
    this.#head = Linear.create({ inputs: dModel, outputs: vocabSize, bias: false }, { random: random.split('head') });
    setValues(this.#head.parameters['weight']!, normal(0.5 / Math.sqrt(dModel))([vocabSize, dModel], random.split('head')));
  }

  /** A model with the published first values. */
  static create(config: GivenRwkvConfig, options: { seed?: number | string; random?: Random } = {}): Rwkv {
    return new Rwkv(rwkvConfig(config), options.random ?? Random.fromSeed(options.seed ?? 0));
  }

  /** A model with given weights. @param weights - By official names; version and sizes follow from them. */
  static fromOfficial(weights: WeightSource): Rwkv {
    const given = (weights instanceof Map ? weights : new Map(Object.entries(weights))) as ReadonlyMap<string, { readonly shape: readonly number[] }>;
    const model = Rwkv.create(configOfWeights(given));
    try {
      assignParameters(model.parameters, weights, { what: 'Rwkv.fromOfficial' });
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.vocabSize; }

  get parameters(): ParameterTree {
    return {
      emb: this.#embedding.parameters, blocks: Object.fromEntries(this.blocks.map((block, index) => [index, block.parameters])),
      ln_out: this.#norm.parameters, head: this.#head.parameters,
    };
  }

  /** @param x - Tokens [B, L] int32. @returns logits [B, L, vocabSize] and the state after the last token. */
  apply(x: Tensor, options: ApplyOptions<RwkvState> = {}): SequenceResult<RwkvState> {
    if (x.rank !== 2) throw new ShapeError(`Rwkv.apply: x has shape [${x.shape}], expected token ids [B, L].`);
    if (options.state !== undefined) checkState('Rwkv.apply', this.stateSpec(x.shape[0]!), options.state as unknown as State);
    return tf.tidy(() => {
      const { state, observe, ...sequence } = options;
      let hidden = this.#embedding.apply(x);
      let valueFirst: Tensor | undefined;
      const blocks: { [index: string]: RwkvBlockState } = {};
      for (const [index, block] of this.blocks.entries()) {
        const result = block.apply(hidden, {
          ...sequence, ...(state && { state: state.blocks[index]! }), ...(observe && { observe: (name, tensor) => observe(`blocks.${index}.${name}`, tensor) }),
        }, valueFirst);
        hidden = result.output;
        valueFirst ??= result.valueFirst;
        blocks[index] = result.state;
      }
      const normed = this.#norm.apply(hidden);
      observe?.('norm_f', normed);
      return { output: this.#head.apply(normed), state: { blocks } };
    });
  }

  /** One token. @param x - Tokens [B]. */
  step(x: Tensor, state: RwkvState): SequenceResult<RwkvState> {
    if (x.rank !== 1) throw new ShapeError(`Rwkv.step: x has shape [${x.shape}], expected token ids [B].`);
    return tf.tidy(() => {
      const result = this.apply(tf.expandDims(x, 1), { state });
      return { output: tf.squeeze(result.output, [1]), state: result.state };
    });
  }

  initialState(batch: number): RwkvState {
    return zeroState<never>(this.stateSpec(batch));
  }

  stateSpec(batch: number): StateSpec {
    return { blocks: Object.fromEntries(this.blocks.map((block, index) => [index, block.stateSpec(batch)])) };
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}
