import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { io, layers as TfLayers, LayersModel, Tensor } from '@tensorflow/tfjs';
import { layers, register } from '@mamba360/ssm';
import { Random } from '@mamba360/ssm/random';

export interface DropInOptions {
  /** Names in `ssm.layers`. Default: every one. */
  readonly families?: readonly string[];
  readonly seed?: number;
  /** Steps of training at most. Default 600. */
  readonly steps?: number;
  /** Also train `tf.layers.lstm`, as the first row. Default true. */
  readonly reference?: boolean;
  readonly onProgress?: (line: string) => void;
}

export interface DropInRow {
  readonly layer: string;
  readonly parameters: number;
  /** Cross-entropy at lag 32 on fresh sequences, nats. */
  readonly loss: number;
  /** The same model and training with the layer replaced by identity. */
  readonly identityLoss: number;
  readonly learned: boolean;
  readonly steps: number;
  /** Whether the saved and reloaded model predicts bit for bit the same. */
  readonly reloadedEqual: boolean;
  readonly seconds: number;
  /** What the family threw. */
  readonly problem?: string;
}

const LAG = 32;
const SYMBOLS = 8;
/** Channels: the symbols, and one of noise that has to be kept out. */
const CHANNELS = SYMBOLS + 1;
const UNITS = 16;
const BATCH = 32;

/** Options without which a family does not take so small a width. */
const OPTIONS: Readonly<Record<string, object>> = {
  mamba2: { headdim: 8 }, mamba3: { headdim: 8 }, hgrn2: { expandRatio: 8 }, gatedDeltaNet: { numHeads: 2, headDim: 8 }, rwkv5: { headSize: 8 }, rwkv6: { headSize: 8 }, rwkv7: { headSize: 8 },
};

type Twin = (args: { units: number; returnSequences: boolean; seed: number; name: string; inputShape: (number | null)[] }) => TfLayers.Layer;

/** Every family of `ssm.layers`, read from what the package exports, so that a new one is covered. */
export function twinFamilies(): string[] {
  return Object.entries(layers).filter(([name, value]) => typeof value === 'function' && /^[a-z]/.test(name) && name !== 'register').map(([name]) => name);
}

/** A symbol at step 0, noise after it, and the symbol to be said at every later step; lag 32 is the last. */
export function copyBatch(random: Random, batch: number): { x: Tensor; y: Tensor } {
  const x = new Float32Array(batch * (LAG + 1) * CHANNELS);
  const y = new Float32Array(batch * (LAG + 1) * SYMBOLS);
  for (let row = 0; row < batch; row++) {
    const symbol = random.integer(SYMBOLS);
    x[row * (LAG + 1) * CHANNELS + symbol] = 1;
    for (let step = 0; step <= LAG; step++) {
      x[(row * (LAG + 1) + step) * CHANNELS + SYMBOLS] = 2 * random.next() - 1;
      // At step 0 the answer is the input itself and asks for no memory: no target there.
      if (step > 0) y[(row * (LAG + 1) + step) * SYMBOLS + symbol] = 1;
    }
  }
  return { x: tf.tensor(x, [batch, LAG + 1, CHANNELS]), y: tf.tensor(y, [batch, LAG + 1, SYMBOLS]) };
}

/** Recall of a symbol over 32 steps: dense layer behind one layer of the family, or behind none. */
function model(layer: TfLayers.Layer | undefined, seed: number): LayersModel {
  const head = tf.layers.dense({ units: SYMBOLS, activation: 'softmax', kernelInitializer: tf.initializers.glorotUniform({ seed }), ...(layer === undefined && { inputShape: [LAG + 1, CHANNELS] }) });
  const made = tf.sequential({ layers: layer === undefined ? [head] : [layer, head] });
  made.compile({ optimizer: tf.train.adam(0.01), loss: 'categoricalCrossentropy' });
  return made;
}

/** Mean cross-entropy of the last step, which is the one at lag 32. */
function lossAtLag(made: LayersModel, { x, y }: { x: Tensor; y: Tensor }): number {
  return tf.tidy(() => {
    const last = (tensor: Tensor): Tensor => tf.slice(tensor, [0, LAG, 0], [-1, 1, -1]);
    const said = tf.sum(tf.mul(last(made.predict(x) as Tensor), last(y)), -1);
    return -tf.mean(tf.log(tf.maximum(said, 1e-7))).dataSync()[0]!;
  });
}

/** Trains until the loss at lag 32 is below `target`, or the steps are spent. */
async function train(made: LayersModel, random: Random, fresh: { x: Tensor; y: Tensor }, steps: number, target: number): Promise<{ loss: number; steps: number }> {
  let loss = lossAtLag(made, fresh);
  let done = 0;
  while (done < steps && !(loss < target)) {
    for (let index = 0; index < 20; index++, done++) {
      const { x, y } = copyBatch(random.split(done), BATCH);
      await made.trainOnBatch(x, y);
      tf.dispose([x, y]);
    }
    loss = lossAtLag(made, fresh);
  }
  return { loss, steps: done };
}

