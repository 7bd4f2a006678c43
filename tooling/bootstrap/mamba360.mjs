import { FROM_SOURCE } from './paths.mjs';
import { run } from './run.mjs';
import { prepareWorkspace } from './workspace.mjs';

// Standard output belongs to the command alone (`--json`), so what the set-up has to say goes to standard error.
try {
  await prepareWorkspace((line) => process.stderr.write(`${line}\n`));
  const { code } = await run(process.execPath, [...FROM_SOURCE, 'apps/cli/src/main.ts', ...process.argv.slice(2)]);
  process.exitCode = code;
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
