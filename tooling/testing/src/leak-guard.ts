export interface TensorMemory { readonly numTensors: number; readonly numDataBuffers: number }

/**
 * Runs `work` and throws if tensors or their buffers are left over. `work` disposes what it makes; `memory` is tfjs' `tf.memory`.
 */
export function expectNoLeaks(memory: () => TensorMemory, work: () => void): void {
  const before = memory();
  work();
  const after = memory();
  if (after.numTensors !== before.numTensors || after.numDataBuffers !== before.numDataBuffers) {
    throw new Error(`leak: ${before.numTensors} tensors in ${before.numDataBuffers} buffers before, ${after.numTensors} in ${after.numDataBuffers} after`);
  }
}
