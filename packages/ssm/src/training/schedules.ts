import { ConfigError } from '../errors/index.ts';

/** How the learning rate changes; all lengths in optimizer steps. */
export type Schedule =
  | 'constant'
  | { readonly kind: 'constant'; readonly warmupSteps?: number }
  /** Half a cosine from the learning rate down to `minimum` (a share of it, default 0) at the last step. */
  | { readonly kind: 'cosine'; readonly warmupSteps?: number; readonly minimum?: number }
  /** Multiplied by `factor` after every `every` steps. */
  | { readonly kind: 'step'; readonly every: number; readonly factor: number; readonly warmupSteps?: number };

/**
 * The factor on the learning rate.
 *
 * @param step - Number of the update, from 1.
 * @param total - Updates of the whole run.
 * @remarks Warm-up is linear and reaches 1 at step `warmupSteps`.
 */
export function scheduleFactor(schedule: Schedule, step: number, total: number): number {
  const options = typeof schedule === 'string' ? { kind: schedule } : schedule;
  const warmup = ('warmupSteps' in options ? options.warmupSteps : undefined) ?? 0;
  if (step <= warmup) return step / warmup;
  switch (options.kind) {
    case 'constant': return 1;
    case 'cosine': {
      const minimum = options.minimum ?? 0;
      const share = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
      return minimum + (1 - minimum) * 0.5 * (1 + Math.cos(Math.PI * share));
    }
    case 'step': return options.factor ** Math.floor((step - 1 - warmup) / options.every);
    default: throw new ConfigError(`fit: schedule is ${JSON.stringify(schedule)}, expected constant, cosine or step.`);
  }
}
