/** Columns of text, aligned: the first column and words to the left, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const numeric = header.map((_, column) => rows.length > 0 && rows.every((row) => /^[-+.\d]*[\d%]?$/.test(row[column] ?? '')));
  return all
    .map((row) =>
      widths
        .map((width, column) => (numeric[column] ? (row[column] ?? '').padStart(width) : (row[column] ?? '').padEnd(width)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
