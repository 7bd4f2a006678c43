import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '@tensorflow/tfjs';
import { backendMatrix } from '@mamba360/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useBackend } from '../backend/index.ts';
import { tf } from '../backend/tensorflow.ts';
import { AbortedError, ConfigError, NotFiniteError } from '../errors/index.ts';
import { namedParameters } from '../layers/index.ts';
import { Backbone } from '../models/index.ts';
import { Random } from '../random/index.ts';
import { AdamW, fit, rowBatches, trainStep } from './index.ts';
import type { BatchSource, FitOptions, LossOptions, LossResult, Progress, Trainable } from './index.ts';

interface Batch { x: Tensor; y: Tensor }

/** Learns to repeat the input of two steps before: needs memory, so a mixer that does nothing cannot. */
class Delay implements Trainable<Batch> {
  readonly net: Backbone;
  constructor(options: { mixer?: string; dropout?: number; carry?: boolean } = {}) {
    this.net = Backbone.create({ dModel: 8, nLayer: 1, mixer: options.mixer ?? 'mamba', ssmCfg: {}, inputSize: 1, outputSize: 1, dropout: options.dropout ?? 0 }, { seed: 1 });
  }
  get parameters() { return this.net.parameters; }
  get config() { return this.net.config; }
  loss({ x, y }: Batch, options: LossOptions): LossResult {
    const { output, state } = this.net.apply(x, options);
    return { loss: tf.mean(tf.square(tf.sub(output, y))), state, weight: x.shape[0] };
  }
  dispose() { this.net.dispose(); }
}

const rows = Random.fromSeed(9).normal(24 * 10);
const source = (batchSize = 8): BatchSource<Batch> => rowBatches({
  count: 24, batchSize,
  make: (chosen) => {
    const x = Float32Array.from({ length: chosen.length * 10 }, (_, index) => rows[chosen[Math.floor(index / 10)] * 10 + (index % 10)]);
    const y = Float32Array.from({ length: x.length }, (_, index) => (index % 10 < 2 ? 0 : x[index - 2]));
    return { x: tf.tensor(x, [chosen.length, 10, 1]), y: tf.tensor(y, [chosen.length, 10, 1]) };
  },
});

const weights = (model: Trainable<Batch>): number[][] => namedParameters(model.parameters).map(([, variable]) => [...variable.dataSync()]);

const backends = await backendMatrix(useBackend);

