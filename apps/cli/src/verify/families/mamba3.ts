import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import { mamba3Scan } from '@mamba360/ssm/ops';
import type { Mamba3ScanResult } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { lengthLast } from '../layout.ts';
import type { Family } from './family.ts';
import { gradientsOf, plain, sequence, wantsGradients } from './tensors.ts';

type Named = Record<string, Tensor | undefined>;

/** Stored [B, H, L]; ours [B, L, H]. */
const LENGTH_LAST = ['ADT', 'DT', 'Trap'];
const NAMES = [
  'Q', 'K', 'V', 'ADT', 'DT', 'Trap', 'Q_bias', 'K_bias', 'Angles', 'D', 'Z', 'MIMO_V', 'MIMO_Z', 'MIMO_O', 'outproj_norm_weight', 'Angle_State', 'SSM_State', 'K_State', 'V_State',
];

/** The official Q and K are C and B; one rank is written without an axis, and its projections are ones. */
function scan(t: Named, { params }: { readonly params: Readonly<Record<string, unknown>> }): Mamba3ScanResult {
  const ranked = params['mode'] === 'mimo';
  const rankAxis = (tensor: Tensor | undefined, axis: number): Tensor | undefined => (tensor && !ranked ? tf.expandDims(tensor, axis) : tensor);
  const state = t['SSM_State'] && { angle: t['Angle_State']!, ssm: t['SSM_State'], B: rankAxis(t['K_State'], 2)!, x: rankAxis(t['V_State'], 2)! };
  return mamba3Scan({ x: t['V']!, dt: t['DT']!, logDecay: t['ADT']!, trap: t['Trap']!, B: t['K']!, C: t['Q']!, angles: t['Angles']! }, {
    bBias: rankAxis(t['K_bias'], 1), cBias: rankAxis(t['Q_bias'], 1), D: t['D'], z: t['Z'], xProjection: t['MIMO_V'], zProjection: t['MIMO_Z'], outProjection: t['MIMO_O'],
    normWeight: t['outproj_norm_weight'], ...(typeof params['norm_eps'] === 'number' ? { normEpsilon: params['norm_eps'] } : {}),
    // The multi-input reference leaves the angle as it grows.
    wrapAngles: !ranked, state,
  });
}

function run(golden: GoldenCase): CaseOutputs {
  const { description } = golden;
  const inputs: Named = {};
  for (const name of NAMES) if (name in description.inputs) inputs[name] = (LENGTH_LAST.includes(name) ? sequence : plain)(golden, name);
  const { output, state } = scan(inputs, description);
  const outputs: Record<string, ArrayLike<number>> = {
    out: output.dataSync(), final_Angle_State: state.angle.dataSync(), final_SSM_State: state.ssm.dataSync(), final_K_State: state.B.dataSync(), final_V_State: state.x.dataSync(),
  };
  if (!wantsGradients(golden)) return outputs;
  const dout = plain(golden, 'dout');
  const gradients = gradientsOf(inputs, (tensors) => tf.sum(tf.mul(scan(tensors, description).output, dout)));
  for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${name}`] = LENGTH_LAST.includes(name) ? lengthLast(gradient.dataSync(), gradient.shape) : gradient.dataSync();
  return outputs;
}

/** Mamba-3's core with one and with several inputs and outputs. */
export const mamba3Family: Family = { name: 'mamba3', unsupported: () => null, run };
