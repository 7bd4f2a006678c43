import { writeFileSync } from 'node:fs';
import { assignParameters, namedParameters } from '@mamba360/ssm/layers';
import { storeTensor, writeModelFolder } from '@mamba360/ssm/checkpoints';
import type { ZeroShotNetwork } from '../../src/models/zero-shot/index.ts';
import { evaluate } from './evaluation.ts';
import type { EvaluationScore, EvaluationSet } from './evaluation.ts';

/** Weights that feed a matrix product are kept as float16; what sets time scales, norms and biases stays float32. */
const HALF = /\.weight$/;
const KEEP = /(A_log|dt_proj|\.D$|norm|conv1d|bias)/;

const digits = (value: number): number => Number(value.toPrecision(4));

function rows(scores: readonly EvaluationScore[]): { metrics: object[]; baselines: object[] } {
  const metrics: object[] = [];
  const baselines: object[] = [];
  for (const score of scores) {
    const base = { data: score.name, metric: 'mean absolute error in window standard deviations', windows: score.windows };
    metrics.push({ ...base, value: digits(score.meanAbsoluteError), coverage80: digits(score.coverage80), coverage95: digits(score.coverage95), winsAgainstSeasonalNaive: digits(score.winsAgainstSeasonalNaive) });
    baselines.push({ ...base, name: 'seasonal naive', value: digits(score.seasonalNaive) }, { ...base, name: 'naive', value: digits(score.naive) });
  }
  return { metrics, baselines };
}

/** Rounds the weights as they ship, scores them again, and writes `weights/zero-shot` with config, weights, model card and log. */
export async function writeShippedModel(
  network: ZeroShotNetwork, sets: readonly EvaluationSet[], run: { seed: number; steps: number; seconds: number; log: readonly string[]; control?: readonly EvaluationScore[] },
): Promise<void> {
  const folder = new URL('../../weights/zero-shot', import.meta.url).pathname;
  const tensors = new Map<string, ReturnType<typeof storeTensor>>();
  for (const [name, variable] of namedParameters(network.parameters)) {
    const half = HALF.test(name) && !KEEP.test(name) && variable.shape.length === 2;
    tensors.set(name, storeTensor((await variable.data()) as Float32Array, variable.shape, half ? 'F16' : 'F32'));
  }
  assignParameters(network.parameters, tensors);
  const { metrics, baselines } = rows(sets.map((set) => evaluate(network, set)));
  const bytes = [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
  const card = {
    model: 'mamba360 zero-shot forecaster', class: 'green', weights: [{ file: 'model.safetensors', bytes: 1 }],
    data: [
      { name: 'beijing-pm25', licence: 'CC-BY-4.0', class: 'green', use: 'training: every column, 2010-2012, hourly and averaged to 3, 6 and 24 hours', attribution: 'Liang et al. 2015, Beijing PM2.5, UCI Machine Learning Repository, CC BY 4.0' },
      { name: 'nab', licence: 'MIT', class: 'green', use: 'training: seven of every eight series, at their own step and averaged to an hour', attribution: 'Numenta Anomaly Benchmark, MIT licence' },
      { name: 'univariate', licence: 'public-domain', class: 'green', use: 'training: the first four fifths of eight classic series' },
      { name: 'generated', licence: 'generated', class: 'green', use: 'training: 4,000 generated series (scripts/shipped-model/synthetic-series.ts)' },
    ],
    recipe: `Context 512 steps in patches of 16, 2 Mamba blocks of width ${network.config.dModel}, weights over simple forecasts plus a correction, 5 quantiles, horizon 64; pinball loss, AdamW 1.5e-3 cosine, averaged weights, ${run.steps} steps of 64 windows, ${run.seconds.toFixed(0)} s on 2 cores.`,
    command: 'npx tsx --conditions=@mamba360/source packages/time-series/scripts/shipped-model/train.ts --write',
    seed: run.seed, metrics, baselines, parameters: namedParameters(network.parameters).reduce((sum, [, variable]) => sum + variable.size, 0),
    limits: 'Point forecasts are medians. Bands are those of the training mixture: see the coverage of each set. Etth1, m4 and exchange-rate were scored, never trained on.',
  };
  await writeModelFolder(folder, { config: { model: 'zero-shot', format: 1, ...network.config }, tensors, metadata: [['licence', 'Apache-2.0'], ['class', 'green']] });
  const { statSync } = await import('node:fs');
  card.weights[0].bytes = statSync(`${folder}/model.safetensors`).size;
  writeFileSync(`${folder}/model-card.json`, `${JSON.stringify(card, null, 2)}\n`);
  writeFileSync(`${folder}/training-log.txt`, `${run.log.join('\n')}\n`);
  console.log(`wrote ${tensors.size} tensors, ${bytes} bytes`);
}
