export { Rwkv } from './rwkv.ts';
export type { RwkvState } from './rwkv.ts';
export { RWKV_PRESETS, rwkvConfig } from './rwkv-config.ts';
export type { GivenRwkvConfig, RwkvConfig } from './rwkv-config.ts';