let folder: string;
beforeEach(async () => {
  await useBackend('cpu');
  folder = await mkdtemp(join(tmpdir(), 'mamba360-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('fit', () => {
  it('learns what needs memory, where the identity control cannot', async () => {
    const last = async (mixer: string): Promise<number> => {
      const model = new Delay({ mixer });
      const { history } = await fit(model, source(), { epochs: 60, learningRate: 0.02, schedule: { kind: 'cosine', warmupSteps: 5 } });
      model.dispose();
      return history[history.length - 1].loss;
    };
    expect(await last('mamba')).toBeLessThan(0.2);
    expect(await last('identity')).toBeGreaterThan(0.6);
  });

  it('gives the same bits for the same seed, and others for another', async () => {
    const run = async (seed: number): Promise<number[][]> => {
      const model = new Delay({ dropout: 0.2 });
      await fit(model, source(), { epochs: 2, seed });
      const result = weights(model);
      model.dispose();
      return result;
    };
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
  });

  const everything: Partial<FitOptions<Batch>> = {
    seed: 3, learningRate: 0.01, schedule: { kind: 'cosine', warmupSteps: 2 }, accumulate: 2, averageDecay: 0.9, carryState: false,
    earlyStopping: { patience: 3 },
  };

  it.each(backends.flatMap((backend) => [[backend, 'everything on', everything, 5], [backend, 'carried state', { carryState: true }, 8]] as const))(
    'on %s, resumed after an abort at every update equals the uninterrupted run bit for bit: %s', async (backend, _, given, batchSize) => {
      await useBackend(backend);
      const dropout = 0.1;
      const options: FitOptions<Batch> = { ...given, epochs: 3, ...('earlyStopping' in given ? { validation: source(4) } : {}) } as FitOptions<Batch>;
      const straight = new Delay({ dropout });
      const expected = await fit(straight, source(batchSize), options);

      let stops = 0;
      let final: Awaited<ReturnType<typeof fit>> | undefined;
      let resumed = new Delay({ dropout });
      while (!final) {
        const controller = new AbortController();
        let batches = 0;
        // Stops at the second batch end, so that every call gets one step further, whatever the accumulation.
        const onProgress = (event: Progress): void => { if (event.type === 'batch-end' && ++batches === 2) controller.abort(); };
        try {
          final = await fit(resumed, source(batchSize), { ...options, checkpoint: { folder }, signal: controller.signal, onProgress });
        } catch (error) {
          expect(error).toBeInstanceOf(AbortedError);
          stops++;
          expect(stops).toBeLessThan(40);
          // A new process knows nothing of the aborted one.
          resumed.dispose();
          resumed = new Delay({ dropout });
        }
      }
      expect(stops).toBeGreaterThan(2);
      expect(final.resumedFrom).toBeGreaterThan(0);
      expect(weights(resumed)).toEqual(weights(straight));
      const comparable = (result: typeof final) => result!.history.map(({ seconds: _seconds, ...row }) => row);
      expect(comparable(final)).toEqual(comparable(expected));
      expect((await readdir(folder)).every((name) => name.startsWith('step-'))).toBe(true);
      straight.dispose();
      resumed.dispose();
    });

  it('continues from the checkpoint before when the newest is damaged, and says so', async () => {
    const model = new Delay();
    await fit(model, source(), { epochs: 2, checkpoint: { folder } });
    const expected = weights(model);
    const names = (await readdir(folder)).sort();
    expect(names).toHaveLength(2);
    const newest = join(folder, names[1]);
    const bytes = await readFile(newest);
    bytes[bytes.length - 3] ^= 4;
    await writeFile(newest, bytes);
    const events: Progress[] = [];
    const again = new Delay();
    const { resumedFrom } = await fit(again, source(), { epochs: 2, checkpoint: { folder }, onProgress: (event) => events.push(event) });
    expect(resumedFrom).toBe(3);
    expect(events.find(({ type }) => type === 'warning')).toMatchObject({ code: 'checkpoint-damaged' });
    expect(weights(again)).toEqual(expected);
    model.dispose();
    again.dispose();
  });

  it('refuses a checkpoint folder of another run', async () => {
    const model = new Delay();
    await fit(model, source(), { epochs: 1, checkpoint: { folder } });
    await expect(fit(model, source(), { epochs: 1, learningRate: 0.5, checkpoint: { folder } })).rejects.toThrow('belongs to another run');
    model.dispose();
  });

  it('restores the best weights and stops early', async () => {
    const model = new Delay();
    let call = 0;
    const values = [3, 1, 2, 2, 2];
    const seen: number[][][] = [];
    const result = await fit(model, source(), {
      epochs: 5, earlyStopping: { patience: 1, monitor: 'score' }, validation: (one) => { seen.push(weights(one)); return { score: values[call++] }; },
    });
    expect(result).toMatchObject({ stoppedEarly: true, bestEpoch: 1, steps: 12 });
    expect(weights(model)).toEqual(seen[1]);
    expect(result.history.map(({ validation }) => validation!.score)).toEqual([3, 1, 2, 2]);
    model.dispose();
  });

  it('leaves frozen parameters alone and moves the others; A_log does not decay', async () => {
    const model = new Delay();
    const before = new Map(namedParameters(model.parameters).map(([name, variable]) => [name, [...variable.dataSync()]]));
    await fit(model, source(), { epochs: 1, freeze: ['encoder', /D$/], groups: [{ match: /A_log$/, learningRateScale: 0 }], weightDecay: 0.5 });
    for (const [name, variable] of namedParameters(model.parameters)) {
      const same = JSON.stringify([...variable.dataSync()]) === JSON.stringify(before.get(name));
      expect(same, name).toBe(name.startsWith('encoder.') || name.endsWith('.D') || name.endsWith('.A_log'));
    }
    model.dispose();
  });

  it('reports step, batch and first bad tensor when a loss is not finite, before changing anything', async () => {
    const model = new Delay();
    const bad: BatchSource<Batch> = { batchCount: () => 3, batch: ({ index }) => ({ x: tf.fill([1, 4, 1], index === 1 ? NaN : 1), y: tf.zeros([1, 4, 1]) }) };
    const error = await fit(model, bad, { epochs: 1 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NotFiniteError);
    expect((error as Error).message).toContain('step 2 (epoch 0, batch 1)');
    expect((error as Error).message).toContain('the output of "encoder"');
    expect(weights(model).flat().every(Number.isFinite)).toBe(true);
    const [, variable] = namedParameters(model.parameters).find(([name]) => name.endsWith('x_proj.weight'))!;
    variable.assign(tf.fill(variable.shape, Infinity));
    await expect(fit(model, source(), { epochs: 1 })).rejects.toThrow('parameter "layers.0.mixer.x_proj.weight"');
    model.dispose();
  });

  it('leaks nothing: finished, aborted, failed', async () => {
    const model = new Delay();
    const count = (): number => tf.memory().numTensors;
    const parameters = namedParameters(model.parameters).length;
    const before = count();
    await fit(model, source(), { ...everything, epochs: 2, validation: source() } as FitOptions<Batch>);
    expect(count()).toBe(before);
    const controller = new AbortController();
    await expect(fit(model, source(), { epochs: 2, carryState: true, signal: controller.signal, onProgress: ({ type }) => { if (type === 'batch-end') controller.abort(); } })).rejects.toThrow(AbortedError);
    expect(count()).toBe(before);
    const bad: BatchSource<Batch> = { batchCount: () => 1, batch: () => ({ x: tf.fill([1, 4, 1], NaN), y: tf.zeros([1, 4, 1]) }) };
    await expect(fit(model, bad, { epochs: 1 })).rejects.toThrow(NotFiniteError);
    expect(count()).toBe(before);
    model.dispose();
    expect(count()).toBe(before - parameters);
  });

  it('yields to the event loop between batches', async () => {
    const model = new Delay();
    let ticks = 0;
    const timer = setInterval(() => { ticks++; }, 1);
    await fit(model, source(4), { epochs: 2 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
    model.dispose();
  });

  it.each<[string, Partial<FitOptions<Batch>>, string]>([
    ['no epochs', { epochs: 0 }, 'epochs is 0'], ['a negative rate', { learningRate: -1 }, 'learningRate is -1'],
    ['early stopping without validation', { earlyStopping: { patience: 1 } }, 'given without validation'], ['all frozen', { freeze: [/./] }, 'leaves no parameter'],
    ['a foreign monitor', { validation: () => ({ mse: 1 }), earlyStopping: { patience: 1, monitor: 'mae' } }, 'monitor is "mae", but validation gave mse'],
  ])('refuses %s', async (_, options, text) => {
    const model = new Delay();
    await expect(fit(model, source(), { epochs: 1, ...options })).rejects.toThrow(ConfigError);
    await expect(fit(model, source(), { epochs: 1, ...options })).rejects.toThrow(text);
    model.dispose();
  });
});

describe('trainStep', () => {
  it('carries detached state; gradients cross windows only when asked', async () => {
    const model = new Delay();
    const optimizer = new AdamW(namedParameters(model.parameters));
    const window = (): Batch => ({ x: tf.randomNormal([2, 3, 1], 0, 1, 'float32', 1), y: tf.randomNormal([2, 3, 1], 0, 1, 'float32', 2) });
    const first = await trainStep(model, window(), null, { optimizer, learningRate: 0 });
    const second = await trainStep(model, window(), first.state, { optimizer, learningRate: 0 });
    expect(second.loss).not.toBe(first.loss);
    const joint = async (truncate: boolean): Promise<number> =>
      (await trainStep(model, { windows: [window(), window()] }, null, { optimizer, learningRate: 0, truncate })).gradientNorm;
    const [cut, crossing] = [await joint(true), await joint(false)];
    expect(cut).not.toBeCloseTo(crossing, 6);
    const whole = await trainStep(model, (() => { const [a, b] = [window(), window()]; return { x: tf.concat([a.x, b.x], 1), y: tf.concat([a.y, b.y], 1) }; })(), null, { optimizer, learningRate: 0 });
    expect(Math.abs(whole.gradientNorm - crossing) / crossing).toBeLessThan(1e-5);
    optimizer.dispose();
    model.dispose();
  });
});
