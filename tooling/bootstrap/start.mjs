import { FROM_SOURCE } from './paths.mjs';
import { run } from './run.mjs';
import { prepareWorkspace } from './workspace.mjs';

const seconds = (value) => `${value.toFixed(1)} s`;
const start = performance.now();

try {
  const { installSeconds, setUpSeconds } = await prepareWorkspace((line) => console.log(line));
  const { code } = await run(process.execPath, [...FROM_SOURCE, 'apps/cli/src/main.ts', 'demo', ...process.argv.slice(2)]);
  const total = (performance.now() - start) / 1000;
  console.log(
    `\nTime: ${seconds(total - installSeconds)} (native set-up ${seconds(setUpSeconds)}, job ${seconds(total - installSeconds - setUpSeconds)}), ` +
      `and ${seconds(installSeconds)} inside package downloads and installs.`,
  );
  process.exitCode = code;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
