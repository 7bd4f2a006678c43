import type { Rule } from '../workspace.ts';

// Written in pieces so that this file passes its own rule.
const REGISTRY_HOST = new RegExp(
  ['registry', String.raw`\.(npmjs|yarnpkg|npmmirror)`, String.raw`|deb\.`, `debian\\.org|files\\.`, 'pythonhosted'].join(''),
  'i',
);
const MACHINE_PATH = new RegExp(['(?<![\\w.~}$-])/', '(home/\\w|Users/\\w|root/|work/\\w)'].join(''));
const BINARY = /\.(safetensors|gz|wasm|png|br|ico|node|gguf)$/;

/** Nothing tracked names a package registry's host or an absolute path of one machine. */
export const nothingLocal: Rule = {
  name: 'nothing-local',
  *check({ files, read }) {
    for (const file of files) {
      if (BINARY.test(file)) continue;
      const lines = read(file).split('\n');
      for (const [index, line] of lines.entries()) {
        if (line.length > 20_000) continue;
        if (REGISTRY_HOST.test(line)) yield { file, message: `line ${index + 1} names the host of a package registry` };
        if (MACHINE_PATH.test(line)) yield { file, message: `line ${index + 1} holds an absolute path of one machine` };
      }
    }
  },
};
