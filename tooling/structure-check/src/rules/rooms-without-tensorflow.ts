import { importsOf, resolveRelative } from '../imports.ts';
import { isLibrarySource } from '../workspace.ts';
import type { Rule } from '../workspace.ts';

const FREE_ROOMS = new Set(['runtime', 'checkpoints', 'math', 'random', 'errors', 'kernels', 'metrics']);

/** Rooms whose users install no TensorFlow.js import none of it, not even as a type, nor a file that does. */
export const roomsWithoutTensorflow: Rule = {
  name: 'rooms-without-tensorflow',
  *check({ files, read }) {
    const known = new Set(files);
    for (const file of files) {
      const room = /^packages\/ssm\/src\/([\w-]+)\//.exec(file)?.[1];
      if (room === undefined || !FREE_ROOMS.has(room) || !isLibrarySource(file)) continue;
      const chain = chainToTensorflow(file, new Set());
      if (chain !== undefined) yield { file, message: `reaches TensorFlow.js: ${chain.join(' -> ')}` };
    }

    function chainToTensorflow(file: string, visited: Set<string>): string[] | undefined {
      visited.add(file);
      for (const { specifier } of importsOf(read(file), file)) {
        if (specifier.startsWith('@tensorflow/')) return [file, specifier];
        const target = resolveRelative(file, specifier);
        if (target === undefined || visited.has(target) || !known.has(target) || !target.endsWith('.ts')) continue;
        const rest = chainToTensorflow(target, visited);
        if (rest !== undefined) return [file, ...rest];
      }
      return undefined;
    }
  },
};
