export { checkNewProcess } from './new-process.ts';
export { checkStateLaw, formatStateLaw } from './state-law.ts';
export type { LawRow } from './state-law.ts';
export { LAW_EXEMPTIONS, lawExempt, lawMembers } from './members.ts';
export type { LawMember } from './members.ts';
