import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const LOAD_MILLISECONDS = 60_000;

// Node 23 removed three functions that tfjs-node still calls.
const PROGRAM = `
const util = require('node:util');
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
util.isUndefined ??= (value) => value === undefined;
const tf = require('@tensorflow/tfjs-node');
const product = tf.matMul(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5, 6], [7, 8]])).dataSync();
if (tf.getBackend() !== 'tensorflow') throw new Error('the active backend is ' + tf.getBackend());
if ([...product].join() !== '19,22,43,50') throw new Error('a 2x2 product is ' + [...product].join());
process.exit(0);
`;

/**
 * Loads the backend in a child process, because a bad native library can end the process that loads it.
 *
 * @returns undefined when it works, else the reason why not.
 */
export function loadTest(root: string): string | undefined {
  try {
    execFileSync(process.execPath, ['--eval', PROGRAM], {
      cwd: join(root),
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: LOAD_MILLISECONDS,
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
    });
    return undefined;
  } catch (error) {
    const text = String((error as { stderr?: Buffer }).stderr ?? '');
    const line = text.split('\n').find((candidate) => /Error: /.test(candidate));
    return line?.trim() ?? `the process that loads it ended (${(error as { signal?: string }).signal ?? 'exit'})`;
  }
}
