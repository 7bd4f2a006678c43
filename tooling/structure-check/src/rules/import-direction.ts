import { importsOf, resolveRelative } from '../imports.ts';
import { isLibrarySource } from '../workspace.ts';
import type { Rule } from '../workspace.ts';

/**
 * What each room of `ssm` may import, beside itself. Written out, not derived from an order, because the rooms form no line:
 * `kernels` and `checkpoints` know no tensors, `training` knows layers (their parameters and states) and no model.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  math: ['errors'],
  random: ['errors', 'math'],
  metrics: ['errors', 'math'],
  kernels: ['errors', 'math'],
  checkpoints: ['errors', 'math'],
  runtime: ['errors', 'math', 'random', 'kernels', 'checkpoints'],
  backend: ['errors', 'math', 'kernels'],
  ops: ['errors', 'math', 'kernels', 'backend'],
  layers: ['errors', 'math', 'random', 'checkpoints', 'kernels', 'backend', 'ops'],
  training: ['errors', 'math', 'random', 'checkpoints', 'metrics', 'kernels', 'backend', 'ops', 'layers'],
  taxonomy: ['errors'],
  models: ['errors', 'math', 'random', 'checkpoints', 'kernels', 'backend', 'ops', 'layers', 'training', 'runtime', 'taxonomy'],
};

/** Imports go one way: ops -> layers -> models -> domain packages -> apps. */
export const importDirection: Rule = {
  name: 'import-direction',
  *check({ files, read }) {
    for (const file of files) {
      if (!isLibrarySource(file)) continue;
      for (const { specifier, line } of importsOf(read(file), file)) {
        const message = wrongWay(file, specifier);
        if (message !== undefined) yield { file, message: `line ${line}: ${message}` };
      }
    }
  },
};

function wrongWay(file: string, specifier: string): string | undefined {
  const [group = '', member = ''] = file.split('/');
  const target = resolveRelative(file, specifier);
  if (target !== undefined) {
    if (!target.startsWith(`${group}/${member}/`)) return `${specifier} leaves the package; import it by its name`;
    return group === 'packages' && member === 'ssm' ? betweenRooms(roomOf(file), roomOf(target), specifier) : undefined;
  }
  const [, name, room] = /^@mamba360\/([\w-]+)(?:\/([\w-]+))?/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  if (group === 'tooling') return undefined;
  if (member === 'ssm')
    return name === 'ssm'
      ? `${specifier}: inside ssm, import by relative path (room ${room ?? 'index'})`
      : `ssm imports ${specifier}, and the core knows no other package`;
  if (group === 'packages' && name !== 'ssm') return `a domain package imports ${specifier}; what two domains need moves to ssm`;
  return undefined;
}

const roomOf = (path: string): string | undefined => /^packages\/ssm\/src\/([\w-]+)\//.exec(path)?.[1];

function betweenRooms(from: string | undefined, to: string | undefined, specifier: string): string | undefined {
  if (from === undefined || from === to) return undefined;
  if (to === undefined) return `${specifier} is the package's index; import the room that has it`;
  const allowed = ROOMS[from];
  if (allowed === undefined) return `the room ${from} is not in the table of rooms`;
  return allowed.includes(to) ? undefined : `${from} imports ${to}; it may import ${allowed.join(', ') || 'nothing'}`;
}
