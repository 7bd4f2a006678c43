import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { readSealedSafetensors, sha256, storeTensor, tensorValues, writeSealedSafetensors } from '../checkpoints/index.ts';
import { StateError } from '../errors/index.ts';
import { namedParameters } from './parameters.ts';
import type { ParameterTree } from './parameters.ts';
import { checkState, disposeState, stateLeaves } from './state.ts';
import type { State, StateSpec } from './state.ts';

/** Raised when the meaning of a state file changes; files of another version are refused. */
export const STATE_FORMAT_VERSION = 1;

/** What a state file is bound to: any layer or model. */
export interface StateOwner {
  readonly kind: string;
  readonly config: object;
  readonly parameters: ParameterTree;
  stateSpec(batch: number): StateSpec;
}

/** SHA-256 over kind, configuration and every parameter: equal exactly when a state of one can be continued by the other. */
export async function modelHash(owner: StateOwner): Promise<string> {
  const parts: (string | Uint8Array)[] = [owner.kind, JSON.stringify(owner.config)];
  for (const [name, variable] of namedParameters(owner.parameters)) {
    const values = await variable.data();
    parts.push(`${name} [${variable.shape}]`, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return sha256(...parts);
}

/**
 * Writes a state as a safetensors file, bound to the model it belongs to.
 *
 * @returns The file's bytes, a few hundred bytes more than the state itself. The state is not disposed.
 */
export async function saveState(state: State, owner: StateOwner): Promise<Uint8Array> {
  const tensors = await Promise.all(stateLeaves(state).map(async ([name, tensor]) => {
    return [name, storeTensor((await tensor.data()) as Float32Array | Int32Array, tensor.shape)] as const;
  }));
  const batch = tensors[0]?.[1].shape[0] ?? 0;
  return writeSealedSafetensors(tensors, [
    ['mamba360.kind', 'state'], ['mamba360.stateFormat', String(STATE_FORMAT_VERSION)], ['mamba360.model', await modelHash(owner)], ['mamba360.batch', String(batch)],
  ]);
}

/**
 * Reads what `saveState` wrote.
 *
 * @returns The state, bit for bit. The caller disposes it.
 * @throws StateError if the file belongs to another model, other weights or another format version; FileError if it is damaged.
 */
export async function loadState<S extends State>(file: Uint8Array, owner: StateOwner): Promise<S> {
  const { tensors, metadata } = await readSealedSafetensors(file, 'state file');
  if (metadata.get('mamba360.kind') !== 'state') throw new StateError('loadState: the file is a safetensors file, but not a saved state. Give the bytes that saveState returned.');
  const version = metadata.get('mamba360.stateFormat');
  if (version !== String(STATE_FORMAT_VERSION)) {
    throw new StateError(`loadState: the file has state format ${version}, this version reads ${STATE_FORMAT_VERSION}. Run the text or series through the model again and save anew.`);
  }
  const expected = await modelHash(owner);
  if (metadata.get('mamba360.model') !== expected) {
    throw new StateError(`loadState: the state belongs to model ${metadata.get('mamba360.model')?.slice(0, 12)}, this is ${owner.kind} ${expected.slice(0, 12)}: another model, configuration or set of weights. Load the model it was saved with.`);
  }
  const state: { [name: string]: Tensor | State } = {};
  for (const [name, stored] of tensors) {
    const path = name.split('.');
    let node = state;
    for (const part of path.slice(0, -1)) node = (node[part] ??= {}) as { [name: string]: Tensor | State };
    const values = tensorValues(stored);
    node[path[path.length - 1]] = tf.tensor(values as Float32Array, [...stored.shape], stored.dtype === 'I32' ? 'int32' : 'float32');
  }
  try {
    checkState('loadState', owner.stateSpec(Number(metadata.get('mamba360.batch'))), state);
  } catch (error) {
    disposeState(state);
    throw error;
  }
  return state as S;
}