/** `model.save` to files and `tf.loadLayersModel` from them, as an application does it. */
async function saveAndReload(made: LayersModel): Promise<LayersModel> {
  const folder = await mkdtemp(join(tmpdir(), 'mamba360-drop-in-'));
  try {
    await made.save(tf.io.withSaveHandler(async ({ weightData, ...rest }: io.ModelArtifacts) => {
      await writeFile(join(folder, 'model.json'), JSON.stringify(rest));
      await writeFile(join(folder, 'weights.bin'), new Uint8Array(tf.io.concatenateArrayBuffers([weightData as ArrayBuffer].flat())));
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }));
    const description = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8')) as io.ModelArtifacts;
    const weights = await readFile(join(folder, 'weights.bin'));
    return await tf.loadLayersModel(tf.io.fromMemory({ ...description, weightData: new Uint8Array(weights).buffer }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const parametersOf = (made: LayersModel): number => made.weights.reduce((sum, weight) => sum + weight.shape.reduce<number>((product, size) => product * (size ?? 1), 1), 0);

/**
 * Puts each layer of `ssm.layers` where `tf.layers.lstm` stood, trains the model to remember a symbol for 32 steps to a loss below the one of the same model
 * without the layer, saves it, reloads it after `ssm.register()` and compares predictions. The first row is `tf.layers.lstm` itself, to compare with.
 */
export async function dropIn({ families = twinFamilies(), seed = 1, steps = 600, reference = true, onProgress }: DropInOptions = {}): Promise<DropInRow[]> {
  register();
  const random = Random.fromSeed(`drop-in ${seed}`);
  const fresh = copyBatch(random.split('fresh'), 128);
  const control = model(undefined, seed);
  const { loss: identityLoss } = await train(control, random.split('training'), fresh, steps, -Infinity);
  control.dispose();
  const rows: DropInRow[] = [];
  const known = layers as unknown as Readonly<Record<string, Twin | undefined>>;
  const makers: [string, () => TfLayers.Layer][] = families.map((name) => [name, () => {
    const make = known[name];
    if (make === undefined) throw new Error(`ssm.layers has no "${name}", only ${twinFamilies().join(', ')}.`);
    return make({ units: UNITS, returnSequences: true, seed, name: 'memory', inputShape: [LAG + 1, CHANNELS], ...OPTIONS[name] });
  }]);
  if (reference) makers.unshift(['tf.layers.lstm', () => tf.layers.lstm({ units: UNITS, returnSequences: true, name: 'memory', inputShape: [LAG + 1, CHANNELS], kernelInitializer: tf.initializers.glorotUniform({ seed }), recurrentInitializer: tf.initializers.orthogonal({ seed }) })]);
  for (const [layer, make] of makers) {
    const row = await swap(layer, make, { random: random.split('training'), fresh, seed, steps, identityLoss });
    rows.push(row);
    onProgress?.(`${layer.padEnd(20)} ${row.problem ?? `${String(row.parameters).padStart(6)} parameters  loss ${row.loss.toFixed(3)} after ${row.steps} steps (identity ${identityLoss.toFixed(3)})  ${row.learned ? 'below' : 'NOT BELOW'}  reloaded ${row.reloadedEqual ? 'equal' : 'DIFFERENT'}  ${row.seconds.toFixed(1)} s`}`);
  }
  tf.dispose([fresh.x, fresh.y]);
  return rows;
}

/** One family. What it throws becomes its row, so that one does not hide the others. */
async function swap(layer: string, make: () => TfLayers.Layer, { random, fresh, seed, steps, identityLoss }: { random: Random; fresh: { x: Tensor; y: Tensor }; seed: number; steps: number; identityLoss: number }): Promise<DropInRow> {
  const started = performance.now();
  const used: LayersModel[] = [];
  try {
    const made = model(make(), seed);
    used.push(made);
    const trained = await train(made, random, fresh, steps, 0.9 * identityLoss);
    const reloaded = await saveAndReload(made);
    used.push(reloaded);
    const [ours, theirs] = used.map((one) => tf.tidy(() => Array.from((one.predict(fresh.x) as Tensor).dataSync())));
    return {
      layer, parameters: parametersOf(made), ...trained, identityLoss, learned: trained.loss < identityLoss, reloadedEqual: ours!.every((value, index) => Object.is(value, theirs![index])),
      seconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    return { layer, parameters: 0, loss: Number.NaN, identityLoss, learned: false, steps: 0, reloadedEqual: false, seconds: (performance.now() - started) / 1000, problem: error instanceof Error ? error.message : String(error) };
  } finally {
    for (const one of used) one.dispose();
  }
}
