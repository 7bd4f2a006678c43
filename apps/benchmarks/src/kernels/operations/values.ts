/** `length` floats by place. */
export function floats(length: number, at: (i: number) => number): Float32Array {
  const buffer = new Float32Array(length);
  for (let i = 0; i < length; i++) buffer[i] = at(i);
  return buffer;
}

/** Cheap and without pattern: multiples of the golden ratio, in [-0.9, 0.9). */
export const wave = (i: number): number => 1.8 * ((i * 0.6180339887498949) % 1) - 0.9;

export const waves = (length: number, shift = 0, scale = 1): Float32Array => floats(length, (i) => scale * wave(i + shift));

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
