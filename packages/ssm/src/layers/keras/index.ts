export { gru, GruTwin, lstm, LstmTwin, mamba, mamba2, Mamba2Twin, MambaTwin, register } from './twins.ts';
export type { Mamba2TwinArgs, MambaTwinArgs, RecurrentTwinArgs } from './twins.ts';
export { hyena, HyenaTwin, longConv, LongConvTwin, sgConv, SgConvTwin } from './convolution-twins.ts';
export type { SequenceTwinArgs } from './sequence-twin.ts';
