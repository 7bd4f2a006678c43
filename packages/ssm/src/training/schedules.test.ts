import { describe, expect, it } from 'vitest';
import { groupSettings, scheduleFactor } from './index.ts';

describe('schedules', () => {
  it('warms up to 1, then follows half a cosine to its minimum at the last step', () => {
    const schedule = { kind: 'cosine', warmupSteps: 4, minimum: 0.1 } as const;
    expect([1, 2, 4].map((step) => scheduleFactor(schedule, step, 24))).toEqual([0.25, 0.5, 1]);
    expect(scheduleFactor(schedule, 14, 24)).toBeCloseTo(0.55, 12);
    expect(scheduleFactor(schedule, 24, 24)).toBeCloseTo(0.1, 12);
    expect(scheduleFactor(schedule, 30, 24)).toBeCloseTo(0.1, 12);
  });

  it('steps down after every n updates; constant stays', () => {
    const schedule = { kind: 'step', every: 10, factor: 0.5 } as const;
    expect([1, 10, 11, 20, 21].map((step) => scheduleFactor(schedule, step, 100))).toEqual([1, 1, 0.5, 0.5, 0.25]);
    expect(scheduleFactor('constant', 99, 100)).toBe(1);
  });
});

describe('parameter groups', () => {
  it('does not decay what the official trainings do not decay', () => {
    const decay = (name: string, rank: number): number => groupSettings(name, rank, [], 0.1).weightDecay;
    for (const [name, rank] of [['layers.0.mixer.A_log', 2], ['layers.0.mixer.D', 1], ['layers.0.mixer.dt_proj.bias', 1], ['layers.1.norm.weight', 1], ['norm_f.weight', 1]] as const) {
      expect(decay(name, rank), name).toBe(0);
    }
    for (const name of ['layers.0.mixer.in_proj.weight', 'layers.0.mixer.dt_proj.weight', 'embedding.weight', 'head.weight']) expect(decay(name, 2), name).toBe(0.1);
    expect(decay('layers.0.mixer.conv1d.weight', 3)).toBe(0.1);
  });

  it('takes the first group that matches: name, beginning of a name, or pattern', () => {
    const groups = [{ match: ['layers.0', /A_log$/], learningRateScale: 0.1 }, { match: /./, weightDecay: 0.3 }];
    expect(groupSettings('layers.0.mixer.in_proj.weight', 2, groups, 0.01)).toEqual({ learningRateScale: 0.1, weightDecay: 0.01 });
    expect(groupSettings('layers.01.mixer.in_proj.weight', 2, groups, 0.01)).toEqual({ learningRateScale: 1, weightDecay: 0.3 });
    expect(groupSettings('layers.1.mixer.A_log', 2, groups, 0.01)).toEqual({ learningRateScale: 0.1, weightDecay: 0 });
  });
});
