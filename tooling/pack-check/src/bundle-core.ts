import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** What a bundle for a browser needs from outside, and its size. */
export interface Bundle {
  /** Modules that are loaded with the page. */
  readonly externals: readonly string[];
  /** Modules behind an `import()` that a page never reaches. */
  readonly onDemand: readonly string[];
  readonly bytes: number;
}

/**
 * Bundles entries of an installed package for a browser, TensorFlow.js and Node's modules left outside and listed.
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
    external: ['@tensorflow/*', 'node:*'],
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports.filter((edge) => edge.external === true));
  const paths = (dynamic: boolean): string[] =>
    [...new Set(imports.filter((edge) => (edge.kind === 'dynamic-import') === dynamic).map((edge) => edge.path))].sort();
  return { externals: paths(false), onDemand: paths(true), bytes: outputFiles[0]!.contents.length };
}
