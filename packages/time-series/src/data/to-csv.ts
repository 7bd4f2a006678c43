import Papa from 'papaparse';
import type { Table } from './table.ts';

/** Write a table as CSV text in long form, missing values as empty cells. `readCsv` reads it back. */
export function toCsv(table: Table): string {
  const labels = Object.keys(table.series[0]?.labels ?? {});
  const fields = [table.idName, table.timeName, ...labels, ...table.targets, ...table.covariates];
  const data = [...table.rows()].map(row => fields.map(field => (Number.isNaN(row[field]) ? '' : row[field])));
  return `${Papa.unparse({ fields, data }, { newline: '\n' })}\n`;
}
