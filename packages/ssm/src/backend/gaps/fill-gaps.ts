import { tf } from '../tensorflow.ts';
import { correctKernels } from './corrected-kernels.ts';
import { registerGradients } from './gradients.ts';
import { WASM_KERNELS } from './wasm-kernels.ts';

let gradientsFilled = false;

/**
 * Gives tfjs what it lacks on a backend; the table of what that is stands in `capabilities.ts`. Called by `useBackend`; may be called any
 * number of times. The gradients replace those of tfjs for everybody in the process: tfjs has one registry.
 */
export function fillGaps(backend: string): void {
  if (!gradientsFilled) registerGradients();
  gradientsFilled = true;
  correctKernels(backend);
  if (backend !== 'wasm') return;
  for (const kernel of WASM_KERNELS) {
    if (!tf.getKernel(kernel.kernelName, 'wasm')) tf.registerKernel(kernel);
  }
}
