import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** What a bundle for a browser needs from outside, and its size. */
export interface Bundle {
  readonly externals: readonly string[];
  readonly bytes: number;
}

/**
 * Bundles entries of an installed package for a browser. esbuild fails on a Node module in the static graph, because it has none for browsers.
 *
 * @param folder - Folder in which the packages are installed.
 */
export async function bundleForBrowser(folder: string, entries: readonly string[]): Promise<Bundle> {
  const source = entries.map((entry, index) => `export * as entry${index} from ${JSON.stringify(entry)};`).join('\n');
  writeFileSync(join(folder, 'page.js'), source);
  const { metafile, outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ['page.js'],
    bundle: true,
    platform: 'browser',
    format: 'esm',
    minify: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
    outfile: 'bundle.js',
    external: ['@tensorflow/*'],
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.filter((edge) => edge.external === true));
  return { externals: [...new Set(imports.map((edge) => edge.path))].sort(), bytes: outputFiles[0]!.contents.length };
}
