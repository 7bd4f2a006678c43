import type { LayerCapabilities, ParameterTree, SequenceLayer, WeightSource } from '../layers/index.ts';
import { Backbone } from './backbone.ts';
import { huggingFaceRwkv } from './hugging-face.ts';
import { Rwkv } from './rwkv/index.ts';

/** What generation, scoring and sessions need of a model over tokens. `apply` names the vectors before the head `norm_f` to an observer. */
export type TokenModel = Pick<SequenceLayer, 'apply' | 'step' | 'initialState' | 'stateSpec' | 'dispose'> & {
  readonly kind: string;
  readonly config: { readonly vocabSize: number | null };
  readonly capabilities: LayerCapabilities;
  readonly parameters: ParameterTree;
  readonly dModel: number;
  /** Width of the logits: `vocabSize`, or more where the table is padded. */
  readonly outputSize: number;
};

/**
 * A language model from published weights, by the configuration beside them.
 *
 * @param weights - By the names in the checkpoint.
 * @param config - config.json of transformers (with `model_type`: mamba, falcon_mamba, mamba2, rwkv) or of mamba_ssm.
 * @throws ConfigError for a model that is not read here; other errors name the tensor that is missing or has another shape.
 */
export function languageModelFrom(weights: WeightSource, config: { readonly [key: string]: unknown }): TokenModel {
  if (!('model_type' in config)) return Backbone.fromOfficial(weights, config);
  if (config['model_type'] !== 'rwkv') return Backbone.fromHuggingFace(weights, config);
  const given = weights instanceof Map ? weights : new Map(Object.entries(weights));
  return Rwkv.fromOfficial(huggingFaceRwkv(given, config)) as unknown as TokenModel;
}
