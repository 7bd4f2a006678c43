import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import { affine, assignParameters, checkState, combinedCapabilities, disposeParameters, Embedding, Linear, namedParameters, parameterMemory, setValues, zeroState } from '../layers/index.ts';
import type { ApplyOptions, LayerCapabilities, ParameterTree, PointwiseLayer, SequenceLayer, SequenceResult, State, StateSpec, WeightSource } from '../layers/index.ts';
import { fanInUniform, Random } from '../random/index.ts';
import { backboneConfig, officialBackboneConfig, paddedVocabSize } from './backbone-config.ts';
import type { BackboneConfig, GivenBackboneConfig } from './backbone-config.ts';
import { Block, norm } from './block.ts';
import type { Dropout } from './block.ts';
import { huggingFaceConfig, huggingFaceName } from './hugging-face.ts';

export interface BackboneOptions extends ApplyOptions {
  /** Source of dropout; needed only with `training` and `dropout` > 0. */
  readonly random?: Random;
}

/**
 * encoder -> N x (norm, mixer, optional MLP) -> norm -> head, for tokens or numbers, with any registered mixer.
 *
 * @remarks State is `{ layers: { '0': {...}, '1': {...} } }`. Parameter names are those of mamba_ssm below `backbone.`, with `encoder.*` and `head.*` for
 * numbers. First values as published: projections back into the residual divided by sqrt(number of residual additions), embeddings .02.
 * @see Gu and Dao 2023, arXiv 2312.00752; mamba_ssm/models/mixer_seq_simple.py, `MixerModel`.
 * @example
 * const model = Backbone.create({ preset: 'tiny', inputSize: 3, outputSize: 1 }, { seed: 1 });
 * const { output } = model.apply(tf.zeros([2, 20, 3]));   // [2, 20, 1]
 */
export class Backbone implements SequenceLayer {
  readonly kind = 'backbone';
  readonly config: BackboneConfig;
  readonly capabilities: LayerCapabilities;
  readonly blocks: readonly Block[];
  readonly #encoder: PointwiseLayer | undefined;
  readonly #norm: PointwiseLayer;
  readonly #head: PointwiseLayer | undefined;
  #disposed = false;

  private constructor(config: BackboneConfig, random: Random) {
    this.config = config;
    const { dModel, vocabSize, inputSize, outputSize } = config;
    if (vocabSize !== null) this.#encoder = Embedding.create({ vocabSize: paddedVocabSize(config), dModel }, { random: random.split('embedding') });
    else if (inputSize !== null) this.#encoder = Linear.create({ inputs: inputSize, outputs: dModel }, { random: random.split('encoder') });
    this.blocks = Array.from({ length: config.nLayer }, (_, index) => new Block(config, random.split('layers').split(index), index));
    this.#norm = norm(config, random.split('norm_f'));
    const headSize = outputSize ?? (vocabSize !== null && !config.tieEmbeddings ? paddedVocabSize(config) : null);
    if (headSize !== null) this.#head = Linear.create({ inputs: dModel, outputs: headSize, bias: vocabSize === null }, { random: random.split('head') });
    this.capabilities = this.blocks.length === 0 ? { state: 'constant', causal: true, runtime: false } : combinedCapabilities(this.blocks.map((block) => block.mixer.capabilities));
    this.#scaleResiduals(random.split('residual'));
  }

  /** A model with the published first values. */
  static create(config: GivenBackboneConfig, options: { seed?: number | string; random?: Random } = {}): Backbone {
    return new Backbone(backboneConfig(config), options.random ?? Random.fromSeed(options.seed ?? 0));
  }

