import type { layers, Shape, SymbolicTensor, Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { fanInUniform, Random } from '../../random/index.ts';
import { affine } from '../affine.ts';
import { setValues } from '../parameters.ts';
import type { Parameters, ParameterSpecs } from '../parameters.ts';
import type { SequenceLayer } from '../sequence-layer.ts';
import { stateLeaves } from '../state.ts';
import type { State } from '../state.ts';
import { lastCountedStep } from './last-counted-step.ts';

/** Options every twin shares with `tf.layers.lstm`. */
export interface SequenceTwinArgs {
  /** Width of the output. Where the input has another width, the layer adds an input projection (Mamba) or takes it as it is (LSTM, GRU). */
  units: number;
  /** Output of every step, else only the last counted one. Default false. */
  returnSequences?: boolean;
  /** Also return the final state: `[output, ...leaves]`. Default false. */
  returnState?: boolean;
  /** Keep the final state as the next batch's first, until `resetStates()`. Needs `batchInputShape`. Default false. */
  stateful?: boolean;
  /** Of the first weights. Default 0; each layer draws from its own name. */
  seed?: number | string;
  name?: string;
  trainable?: boolean;
  inputShape?: Shape;
  batchInputShape?: Shape;
  batchSize?: number;
  dtype?: 'float32';
  weights?: Tensor[];
}

/** How a family becomes a `tf.layers.Layer`. */
export interface TwinFamily<Options> {
  readonly kind: string;
  /** Names of the family's own options, which go to `create` and into the saved configuration. */
  readonly keys: readonly (keyof Options & string)[];
  /** Leaves of the state in the order of `returnState` and `initialState`. */
  readonly stateNames: readonly string[];
  /** Whether input width and units may differ without a projection. */
  readonly ownProjection: boolean;
  specs(inputWidth: number, units: number, options: Options): ParameterSpecs;
  create(inputWidth: number, units: number, options: Options, parameters: Parameters): SequenceLayer;
}

type Call = { mask?: Tensor | Tensor[] | null; training?: boolean; initialState?: Tensor | Tensor[] | SymbolicTensor | SymbolicTensor[] | null };
type LayerConfig = ConstructorParameters<typeof layers.Layer>[0];

const SHARED = ['units', 'returnSequences', 'returnState', 'stateful', 'seed'];
const OF_TFJS = ['name', 'trainable', 'inputShape', 'batchInputShape', 'batchSize', 'dtype', 'weights', 'inputDType', 'customObjects'];

const toList = <T>(value: T | T[] | null | undefined): T[] => (value === null || value === undefined ? [] : Array.isArray(value) ? value : [value]);

/**
 * A sequence layer as a `tf.layers.Layer`: drop-in for `tf.layers.lstm` in `tf.sequential` and the functional API, with masks, symbolic `initialState`,
 * `stateful`, `model.save` and `tf.loadLayersModel` (after `register()`).
 *
 * @remarks With a mask, the output at masked steps is 0 or meaningless where `tf.layers.lstm` repeats the last one; the state is untouched in both.
 */
export abstract class SequenceTwin<Options extends object> extends tf.layers.Layer {
  abstract readonly family: TwinFamily<Options>;
  readonly units: number;
  readonly returnSequences: boolean;
  readonly returnState: boolean;
  readonly #given: SequenceTwinArgs & Options;
  #core: SequenceLayer | undefined;
  #projection: { weight: Tensor; bias: Tensor } | undefined;
  #states: Tensor[] | undefined;
  /** States of the batch before: a gradient that is still being taken may need them. */
  #retired: Tensor[] = [];

  constructor(args: SequenceTwinArgs & Options) {
    super(args as LayerConfig);
    if (!Number.isSafeInteger(args?.units) || args.units < 1) throw new ConfigError(`${this.constructor.name}: units is ${String(args?.units)}, expected a whole number of at least 1.`);
    this.#given = args;
    this.units = args.units;
    this.returnSequences = args.returnSequences ?? false;
    this.returnState = args.returnState ?? false;
    this._stateful = args.stateful ?? false;
    this.supportsMasking = true;
    this.inputSpec = [new tf.InputSpec({ ndim: 3 })];
  }

  override build(inputShape: Shape | Shape[]): void {
    const shape = firstShape(inputShape);
    const width = shape.at(-1) ?? null;
    if (width === null) throw new ConfigError(`${this.name}: the input has shape [${shape.map(String)}], expected a known last axis. Give inputShape: [length or null, width].`);
    if (this.stateful && (shape[0] ?? null) === null) throw new ConfigError(`${this.name}: stateful is true, but the batch size is unknown. Give batchInputShape: [batch, length or null, width].`);
    this.inputSpec = [new tf.InputSpec({ ndim: 3, axes: { [-1]: width } })];
    const random = Random.fromSeed(this.#given.seed ?? 0).split(this.name);
    const own = this.#options();
    const projected = !this.family.ownProjection && width !== this.units;
    const variables = (specs: ParameterSpecs): { [name: string]: Variable } => Object.fromEntries(Object.entries(specs).map(([name, { shape: size, initialise }]) => {
      const weight = this.addWeight(name, [...size], 'float32', tf.initializers.zeros());
      const variable = weight.read() as Variable;
      setValues(variable, initialise(size, random.split(name)));
      return [name, variable];
    }));
    if (projected) {
      const { 'input_projection.weight': weight, 'input_projection.bias': bias } = variables({
        'input_projection.weight': { shape: [this.units, width], initialise: fanInUniform() },
        'input_projection.bias': { shape: [this.units], initialise: ([count]) => new Float32Array(count) },
      });
      this.#projection = { weight, bias };
    }
    const inner = projected ? this.units : width;
    this.#core = this.family.create(inner, this.units, own, variables(this.family.specs(inner, this.units, own)));
    this.built = true;
  }

  override apply(inputs: Tensor | Tensor[] | SymbolicTensor | SymbolicTensor[], kwargs?: Call): Tensor | Tensor[] | SymbolicTensor | SymbolicTensor[] {
    const [sequence, ...more] = toList(inputs as Tensor | Tensor[]);
    const { initialState: named, ...rest } = kwargs ?? {};
    const initial = more.length > 0 ? more : toList(named as Tensor | Tensor[] | null);
    if (initial.length > 0 && initial.length !== this.family.stateNames.length) {
      throw new ShapeError(`${this.name}: initialState has ${initial.length} tensors, expected ${this.family.stateNames.length}: ${this.family.stateNames.join(', ')}. With returnState the layer returns them in this order.`);
    }
    if (initial.length === 0) return super.apply(sequence, rest);
    if (!(initial[0] instanceof tf.SymbolicTensor)) return super.apply(sequence, { ...rest, initialState: initial });
    // A symbolic state becomes a further input of the graph's node, as tfjs' own recurrent layers do; the executor hands it back as an input.
    if (!this.built) {
      this.build(sequence.shape);
      this.built = true;
    }
    const spec = this.inputSpec;
    this.inputSpec = [...spec, ...initial.map((state) => new tf.InputSpec({ shape: state.shape }))];
    try {
      return super.apply([sequence, ...initial], rest);
    } finally {
      this.inputSpec = spec;
    }
  }

  override call(inputs: Tensor | Tensor[], kwargs: Call): Tensor | Tensor[] {
    const [x] = toList(inputs);
    const core = this.#built();
    return tf.tidy(() => {
      const mask = toList(kwargs.mask)[0];
      const initial = toList(kwargs.initialState as Tensor | Tensor[] | null | undefined);
      const first = initial.length > 0 ? initial : this.stateful ? this.#states : undefined;
      const projected = this.#projection ? affine(x, this.#projection.weight, this.#projection.bias) : x;
      const { output, state } = core.apply(projected, {
        training: kwargs.training ?? false, ...(first && { state: this.#named(first) }), ...(mask && { mask: tf.reshape(mask, x.shape.slice(0, 2)) }),
      });
      const leaves = stateLeaves(state).map(([, tensor]) => tensor);
      if (this.stateful) this.#keep(leaves);
      const result = this.returnSequences ? output : lastCountedStep(output, mask);
      return this.returnState ? [result, ...leaves] : result;
    });
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape | Shape[] {
    const [batch, length] = firstShape(inputShape);
    const output = this.returnSequences ? [batch, length, this.units] : [batch, this.units];
    if (!this.returnState) return output;
    if (!this.#core) throw new ConfigError(`${this.name}: returnState is asked for before the layer was built.`);
    // A state's axes but the first do not depend on the batch.
    return [output, ...stateShapes(this.#core).map((shape) => [batch, ...shape.slice(1)])];
  }

  override computeMask(_inputs: Tensor | Tensor[], mask?: Tensor | Tensor[]): Tensor | Tensor[] {
    const first = this.returnSequences ? toList(mask)[0] ?? null : null;
    return (this.returnState ? [first, ...this.family.stateNames.map(() => null)] : first) as unknown as Tensor;
  }

  /**
   * Forgets the kept state, or replaces it.
   *
   * @param states - In the order of `returnState`; copied. Default: zeros.
   */
  override resetStates(states?: Tensor[]): void {
    if (!this.stateful) throw new ConfigError(`${this.name}: resetStates() on a layer with stateful: false. Create it with stateful: true and batchInputShape.`);
    tf.dispose([this.#states ?? [], this.#retired]);
    this.#retired = [];
    this.#states = states?.map((tensor) => tf.keep(tensor.clone()));
  }

  override getConfig(): ReturnType<layers.Layer['getConfig']> {
    const own = Object.fromEntries(this.family.keys.filter((key) => this.#given[key] !== undefined).map((key) => [key, this.#given[key]]));
    return {
      ...super.getConfig(), units: this.units, returnSequences: this.returnSequences, returnState: this.returnState, stateful: this.stateful,
      ...(this.#given.seed !== undefined && { seed: this.#given.seed }), ...own,
    } as ReturnType<layers.Layer['getConfig']>;
  }

  protected override disposeWeights(): number {
    tf.dispose([this.#states ?? [], this.#retired]);
    this.#states = undefined;
    this.#retired = [];
    return super.disposeWeights();
  }

  #options(): Options {
    for (const key of Object.keys(this.#given)) {
      if (!SHARED.includes(key) && !OF_TFJS.includes(key) && !(this.family.keys as readonly string[]).includes(key)) {
        throw new ConfigError(`${this.name}: unknown option "${key}", expected one of ${[...SHARED, ...this.family.keys].join(', ')}. Options of tf.layers.lstm that change its equations are not part of the fused kernels.`);
      }
    }
    return Object.fromEntries(this.family.keys.filter((key) => this.#given[key] !== undefined).map((key) => [key, this.#given[key]])) as Options;
  }

  #built(): SequenceLayer {
    if (!this.#core) throw new ConfigError(`${this.name}: called before it was built. Use it through a model, or call apply().`);
    return this.#core;
  }

  #named(tensors: readonly Tensor[]): State {
    const spec = this.#built().stateSpec(1);
    // tfjs' graphs know float32 only; counters come back as such.
    const typed = (name: string, tensor: Tensor): Tensor => ('dtype' in spec[name]! ? tf.cast(tensor, 'int32') : tensor);
    return Object.fromEntries(this.family.stateNames.map((name, index) => [name, typed(name, tensors[index]!)]));
  }

  #keep(leaves: readonly Tensor[]): void {
    tf.dispose(this.#retired);
    this.#retired = this.#states ?? [];
    this.#states = leaves.map((tensor) => tf.keep(tensor.clone()));
  }
}

function firstShape(shape: Shape | Shape[]): Shape {
  return (Array.isArray(shape[0]) ? shape[0] : shape) as Shape;
}

function stateShapes(core: SequenceLayer): (readonly number[])[] {
  return Object.values(core.stateSpec(1)).map((leaf) => (Array.isArray(leaf) ? leaf : (leaf as { shape: readonly number[] }).shape) as readonly number[]);
}
