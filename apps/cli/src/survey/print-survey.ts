import type { Paradigm } from '@mamba360/ssm/taxonomy';
import { table } from '../frame/table.ts';
import type { MemberDescription, SurveyDocument } from './describe.ts';
import { longRangeArena, LRA_MEAN_RULE, LRA_TASKS } from './long-range-arena.ts';
import type { PublishedResult } from './published-results.ts';

const PARADIGMS: Readonly<Record<Paradigm, string>> = { structural: 'Structured SSMs', gating: 'Gated SSMs', recurrent: 'Recurrent SSMs', misc: 'Misc. SSMs' };

const mark = ({ status }: MemberDescription): string => (status === 'implemented' ? '' : '  (planned)');

/** The survey's own tree, then what has come since or stood beside it. */
export function printTree({ survey, tree, members, counts }: SurveyDocument): string {
  const named = new Map(members.map((member) => [member.key, member]));
  const branches = tree.map(({ name, nodes }, index) => {
    const last = index === tree.length - 1;
    const [branch, stem] = [last ? '└─' : '├─', last ? '   ' : '│  '];
    const lines = nodes.map((node, position) => {
      const arrows = node.from.length > 0 ? `  <- ${node.from.join(', ')}` : '';
      const heading = node.heading === undefined ? '' : `${node.heading}: `;
      return `${stem}${position === nodes.length - 1 ? '└─' : '├─'} ${heading}${node.name} (${node.year})${arrows}${mark(named.get(node.member)!)}`;
    });
    return [`${branch} ${name}`, ...lines].join('\n');
  });
  const beside = (Object.keys(PARADIGMS) as Paradigm[]).map((paradigm) => {
    const own = members.filter((member) => member.paradigm === paradigm && member.survey === null);
    return `${PARADIGMS[paradigm].replace(' SSMs', '')}: ${own.map((member) => `${member.name}${member.status === 'implemented' ? '' : '*'}`).join(', ')}`;
  });
  return [
    `${survey.title} (${survey.id})`, 'SSM', ...branches, '', 'Beside the tree, by the same paradigms (* planned):', ...beside, '',
    `${counts.implemented} of ${counts.members} members implemented. mamba360 survey <model> prints a page, mamba360 survey results --task <name> published results.`,
  ].join('\n');
}

/** All that is known of one member. */
export function printMember(member: MemberDescription, results: readonly PublishedResult[]): string {
  const { capabilities, golden, survey, implementation } = member;
  const promise = capabilities === null ? 'not known until it is built'
    : `state ${capabilities.state}${capabilities.maximumLength === undefined ? '' : ` up to ${capabilities.maximumLength} steps`}, ${capabilities.causal ? 'causal' : 'not causal'}${capabilities.runtime ? ', also without TensorFlow.js' : ''}`;
  const lines: [string, string][] = [
    ['paradigm', PARADIGMS[member.paradigm]],
    ...(survey === null ? [] : [['in the survey', `${survey.name} (${survey.year})${survey.from.length > 0 ? `, from ${survey.from.join(', ')}` : ''}`] as [string, string]]),
    ...(member.aliases.length > 0 ? [['also called', member.aliases.join(', ')] as [string, string]] : []),
    ['paper', `${member.paper.title}, ${member.year}, ${member.paper.id}`],
    ['equation', member.equation],
    ['training', member.cost.training],
    ['a step', member.cost.step],
    ['promises', promise],
    ['status', member.status],
    ['file', implementation.file],
    ...(implementation.mixer === undefined ? [] : [['mixer', implementation.mixer] as [string, string]]),
    ['golden cases', golden.families.length === 0 ? 'none: no official case is at hand' : `${golden.cases}: ${golden.families.map((one) => `${one.family} ${one.cases}${one.verified ? '' : ' (not verified yet)'}`).join(', ')}`],
    ...(member.note === undefined ? [] : [['note', member.note] as [string, string]]),
  ];
  const width = Math.max(...lines.map(([label]) => label.length));
  const page = [member.name, ...lines.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`)].join('\n');
  if (results.length === 0) return `${page}\n\nNo published result is held here.`;
  const shown = results.slice(0, 12);
  const more = results.length > shown.length ? `\n${results.length - shown.length} more: mamba360 survey results --model ${member.key}` : '';
  return `${page}\n\n${printResults(shown)}${more}`;
}

const number = (value: number | null, note?: string): string => (value === null ? (note ?? 'not reported') : String(value));

/** Published figures with numbered sources; what was recalled and not read is marked. */
export function printResults(results: readonly PublishedResult[]): string {
  const sources = [...new Set(results.map(({ source }) => source))];
  const rows = results.map((result) => [
    result.benchmark, result.setting, result.metric, result.model, result.params ?? '', number(result.value, result.note), `${result.verified ? '' : '? '}[${sources.indexOf(result.source) + 1}]`,
  ]);
  return [table(['benchmark', 'setting', 'metric', 'model', 'size', 'value', 'source'], rows), '', ...sourceLines(sources, results)].join('\n');
}

function sourceLines(sources: readonly string[], results: readonly PublishedResult[]): string[] {
  const lines = sources.map((source, index) => `[${index + 1}] ${source}`);
  return results.every(({ verified }) => verified) ? lines : [...lines, '? recalled, not read in its source'];
}

/** The Long Range Arena as one table, with the mean by one rule. */
export function printLongRangeArena(results: readonly PublishedResult[]): string {
  const rows = longRangeArena(results);
  const sources = [...new Set(rows.map(({ source }) => source))];
  const cells = rows.map((row) => [
    row.model, ...LRA_TASKS.map((task) => { const score = row.tasks[task]; return typeof score === 'number' ? score.toFixed(2) : score === 'failed' ? 'x' : '-'; }),
    row.mean?.toFixed(2) ?? '-', row.publishedMean?.toFixed(2) ?? '-', `[${sources.indexOf(row.source) + 1}]`,
  ]);
  return [
    'Long Range Arena, accuracy in percent; x no better than chance, - not reported', '', table(['model', ...LRA_TASKS, 'mean', 'published', 'source'], cells), '',
    `mean: ${LRA_MEAN_RULE}.`, 'published: as the source prints it, by its own rule (--json names it).', ...sourceLines(sources, results),
  ].join('\n');
}

/** What there is: benchmarks with their numbers of figures and models. */
export function printBenchmarks(results: readonly PublishedResult[]): string {
  const benchmarks = [...new Set(results.map(({ benchmark }) => benchmark))];
  const rows = benchmarks.map((benchmark) => {
    const own = results.filter((result) => result.benchmark === benchmark);
    return [benchmark, [...new Set(own.map(({ metric }) => metric))].join(', '), String(new Set(own.map(({ model }) => model)).size), String(own.length)];
  });
  return `${table(['benchmark', 'metrics', 'models', 'figures'], rows)}\n\n${results.length} published figures. mamba360 survey results --task <benchmark> prints them with their sources.`;
}
