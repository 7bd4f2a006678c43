import { KernelError } from '../errors/index.ts';
import { SIGNATURES } from './signatures.ts';

/** Loops that kernels are measured against (`kernels/ceilings.c`, `kernels/ceilings-shaped.c`); they are no ops. */
export const CEILINGS = ['ceilingExponential', 'ceilingMultiplyAdd', 'ceilingStream', 'ceilingMixedStream', 'ceilingMatmul'] as const;
export type CeilingName = (typeof CEILINGS)[number];

const FIRST_CEILING = 100;
const numbers = new Map<string, number>([
  ...Object.keys(SIGNATURES).map((name, index): [string, number] => [name, index]),
  ...CEILINGS.map((name, index): [string, number] => [name, FIRST_CEILING + index]),
]);

/** The number of a kernel in `kernels/abi.h`. */
export function kernelNumber(name: string): number {
  const number = numbers.get(name);
  if (number === undefined) throw new KernelError(`There is no kernel '${name}', expected one of ${[...numbers.keys()].join(', ')}.`);
  return number;
}
