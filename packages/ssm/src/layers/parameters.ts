import type { Tensor, Variable } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import type { StoredTensor } from '../checkpoints/index.ts';
import { float32Values, storeTensor } from '../checkpoints/index.ts';
import { ConfigError, ShapeError } from '../errors/index.ts';
import type { Initialiser, Random } from '../random/index.ts';

/** Variables by name; nesting and dots mean the same: `{ mixer: { 'in_proj.weight': v } }` is `mixer.in_proj.weight`. */
export interface ParameterTree { readonly [name: string]: Variable | ParameterTree }

/** Shape and first values of one parameter. Matrices are [outputs, inputs], as in the published checkpoints. */
export interface ParameterSpec { readonly shape: readonly number[]; readonly initialise: Initialiser }
export type ParameterSpecs = { readonly [name: string]: ParameterSpec };
/** One layer's variables by their dotted names. */
export type Parameters = { readonly [name: string]: Variable };

/** Values for parameters, from a file, from another library or from tensors. */
export type WeightSource =
  | ReadonlyMap<string, StoredTensor | WeightArray>
  | { readonly [name: string]: StoredTensor | WeightArray | Tensor };
export interface WeightArray { readonly shape: readonly number[]; readonly values: ArrayLike<number> }

/** All variables of a tree with their full names, in the order the tree was written. A variable that occurs twice (tied weights) counts once. */
export function namedParameters(tree: ParameterTree, prefix = ''): [string, Variable][] {
  const seen = new Set<Variable>();
  const result: [string, Variable][] = [];
  const walk = (node: ParameterTree, path: string): void => {
    for (const [name, value] of Object.entries(node)) {
      if (!(value instanceof tf.Variable)) walk(value, `${path}${name}.`);
      else if (!seen.has(value)) {
        seen.add(value);
        result.push([path + name, value]);
      }
    }
  };
  walk(tree, prefix);
  return result;
}

/** New variables by their specs. Each draws from its own named stream, so another parameter more changes none of the others. */
export function createParameters(specs: ParameterSpecs, random: Random): Parameters {
  const entries = Object.entries(specs).map(([name, { shape, initialise }]) => {
    return [name, newVariable(initialise(shape, random.split(name)), shape)] as const;
  });
  return Object.fromEntries(entries);
}

function newVariable(values: Float32Array, shape: readonly number[]): Variable {
  const value = tf.tensor(values, [...shape], 'float32');
  const variable = tf.variable(value, true);
  value.dispose();
  return variable;
}

/** Which names were absent on either side, and the number formats read. */
export interface WeightReport { readonly missing: string[]; readonly unexpected: string[]; readonly dtypes: { [dtype: string]: number } }

/**
 * Copies values into existing parameters, name by name.
 *
 * @param tree - Receives the values.
 * @param weights - By the tree's names.
 * @param options.strict - Throw when a name is missing or unexpected. Default true.
 * @param options.what - Name of the receiver in error texts.
 * @returns What did not match, for `strict: false`.
 * @throws ConfigError for missing or unexpected names, ShapeError for another shape.
 */
export function assignParameters(tree: ParameterTree, weights: WeightSource, options: { strict?: boolean; what?: string } = {}): WeightReport {
  const { strict = true, what = 'assignParameters' } = options;
  const given = weights instanceof Map ? (weights as ReadonlyMap<string, StoredTensor | WeightArray>) : new Map(Object.entries(weights));
  const named = namedParameters(tree);
  const names = new Set(named.map(([name]) => name));
  const missing = named.map(([name]) => name).filter((name) => !given.has(name));
  const unexpected = [...given.keys()].filter((name) => !names.has(name));
  if (strict && missing.length + unexpected.length > 0) {
    throw new ConfigError(
      `${what}: the weights do not fit this configuration. Missing: ${list(missing)}; unexpected: ${list(unexpected)}. Check the configuration (widths, biases, layers), or pass strict: false to keep initial values and ignore the rest.`,
    );
  }
  const dtypes: { [dtype: string]: number } = {};
  for (const [name, variable] of named) {
    const source = given.get(name);
    if (source === undefined) continue;
    const shape: readonly number[] = source.shape;
    if (shape.length !== variable.shape.length || shape.some((length, axis) => length !== variable.shape[axis])) {
      throw new ShapeError(`${what}: weight ${name} has shape [${source.shape}], expected [${variable.shape}]. The configuration does not belong to these weights.`);
    }
    const dtype = 'bytes' in source ? source.dtype : 'F32';
    dtypes[dtype] = (dtypes[dtype] ?? 0) + 1;
    if (source instanceof tf.Tensor) variable.assign(source as Tensor);
    else setValues(variable, 'bytes' in source ? float32Values(source) : Float32Array.from(source.values));
  }
  return { missing, unexpected, dtypes };
}

const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.slice(0, 6).join(', ') + (names.length > 6 ? ` and ${names.length - 6} more` : ''));

/** Replaces a variable's values. */
export function setValues(variable: Variable, values: Float32Array): void {
  const value = tf.tensor(values, variable.shape, 'float32');
  variable.assign(value);
  value.dispose();
}

/** Copies of all values, as they go into a safetensors file. */
export async function storeParameters(tree: ParameterTree, prefix = ''): Promise<Map<string, StoredTensor>> {
  const result = new Map<string, StoredTensor>();
  for (const [name, variable] of namedParameters(tree, prefix)) {
    result.set(name, storeTensor((await variable.data()) as Float32Array, variable.shape));
  }
  return result;
}

/** Number of values and bytes of a tree. */
export function parameterMemory(tree: ParameterTree): { parameters: number; bytes: number } {
  const parameters = namedParameters(tree).reduce((sum, [, variable]) => sum + variable.size, 0);
  return { parameters, bytes: parameters * 4 };
}

/** Disposes every variable; a second call does nothing. */
export function disposeParameters(tree: ParameterTree): void {
  for (const [, variable] of namedParameters(tree)) if (!variable.isDisposed) variable.dispose();
}

/** Marks a buffer of the official layer: it travels with the weights but is not trained. */
export function freeze(parameters: Parameters, ...names: string[]): void {
  for (const name of names) if (parameters[name]) parameters[name].trainable = false;
}
