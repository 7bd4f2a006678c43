export { Backbone, oursToOfficial } from './backbone.ts';
export type { BackboneOptions } from './backbone.ts';
export { backboneConfig, officialBackboneConfig, paddedVocabSize, PRESETS } from './backbone-config.ts';
export type { BackboneConfig, GivenBackboneConfig, PresetName } from './backbone-config.ts';
export { mixer, mixers, registerMixer } from './mixers.ts';
export type { MixerEntry } from './mixers.ts';
export { checkNewProcess, checkStateLaw, formatStateLaw, LAW_EXEMPTIONS, lawExempt, lawMembers } from './state-law/index.ts';
export type { LawMember, LawRow } from './state-law/index.ts';
