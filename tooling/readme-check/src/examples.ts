/** A program and what it prints. */
export interface Example {
  readonly line: number;
  readonly source: string;
  readonly output: string;
}

/** Every `ts` block that is directly followed by a `text` block. */
export function examplesOf(markdown: string): Example[] {
  const pattern = /^```ts\n(.*?)^```\s*^```text\n(.*?)^```$/gms;
  return [...markdown.matchAll(pattern)].map((match) => ({
    line: markdown.slice(0, match.index).split('\n').length,
    source: match[1] ?? '',
    output: match[2] ?? '',
  }));
}
