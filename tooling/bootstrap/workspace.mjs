import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { FROM_SOURCE, ROOT } from './paths.mjs';
import { run } from './run.mjs';
import { clearStamp, fingerprint, isStamped, stamp } from './stamp.mjs';

const manifests = ['packages', 'apps', 'tooling'].flatMap((group) => readdirSync(join(ROOT, group)).map((name) => `${group}/${name}/package.json`));
const INSTALL_INPUTS = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifests];

/**
 * Brings the workspace up to date: packages, native TensorFlow, native kernels.
 *
 * @param {(line: string) => void} say - Receives one line a step that had to be done.
 * @returns {Promise<{ installSeconds: number, setUpSeconds: number }>} time inside package downloads and installs, and in the two native steps.
 * @throws Error if the packages cannot be installed.
 */
export async function prepareWorkspace(say) {
  const installSeconds = await timed(() => installPackages(say));
  const setUpSeconds = await timed(async () => {
    await setUpTfjsNode(say);
    await buildKernels(say);
  });
  return { installSeconds, setUpSeconds };
}

async function installPackages(say) {
  const value = fingerprint(INSTALL_INPUTS);
  if (isStamped('packages', value) && existsSync(join(ROOT, 'node_modules', '.pnpm'))) return;
  clearStamp('packages');
  clearStamp('tfjs-node');
  say('Installing packages (pnpm, from the lockfile) ...');
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const windows = process.platform === 'win32';
  // From another folder, so that npx fetches pnpm instead of taking the workspace's own copy, which the install may be about to replace.
  const { code, output } = await run(
    windows ? 'npx.cmd' : 'npx',
    ['--yes', packageManager, 'install', '--dir', ROOT, '--frozen-lockfile', '--config.confirmModulesPurge=false', '--reporter=append-only'],
    {
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: windows,
      env: {
        PATH: process.env.PATH?.split(delimiter)
          .filter((folder) => !folder.startsWith(ROOT))
          .join(delimiter),
        npm_config_local_prefix: undefined,
        npm_package_json: undefined,
      },
    },
  );
  if (code !== 0) throw new Error(`pnpm install ended with code ${code}:\n${output.trim().split('\n').slice(-25).join('\n')}`);
  stamp('packages', value);
}

async function setUpTfjsNode(say) {
  const value = fingerprint(['pnpm-lock.yaml', 'tooling/tfjs-node/src']);
  if (isStamped('tfjs-node', value)) return;
  const { output } = await run(process.execPath, [...FROM_SOURCE, 'tooling/tfjs-node/src/main.ts'], { stdio: ['ignore', 'pipe', 'pipe'] });
  say(firstLine(output));
  if (output.includes('tfjs-node: ready')) stamp('tfjs-node', value);
}

async function buildKernels(say) {
  const value = fingerprint(['packages/ssm/kernels', 'packages/ssm/src/kernels', 'tooling/kernels']);
  if (isStamped('kernels', value)) return;
  const { code, output } = await run(process.execPath, [...FROM_SOURCE, 'apps/cli/src/main.ts', 'kernels', 'build', '--if-compiler'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  say(firstLine(output));
  if (code === 0) stamp('kernels', value);
}

async function timed(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

const firstLine = (text) => text.trim().split('\n', 1)[0] ?? '';