  /**
   * A language model of mamba_ssm with its weights.
   *
   * @param weights - By official names, `backbone.layers.0.mixer.in_proj.weight`, ...; `lm_head.weight` may be left out or equal the embedding when tied.
   * @param config - config.json of the checkpoint.
   */
  static fromOfficial(weights: WeightSource, config: { readonly [key: string]: unknown }): Backbone {
    const model = new Backbone(officialBackboneConfig(config), Random.fromSeed(0));
    try {
      const given = weights instanceof Map ? weights : new Map(Object.entries(weights));
      const renamed = new Map([...given].map(([name, value]) => [officialToOurs(name), value]));
      if (model.config.tieEmbeddings) renamed.delete('head.weight');
      assignParameters(model.parameters, renamed, { what: 'Backbone.fromOfficial' });
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  }

  /**
   * A language model of transformers (Mamba, Falcon-Mamba, Mamba-2) with its weights.
   *
   * @param weights - By the names in its model.safetensors.
   * @param config - Its config.json.
   */
  static fromHuggingFace(weights: WeightSource, config: { readonly [key: string]: unknown }): Backbone {
    const given = weights instanceof Map ? weights : new Map(Object.entries(weights));
    return Backbone.fromOfficial(new Map([...given].map(([name, value]) => [huggingFaceName(name), value])), huggingFaceConfig(config));
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.outputSize ?? (this.config.vocabSize === null ? this.config.dModel : paddedVocabSize(this.config)); }

  get parameters(): ParameterTree {
    return {
      ...(this.#encoder && { [this.config.vocabSize === null ? 'encoder' : 'embedding']: this.#encoder.parameters }),
      layers: Object.fromEntries(this.blocks.map((block, index) => [index, block.parameters])),
      norm_f: this.#norm.parameters,
      ...(this.#head && { head: this.#head.parameters }),
    };
  }

  /**
   * @param x - Tokens [B, L] int32, or numbers [B, L, inputSize] (dModel where there is no encoder).
   * @returns output [B, L, outputSize] and the state after the last step.
   */
  apply(x: Tensor, options: BackboneOptions = {}): SequenceResult {
    this.#checkInput('apply', x, this.config.vocabSize === null ? 3 : 2);
    if (options.state !== undefined) checkState('Backbone.apply', this.stateSpec(x.shape[0]), options.state);
    const { state, random: _random, ...forBlocks } = options;
    const layers: { [index: string]: State } = {};
    return tf.tidy(() => {
      let hidden = this.#encode(x);
      options.observe?.('encoder', hidden);
      for (const [index, block] of this.blocks.entries()) {
        const own = (state?.layers as { [index: string]: State } | undefined)?.[index];
        const result = block.apply(hidden, {
          ...forBlocks, ...(own && { state: own }), ...(options.observe && { observe: (name, tensor) => options.observe!(`layers.${index}.${name}`, tensor) }),
        }, this.#dropout(index, options));
        hidden = result.output;
        layers[index] = result.state;
      }
      const output = this.#decode(hidden, options.observe);
      options.observe?.('head', output);
      return { output, state: { layers } };
    });
  }

  /** One step. @param x - Tokens [B], or numbers [B, inputSize]. */
  step(x: Tensor, state: State): SequenceResult {
    this.#checkInput('step', x, this.config.vocabSize === null ? 2 : 1);
    checkState('Backbone.step', this.stateSpec(x.shape[0]), state);
    const layers: { [index: string]: State } = {};
    return tf.tidy(() => {
      let hidden = this.#encode(x);
      for (const [index, block] of this.blocks.entries()) {
        const result = block.step(hidden, (state.layers as { [index: string]: State })[index]);
        hidden = result.output;
        layers[index] = result.state;
      }
      return { output: this.#decode(hidden), state: { layers } };
    });
  }

  initialState(batch: number): State {
    return zeroState(this.stateSpec(batch));
  }

  stateSpec(batch: number): StateSpec {
    return { layers: Object.fromEntries(this.blocks.map((block, index) => [index, block.mixer.stateSpec(batch)])) };
  }

  /** Parameters and bytes, without gradients and moments. */
  memory(): { parameters: number; bytes: number } {
    return parameterMemory(this.parameters);
  }

  /** One line per part: name, shape, number of values. */
  summary(): string {
    const rows = namedParameters(this.parameters).map(([name, variable]) => [name, `[${variable.shape}]`, String(variable.size)]);
    const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length), 0));
    const lines = rows.map((row) => `${row[0].padEnd(widths[0])}  ${row[1].padEnd(widths[1])}  ${row[2].padStart(widths[2])}`);
    const { parameters, bytes } = this.memory();
    const state = stateSize(this.stateSpec(1));
    return [`backbone: ${this.config.nLayer} x ${this.config.layerMixers?.join(', ') ?? this.config.mixer}, width ${this.dModel}`, ...lines,
      `${parameters} parameters, ${(bytes / 1024).toFixed(1)} KiB; state ${(state * 4 / 1024).toFixed(1)} KiB a sequence, whatever its length; sees every earlier step.`].join('\n');
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    disposeParameters(this.parameters);
  }
  [Symbol.dispose](): void { this.dispose(); }

  #encode(x: Tensor): Tensor {
    return this.#encoder ? this.#encoder.apply(x) : tf.clone(x);
  }

  #decode(hidden: Tensor, observe?: ApplyOptions['observe']): Tensor {
    const normed = this.#norm.apply(hidden);
    observe?.('norm_f', normed);
    if (this.#head) return this.#head.apply(normed);
    return this.config.tieEmbeddings ? affine(normed, this.#encoder!.parameters.weight) : normed;
  }

  #dropout(index: number, options: BackboneOptions): Dropout {
    const { dropout } = this.config;
    if (!options.training || dropout === 0) return (_name, x) => x;
    const { random } = options;
    if (!random) throw new ConfigError(`Backbone.apply: training with dropout ${dropout} needs random, a generator to draw from. Pass random: Random.fromSeed(seed); fit does it by itself.`);
    return (name, x) => {
      const source = random.split('dropout').split(index).split(name);
      const keep = Float32Array.from({ length: x.size }, () => (source.next() < dropout ? 0 : 1 / (1 - dropout)));
      return tf.mul(x, tf.tensor(keep, x.shape));
    };
  }

  #checkInput(method: string, x: Tensor, rank: number): void {
    const { vocabSize, inputSize, dModel } = this.config;
    const width = inputSize ?? dModel;
    const axes = method === 'apply' ? 'B, L' : 'B';
    if (x.rank !== rank || (vocabSize === null && x.shape[rank - 1] !== width)) {
      throw new ShapeError(`Backbone.${method}: x has shape [${x.shape}], expected ${vocabSize === null ? `[${axes}, ${width}]` : `token ids [${axes}]`}.`);
    }
  }

