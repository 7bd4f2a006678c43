import { createWasmTarget } from '@mamba360/ssm/kernels';
import type { KernelBuffer, KernelCall, KernelTarget } from '@mamba360/ssm/kernels';
import type { ScanCalls } from './scan-calls.ts';

const PAGE = 65536, PAGES = 8192, ALIGNMENT = 64;

/**
 * A WebAssembly target with the calls' buffers in its own memory, as under the backend 'wasm': the kernel is measured, not copies in and out.
 */
export async function wasmInPlace(variant: 'simd' | 'relaxed', threads: number, full: ScanCalls, plain: ScanCalls): Promise<{ target: KernelTarget; full: ScanCalls; plain: ScanCalls }> {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: threads > 1 });
  // A pile: the last block given back is the only one that is ever given back (the kernel's scratch memory of one call).
  let top = PAGE, last = PAGE;
  const allocate = (bytes: number): number => {
    last = Math.ceil(top / ALIGNMENT) * ALIGNMENT;
    if (last + bytes > PAGE * PAGES) return 0;
    top = last + bytes;
    return last;
  };
  const target = await createWasmTarget({ variant, memory, allocate, free: (offset) => { if (offset === last) top = last; }, threads });
  const placed = new Map<KernelBuffer, KernelBuffer>();
  const place = (buffer: KernelBuffer | null): KernelBuffer | null => {
    if (buffer === null) return null;
    const known = placed.get(buffer);
    if (known) return known;
    const Kind = buffer.constructor as new (memory: ArrayBufferLike, offset: number, length: number) => Float32Array;
    const view = new Kind(memory.buffer, allocate(buffer.byteLength), buffer.length);
    view.set(buffer as Float32Array);
    placed.set(buffer, view);
    return view;
  };
  const move = (call: KernelCall): KernelCall => ({ ...call, inputs: call.inputs.map(place), outputs: call.outputs.map(place) });
  const moveBoth = ({ forward, backward }: ScanCalls): ScanCalls => ({ forward: move(forward), backward: move(backward) });
  return { target, full: moveBoth(full), plain: moveBoth(plain) };
}
