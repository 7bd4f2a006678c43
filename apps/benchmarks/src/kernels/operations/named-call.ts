import { SIGNATURES } from '@mamba360/ssm/kernels';
import type { KernelBuffer, KernelCall, KernelName } from '@mamba360/ssm/kernels';

/** Buffers and numbers of a call by the names of `SIGNATURES`; names the signature has not got are left out, an optional buffer that is not named is null. */
export interface NamedCall {
  readonly inputs: Readonly<Record<string, KernelBuffer>>;
  /** Elements of the outputs that are wanted. */
  readonly outputs: Readonly<Record<string, number>>;
  readonly integers: Readonly<Record<string, number>>;
  readonly scalars?: Readonly<Record<string, number>>;
}

const nameOf = (word: string): string => word.split(' ')[0]!.replace('?', '');

/** A kernel call in the order of its signature. Integers and scalars that are not named are 0. */
export function namedCall(kernel: KernelName, { inputs, outputs, integers, scalars = {} }: NamedCall): KernelCall {
  const signature: { inputs: readonly string[]; outputs: readonly string[]; integers: readonly string[]; scalars?: readonly string[] } = SIGNATURES[kernel];
  return {
    kernel,
    inputs: signature.inputs.map((word) => inputs[nameOf(word)] ?? null),
    outputs: signature.outputs.map((word) => (nameOf(word) in outputs ? new Float32Array(outputs[nameOf(word)]!) : null)),
    integers: signature.integers.map((name) => integers[name] ?? 0),
    ...(signature.scalars ? { scalars: signature.scalars.map((name) => scalars[name] ?? 0) } : {}),
  };
}

function placeOf(side: 'inputs' | 'outputs', call: KernelCall, name: string): number {
  const place = (SIGNATURES[call.kernel as KernelName][side] as readonly string[]).findIndex((word) => nameOf(word) === name);
  if (place < 0) throw new Error(`${call.kernel} has no buffer ${name} among its ${side}.`);
  return place;
}

/** An input of a call by its name. */
export const inputOf = (call: KernelCall, name: string): Float32Array => call.inputs[placeOf('inputs', call, name)] as Float32Array;
/** An output of a call by its name. */
export const outputOf = (call: KernelCall, name: string): Float32Array => call.outputs[placeOf('outputs', call, name)] as Float32Array;
/** The call with other inputs at some names. */
export function withInputs(call: KernelCall, replaced: Readonly<Record<string, KernelBuffer>>): KernelCall {
  const inputs = [...call.inputs];
  for (const [name, buffer] of Object.entries(replaced)) inputs[placeOf('inputs', call, name)] = buffer;
  return { ...call, inputs };
}
