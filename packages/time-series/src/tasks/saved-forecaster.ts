import { FileError, StateError } from '@mamba360/ssm/errors';
import { encodeModelFolder, float32Values, parseStrictJson, readModelFolder, storeTensor, writeModelFolder } from '@mamba360/ssm/checkpoints';
import type { ModelSource, StoredTensor } from '@mamba360/ssm/checkpoints';
import { storeParameters } from '@mamba360/ssm/layers';
import type { ForecastNetwork } from '../models/forecast-network.ts';
import { CALIBRATION_POINTS } from './conformal.ts';
import type { Calibration } from './conformal.ts';
import { checkConfig } from './forecaster-options.ts';
import type { ForecasterConfig } from './forecaster-options.ts';
import type { Calibrations } from './intervals.ts';
import type { Preprocessing } from './prepare.ts';

const FORMAT = 'mamba360-forecaster';
const VERSION = 1;
const CALIBRATION = 'calibration.';

/** Everything a forecaster is, besides the backend. */
export interface ForecasterParts {
  readonly config: ForecasterConfig;
  readonly network: ForecastNetwork;
  readonly fitted: Preprocessing;
  readonly calibrations: Calibrations;
  /** In words: which data, how many rows, when it ended. */
  readonly trainedOn: string;
}

/** What a folder held; the caller builds the network and gives it `weights`. */
export interface LoadedParts extends Omit<ForecasterParts, 'network'> { readonly weights: Map<string, StoredTensor> }

async function encode({ config, network, fitted, calibrations, trainedOn }: ForecasterParts): Promise<Parameters<typeof encodeModelFolder>[0]> {
  const tensors = await storeParameters(network.parameters);
  const counts: Record<string, number> = {};
  for (const [name, { scores, columns, horizon, count }] of calibrations) {
    tensors.set(CALIBRATION + name, storeTensor(scores, [columns, horizon, CALIBRATION_POINTS]));
    counts[name] = count;
  }
  return {
    config: { format: FORMAT, version: VERSION, ...config, trainedOn }, tensors,
    files: new Map([['preprocessing.json', `${JSON.stringify({ ...fitted, calibrationCounts: counts }, null, 2)}\n`]]),
  };
}

/** Write config.json, model.safetensors and preprocessing.json. Node only; see `encodeForecaster` for the files in memory. */
export async function saveForecaster(folder: string, parts: ForecasterParts): Promise<void> {
  await writeModelFolder(folder, await encode(parts));
}

export async function encodeForecaster(parts: ForecasterParts): Promise<Map<string, Uint8Array>> {
  return encodeModelFolder(await encode(parts));
}

/**
 * Read what `saveForecaster` wrote.
 *
 * @throws FileError where files are missing or damaged; StateError where they are of another kind or version.
 */
export async function loadForecasterParts(source: ModelSource): Promise<LoadedParts> {
  const where = typeof source === 'string' ? source : 'the given files';
  const folder = await readModelFolder(source);
  const { format, version, trainedOn, ...rest } = folder.config;
  if (format !== FORMAT || version !== VERSION) {
    throw new StateError(`${where}: config.json has format "${String(format)}", version ${String(version)}, expected "${FORMAT}", version ${VERSION}. Give a folder that forecaster.save() wrote with this version.`);
  }
  const config = rest as unknown as ForecasterConfig;
  for (const key of ['quantiles', 'past', 'future', 'statics'] as const) if (!Array.isArray(config[key])) throw new FileError(`${where}: config.json has no list "${key}". The file is damaged: save the model again.`);
  checkConfig(config);
  const bytes = folder.files.get('preprocessing.json');
  if (!bytes) throw new FileError(`${where}: preprocessing.json is missing, expected it beside config.json. Copy the whole folder.`);
  const { calibrationCounts, ...fitted } = parseStrictJson(new TextDecoder().decode(bytes), `${where}: preprocessing.json`) as unknown as Preprocessing & { calibrationCounts: Record<string, number> };
  if (!Array.isArray(fitted.targets) || typeof fitted.scaler !== 'object') throw new FileError(`${where}: preprocessing.json holds no targets or no scaler. The file is damaged: save the model again.`);
  const calibrations = new Map<string, Calibration>();
  const weights = new Map(folder.tensors);
  for (const [name, tensor] of folder.tensors) {
    if (!name.startsWith(CALIBRATION)) continue;
    weights.delete(name);
    const [columns, horizon] = tensor.shape;
    const key = name.slice(CALIBRATION.length);
    calibrations.set(key, { columns, horizon, count: calibrationCounts?.[key] ?? 0, scores: float32Values(tensor) });
  }
  return { config, fitted, calibrations, trainedOn: String(trainedOn), weights };
}
