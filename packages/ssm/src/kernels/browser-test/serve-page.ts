import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export interface PageServer {
  readonly url: string;
  /** What the page has sent, by name. */
  readonly results: ReadonlyMap<string, Buffer>;
  close(): Promise<void>;
}

const FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Both scripts of the page, from source. Nothing of Node is in them: what only Node reaches stays an import that no page runs. */
async function bundle(): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    absWorkingDir: FOLDER, entryPoints: ['page.ts', 'page-worker.ts'], bundle: true, platform: 'browser', format: 'esm', target: 'es2022', write: false, outdir: 'out', logLevel: 'silent', external: ['node:*'],
  });
  return new Map(outputFiles.map(({ path, text }) => [`/${path.split(/[\\/]/).at(-1)}`, text]));
}

/** Serves a cross-origin isolated page on this machine: two scripts, `/calls` (the calls to run) and `/results?name=` (what came out). */
export async function servePage(calls: Uint8Array): Promise<PageServer> {
  const scripts = await bundle(), results = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const answer = (type: string, body: string | Uint8Array): void => {
      response.writeHead(200, {
        'content-type': type, 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-resource-policy': 'same-origin', 'cache-control': 'no-store',
      });
      response.end(body);
    };
    const script = scripts.get(pathname);
    if (script !== undefined) answer('text/javascript', script);
    else if (pathname === '/calls') answer('application/octet-stream', calls);
    else if (pathname === '/results' && request.method === 'POST') {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        results.set(searchParams.get('name') ?? '', Buffer.concat(parts));
        answer('text/plain', 'kept');
      });
    } else if (pathname === '/') answer('text/html', '<!doctype html><title>kernels</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
    else {
      response.writeHead(404);
      response.end();
    }
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`, results,
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => { resolve(); });
    }),
  };
}
