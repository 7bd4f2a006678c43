import { DataError } from '@mamba360/ssm/errors';
import { memberNamed } from '@mamba360/ssm/taxonomy';
import { suggestion } from '../frame/closest.ts';
import type { VerbResult } from '../frame/verb.ts';
import { describeMember, describeSurvey, goldenCases } from './describe.ts';
import { longRangeArena, LRA_MEAN_RULE } from './long-range-arena.ts';
import { printBenchmarks, printLongRangeArena, printMember, printResults, printTree } from './print-survey.ts';
import { publishedResults, resultsOfModel, resultsOfTask } from './published-results.ts';
import type { PublishedResult } from './published-results.ts';

export interface SurveyRequest {
  /** Nothing: the tree. `results`: published figures. Else a member's name. */
  readonly what?: string | undefined;
  readonly task?: string | undefined;
  readonly model?: string | undefined;
}

export async function survey({ what, task, model }: SurveyRequest): Promise<VerbResult> {
  if (what === undefined) {
    const document = await describeSurvey();
    return { document, text: printTree(document) };
  }
  if (what === 'results') return results(task, model);
  const member = memberNamed(what);
  const found = resultsOfModel(await publishedResults(), [member.name, ...member.aliases]);
  const description = describeMember(member, await goldenCases());
  return { document: { ...description, results: found }, text: printMember(description, found) };
}

async function results(task: string | undefined, model: string | undefined): Promise<VerbResult> {
  const all = await publishedResults();
  const ofTask = task === undefined ? all : resultsOfTask(all, task);
  if (ofTask.length === 0) {
    const names = [...new Set(all.map(({ benchmark }) => benchmark))];
    throw new DataError(`survey: no published result is held for the task ${JSON.stringify(task)}.${suggestion(task ?? '', names, '--task ')} mamba360 survey results lists the benchmarks.`);
  }
  const chosen = model === undefined ? ofTask : resultsOfModel(ofTask, namesOf(model));
  if (chosen.length === 0) throw new DataError(`survey: no published result is held for the model ${JSON.stringify(model)}${task === undefined ? '' : ` on ${task}`}. Leave --model out to see which models there are.`);
  const arena = chosen.every(({ benchmark }) => benchmark === 'LRA') && task !== undefined && ofTask.some(({ setting }) => setting === 'Avg');
  return {
    document: { count: chosen.length, results: chosen, ...(arena && { longRangeArena: { meanRule: LRA_MEAN_RULE, rows: longRangeArena(chosen) } }) },
    text: textOf(chosen, arena, task === undefined && model === undefined),
  };
}

function textOf(chosen: readonly PublishedResult[], arena: boolean, everything: boolean): string {
  if (everything) return printBenchmarks(chosen);
  return arena ? printLongRangeArena(chosen) : printResults(chosen);
}

/** A member brings its aliases; any other name, such as a Transformer's, stands for itself. */
function namesOf(model: string): string[] {
  try {
    const member = memberNamed(model);
    return [model, member.name, ...member.aliases];
  } catch {
    return [model];
  }
}
