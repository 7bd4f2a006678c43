import { fileURLToPath } from 'node:url';
import { checkStructure } from './check.ts';
import { readWorkspace } from './workspace.ts';

const workspace = readWorkspace(fileURLToPath(new URL('../../..', import.meta.url)));
const violations = checkStructure(workspace);
for (const { rule, file, message } of violations) console.error(`${file}: ${message} [${rule}]`);
console.log(`structure: ${workspace.members.length} members, ${workspace.files.length} files, ${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
