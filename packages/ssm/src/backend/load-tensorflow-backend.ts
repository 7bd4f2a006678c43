import { DependencyError } from '../errors/index.ts';

/** True in Node (and what imitates it closely enough to load native modules). */
export const isNode = (): boolean => typeof process !== 'undefined' && typeof process.versions?.node === 'string';

/**
 * tfjs-node 4.22 calls helpers that Node 23 removed from `util`. Puts them back before it loads; where they exist nothing changes.
 */
async function restoreUtilHelpers(): Promise<void> {
  const { createRequire } = await import('node:module');
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util['isNullOrUndefined'] ??= (value: unknown): boolean => value === null || value === undefined;
  util['isUndefined'] ??= (value: unknown): boolean => value === undefined;
  util['isArray'] ??= (value: unknown): boolean => Array.isArray(value);
}

/** Loads tfjs-node, which registers the backend 'tensorflow'. Its native library prints below warnings unless told before it starts. */
export async function loadTensorflowBackend(): Promise<void> {
  if (!isNode()) throw new DependencyError("The backend 'tensorflow' is native and runs in Node only. Use 'wasm' in a browser.");
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  await restoreUtilHelpers();
  // A variable name keeps bundlers for browsers from following a native package.
  const name = '@tensorflow/tfjs-node';
  try {
    await import(/* @vite-ignore */ name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new DependencyError(`The backend 'tensorflow' could not be loaded (${reason}). Install it with npm install @tensorflow/tfjs-node@4.22.0, or use 'wasm', which needs nothing native.`, { cause });
  }
}

export async function loadWasmBackend(): Promise<void> {
  try {
    await import('@tensorflow/tfjs-backend-wasm');
  } catch (cause) {
    throw new DependencyError("The backend 'wasm' could not be loaded. Install it: npm install @tensorflow/tfjs-backend-wasm@4.22.0", { cause });
  }
}