  /** Variance of the residual stream stays the same at any depth (GPT-2's rule, which the published models use). */
  #scaleResiduals(random: Random): void {
    const additions = this.config.nLayer * (this.config.dIntermediate > 0 ? 2 : 1);
    for (const [name, variable] of namedParameters(this.parameters)) {
      if (!/^layers\.\d+\.(mixer\.out_proj|mlp\.fc2)\.weight$/.test(name)) {
        if (/^layers\.\d+\.mixer\.(in_proj|out_proj)\.bias$/.test(name)) setValues(variable, new Float32Array(variable.size));
        continue;
      }
      const values = fanInUniform()(variable.shape, random.split(name));
      setValues(variable, values.map((value) => value / Math.sqrt(additions)));
    }
  }
}

function stateSize(spec: StateSpec): number {
  return Object.values(spec).reduce((sum: number, value) => {
    if (Array.isArray(value)) return sum + value.reduce((product: number, length: number) => product * length, 1);
    if ('dtype' in value && typeof value.dtype === 'string') return sum + (value.shape as number[]).reduce((product, length) => product * length, 1);
    return sum + stateSize(value as StateSpec);
  }, 0);
}

function officialToOurs(name: string): string {
  return name === 'lm_head.weight' ? 'head.weight' : name.replace(/^backbone\./, '');
}

/** Our parameter names as the official checkpoints write them. */
export function oursToOfficial(name: string): string {
  return name === 'head.weight' ? 'lm_head.weight' : `backbone.${name}`;
}

