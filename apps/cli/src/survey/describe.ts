import { readFile } from 'node:fs/promises';
import { mixers } from '@mamba360/ssm/models';
import { capabilitiesOf, MEMBERS, paperAddress, statusOf, SURVEY_TREE, surveyNodeOf } from '@mamba360/ssm/taxonomy';
import type { Capabilities, Member, Status, SurveyBranch } from '@mamba360/ssm/taxonomy';
import { FAMILIES } from '../verify/families/index.ts';

export interface FamilyCoverage {
  readonly family: string;
  readonly cases: number;
  /** Whether `mamba360 verify` runs the family. */
  readonly verified: boolean;
}

/** A member with all that is known of it here. */
export interface MemberDescription extends Omit<Member, 'golden' | 'capabilities' | 'paper' | 'status'> {
  readonly status: Status;
  readonly paper: { readonly title: string; readonly id: string; readonly address: string | null };
  /** null for a planned member without a mixer. */
  readonly capabilities: Capabilities | null;
  /** The survey's name and the nodes it draws arrows from; null where its tree has no such node. */
  readonly survey: { readonly name: string; readonly year: number; readonly from: readonly string[] } | null;
  readonly golden: { readonly cases: number; readonly families: readonly FamilyCoverage[] };
}

export interface SurveyDocument {
  readonly survey: { readonly title: string; readonly id: string };
  readonly tree: readonly SurveyBranch[];
  readonly members: readonly MemberDescription[];
  readonly counts: { readonly members: number; readonly implemented: number; readonly surveyNodes: number; readonly goldenCases: number };
}

const CASES = new URL('../../data/golden-cases.json', import.meta.url);

/** Names of the golden cases by family. */
export async function goldenCases(): Promise<Readonly<Record<string, readonly string[]>>> {
  return JSON.parse(await readFile(CASES, 'utf8')) as Record<string, string[]>;
}

export function describeMember(member: Member, cases: Readonly<Record<string, readonly string[]>>): MemberDescription {
  const { golden, capabilities: _given, status: _known, paper, ...rest } = member;
  const families = golden.map(({ family, cases: beginnings }): FamilyCoverage => {
    const names = cases[family] ?? [];
    const own = beginnings === undefined ? names : names.filter((name) => beginnings.some((beginning) => name.startsWith(beginning)));
    return { family, cases: own.length, verified: FAMILIES.has(family) };
  });
  const node = surveyNodeOf(member.key);
  return {
    ...rest,
    paper: { ...paper, address: paperAddress(paper.id) ?? null },
    capabilities: capabilitiesOf(member, mixers()),
    status: statusOf(member, mixers()),
    survey: node === undefined ? null : { name: node.name, year: node.year, from: node.from },
    golden: { cases: families.reduce((sum, one) => sum + one.cases, 0), families },
  };
}

/** The whole survey: its tree, and every member with capabilities and golden coverage. */
export async function describeSurvey(): Promise<SurveyDocument> {
  const cases = await goldenCases();
  const members = MEMBERS.map((member) => describeMember(member, cases));
  return {
    survey: { title: 'Mamba-360: Survey of State Space Models as Transformer Alternative for Long Sequence Modelling', id: 'arXiv 2404.16112' },
    tree: SURVEY_TREE,
    members,
    counts: {
      members: members.length,
      implemented: members.filter(({ status }) => status === 'implemented').length,
      surveyNodes: SURVEY_TREE.reduce((sum, { nodes }) => sum + nodes.length, 0),
      goldenCases: Object.values(cases).reduce((sum, names) => sum + names.length, 0),
    },
  };
}
