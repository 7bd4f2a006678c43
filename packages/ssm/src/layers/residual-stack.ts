import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { ConfigError, ShapeError, StateError } from '../errors/index.ts';
import { controlBytes } from '../ops/index.ts';
import { Experts } from './feed-forward.ts';
import { disposeParameters } from './parameters.ts';
import type { ParameterTree } from './parameters.ts';
import type { PointwiseLayer } from './pointwise.ts';
import type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
import { checkState, zeroState } from './state.ts';
import type { State, StateSpec } from './state.ts';

/** x + body(norm(x)): one part of a stack, a sequence layer or one that treats every step alike. */
export interface StackPart {
  readonly norm: PointwiseLayer;
  readonly body: SequenceLayer | PointwiseLayer;
}

const isSequence = (body: SequenceLayer | PointwiseLayer): body is SequenceLayer => 'stateSpec' in body;

/** What a model of these layers can promise: the least of what each can. */
export function combinedCapabilities(layers: readonly LayerCapabilities[]): LayerCapabilities {
  const causal = layers.every((layer) => layer.causal);
  const runtime = layers.length > 0 && layers.every((layer) => layer.runtime);
  if (layers.some(({ state }) => state === 'none')) return { state: 'none', causal, runtime };
  const lengths = layers.flatMap(({ state, maximumLength }) => (state === 'growing' && maximumLength !== undefined ? [maximumLength] : []));
  if (layers.some(({ state }) => state === 'growing')) return { state: 'growing', causal, ...(lengths.length > 0 && { maximumLength: Math.min(...lengths) }), runtime };
  return { state: 'constant', causal, runtime };
}

/**
 * Parts one after another, each with its own norm and residual: x = x + body(norm(x)). Hybrids of recurrences, attention, feed-forward layers and experts are lists of parts.
 *
 * @remarks State `{ '0': {...}, '2': {...} }` of the parts that have one; parameters `<part>.norm.*` and `<part>.body.*`. `observe` gets `<part>` and, of experts, the scalars
 * `<part>.balance_loss` and `<part>.router_loss`, which training may keep and add to its loss.
 */
export class ResidualStack implements SequenceLayer<State> {
  readonly kind: string;
  readonly config: { readonly dModel: number };
  readonly capabilities: LayerCapabilities;
  readonly parts: readonly StackPart[];

  /** @param kind - Name in the registry. @param config - Plain JSON that describes the stack. @param parts - The stack owns them. */
  constructor(kind: string, config: { readonly dModel: number }, parts: readonly StackPart[]) {
    if (!Number.isSafeInteger(config.dModel) || config.dModel < 1) throw new ConfigError(`${kind}: dModel is ${config.dModel}, expected a whole number of at least 1.`);
    this.kind = kind;
    this.config = config;
    this.parts = parts;
    this.capabilities = combinedCapabilities(parts.flatMap(({ body }) => (isSequence(body) ? [body.capabilities] : [])));
  }

  get dModel(): number { return this.config.dModel; }
  get outputSize(): number { return this.config.dModel; }
  get parameters(): ParameterTree {
    return Object.fromEntries(this.parts.map(({ norm, body }, index) => [index, { norm: norm.parameters, body: body.parameters }]));
  }

  apply(x: Tensor, options: ApplyOptions<State> = {}): SequenceResult<State> {
    if (x.rank !== 3 || x.shape[2] !== this.dModel) throw new ShapeError(`${this.kind}.apply: x has shape [${x.shape}], expected [B, L, ${this.dModel}]. One step goes through step(x, state) as [B, ${this.dModel}].`);
    if (options.state !== undefined) checkState(`${this.kind}.apply`, this.stateSpec(x.shape[0]), options.state);
    const { state, observe, ...rest } = options;
    return tf.tidy(() => {
      const result = this.#through(x, (body, normed, index) => {
        if (isSequence(body)) return body.apply(normed, { ...rest, ...(state && { state: state[index] as State }), ...(observe && { observe: (name, tensor) => observe(`${index}.${name}`, tensor) }) });
        if (!(body instanceof Experts) || !observe) return { output: body.apply(normed) };
        const routed = body.route(normed, counted(x, options));
        observe(`${index}.balance_loss`, routed.balanceLoss);
        observe(`${index}.router_loss`, routed.routerLoss);
        return { output: routed.output };
      }, observe);
      return { output: result.output, state: result.state };
    });
  }

  step(x: Tensor, state: State): SequenceResult<State> {
    if (this.capabilities.state === 'none') throw new StateError(`${this.kind}.step: a part of it sees both sides, so it has no step. Give it the whole sequence with apply(x).`);
    if (x.rank !== 2 || x.shape[1] !== this.dModel) throw new ShapeError(`${this.kind}.step: x has shape [${x.shape}], expected [B, ${this.dModel}], one step. A sequence goes through apply(x).`);
    checkState(`${this.kind}.step`, this.stateSpec(x.shape[0]), state);
    return tf.tidy(() => {
      const result = this.#through(x, (body, normed, index) => (isSequence(body) ? body.step(normed, state[index] as State) : { output: body.apply(normed) }));
      return { output: result.output, state: result.state };
    });
  }

  initialState(batch: number): State { return zeroState<State>(this.stateSpec(batch)); }

  stateSpec(batch: number): StateSpec {
    return Object.fromEntries(this.parts.flatMap(({ body }, index) => (isSequence(body) ? [[index, body.stateSpec(batch)]] : [])));
  }

  dispose(): void { disposeParameters(this.parameters); }
  [Symbol.dispose](): void { this.dispose(); }

  #through(x: Tensor, run: (body: StackPart['body'], normed: Tensor, index: number) => { output: Tensor; state?: State }, observe?: ApplyOptions['observe']): SequenceResult<State> {
    const states: { [index: string]: State } = {};
    let output = x;
    this.parts.forEach(({ norm, body }, index) => {
      const result = run(body, norm.apply(output), index);
      observe?.(String(index), result.output);
      output = tf.add(output, result.output);
      if (isSequence(body)) states[index] = result.state!;
    });
    return { output: this.parts.length === 0 ? tf.clone(x) : output, state: states };
  }
}

/** 1 where a step counts, [B, L]; undefined where all do. */
function counted(x: Tensor, options: ApplyOptions<State>): Tensor | undefined {
  const control = controlBytes('residualStack', x.shape[0], x.shape[1]!, options);
  return control ? tf.tensor(Float32Array.from(control, (byte) => (byte & 1 ? 0 : 1)), [x.shape[0], x.shape[1]!]) : undefined;
}
