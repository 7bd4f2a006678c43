import { useBackend } from '@mamba360/ssm/backend';
import { ConfigError } from '@mamba360/ssm/errors';
import { Random } from '@mamba360/ssm/random';
import { beforeAll, describe, expect, test } from 'vitest';
import { LIST_OPS_SHORT, LIST_OPS_VOCABULARY, listOpsBatch } from '../synthetic/list-ops.ts';
import { parityBatch, parityTask } from '../synthetic/parity.ts';
import { selectiveCopyingTask } from '../synthetic/selective-copying-task.ts';
import { suiteTasks } from '../suites.ts';
import { bagOfSymbols } from './bag-of-symbols.ts';
import { taskAccuracy, taskLogits, taskModel, tensorBatch, widthForParameters } from './model.ts';
import { suiteText, taskVerdict } from './report.ts';
import { runSuite, suiteCells } from './run-suite.ts';
import { atLastStep, generated } from './task.ts';
import type { LearningTask } from './task.ts';
import { scoreOf } from './train-cell.ts';
import type { CellRow } from './train-cell.ts';

beforeAll(async () => { await useBackend('cpu'); });

/** Says the token it reads: learned in a few steps by any layer, and by none at all. */
const echo: LearningTask = {
  name: 'echo', reads: { kind: 'tokens', vocabSize: 3 }, classes: 3, answer: 'positions', trainLength: 4, maximumLength: 4,
  train: (random, _progress, batchSize) => { const inputs = Int32Array.from({ length: batchSize * 4 }, () => random.integer(3)); return { batch: batchSize, length: 4, inputs, targets: inputs }; },
  validation: generated('validation', { batches: 1, random: Random.fromSeed('v'), batch: (random) => { const inputs = Int32Array.from({ length: 32 }, () => random.integer(3)); return { batch: 8, length: 4, inputs, targets: inputs }; } }),
  tests: [generated('test', { batches: 2, random: Random.fromSeed('t'), batch: (random) => { const inputs = Int32Array.from({ length: 32 }, () => random.integer(3)); return { batch: 8, length: 4, inputs, targets: inputs }; } })],
  headline: 'test', chance: 1 / 3, bar: { floor: 90, target: 99 }, models: ['gru'], baselines: ['identity', 'not-a-mixer'], controls: [{ mixer: 'lstm', atMost: 10, why: 'this control cannot fail, and must be seen not to' }],
  recipe: { dModel: 16, nLayer: 1, steps: 100, batchSize: 16, learningRate: 0.02 },
};

describe('a suite', () => {
  test('trains task x mixer x seed, scores against bars, sees a control that does not fail, names what is missing', async () => {
    const saved: number[] = [];
    const report = await runSuite({ suite: 'synthetic', tasks: [echo], seeds: [1, 2], minutes: 1, onRows: async (rows) => { saved.push(rows.length); } });
    expect(report.rows.map(({ mixer, seed, role }) => [mixer, seed, role])).toEqual([['gru', 1, 'model'], ['gru', 2, 'model'], ['lstm', 1, 'control'], ['lstm', 2, 'control'], ['identity', 1, 'baseline'], ['identity', 2, 'baseline']]);
    expect(saved).toEqual([1, 2, 3, 4, 5, 6]);
    expect(report.missing).toEqual(['not-a-mixer']);
    for (const row of report.rows) {
      expect(row.score, row.mixer).toBeGreaterThan(99);
      expect(row.tokens).toBe(row.steps * 16 * 4);
      expect(row.validation.length).toBeGreaterThan(0);
    }
    expect(report.verdicts[0]).toMatchObject({ task: 'echo', reached: 'target', best: { mixer: 'gru', seeds: 2 }, controls: [{ mixer: 'lstm', verdict: 'DOES NOT FAIL' }] });
    expect(report.text).toContain('Not registered, so not run: not-a-mixer.');
    expect(report.text).toContain('control lstm: at most 10, got 100.0: DOES NOT FAIL');
  });

  test('is the same twice, and another with another seed', async () => {
    const losses = async (seed: number): Promise<number[]> => (await runSuite({ suite: 's', tasks: [echo], mixers: ['gru'], seeds: [seed], minutes: 1, steps: 12 })).rows[0]!.validation.map(({ loss }) => loss);
    const first = await losses(1);
    expect(await losses(1)).toEqual(first);
    expect(await losses(2)).not.toEqual(first);
  });

  test('gives baselines the size of the first model', async () => {
    const { rows } = await runSuite({ suite: 's', tasks: [{ ...echo, models: ['mamba'], recipe: { ...echo.recipe, dModel: 32 } }], mixers: ['mamba', 'lstm'], seeds: [1], minutes: 1, steps: 2 });
    expect(rows[1]!.parameters / rows[0]!.parameters).toBeGreaterThan(0.6);
    expect(rows[1]!.parameters / rows[0]!.parameters).toBeLessThan(1.6);
    expect(widthForParameters(1000, (width) => width * width)).toBe(32);
    expect(widthForParameters(5, (width) => width)).toBe(8);
  });

  test('runs a cell in a process of its own, and goes on when one dies', { timeout: 240_000 }, async () => {
    const { tasks: [parity] } = await suiteTasks('synthetic', { data: '', short: false, names: ['parity'] });
    const small = { suite: 'synthetic', tasks: [parity!], seeds: [1], minutes: 1, steps: 1, jobs: 1 };
    const { rows } = await runSuite({ ...small, mixers: ['identity'], words: ['--backend', 'cpu'] });
    expect(rows[0]).toMatchObject({ task: 'parity', mixer: 'identity', seed: 1, steps: 1, stopped: 'steps', role: 'other' });
    const dead = await runSuite({ ...small, mixers: ['identity'], words: ['--backend', 'no-such-backend'] });
    expect(dead.rows[0]).toMatchObject({ stopped: 'failed', score: null, problem: expect.stringContaining('code 1') });
  });

  test('refuses unknown names and says what there is', async () => {
    expect(() => suiteCells({ tasks: [echo], mixers: ['mambo'], seeds: [1] })).toThrow(ConfigError);
    await expect(suiteTasks('synthetics', { data: '', short: false })).rejects.toThrow('expected one of synthetic, lra');
    await expect(suiteTasks('synthetic', { data: 'no-such-folder', short: false, names: ['sequential-mnist'] })).rejects.toThrow('cannot be read');
    const { tasks, unavailable } = await suiteTasks('synthetic', { data: 'no-such-folder', short: false });
    expect([tasks.length, unavailable.map(({ name }) => name)]).toEqual([6, ['sequential-mnist']]);
    await expect(suiteTasks('synthetic', { data: '', short: false, names: ['copying'] })).rejects.toThrow('expected some of selective-copying');
  });
});

