import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { affine, H3, shiftKernel } from '@mamba360/ssm/layers';
import { fftConvolution } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { interleave, lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { caseWeights, parameterGradients } from './layer-case.ts';
import { gradientsOf, plain, sequence } from './tensors.ts';

/**
 * The official shift state [B, H, N] after a sequence: x[n] = sum over d <= n of B[n - d] u[L - 1 - d], plus what is left of an earlier state, x0[n - L].
 */
function shiftState(u: Tensor, B: Tensor, before?: Tensor): Float64Array {
  const [batch, length, heads] = u.shape as [number, number, number];
  const size = B.shape[1]!;
  const [values, taps, first] = [u.dataSync(), B.dataSync(), before?.dataSync()];
  const state = new Float64Array(batch * heads * size);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let n = 0; n < size; n++) {
        const at = (b * heads + h) * size;
        for (let d = 0; d <= Math.min(n, length - 1); d++) state[at + n]! += taps[h * size + n - d]! * values[(b * length + length - 1 - d) * heads + h]!;
        if (first && n >= length) state[at + n]! += first[at + n - length]!;
      }
    }
  }
  return state;
}

/** The shift state space alone: its taps, a convolution with them, and the same from a state. */
function runShift(golden: GoldenCase): CaseOutputs {
  const length = Number(golden.description.params['length']);
  const [B, C] = [plain(golden, 'B'), plain(golden, 'C')];
  const [heads, size] = B.shape as [number, number];
  const square = (tensor: Tensor): Tensor => tf.reshape(tensor, [heads, size]);
  // Taps beyond N are 0.
  const fit = (taps: Tensor): Tensor => (length <= size ? tf.slice(taps, [0, 0], [heads, length]) : tf.pad(taps, [[0, 0], [0, length - size]]));
  const taps = shiftKernel(B, square(C));
  const u = sequence(golden, 'u');
  const y = fftConvolution(u, taps).output;
  // What a state adds: C read from where the shift has moved it, a convolution of C with the state as the past.
  const state0 = sequence(golden, 'state0'); // [B, N, H]
  const past = tf.slice(tf.reverse(state0, 1), [0, 1, 0]);
  const from = tf.add(y, fftConvolution(tf.zerosLike(u), square(C), { state: past }).output);
  const gradients = gradientsOf({ B, C }, (t) => tf.sum(tf.square(fit(shiftKernel(t['B']!, square(t['C']!))))));
  return {
    K: fit(taps).dataSync(), y: lengthLast(y.dataSync(), y.shape), y_from_state0: lengthLast(from.dataSync(), from.shape), next_state: shiftState(u, B, plain(golden, 'state0')),
    grad_B: gradients['B']!.dataSync(), grad_C: gradients['C']!.dataSync(),
  };
}

function runBlock(golden: GoldenCase): CaseOutputs {
  const { params, outputs: wanted } = golden.description;
  const layer = H3.fromOfficial(caseWeights(golden, (name) => (name === 'x' || name === 'dy' ? null : name)), {
    dModel: Number(params['d_model']), headDim: Number(params['head_dim']), dState: Number(params['d_state']),
  });
  try {
    const [x, dy] = [plain(golden, 'x'), plain(golden, 'dy')];
    const length = x.shape[1]!;
    const { output, state } = layer.apply(x);
    const taps = layer.kernels(length);
    const [heads, size] = taps.shift.shape as [number, number];
    const shift = length <= size ? tf.slice(taps.shift, [0, 0], [heads, length]) : tf.pad(taps.shift, [[0, 0], [0, length - size]]);
    const keys = affine(x, layer.parameters['k_proj.weight']!, layer.parameters['k_proj.bias']);
    return {
      y: output.dataSync(), K_diag: taps.diagonal.dataSync(), K_shift: shift.dataSync(),
      ...('final_diag_state' in wanted ? { final_diag_state: interleave(state.re.dataSync(), state.im.dataSync()) } : {}),
      ...('final_shift_state' in wanted ? { final_shift_state: shiftState(keys, layer.parameters['ssm_k_kernel.kernel.B']!) } : {}),
      ...parameterGradients(layer.parameters, { x }, () => tf.sum(tf.mul(layer.apply(x).output, dy))),
    };
  } finally {
    layer.dispose();
  }
}

export const kernelH3Family: Family = { name: 'kernel_h3', unsupported: () => null, run: runShift };
export const blockH3Family: Family = { name: 'block_h3', unsupported: () => null, run: runBlock };
