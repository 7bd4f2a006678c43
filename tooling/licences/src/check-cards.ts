import { posix } from 'node:path';
import { DATA_SETS, classOf, reddest } from './classes.ts';
import { parseModelCard } from './model-card.ts';
import type { ModelCard } from './model-card.ts';

/** Weights a package may hold in total. */
export const MAXIMUM_BYTES = 4 * 1024 * 1024;

const CARD = /(^|\/)model-card\.json$/;
const WEIGHTS = /^packages\/[^/]+\/.*\.(safetensors|gguf)$/;
const FIXTURE = /\/(__golden__|__fixtures__)\//;

/** The repository as this check sees it. */
export interface Tree {
  readonly files: readonly string[];
  read(path: string): string;
  bytes(path: string): number;
}

export interface Problem {
  readonly file: string;
  readonly message: string;
}

/** Everything wrong with the model cards and the weights of the repository. */
export function checkCards(tree: Tree): Problem[] {
  const problems: Problem[] = [];
  const described = new Set<string>();
  for (const file of tree.files.filter((path) => CARD.test(path))) {
    const parsed = parseModelCard(tree.read(file));
    const messages =
      'problems' in parsed ? parsed.problems : [...licenceProblems(parsed.card), ...weightProblems(parsed.card, file, tree, described)];
    problems.push(...messages.map((message) => ({ file, message })));
  }
  const weights = tree.files.filter((path) => WEIGHTS.test(path) && !FIXTURE.test(path));
  for (const file of weights) if (!described.has(file)) problems.push({ file, message: 'is described by no model-card.json' });
  for (const [folder, bytes] of sumByPackage(weights, tree)) {
    if (bytes > MAXIMUM_BYTES) problems.push({ file: folder, message: `holds ${bytes} bytes of weights, more than ${MAXIMUM_BYTES}` });
  }
  return problems;
}

function* licenceProblems(card: ModelCard): Iterable<string> {
  for (const { name, licence, class: claimed } of card.data) {
    const known = reddest([classOf(licence), DATA_SETS[name] ?? 'green']);
    if (known !== claimed) yield `data ${name} (${licence}) is called ${claimed}, and the table says ${known}`;
  }
  const inherited = reddest(card.data.map((input) => reddest([classOf(input.licence), input.class, DATA_SETS[input.name] ?? 'green'])));
  if (inherited !== card.class) yield `class is ${card.class}, and its reddest input is ${inherited}`;
  if (inherited === 'red') yield 'has a red input, so no weights may ship';
}

function* weightProblems(card: ModelCard, cardFile: string, tree: Tree, described: Set<string>): Iterable<string> {
  const folder = posix.dirname(cardFile);
  for (const { file, bytes } of card.weights) {
    const path = posix.join(folder, file);
    described.add(path);
    if (!tree.files.includes(path)) yield `names ${file}, which is not there`;
    else if (tree.bytes(path) !== bytes) yield `says ${file} has ${bytes} bytes, and it has ${tree.bytes(path)}`;
  }
  if (card.class === 'amber' && !tree.files.some((path) => posix.dirname(path) === folder && posix.basename(path).startsWith('LICENSE'))) {
    yield 'is amber, so the text of its licence must lie beside it as LICENSE';
  }
}

function sumByPackage(weights: readonly string[], tree: Tree): Map<string, number> {
  const sums = new Map<string, number>();
  for (const file of weights) {
    const folder = file.split('/').slice(0, 2).join('/');
    sums.set(folder, (sums.get(folder) ?? 0) + tree.bytes(file));
  }
  return sums;
}
