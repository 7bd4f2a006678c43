import type { Recipe } from '../suite/task.ts';

export const LRA_MODELS = ['s4d', 's4', 's5', 'lru', 'mamba'] as const;
export const LRA_BASELINES = ['lstm', 'transformer-decoder'] as const;

/** Sizes for a CPU (`short`), or for a GPU: six layers, width 128, as many updates as the published numbers of passes over the data. */
export function lraRecipe(short: boolean, { batchSize, epochs, examples }: { batchSize: number; epochs: number; examples: number }): Recipe {
  return short
    ? { dModel: 64, nLayer: 2, steps: 6000, batchSize: Math.min(batchSize, 32), learningRate: 4e-3, weightDecay: 0.01 }
    : { dModel: 128, nLayer: 6, steps: Math.ceil((epochs * examples) / batchSize), batchSize, learningRate: 4e-3, weightDecay: 0.05 };
}
