import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkCards } from './check-cards.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 28,
});
const files = listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));

const problems = checkCards({
  files,
  read: (path) => readFileSync(join(root, path), 'utf8'),
  bytes: (path) => statSync(join(root, path)).size,
});
for (const { file, message } of problems) console.error(`${file}: ${message}`);
console.log(`licences: ${files.filter((file) => file.endsWith('model-card.json')).length} model cards, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
