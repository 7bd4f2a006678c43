import { DataError, FileError } from '@mamba360/ssm/errors';

/** A path, an http(s) or file address, the text itself (it holds a line break), or bytes. */
export type CsvSource = string | URL | Blob | Uint8Array;

const CHUNK = 64 * 1024;

/** A source opened for reading once: a name for messages and its bytes in pieces. */
export interface OpenSource { readonly name: string; readonly chunks: AsyncIterable<Uint8Array> }

/**
 * Open a source; nothing is read until the first chunk is asked for. Gzip is recognised by its first bytes and unpacked on the way.
 *
 * @throws FileError for a path that cannot be read or an address that does not answer 200.
 */
export function openSource(source: CsvSource, signal?: AbortSignal): OpenSource {
  if (source instanceof Uint8Array) return { name: 'the given bytes', chunks: unpack(pieces(source), 'the given bytes') };
  if (typeof Blob !== 'undefined' && source instanceof Blob) {
    const name = 'name' in source && typeof source.name === 'string' ? source.name : 'the given blob';
    return { name, chunks: unpack(streamChunks(source.stream()), name) };
  }
  if (typeof source === 'string' && /[\r\n]/.test(source)) return { name: 'the given text', chunks: pieces(new TextEncoder().encode(source)) };
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new DataError(`readCsv: got ${source === null ? 'null' : typeof source}, expected a path, an address, CSV text, a Blob or a Uint8Array.`);
  }
  const address = String(source);
  const chunks = /^https?:/i.test(address) ? fetchChunks(address, signal) : fileChunks(source);
  return { name: address === '' ? 'the empty path' : address, chunks: unpack(chunks, address) };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK) yield bytes.subarray(start, start + CHUNK);
}

async function* streamChunks(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* pieces(value);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function* fetchChunks(address: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(address, signal ? { signal } : {});
  } catch (cause) {
    throw new FileError(`readCsv: ${address} cannot be fetched (${messageOf(cause)}). Check the address and the network, or download the file and pass its path.`, { cause });
  }
  if (!response.ok || !response.body) throw new FileError(`readCsv: ${address} answered ${response.status}, expected 200. Check the address.`);
  yield* streamChunks(response.body);
}

async function* fileChunks(path: string | URL): AsyncGenerator<Uint8Array> {
  const { createReadStream } = await import('node:fs').catch((cause: unknown) => {
    throw new FileError(`readCsv: got the path ${String(path)}, but there is no file system here. Pass an http address, a Blob or a Uint8Array.`, { cause });
  });
  try {
    const target = typeof path === 'string' && path.startsWith('file:') ? new URL(path) : path;
    for await (const chunk of createReadStream(target, { highWaterMark: CHUNK })) yield chunk as Uint8Array;
  } catch (cause) {
    throw new FileError(`readCsv: ${String(path) || 'the empty path'} cannot be read (${messageOf(cause)}). Check the path and its permissions.`, { cause });
  }
}

/** Pass bytes through, or through gunzip where they start with its magic number. */
async function* unpack(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield first.value;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  };
  try {
    if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
      yield* rest();
      return;
    }
    yield* gunzip(rest(), name);
  } finally {
    await iterator.return?.();
  }
}

async function* gunzip(chunks: AsyncGenerator<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value.slice());
    },
  });
  try {
    yield* streamChunks(packed.pipeThrough(new DecompressionStream('gzip')));
  } catch (cause) {
    throw new FileError(`readCsv: ${name} starts like a gzip file but cannot be unpacked (${messageOf(cause)}). The file is damaged: fetch it again.`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0] : String(error);
}
