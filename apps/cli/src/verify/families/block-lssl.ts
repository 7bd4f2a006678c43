import { Lssl } from '@mamba360/ssm/layers';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';
import { plain } from './tensors.ts';
import { weightsOf } from './weights.ts';

/** The case stores the dense A and B that the official structured matrices stand for, beside their parameters, which ours has not got. */
function run(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  const weights = Object.fromEntries(Object.entries(weightsOf(golden)).filter(([name]) => name !== 'x' && name !== 'dt' && !name.startsWith('transition.')));
  const layer = Lssl.fromOfficial(weights, { d_model: params['d'], d_state: params['N'], channels: params['channels'], measure: params['measure'], ff: params['ff'] });
  try {
    return { y: layer.apply(plain(golden, 'x')).output.dataSync() };
  } finally {
    layer.dispose();
  }
}

/** LSSL layers with their dense matrices. */
export const blockLsslFamily: Family = { name: 'block_lssl', unsupported: () => null, run };
