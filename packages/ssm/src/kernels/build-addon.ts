import type { BuildReport } from './addon-build.ts';

export type { BuildReport } from './addon-build.ts';

/**
 * Compiles the Node-API addon into the user's cache folder (`mamba360 kernels build`). Node only.
 *
 * @param options.force - Build even where the cache has it. Default false.
 * @param options.output - Write the addon to this path instead, for a prebuilt package.
 * @throws KernelError if there is no C compiler or no `node_api.h`, or compiling fails; the message says what to install.
 */
export async function buildAddon(options: { force?: boolean; output?: string } = {}): Promise<BuildReport> {
  const { buildAddon: build } = await import('./addon-build.ts');
  return build(options);
}
