import type { OperationResult, RatioReport } from './report.ts';

const number = (value: number | null, digits = 3): string => (value === null ? '-' : value >= 100 ? value.toFixed(0) : value.toPrecision(digits));
const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ').trimEnd());
}

function operationLines(operation: OperationResult): string[] {
  const { shares, ceilings } = operation;
  return [
    '', `${operation.name} (${operation.settings})`,
    ...table([
      ['      L', 'ms', 'ns/element', 'naive loop', 'tfjs ops', 'fused LSTM', 'tf.layers.lstm', 'attention'],
      ...operation.lengths.map((row) => [
        String(row.L).padStart(7), number(row.kernelMilliseconds), number(row.nanosecondsPerElement), ...[row.ratios.naive, row.ratios.composed, row.ratios.fusedLstm, row.ratios.tfLstm, row.ratios.attention].map((ratio) => number(ratio)),
      ]),
    ]),
    `grows as L^${number(operation.growthExponent)}, from 4,096 on as L^${number(operation.growthExponentLong)}; ${percent(shares.bytes)} of ${number(ceilings.bytesPerSecond / 1e9)} GB/s (${ceilings.mix}), `
      + `${percent(shares.flops)} of ${number(ceilings.flopsPerSecond / 1e9)} GFLOP/s, ${percent(shares.exponentials)} of ${number(ceilings.exponentialsPerSecond / 1e9)} G exponentials/s`,
  ];
}

/** The report as a table for the terminal. Ratios are times of the other form over ours: above 1, ours is faster. */
export function ratioLines(report: RatioReport): string[] {
  const { growthExponents: growth } = report.comparisons;
  return [
    `${report.machine}, ${report.processors} processors, Node ${report.node}; kernels ${report.target} ${report.instructionSet}, ${report.threads} threads; tfjs on ${report.backend}; batch 1, width ${report.width}; ${report.seconds.toFixed(0)} s`,
    'Ratios are the other form\'s time over ours. `tfjs ops` is the composed form over our op under tfjs, the rest is over the bare kernel; - was left out because it would take too long.',
    ...report.operations.flatMap(operationLines),
    '', `fused LSTM grows as L^${number(growth.fusedLstm)}, tf.layers.lstm as L^${number(growth.tfLstm)}, attention as L^${number(growth.attention)} (${report.comparisons.attentionForm})`,
    ...report.refused.map(({ name, reason }) => `REFUSED ${name}: ${reason}`),
  ];
}
