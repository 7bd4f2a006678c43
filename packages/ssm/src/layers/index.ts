export type { ApplyOptions, LayerCapabilities, SequenceLayer, SequenceResult } from './sequence-layer.ts';
export type { SequenceOptions } from '../ops/index.ts';
export {
  checkState, cloneState, concatStates, detachState, disposeState, gatherState, keepState, mapState, sliceState, stateLeaves, zeroState,
} from './state.ts';
export type { State, StateSpec } from './state.ts';
export { loadState, modelHash, saveState, STATE_FORMAT_VERSION } from './state-file.ts';
export type { StateOwner } from './state-file.ts';
export { assignParameters, createParameters, disposeParameters, namedParameters, parameterMemory, setValues, storeParameters } from './parameters.ts';
export type { ParameterSpec, ParameterSpecs, ParameterTree, Parameters, WeightArray, WeightReport, WeightSource } from './parameters.ts';
export * as kerasLayers from './keras/index.ts';
export { affine } from './affine.ts';
export { Mamba } from './mamba.ts';
export type { MambaState } from './mamba.ts';
export { camelKeys, mambaConfig } from './mamba-config.ts';
export type { MambaConfig } from './mamba-config.ts';
export { Mamba2 } from './mamba2.ts';
export type { Mamba2State } from './mamba2.ts';
export { mamba2Config } from './mamba2-config.ts';
export type { GivenMamba2Config, Mamba2Config } from './mamba2-config.ts';
export { Lstm } from './lstm.ts';
export type { LstmState } from './lstm.ts';
export { Gru } from './gru.ts';
export type { GruState } from './gru.ts';
export type { RecurrentConfig } from './recurrent-config.ts';
export { Identity } from './identity.ts';
export { Embedding, GatedMlp, LayerNorm, Linear, RmsNorm } from './pointwise.ts';
export type { PointwiseLayer } from './pointwise.ts';
