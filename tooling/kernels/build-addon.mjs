/**
 * Builds the Node-API addon from packages/ssm/kernels into the user's cache folder, where `loadKernelTarget` finds it.
 *
 *   node --conditions=@mamba360/source --import tsx tooling/kernels/build-addon.mjs [--force] [--output file.node]
 *
 * `--output` writes it elsewhere, for a prebuilt package `@mamba360/kernels-<os>-<cpu>`.
 */
import { buildAddon } from '../../packages/ssm/src/kernels/build-addon.ts';

const output = process.argv.indexOf('--output');
const report = await buildAddon({ force: process.argv.includes('--force'), ...(output > 0 ? { output: process.argv[output + 1] } : {}) });
console.log(`${report.built ? 'built' : 'already there'}: ${report.path} (${Math.round(report.milliseconds)} ms)`);
