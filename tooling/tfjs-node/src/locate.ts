import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where the optional packages lie. */
export interface Places {
  /** Folder of `@tensorflow/tfjs-node`. */
  readonly tfjsNode: string;
  /** Node-API version of the binding, and the file the package loads. */
  readonly napiVersion: number;
  readonly binding: string;
  /** Host of the official prebuilt files, as the package itself names it. */
  readonly officialHost: string;
  /** The archive of the registry package, or undefined where it is not installed. */
  readonly archive: string | undefined;
}

interface Manifest {
  binary: { host: string; napi_versions: number[] };
}

/** @throws Error if `@tensorflow/tfjs-node` is not installed. */
export function locate(root: string): Places {
  const require = createRequire(join(root, 'package.json'));
  const tfjsNode = realpathSync(dirname(require.resolve('@tensorflow/tfjs-node/package.json')));
  const { binary } = JSON.parse(readFileSync(join(tfjsNode, 'package.json'), 'utf8')) as Manifest;
  const napiVersion = Math.max(...binary.napi_versions.filter((version) => version <= Number(process.versions.napi)));
  return {
    tfjsNode,
    napiVersion,
    binding: join(tfjsNode, 'lib', `napi-v${napiVersion}`, 'tfjs_binding.node'),
    officialHost: new URL(binary.host).origin,
    archive: findArchive(require),
  };
}

function findArchive(require: NodeJS.Require): string | undefined {
  try {
    const archive = join(dirname(require.resolve('tfjs-node-lambda-releases/package.json')), 'nodejs12.x-tf2.7.0.br');
    return existsSync(archive) ? archive : undefined;
  } catch {
    return undefined;
  }
}
