import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readCsv } from '../data/read-csv.ts';
import { Scaler } from '../data/scaler.ts';
import { sliceSeries } from '../data/table.ts';
import { meanSquaredError } from '../metrics/point-metrics.ts';
import { fitRidge } from './ridge.ts';

// ETTh1's protocol: rows 0..8639 train, 11520..14399 test (windows look back), z-scores of the training rows, stride 1, no window dropped.
const shared = process.env.MAMBA360_SHARED;

it.skipIf(shared === undefined)('ridge on ETTh1, look-back 96, horizon 96, reaches the value measured elsewhere: .383', async () => {
  const table = await readCsv(join(shared!, 'data', 'timeseries', 'etth1', 'ETTh1.csv.gz'));
  expect(table.targets).toEqual(['HUFL', 'HULL', 'MUFL', 'MULL', 'LUFL', 'LULL', 'OT']);
  const [series] = table.series;
  const scaler = Scaler.fit([sliceSeries(series, 0, 8640)], table.targets);
  const columns = table.targets.map(target => scaler.apply(series.id, target, series.values[target]).slice(0, 14_400));
  const ridge = fitRidge(columns.map(column => column.subarray(0, 8640)), { inputSize: 96, horizon: 96, maximumWindows: 1e6 });
  let sum = 0, count = 0;
  for (const column of columns) {
    for (let cut = 11_520; cut + 96 <= 14_400; cut++) {
      sum += meanSquaredError(column.subarray(cut, cut + 96), ridge.forecast(column.subarray(cut - 96, cut)));
      count++;
    }
  }
  expect(count).toBe(7 * 2785);
  expect(sum / count).toBeCloseTo(0.383, 2);
}, 120_000);
