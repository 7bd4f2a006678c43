import { availableParallelism } from 'node:os';
import { useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import { loadKernelTarget } from '@mamba360/ssm/kernels';
import type { KernelReport } from '@mamba360/ssm/kernels';

/** In the order in which `auto` tries them. */
const BACKENDS: readonly BackendName[] = ['tensorflow', 'wasm', 'cpu'];

const OLDEST_NODE = [20, 19] as const;

export interface BackendFinding {
  readonly name: BackendName;
  readonly available: boolean;
  readonly precision: string | null;
  readonly kernels: { readonly target: string; readonly instructionSet: string; readonly threads: number } | null;
  /** Why it is not available; empty otherwise. */
  readonly reason: string;
}

/** What `doctor` found; printed as it is with `--json`. */
export interface Examination {
  readonly version: string;
  readonly node: { readonly version: string; readonly supported: boolean; readonly platform: string; readonly processors: number };
  readonly backends: readonly BackendFinding[];
  /** The backend that `auto` takes, null when none works. */
  readonly automatic: BackendName | null;
  readonly kernels: KernelReport | null;
  /** What would make it better, one sentence each. */
  readonly advice: readonly string[];
}

/** Starts every backend and the best kernels of this process. */
export async function examine(version: string): Promise<Examination> {
  const supported = isSupported(process.versions.node);
  const backends: BackendFinding[] = [];
  for (const name of BACKENDS) backends.push(await examineBackend(name));
  const { kernels, failure } = await examineKernels();
  const advice = [
    ...(supported ? [] : [`Node ${process.versions.node} is older than ${OLDEST_NODE.join('.')}. Install a newer one.`]),
    ...backends.filter((finding) => !finding.available).map((finding) => `backend ${finding.name}: ${finding.reason}`),
    ...(kernels?.reasons ?? [`kernels: ${failure}`]),
  ];
  return {
    version,
    node: { version: process.versions.node, supported, platform: `${process.platform}-${process.arch}`, processors: availableParallelism() },
    backends,
    automatic: backends.find((finding) => finding.available)?.name ?? null,
    kernels,
    advice,
  };
}

async function examineBackend(name: BackendName): Promise<BackendFinding> {
  try {
    const { precision, kernels } = await useBackend(name);
    return { name, available: true, precision, kernels, reason: '' };
  } catch (error) {
    return { name, available: false, precision: null, kernels: null, reason: firstLine(error) };
  }
}

async function examineKernels(): Promise<{ kernels: KernelReport | null; failure: string }> {
  try {
    const { target, report } = await loadKernelTarget();
    target.dispose();
    return { kernels: report, failure: '' };
  } catch (error) {
    return { kernels: null, failure: firstLine(error) };
  }
}

function isSupported(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

const firstLine = (error: unknown): string => String(error instanceof Error ? error.message : error).split('\n', 1)[0] ?? '';
