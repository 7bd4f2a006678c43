export { MEMBERS, capabilitiesOf, memberNamed, statusOf } from './members.ts';
export type { RegisteredMixers } from './members.ts';
export { paperAddress } from './member.ts';
export type { Capabilities, GoldenCoverage, Implementation, Member, Paradigm, Status } from './member.ts';
export { SURVEY_TREE, surveyNodeOf } from './survey-tree.ts';
export type { SurveyBranch, SurveyNode } from './survey-tree.ts';