describe('verdicts', () => {
  const row = (mixer: string, role: CellRow['role'], score: number | null, seed = 1): CellRow => ({
    task: 'selective-copying', mixer, role, seed, parameters: 1, recipe: echo.recipe, steps: 1, stopped: 'steps', tokens: 1, seconds: 1, validation: [], tests: { 'length 128': score === null ? null : score / 100 }, score,
  });
  const task = selectiveCopyingTask();

  test('average seeds, hold the best model against floor, target and stretch, and controls against theirs', () => {
    expect(taskVerdict(task, [row('mamba', 'model', 99.75), row('mamba', 'model', 98.75, 2), row('s4d', 'control', 18)])).toMatchObject({ reached: 'target', best: { score: 99.25 }, controls: [{ verdict: 'fails as it must' }] });
    expect(taskVerdict(task, [row('mamba', 'model', 96.9)])).toMatchObject({ reached: 'missed', controls: [{ verdict: 'not run', worst: null }] });
    expect(taskVerdict(task, [row('mamba', 'model', null)])).toMatchObject({ reached: 'missed', best: { score: 0 } });
    expect(taskVerdict(task, [row('lstm', 'baseline', 99)])).toMatchObject({ reached: 'not run', best: null });
  });

  test('put a floor without a number 10 points above what needs no order', () => {
    const relative = { ...task, bar: { floor: 0 } };
    expect(taskVerdict(relative, [row('mamba', 'model', 40)], { majority: 15, 'bag of symbols': 29.5 })).toMatchObject({ reached: 'floor', bar: { floor: 39.5 } });
    expect(suiteText([row('mamba', 'model', 39)], [taskVerdict(relative, [row('mamba', 'model', 39)], { majority: 29.5 })], [])).toContain('floor 39.5; best mamba 39.0 over 1 seeds: MISSED');
  });

  test('scale from chance to all where the papers do', () => {
    expect(scoreOf(parityTask(), 0.5)).toBe(0);
    expect(scoreOf(parityTask(), 1)).toBe(100);
    expect(scoreOf(task, 0.5)).toBe(50);
  });
});

describe('answers', () => {
  test('stand at the last counted step', () => {
    expect([...atLastStep([5, 6], 3, [2, 3])]).toEqual([-1, 5, -1, -1, -1, 6]);
    expect([...atLastStep([5], 2)]).toEqual([-1, 5]);
  });

  test('that are not asked do not count, and a mean leaves out padding', () => {
    const task = parityTask();
    const model = taskModel(task, 'identity', { ...task.recipe, dModel: 8 }, 1);
    expect(taskAccuracy(task, model, parityBatch(Random.fromSeed(1), 6, 5, 'last')).asked).toBe(6);
    model.dispose();
    const pooled: LearningTask = { ...echo, answer: 'mean' };
    const pooling = taskModel(pooled, 'gru', pooled.recipe, 1);
    const logits = (inputs: number[], lengths?: number[]): number[] => [...taskLogits(pooled, pooling, tensorBatch(pooled, {
      batch: 1, length: inputs.length, inputs: Int32Array.from(inputs), targets: Int32Array.from([1]), ...(lengths && { lengths: Int32Array.from(lengths) }),
    })).dataSync()];
    const [padded, alone] = [logits([1, 2, 0, 0], [2]), logits([1, 2])];
    padded.forEach((value, index) => expect(value).toBeCloseTo(alone[index]!, 5));
    pooling.dispose();
  });

  test('a bag of symbols knows what needs no order, and no more', async () => {
    const set = (name: string, batches: number) => generated(name, { batches, random: Random.fromSeed('bag'), batch: (random) => listOpsBatch(random, 32, LIST_OPS_SHORT) });
    const known = await bagOfSymbols({ vocabSize: LIST_OPS_VOCABULARY, classes: 10, train: set('train', 16), test: set('test', 8) });
    expect(known['bag of symbols']).toBeGreaterThan(known.majority);
    expect(known['bag of symbols']).toBeLessThan(0.6);
    const which = (name: string) => generated(name, { batches: 8, random: Random.fromSeed('which'), batch: (random) => { const inputs = Int32Array.from({ length: 32 }, () => random.integer(2)); return { batch: 32, length: 1, inputs, targets: inputs }; } });
    expect((await bagOfSymbols({ vocabSize: 2, classes: 2, train: which('train'), test: which('test') }))['bag of symbols']).toBe(1);
  });
});
