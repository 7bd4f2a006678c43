export { gru, GruTwin, lstm, LstmTwin, mamba, MambaTwin, register } from './twins.ts';
export type { MambaTwinArgs, RecurrentTwinArgs } from './twins.ts';
export type { SequenceTwinArgs } from './sequence-twin.ts';
