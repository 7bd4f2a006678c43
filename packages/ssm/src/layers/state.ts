import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { StateError } from '../errors/index.ts';

/**
 * What a sequence layer remembers: a plain nested object of tensors, batch on axis 0 of every one. A value: pass it, keep it, copy it, go back to it.
 * `tf.tidy` sees through it, which it could not do with a class.
 */
export interface State { readonly [name: string]: Tensor | State }

/** Shapes of a state: an array is a float32 tensor's shape; counters are `{ shape, dtype: 'int32' }`. */
export interface StateSpec { readonly [name: string]: readonly number[] | { readonly shape: readonly number[]; readonly dtype: 'int32' } | StateSpec }

/** All tensors with their dotted names, in the order of the object. */
export function stateLeaves(state: State, prefix = ''): [string, Tensor][] {
  return Object.entries(state).flatMap(([name, value]) =>
    value instanceof tf.Tensor ? [[prefix + name, value] as [string, Tensor]] : stateLeaves(value, `${prefix}${name}.`));
}

/** A new state of the same structure. The caller owns what `change` returns. */
export function mapState<S extends State>(state: S, change: (tensor: Tensor, name: string) => Tensor, prefix = ''): S {
  return Object.fromEntries(Object.entries(state).map(([name, value]) =>
    [name, value instanceof tf.Tensor ? change(value, prefix + name) : mapState(value, change, `${prefix}${name}.`)])) as unknown as S;
}

/** An independent copy; disposing one does not touch the other. */
export function cloneState<S extends State>(state: S): S {
  return mapState(state, (tensor) => tensor.clone());
}

/** Protects the tensors from the surrounding `tf.tidy`. Returns the same state. */
export function keepState<S extends State>(state: S): S {
  for (const [, tensor] of stateLeaves(state)) tf.keep(tensor);
  return state;
}

/** A copy through which no gradient flows: truncated backpropagation carries this to the next window. */
export function detachState<S extends State>(state: S): S {
  return mapState(state, (tensor) => tf.tidy(() => (tensor.dtype === 'int32' ? tensor.clone() : noGradient(tensor))));
}

const noGradient = (tensor: Tensor): Tensor =>
  tf.customGrad((value) => ({ value: (value as Tensor).clone(), gradFunc: () => tf.zerosLike(value as Tensor) }))(tensor);

/** Frees every tensor; a second call does nothing. */
export function disposeState(state: State): void {
  for (const [, tensor] of stateLeaves(state)) if (!tensor.isDisposed) tensor.dispose();
}

/** Rows [begin, begin + count) of the batch. */
export function sliceState<S extends State>(state: S, begin: number, count: number): S {
  return mapState(state, (tensor, name) => {
    if (begin < 0 || count < 1 || begin + count > (tensor.shape[0] ?? 0)) {
      throw new StateError(`sliceState: rows ${begin} to ${begin + count} of ${name}, which has a batch of ${tensor.shape[0]}. Rows count from 0.`);
    }
    return tf.slice(tensor, [begin, ...tensor.shape.slice(1).map(() => 0)], [count, ...tensor.shape.slice(1)]);
  });
}

/** Rows by index, with repetition, as a beam search needs. */
export function gatherState<S extends State>(state: S, rows: readonly number[]): S {
  return mapState(state, (tensor) => tf.tidy(() => tf.gather(tensor, tf.tensor1d([...rows], 'int32'))));
}

/**
 * Joins states along the batch.
 *
 * @throws StateError if the structures or shapes differ: they come from different models.
 */
export function concatStates<S extends State>(states: readonly S[]): S {
  const [first, ...others] = states;
  if (first === undefined) throw new StateError('concatStates: got no state, expected at least one.');
  const leaves = others.map((other) => new Map(stateLeaves(other)));
  for (const [index, other] of leaves.entries()) {
    const difference = firstDifference(new Map(stateLeaves(first)), other, (a, b) => sameShape(a.shape.slice(1), b.shape.slice(1)));
    if (difference !== undefined) throw new StateError(`concatStates: state ${index + 1} differs from state 0 at ${difference}. Only states of one model and configuration can be joined.`);
  }
  return mapState(first, (tensor, name) => tf.concat([tensor, ...leaves.map((other) => other.get(name)!)], 0));
}

function firstDifference(a: Map<string, Tensor>, b: Map<string, Tensor>, equal: (a: Tensor, b: Tensor) => boolean): string | undefined {
  for (const [name, tensor] of a) {
    const other = b.get(name);
    if (other === undefined) return `${name} (absent)`;
    if (!equal(tensor, other)) return `${name} ([${other.shape}] against [${tensor.shape}])`;
  }
  return [...b.keys()].find((name) => !a.has(name));
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((length, axis) => length === b[axis]);

function specLeaves(spec: StateSpec, prefix = ''): [string, { shape: readonly number[]; dtype: 'float32' | 'int32' }][] {
  return Object.entries(spec).flatMap(([name, value]): [string, { shape: readonly number[]; dtype: 'float32' | 'int32' }][] => {
    if (Array.isArray(value)) return [[prefix + name, { shape: value as readonly number[], dtype: 'float32' }]];
    if ('dtype' in value && typeof value.dtype === 'string') return [[prefix + name, value as { shape: readonly number[]; dtype: 'int32' }]];
    return specLeaves(value as StateSpec, `${prefix}${name}.`);
  });
}

/** A state of zeros: what every constant-state layer starts from. */
export function zeroState<S extends State>(spec: StateSpec): S {
  return Object.fromEntries(Object.entries(spec).map(([name, value]) => {
    if (Array.isArray(value)) return [name, tf.zeros([...(value as readonly number[])])];
    if ('dtype' in value && typeof value.dtype === 'string') return [name, tf.zeros([...(value.shape as readonly number[])], 'int32')];
    return [name, zeroState(value as StateSpec)];
  })) as unknown as S;
}

/**
 * Refuses a state that does not belong to the layer it is passed to.
 *
 * @param what - Name of the layer in the error text.
 * @throws StateError naming the first leaf that is absent, disposed, foreign or of another shape.
 */
export function checkState(what: string, spec: StateSpec, state: State): void {
  const expected = new Map(specLeaves(spec));
  const given = new Map(stateLeaves(state));
  const wayOut = 'Use the state that this very layer returned, or initialState(batch); slice or concat it when the batch changes.';
  for (const [name, { shape, dtype }] of expected) {
    const tensor = given.get(name);
    if (tensor === undefined) throw new StateError(`${what}: the state has no "${name}", expected [${shape}]; it holds ${[...given.keys()].join(', ') || 'nothing'}. It belongs to another kind of layer. ${wayOut}`);
    if (tensor.isDisposed) throw new StateError(`${what}: state "${name}" was disposed before. ${wayOut} cloneState keeps a copy.`);
    if (!sameShape(tensor.shape, shape) || tensor.dtype !== dtype) {
      throw new StateError(`${what}: state "${name}" is ${tensor.dtype} [${tensor.shape}], expected ${dtype} [${shape}]. It belongs to another configuration or batch. ${wayOut}`);
    }
  }
  for (const name of given.keys()) {
    if (!expected.has(name)) throw new StateError(`${what}: the state holds "${name}", which this layer does not have. It belongs to another kind of layer. ${wayOut}`);
  }
}
