/**
 * Writes what `mamba360 survey` prints beside the taxonomy, from the founders' material: the published result tables and the list of golden cases.
 *
 *   node tooling/generators/survey-data.mjs [shared folder]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Rows that share benchmark, metric and source stand together, so that no source is said twice. */
export function groupResults(rows) {
  const groups = new Map();
  for (const { benchmark, metric, higherIsBetter, source, evidence, verified, inSurvey, ...row } of rows) {
    const head = { benchmark, metric, higherIsBetter, source, evidence, verified, inSurvey };
    const key = JSON.stringify(head);
    if (!groups.has(key)) groups.set(key, { ...head, rows: [] });
    groups.get(key).rows.push(row);
  }
  return [...groups.values()];
}

/** Case names by family; a case is a `.json` beside a `.safetensors`. */
export function listGoldenCases(folder) {
  const cases = {};
  for (const entry of readdirSync(folder, { withFileTypes: true }).filter((item) => item.isDirectory()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const files = new Set(readdirSync(join(folder, entry.name)));
    const names = [...files].filter((file) => file.endsWith('.json') && files.has(file.replace(/json$/, 'safetensors'))).map((file) => file.slice(0, -5)).sort();
    if (names.length > 0) cases[entry.name] = names;
  }
  return cases;
}

const groupText = ({ rows, ...head }) => `  ${JSON.stringify(head).slice(0, -1)},"rows":[\n${rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}\n  ]}`;

if (process.argv[1] === import.meta.filename) {
  const shared = process.argv[2] ?? process.env.MAMBA360_SHARED ?? join(root, '../shared');
  const groups = groupResults(JSON.parse(readFileSync(join(shared, 'survey/results.json'), 'utf8')));
  writeFileSync(join(root, 'apps/cli/data/published-results.json'), `[\n${groups.map(groupText).join(',\n')}\n]\n`);
  const cases = Object.entries(listGoldenCases(join(shared, 'golden')));
  writeFileSync(join(root, 'apps/cli/data/golden-cases.json'), `{\n${cases.map(([family, names]) => `  ${JSON.stringify(family)}: ${JSON.stringify(names)}`).join(',\n')}\n}\n`);
}
