import type { ArgsDef } from 'citty';
import { suggestion } from './closest.ts';
import { UsageError } from './usage-error.ts';

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Refuses what the parser would let pass: unknown options, options without their value, repeated options and surplus words.
 *
 * @throws UsageError that names the word and, where one is near, what was meant.
 */
export function checkOptions(words: readonly string[], options: ArgsDef, verb: string): void {
  const known = new Map<string, string | undefined>();
  for (const [name, option] of Object.entries(options)) {
    if (option.type === 'positional') continue;
    for (const spelling of [kebab(name), ...['alias' in option ? (option.alias ?? []) : []].flat()]) known.set(spelling, option.type);
  }
  const positionals = Object.entries(options).filter(([, option]) => option.type === 'positional');
  const seen = new Set<string>();
  let surplus = 0;

  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word === '--') {
      surplus += words.length - index - 1;
      break;
    }
    if (!/^-{1,2}[a-zA-Z]/.test(word)) {
      surplus += 1;
      if (surplus > positionals.length) throw new UsageError(surplusMessage(word, positionals.length, verb));
      continue;
    }
    const [spelled = '', value] = word.replace(/^--?/, '').split(/=(.*)/s, 2);
    const name = known.has(spelled) ? spelled : spelled.replace(/^no-/, '');
    if (!known.has(name) || (name !== spelled && known.get(name) !== 'boolean')) {
      const candidates = [...known.keys()].filter((candidate) => candidate.length > 1);
      throw new UsageError(`${verb} has no option ${word.split('=', 1)[0]}.${suggestion(spelled, candidates, '--')} --help lists its options.`);
    }
    if (seen.has(name)) throw new UsageError(`--${name} is given twice, expected once.`);
    seen.add(name);
    if (known.get(name) === 'boolean') {
      if (value !== undefined) throw new UsageError(`--${name} is a switch and takes no value, got ${JSON.stringify(value)}.`);
    } else if (value === undefined) {
      const next = words[index + 1];
      if (next === undefined || /^--?[a-zA-Z]/.test(next)) throw new UsageError(`--${name} needs a value, got none. Write --${name} VALUE.`);
      index += 1;
    }
  }
}

function surplusMessage(word: string, expected: number, verb: string): string {
  const words = expected === 0 ? 'no word beside its options' : `${expected} ${expected === 1 ? 'word' : 'words'} beside its options`;
  return `${verb} takes ${words}, and ${JSON.stringify(word)} is one more. Quote a value that has spaces; --help shows the form.`;
}
