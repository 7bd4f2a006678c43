import { ConfigError } from '../errors/index.ts';

type Published = { readonly [key: string]: unknown };

const SUPPORTED = 'Supported: mamba, falcon_mamba, mamba2, rwkv (version 4).';

function number(config: Published, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new ConfigError(`config.json: ${key} is ${JSON.stringify(value) ?? 'missing'}, expected a number. The file is not one of transformers' ${String(config['model_type'])} models, or is damaged.`);
  return value;
}

const flag = (config: Published, key: string, fallback: boolean): boolean => (typeof config[key] === 'boolean' ? config[key] : fallback);

/** Some writers keep infinities as `{ "__float__": "Infinity" }`, because JSON has no word for them. */
function unwrapped(value: unknown): number {
  if (typeof value === 'object' && value !== null && '__float__' in value) return Number((value as { __float__: unknown }).__float__);
  return Number(value);
}

function limits(config: Published): [number, number] | null {
  const given = config['time_step_limit'];
  if (given === undefined || given === null) return null;
  if (!Array.isArray(given) || given.length !== 2) throw new ConfigError(`config.json: time_step_limit is ${JSON.stringify(given)}, expected [least, most].`);
  const [least, most] = given.map(unwrapped) as [number, number];
  if (!(least <= most)) throw new ConfigError(`config.json: time_step_limit is [${least}, ${most}], expected [least, most] with least <= most.`);
  return least <= 0 && most === Infinity ? null : [least, most];
}

const shared = (config: Published, tied: boolean): { [key: string]: unknown } => ({
  d_model: number(config, 'hidden_size'), n_layer: number(config, 'num_hidden_layers'), vocab_size: number(config, 'vocab_size'), pad_vocab_size_multiple: 1,
  rms_norm: true, norm_epsilon: number(config, 'layer_norm_epsilon', 1e-5), tie_embeddings: flag(config, 'tie_word_embeddings', tied),
});

/** Falcon-Mamba writes an `expand` that its `intermediate_size` contradicts; the weights follow the latter. */
const expansion = (config: Published): number => number(config, 'intermediate_size', number(config, 'expand', 2) * number(config, 'hidden_size')) / number(config, 'hidden_size');

function mamba(config: Published): { [key: string]: unknown } {
  const rank = config['time_step_rank'];
  return {
    ...shared(config, true),
    ssm_cfg: {
      layer: 'Mamba1', d_state: number(config, 'state_size', 16), d_conv: number(config, 'conv_kernel', 4), expand: expansion(config), dt_rank: rank === undefined || rank === 'auto' ? 'auto' : number(config, 'time_step_rank'),
      bias: flag(config, 'use_bias', false), conv_bias: flag(config, 'use_conv_bias', true),
      ...(config['model_type'] === 'falcon_mamba' && { inner_norm: 'plain', inner_norm_epsilon: number(config, 'mixer_rms_eps', 1e-6) }),
    },
  };
}

function mamba2(config: Published): { [key: string]: unknown } {
  const inner = Math.round(number(config, 'expand', 2) * number(config, 'hidden_size')), heads = number(config, 'num_heads', 128), headdim = number(config, 'head_dim', 64);
  if (heads * headdim !== inner) throw new ConfigError(`config.json: num_heads ${heads} x head_dim ${headdim} is ${heads * headdim}, expected expand x hidden_size, ${inner}.`);
  const epsilon = number(config, 'layer_norm_epsilon', 1e-5);
  return {
    ...shared(config, false),
    ssm_cfg: {
      layer: 'Mamba2', d_state: number(config, 'state_size', 128), d_conv: number(config, 'conv_kernel', 4), expand: number(config, 'expand', 2), headdim, ngroups: number(config, 'n_groups', 8),
      bias: flag(config, 'use_bias', false), conv_bias: flag(config, 'use_conv_bias', true), norm_epsilon: epsilon, dt_limit: limits(config), norm_groups: 1,
    },
  };
}

/**
 * config.json of transformers' Mamba, Falcon-Mamba or Mamba-2, in the words of mamba_ssm.
 *
 * @throws ConfigError for another `model_type`, and for values that contradict each other.
 * @see transformers, `MambaConfig`, `FalconMambaConfig`, `Mamba2Config`; their gated norm works over all channels at once, that of mamba_ssm within groups.
 */
export function huggingFaceConfig(config: Published): { [key: string]: unknown } {
  switch (config['model_type']) {
    case 'mamba': case 'falcon_mamba': return mamba(config);
    case 'mamba2': return mamba2(config);
    default: throw new ConfigError(`config.json: model_type is ${JSON.stringify(config['model_type']) ?? 'missing'}, which is not read here. ${SUPPORTED}`);
  }
}

/**
 * transformers' RWKV-4 as `Rwkv.fromOfficial` takes it: weights by the names of BlinkDL/RWKV-LM.
 *
 * @throws ConfigError where the configuration says something that RWKV-4 has not.
 */
export function huggingFaceRwkv<Value>(weights: ReadonlyMap<string, Value>, config: Published): Map<string, Value> {
  const epsilon = number(config, 'layer_norm_epsilon', 1e-5);
  if (epsilon !== 1e-5) throw new ConfigError(`config.json: layer_norm_epsilon is ${epsilon}, expected 1e-5, which RWKV-4 was published with.`);
  const renamed = new Map([...weights].map(([name, value]) => [name.replace(/^rwkv\./, '').replace(/^embeddings\./, 'emb.').replace('.attention.', '.att.').replace('.feed_forward.', '.ffn.').replace('.pre_ln.', '.ln0.')
    .replace(/\.time_mix_(key|value|receptance)$/, (_, letter: string) => `.time_mix_${letter[0]}`), value]));
  const embedding = renamed.get('emb.weight');
  if (flag(config, 'tie_word_embeddings', false) && embedding !== undefined) renamed.set('head.weight', embedding);
  return renamed;
}

/** Parameter names of transformers as mamba_ssm writes them. */
export function huggingFaceName(name: string): string {
  const full = /^(embeddings|layers|norm_f)\./.test(name) ? `backbone.${name}` : name;
  return full.replace(/^backbone\.embeddings\./, 'backbone.embedding.');
}
