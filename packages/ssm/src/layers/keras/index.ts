export { deltaNet, gatedDeltaNet, gla, hgrn2, mlstm, retnet, rwkv4, rwkv5, rwkv6, rwkv7, rwkvChannelMix } from './matrix-state-twins.ts';
export type { MatrixStateTwinArgs } from './matrix-state-twins.ts';
export { gru, GruTwin, lstm, LstmTwin, mamba, mamba2, Mamba2Twin, mamba3, Mamba3Twin, MambaTwin, register } from './twins.ts';
export type { Mamba2TwinArgs, Mamba3TwinArgs, MambaTwinArgs, RecurrentTwinArgs } from './twins.ts';
export { gss, GssTwin, h3, H3Twin, hyena, HyenaTwin, longConv, LongConvTwin, sgConv, SgConvTwin, tnn, TnnTwin } from './convolution-twins.ts';
export { attention, AttentionTwin, ltc, LtcTwin, rnn, RnnTwin, slstm, SlstmTwin } from './twins.ts';
export { dss, DssTwin, hippo, HippoTwin, lssl, LsslTwin, s4, s4d, S4dTwin, S4Twin } from './structural-twins.ts';
export type { DssTwinArgs, HippoTwinArgs, LsslTwinArgs, S4dTwinArgs, S4TwinArgs } from './structural-twins.ts';
export type { SequenceTwinArgs } from './sequence-twin.ts';
export {
  griffin, GriffinTwin, hgrn, HgrnTwin, ldStack, LdStackTwin, liquidS4, LiquidS4Twin, lru, LruTwin, mega, megaEma, MegaEmaTwin, MegaTwin, minGru, MinGruTwin, minLstm, MinLstmTwin,
  rgLru, RgLruTwin, s5, S5Twin,
} from './scan-twins.ts';
