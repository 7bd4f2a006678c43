/** Training rounds differently on another instruction set or backend, so figures may differ by this share, and by one in their last digit. */
const RELATIVE = 0.05;

const NUMBER = /-?\d+(?:\.\d+)?(?:e[-+]?\d+)?/g;

/**
 * Whether a printed text says the same as the written one: words equal, spaces aside, and numbers within `RELATIVE`.
 *
 * @returns undefined if so, else the first difference.
 */
export function outputDifference(actual: string, expected: string): string | undefined {
  const words = (text: string): string => text.replace(NUMBER, '#').replace(/\s+/g, ' ').trim();
  if (words(actual) !== words(expected)) return `printed\n${actual}\nexpected\n${expected}`;
  const numbers = (text: string): string[] => text.match(NUMBER) ?? [];
  const found = numbers(actual);
  const index = numbers(expected).findIndex((number, at) => !near(Number(found[at]), number));
  return index < 0 ? undefined : `number ${index + 1} is ${found[index]}, expected ${numbers(expected)[index]}, in\n${actual}`;
}

function near(value: number, written: string): boolean {
  const expected = Number(written);
  const decimals = /\.(\d+)/.exec(written)?.[1]?.length ?? 0;
  return Math.abs(value - expected) <= Math.max(RELATIVE * Math.abs(expected), 1.001 * 10 ** -decimals);
}
