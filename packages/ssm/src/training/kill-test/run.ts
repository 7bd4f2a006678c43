import { killTest } from './kill-test.ts';

/** `node --conditions=@mamba360/source --import tsx packages/ssm/src/training/kill-test/run.ts [kills] [seed]` */
const [kills = 20, seed = 1] = process.argv.slice(2).map(Number);
const result = await killTest(kills, seed);
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
process.exitCode = result.equal && result.kills === kills ? 0 : 1;
