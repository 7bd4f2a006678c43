import { ConfigError } from '../errors/index.ts';
import { Attention, Experts, FeedForward, GatedMlp, LayerNorm, Mamba, ResidualStack, RmsNorm } from '../layers/index.ts';
import type { AttentionConfig, ExpertsConfig, MambaConfig, PointwiseLayer, SequenceLayer, StackPart } from '../layers/index.ts';
import type { Random } from '../random/index.ts';

/** Options of the parts of a stack; each member's file says which it has. */
export interface StackConfig {
  readonly dModel: number;
  readonly normEpsilon?: number;
  readonly mamba?: Partial<Omit<MambaConfig, 'dModel'>>;
  readonly attention?: Partial<Omit<AttentionConfig, 'dModel'>>;
  readonly experts?: Partial<Omit<ExpertsConfig, 'dModel'>>;
  /** Width inside a feed-forward part. */
  readonly hidden?: number;
}

/** Name of a part, what it is built of, and its norm. */
export type PartName = 'mamba' | 'attention' | 'experts' | 'feed-forward' | 'gated-mlp';

/**
 * A stack of named parts, each behind its own norm and residual.
 *
 * @param norm - 'rms' as in the Mamba family, 'layer' as in the Transformer.
 */
export function stackOf(kind: string, config: StackConfig, names: readonly PartName[], norm: 'rms' | 'layer', random: Random): ResidualStack {
  const { dModel, normEpsilon = 1e-5 } = config;
  const hidden = config.hidden ?? 4 * dModel;
  const body = (name: PartName, source: Random): SequenceLayer | PointwiseLayer => {
    switch (name) {
      case 'mamba': return Mamba.create({ ...config.mamba, dModel }, { random: source });
      case 'attention': return Attention.create({ ...config.attention, dModel }, { random: source });
      case 'experts': return Experts.create({ hidden, ...config.experts, dModel }, { random: source });
      case 'feed-forward': return FeedForward.create({ dModel, hidden }, { random: source });
      case 'gated-mlp': return GatedMlp.create({ dModel, hidden }, { random: source });
    }
  };
  const parts = names.map((name, index): StackPart => {
    const source = random.split(index);
    const size = { size: dModel, epsilon: normEpsilon };
    return { norm: norm === 'rms' ? RmsNorm.create(size, { random: source.split('norm') }) : LayerNorm.create(size, { random: source.split('norm') }), body: body(name, source.split('body')) };
  });
  return new ResidualStack(kind, config, parts);
}

/** Refuses keys that a stack does not have, and counts that are none. */
export function checkStack(kind: string, config: object, keys: readonly string[], counts: { readonly [key: string]: number } = {}): void {
  for (const key of Object.keys(config)) if (key !== 'dModel' && key !== 'normEpsilon' && !keys.includes(key)) throw new ConfigError(`${kind}: unknown option "${key}", expected one of dModel, normEpsilon, ${keys.join(', ')}.`);
  for (const [key, value] of Object.entries(counts)) if (!Number.isSafeInteger(value) || value < 0) throw new ConfigError(`${kind}: ${key} is ${value}, expected a whole number.`);
}
