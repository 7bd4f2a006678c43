import { useBackend } from '@mamba360/ssm/backend';
import { expect, it } from 'vitest';
import { measurePlainScan, measureTrainingStep } from './bench-training-step.ts';

it('the model with its scan as a plain loop learns as the fused one does', async () => {
  await useBackend({ name: 'cpu' });
  const { lossDifference, ratio } = await measurePlainScan({ mixer: 'mamba', nLayer: 2, B: 2, L: 12 }, 'cpu', 1, 4);
  expect(lossDifference).toBeLessThan(1e-4);
  expect(ratio).toBeGreaterThan(0);
}, 120_000);

it('the profile adds up to the step', async () => {
  const { profile, parameters } = await measureTrainingStep({ mixer: 'mamba', nLayer: 1, B: 1, L: 8 }, 'cpu', 1, 2);
  expect(parameters).toBeGreaterThan(100_000);
  expect(profile.map(({ part }) => part)).toEqual(expect.arrayContaining(['selective scan, forward', 'selective scan, backward', 'matrix products', 'JavaScript between kernels']));
  expect(profile.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
}, 120_000);
