import * as tf from '@tensorflow/tfjs';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs';
import type { KernelTarget } from '@mamba360/ssm/kernels';
import { nonlinearScan } from '../operations/nonlinear-scan.ts';
import { growthExponent } from './growth.ts';
import { measureByBudget } from './measure-by-budget.ts';
import type { Budget } from './measure-by-budget.ts';
import type { ComparisonResult, RatioReport } from './report.ts';

/** Most steps whose matrix of scores is built: 8,192 squared floats are 256 MiB. */
const LONGEST_SCORES = 8192;

/** Causal attention of one head of width E, composed of tfjs' ops. */
function composedAttention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const L = q.shape[1]!, future = tf.linalg.bandPart(tf.ones([L, L]), -1, 0);
  const scores = tf.add(tf.mul(tf.matMul(q as Tensor3D, k as Tensor3D, false, true), q.shape[2]! ** -0.5), tf.mul(tf.sub(future, 1), 1e9));
  return tf.matMul(tf.softmax(scores), v);
}

/** Reads one number, so that a backend that waits has done its work. */
export function finish(tensor: Tensor): void {
  tf.slice(tf.reshape(tensor, [-1]), [0], [1]).dataSync();
}

/**
 * What every op is held against: our fused LSTM (recurrence alone, as the op), `tf.layers.lstm` (with its input projection, which has no form without) and causal attention, all of width E, batch 1.
 *
 * @param budget.longest - Milliseconds a call may take by the time of the length before; longer ones are left out.
 */
export function measureComparisons(target: KernelTarget, lengths: readonly number[], E: number, budget: Budget & { readonly longest: number }): RatioReport['comparisons'] {
  const rows: ComparisonResult[] = [], layer = tf.layers.lstm({ units: E, returnSequences: true, recurrentInitializer: 'glorotUniform' });
  for (const L of lengths) {
    const previous = rows.at(-1), factor = previous ? L / previous.L : 1;
    const allowed = (before: number | null | undefined, growth: number): boolean => previous === undefined || (before !== null && before !== undefined && before * growth <= budget.longest);
    const call = nonlinearScan.call({ B: 1, L, E });
    const functions: Record<string, () => void> = { fusedLstm: () => { target.run(call); } };
    const inputs = allowed(previous?.tfLstm, factor) || allowed(previous?.attention, factor ** 2) ? tf.randomUniform([1, L, E], -1, 1, 'float32', 1) : null;
    if (inputs && allowed(previous?.tfLstm, factor)) functions.tfLstm = () => { tf.tidy(() => { finish(layer.apply(inputs) as Tensor); }); };
    if (inputs && L <= LONGEST_SCORES && allowed(previous?.attention, factor ** 2)) functions.attention = () => { tf.tidy(() => { finish(composedAttention(inputs, inputs, inputs)); }); };
    const times = measureByBudget(functions, budget);
    inputs?.dispose();
    rows.push({ L, fusedLstm: times.fusedLstm ?? null, tfLstm: times.tfLstm ?? null, attention: times.attention ?? null });
  }
  layer.dispose();
  const exponent = (name: 'fusedLstm' | 'tfLstm' | 'attention'): number | null => growthExponent(rows.map((row) => ({ L: row.L, milliseconds: row[name] })));
  return {
    lengths: rows, growthExponents: { fusedLstm: exponent('fusedLstm'), tfLstm: exponent('tfLstm'), attention: exponent('attention') },
    attentionForm: 'softmax(q k^T) v composed of tfjs ops, one causal head',
  };
}
