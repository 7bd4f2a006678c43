export { checkNewProcess } from './new-process.ts';
export { checkStateLaw, formatStateLaw } from './state-law.ts';
export type { LawRow } from './state-law.ts';
export { lawMembers } from './members.ts';
export type { LawMember } from './members.ts';
