import { FileError } from '../errors/index.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Deeper nesting than this never occurs in a header or config and would only serve to exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * Parses JSON that comes from a stranger: duplicate keys and `__proto__` are refused (JSON.parse keeps the last, or hides it).
 *
 * @param text - The document.
 * @param what - Name of the document in error texts.
 * @param options.nonFinite - Accept bare NaN, Infinity and -Infinity, which Python writes into config.json. Default false.
 * @throws FileError with the position of the first fault.
 */
export function parseStrictJson(text: string, what: string, options: { nonFinite?: boolean } = {}): Json {
  let position = 0;
  const fail = (problem: string): never => {
    throw new FileError(`${what}: ${problem} at character ${position}, expected valid JSON. The file is damaged or not what its name says; fetch it again.`);
  };
  const skipSpace = (): void => {
    while (position < text.length && ' \t\n\r'.includes(text[position])) position++;
  };
  const take = (expected: string): void => {
    if (text[position] !== expected) fail(`got ${position < text.length ? JSON.stringify(text[position]) : 'the end'} instead of '${expected}'`);
    position++;
  };

  function string(): string {
    const start = position;
    take('"');
    while (position < text.length && text[position] !== '"') position += text[position] === '\\' ? 2 : 1;
    if (position >= text.length) fail('a text without end');
    position++;
    try {
      return JSON.parse(text.slice(start, position)) as string;
    } catch {
      return fail('a text with a bad escape or control character');
    }
  }

  function scalar(): Json {
    const word = /^(?:true|false|null|-?Infinity|NaN|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(text.slice(position, position + 400))?.[0];
    if (word === undefined) return fail(`got ${position < text.length ? JSON.stringify(text[position]) : 'the end'} instead of a value`);
    const value = word === 'true' ? true : word === 'false' ? false : word === 'null' ? null : Number(word);
    if (typeof value === 'number' && !Number.isFinite(value) && !(options.nonFinite && /[IN]/.test(word))) fail(`number ${word} out of range`);
    position += word.length;
    return value;
  }

  function value(depth: number): Json {
    if (depth > MAX_DEPTH) fail(`more than ${MAX_DEPTH} levels of nesting`);
    skipSpace();
    if (text[position] === '"') return string();
    if (text[position] === '[') return items(depth);
    if (text[position] === '{') return object(depth);
    return scalar();
  }

  function items(depth: number): Json[] {
    const result: Json[] = [];
    take('[');
    skipSpace();
    if (text[position] !== ']') {
      for (;;) {
        result.push(value(depth + 1));
        skipSpace();
        if (text[position] !== ',') break;
        position++;
      }
    }
    take(']');
    return result;
  }

  function object(depth: number): { [key: string]: Json } {
    const result: { [key: string]: Json } = {};
    take('{');
    skipSpace();
    if (text[position] !== '}') {
      for (;;) {
        skipSpace();
        const key = string();
        if (key === '__proto__') fail('key "__proto__"');
        if (Object.hasOwn(result, key)) fail(`duplicate key ${JSON.stringify(key.slice(0, 80))}`);
        skipSpace();
        take(':');
        result[key] = value(depth + 1);
        skipSpace();
        if (text[position] !== ',') break;
        position++;
      }
    }
    take('}');
    return result;
  }

  const document = value(0);
  skipSpace();
  if (position < text.length) fail(`got ${JSON.stringify(text[position])} after the end of the document`);
  return document;
}
