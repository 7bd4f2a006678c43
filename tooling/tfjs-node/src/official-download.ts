import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Places } from './locate.ts';

const PROBE_MILLISECONDS = 3_000;
const DOWNLOAD_MILLISECONDS = 120_000;

/**
 * Runs the package's own installer where its host answers.
 *
 * @returns undefined when the binding is there, else the reason why not.
 */
export async function tryOfficialDownload({ tfjsNode, binding, officialHost }: Places): Promise<string | undefined> {
  try {
    await fetch(officialHost, { method: 'HEAD', signal: AbortSignal.timeout(PROBE_MILLISECONDS) });
  } catch {
    return 'its download host does not answer';
  }
  // The installer rewrites package.json in place; pnpm links that file to its store, so it gets a copy of its own first.
  const manifest = join(tfjsNode, 'package.json');
  copyFileSync(manifest, `${manifest}.copy`);
  renameSync(`${manifest}.copy`, manifest);
  try {
    execFileSync(process.execPath, ['scripts/install.js'], {
      cwd: tfjsNode,
      stdio: 'ignore',
      timeout: DOWNLOAD_MILLISECONDS,
      env: { ...process.env, PATH: `${join(tfjsNode, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}` },
    });
  } catch {
    rmSync(join(tfjsNode, 'deps'), { recursive: true, force: true });
    return 'its download did not finish';
  }
  return existsSync(binding) ? undefined : 'its installer left no binding';
}
