import type * as Tensorflow from '@tensorflow/tfjs';
import { DependencyError } from '../errors/index.ts';

async function load(): Promise<typeof Tensorflow> {
  try {
    return await import('@tensorflow/tfjs');
  } catch (cause) {
    throw new DependencyError(
      "This part of @mamba360/ssm needs the package '@tensorflow/tfjs', which could not be loaded. Install it: npm install @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0",
      { cause },
    );
  }
}

/**
 * TensorFlow.js, the one instance that ops and backends share. It is an optional peer (someone who only runs a language model does not
 * install it), so a missing package must be answered with the install line and not with a resolver's stack trace.
 */
export const tf: typeof Tensorflow = await load();
