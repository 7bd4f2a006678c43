export const BACKEND_NAMES = ['cpu', 'wasm', 'tensorflow'] as const;
export type MatrixBackend = (typeof BACKEND_NAMES)[number];

export interface SkippedBackend { readonly name: MatrixBackend; readonly reason: string }

/** Names in `MAMBA360_REQUIRE_BACKENDS` (comma separated): these must start. */
export function requiredBackends(environment: Readonly<Record<string, string | undefined>> = process.env): string[] {
  return (environment['MAMBA360_REQUIRE_BACKENDS'] ?? '').split(',').map((name) => name.trim()).filter(Boolean);
}

/** Starts each backend by `start` and tells which can be had. */
export async function probeBackends(start: (name: MatrixBackend) => Promise<unknown>): Promise<{ available: MatrixBackend[]; skipped: SkippedBackend[] }> {
  const available: MatrixBackend[] = [];
  const skipped: SkippedBackend[] = [];
  for (const name of BACKEND_NAMES) {
    try {
      await start(name);
      available.push(name);
    } catch (error) {
      skipped.push({ name, reason: (error instanceof Error ? error.message : String(error)).split('\n')[0]! });
    }
  }
  return { available, skipped };
}

/**
 * The backends a test file runs on. One that cannot be had is left out and its reason printed, unless `MAMBA360_REQUIRE_BACKENDS` lists it:
 * then this throws, and the file fails. At top level of a test file: `const backends = await backendMatrix(useBackend)`.
 */
export async function backendMatrix(
  start: (name: MatrixBackend) => Promise<unknown>,
  { environment = process.env, print = (line: string) => { process.stderr.write(`${line}\n`); } }:
  { environment?: Readonly<Record<string, string | undefined>>; print?: (line: string) => void } = {},
): Promise<MatrixBackend[]> {
  const required = requiredBackends(environment);
  const { available, skipped } = await probeBackends(start);
  for (const { name, reason } of skipped) {
    if (required.includes(name)) throw new Error(`backend ${name} is required by MAMBA360_REQUIRE_BACKENDS but did not start: ${reason}`);
    print(`skipped backend ${name}: ${reason}`);
  }
  return available;
}
