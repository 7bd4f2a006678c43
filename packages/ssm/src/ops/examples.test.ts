import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { tf, useBackend } from '../backend/index.ts';
import * as ops from './index.ts';

interface Example { readonly file: string; readonly code: string; readonly result: string }

/** The `@example` blocks of the ops: statements, then one expression with its value as a comment. */
function examples(): Example[] {
  const folder = import.meta.dirname;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  return files.flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/@example\n([\s\S]*?)\*\//g)].map((match) => {
    const lines = match[1]!.split('\n').map((line) => line.replace(/^\s*\* ?/, '')).filter((line) => line.trim() !== '');
    const last = lines.pop()!;
    const [expression, result] = last.split('; // ') as [string, string];
    return { file, code: `${lines.join('\n')}\nreturn ${expression};`, result };
  }));
}

/** Numbers of a printed value; `0.8485...` stands for the digits shown. */
const numbers = (text: string): string[] => text.match(/-?\d+(\.\d+)?/g) ?? [];

describe('docstring examples', () => {
  beforeAll(async () => { await useBackend('cpu'); });

  it('exist for every public op', () => {
    expect(examples().map(({ file }) => file.split('/')[0]).filter((name, i, all) => all.indexOf(name) === i).sort()).toEqual(['adam-w', 'attention', 'cauchy', 'causal-conv1d', 'fft-convolution', 'gated-linear-attention', 'legs-scan', 'linear', 'linear-cross-entropy', 'linear-scan', 'mamba3-scan', 'mixture-of-experts', 'nonlinear-scan', 'rms-norm', 'selective-scan', 'ssd-scan', 'state-space-scan', 'token-shift', 'vandermonde', 'wkv4']);
  });

  it.each(examples())('$file gives $result', ({ code, result }) => {
    const value: unknown = tf.tidy(() => new Function('tf', ...Object.keys(ops), code)(tf, ...Object.values(ops)) as number);
    const actual = (ArrayBuffer.isView(value) ? [...(value as Float32Array)] : [value].flat(Infinity)) as number[];
    expect(actual).toHaveLength(numbers(result).length);
    numbers(result).forEach((shown, i) => expect(String(actual[i])).toSatisfy((text: string) => text.startsWith(shown)));
  });
});
