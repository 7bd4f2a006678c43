import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Node's arguments for running the workspace's TypeScript without a build. */
export const FROM_SOURCE = ['--conditions=@mamba360/source', '--import', 'tsx'];
