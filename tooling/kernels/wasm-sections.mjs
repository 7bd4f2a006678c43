/** Names and sizes of a WebAssembly module's sections, and its data segments. Kernels may have none: their memory belongs to someone else. */
const NAMES = ['custom', 'type', 'import', 'function', 'table', 'memory', 'global', 'export', 'start', 'element', 'code', 'data', 'dataCount', 'tag'];

export function readSections(bytes) {
  const sections = [];
  let at = 8;
  const readUnsigned = () => {
    let value = 0, shift = 0, byte;
    do {
      byte = bytes[at++];
      value += (byte & 127) * 2 ** shift;
      shift += 7;
    } while (byte & 128);
    return value;
  };
  while (at < bytes.length) {
    const name = NAMES[bytes[at++]] ?? 'unknown';
    const size = readUnsigned();
    const start = at;
    const entries = size > 0 ? readUnsigned() : 0;
    sections.push({ name, size, entries });
    at = start + size;
  }
  return sections;
}

/** Throws where the module could not run on foreign memory. */
export function checkModule(name, bytes) {
  const sections = readSections(bytes);
  const data = sections.find((section) => section.name === 'data');
  if (data && data.entries > 0) throw new Error(`${name}: the module has ${data.entries} data segment(s), expected none. A table, a string or a switch became data; rewrite it.`);
  if (sections.some((section) => section.name === 'memory' && section.entries > 0)) throw new Error(`${name}: the module brings its own memory, expected an import.`);
}
