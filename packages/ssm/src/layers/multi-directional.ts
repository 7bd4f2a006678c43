import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { controlBytes } from '../ops/index.ts';
import { disposeParameters } from './parameters.ts';
import type { ParameterTree } from './parameters.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState } from './state.ts';
import type { State, StateSpec } from './state.ts';

/** Ways to walk a grid, in the order of the layers. */
export const SCAN_ORDERS = ['rows', 'rows-reversed', 'columns', 'columns-reversed'] as const;
export type ScanOrder = (typeof SCAN_ORDERS)[number];

/**
 * A grid [B, height * width, D], row by row, read in several orders: y = sum over orders s of s^-1(f_s(s(x))).
 *
 * @remarks No state, so no law; instead it promises, with one layer for all four orders: turning the grid by 180 degrees or exchanging rows and columns does the same to the output; with
 * a layer each, doing so exchanges the layers' roles. Masked cells change nothing. Tested for these.
 * @see Liu et al. 2024 (VMamba), arXiv 2401.10166, cross scan and cross merge.
 * @example
 * const layer = new MultiDirectional({ width: 8, orders: ['rows', 'columns'] }, [Mamba.create({ dModel: 16 }), Mamba.create({ dModel: 16 }, { seed: 1 })]);
 * const { output } = layer.apply(tf.zeros([2, 48, 16]));   // 6 rows of 8: [2, 48, 16]
 */
export class MultiDirectional implements SequenceLayer<State> {
  static readonly kind = 'multi-directional';
  readonly kind = MultiDirectional.kind;
  readonly config: { readonly dModel: number; readonly width: number; readonly orders: readonly ScanOrder[]; readonly layers: readonly object[] };
  readonly capabilities: LayerCapabilities = { state: 'none', causal: false, runtime: false };
  readonly layers: readonly SequenceLayer[];

  /** @param config.width - Columns of the grid. @param layers - One for each order, or a single one for all. The wrapper owns them. */
  constructor(config: { readonly width: number; readonly orders?: readonly ScanOrder[] }, layers: readonly SequenceLayer[]) {
    const { width, orders = SCAN_ORDERS } = config;
    const [first] = layers;
    if (!Number.isSafeInteger(width) || width < 1) throw new ConfigError(`multi-directional: width is ${width}, expected a whole number of at least 1.`);
    if (orders.length === 0 || orders.some((order) => !SCAN_ORDERS.includes(order))) throw new ConfigError(`multi-directional: orders are [${orders.join(', ')}], expected some of ${SCAN_ORDERS.join(', ')}.`);
    if (!first || (layers.length !== 1 && layers.length !== orders.length)) throw new ConfigError(`multi-directional: got ${layers.length} layers for ${orders.length} orders, expected one for each or a single one.`);
    if (layers.some((layer) => layer.dModel !== first.dModel || layer.outputSize !== first.outputSize)) throw new ConfigError('multi-directional: the layers differ in width, expected the same.');
    this.layers = layers;
    this.config = { dModel: first.dModel, width, orders, layers: layers.map((layer) => layer.config) };
  }

  get dModel(): number { return this.layers[0]!.dModel; }
  get outputSize(): number { return this.layers[0]!.outputSize; }
  get parameters(): ParameterTree { return Object.fromEntries(this.layers.map((layer, index) => [index, layer.parameters])); }

  apply(x: Tensor, options: ApplyOptions<State> = {}): SequenceResult<State> {
    const { width, orders } = this.config;
    if (x.rank !== 3 || x.shape[2] !== this.dModel || x.shape[1]! % width !== 0) throw new ShapeError(`multi-directional.apply: x has shape [${x.shape}], expected [B, height * ${width}, ${this.dModel}], whole rows of ${width}.`);
    if (options.state !== undefined) checkState('multi-directional.apply', {}, options.state);
    if (options.segments) throw new ConfigError('multi-directional.apply: segments were given, but a grid has none. Give each grid its own row of the batch.');
    const height = x.shape[1]! / width;
    const control = controlBytes('multi-directional', x.shape[0], x.shape[1]!, options);
    const { training, observe } = options;
    return tf.tidy(() => {
      const mask = control ? tf.tensor(Float32Array.from(control, (byte) => (byte & 1 ? 0 : 1)), [x.shape[0], x.shape[1]!, 1]) : undefined;
      const outputs = orders.map((order, index) => {
        const layer = this.layers[index] ?? this.layers[0]!;
        const read = layer.apply(walk(x, order, height, width), {
          ...(training !== undefined && { training }), ...(observe && { observe }), ...(mask && { mask: tf.squeeze(walk(mask, order, height, width), [2]) }),
        }).output;
        return walkBack(read, order, height, width);
      });
      return { output: tf.addN(outputs), state: {} };
    });
  }

  step(): SequenceResult<State> {
    throw new StateError('multi-directional.step: this layer reads a grid in several orders, so it has no step. Give it the whole grid with apply(x).');
  }

  initialState(): State { return {}; }
  stateSpec(): StateSpec { return {}; }
  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }
}

/** [B, height * width, D] with rows and columns exchanged. */
function exchange(x: Tensor, height: number, width: number): Tensor {
  const [batch, , channels] = x.shape as [number, number, number];
  return tf.reshape(tf.transpose(tf.reshape(x, [batch, height, width, channels]), [0, 2, 1, 3]), x.shape);
}

function walk(x: Tensor, order: ScanOrder, height: number, width: number): Tensor {
  const laid = order.startsWith('columns') ? exchange(x, height, width) : x;
  return order.endsWith('reversed') ? tf.reverse(laid, 1) : laid;
}

function walkBack(x: Tensor, order: ScanOrder, height: number, width: number): Tensor {
  const laid = order.endsWith('reversed') ? tf.reverse(x, 1) : x;
  return order.startsWith('columns') ? exchange(laid, width, height) : laid;
}
