import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { FROM_SOURCE, ROOT } from './paths.mjs';
import { run } from './run.mjs';
import { prepareWorkspace } from './workspace.mjs';

const JOB =
  'forecast packages/time-series/data/beijing-pm25-2013-2014.csv.gz --horizon 24 --level 80,95 --fill mask --plot output/forecast.html'.split(' ');
const seconds = (value) => `${value.toFixed(1)} s`;
const start = performance.now();

try {
  const { installSeconds, setUpSeconds } = await prepareWorkspace((line) => console.log(line));
  mkdirSync(join(ROOT, 'output'), { recursive: true });
  console.log(`\nmamba360 ${JOB.join(' ')}\n`);
  const { code } = await run(process.execPath, [...FROM_SOURCE, 'apps/cli/src/main.ts', ...JOB]);
  const own = (performance.now() - start) / 1000 - installSeconds;
  console.log(
    `\nTime: ${seconds(own)} (native set-up ${seconds(setUpSeconds)}, forecast ${seconds(own - setUpSeconds)}), and ${seconds(installSeconds)} inside package downloads and installs.`,
  );
  console.log('Your own file: npm run --silent mamba360 -- forecast your.csv --horizon 24');
  process.exitCode = code;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
