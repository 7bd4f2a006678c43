const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** float16 -> float32, exact; subnormal values, infinities and NaN included. */
export function float16ToFloat32(half: Uint16Array): Float32Array {
  const result = new Uint32Array(half.length);
  for (let i = 0; i < half.length; i++) {
    const sign = (half[i] & 0x8000) << 16;
    const exponent = (half[i] >>> 10) & 0x1f;
    const mantissa = half[i] & 0x3ff;
    if (exponent === 0x1f) result[i] = sign | 0x7f800000 | (mantissa << 13);
    else if (exponent !== 0) result[i] = sign | ((exponent + 112) << 23) | (mantissa << 13);
    else {
      float[0] = mantissa * 2 ** -24;
      result[i] = sign | bits[0];
    }
  }
  return new Float32Array(result.buffer);
}

/** float32 -> float16, to nearest, ties to even; values above 65,504 after rounding become infinite. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const sign = (words[i] >>> 16) & 0x8000;
    const magnitude = words[i] & 0x7fffffff;
    if (magnitude > 0x7f800000) result[i] = sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
    else if (magnitude >= 0x47800000) result[i] = sign | 0x7c00;
    else if (magnitude >= 0x38800000) {
      const kept = (magnitude - 0x38000000) >>> 13;
      result[i] = sign | (kept + roundUp(magnitude & 0x1fff, 0x1000, kept));
    } else if (magnitude >= 0x33000000) {
      const shift = 126 - (magnitude >>> 23);
      const mantissa = (magnitude & 0x7fffff) | 0x800000;
      const kept = mantissa >>> shift;
      result[i] = sign | (kept + roundUp(mantissa & ((1 << shift) - 1), 1 << (shift - 1), kept));
    } else result[i] = sign;
  }
  return result;
}

/** bfloat16 -> float32, exact. */
export function bfloat16ToFloat32(half: Uint16Array): Float32Array {
  const result = new Uint32Array(half.length);
  for (let i = 0; i < half.length; i++) result[i] = half[i] << 16;
  return new Float32Array(result.buffer);
}

/** float32 -> bfloat16, to nearest, ties to even; NaN stays NaN. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const kept = words[i] >>> 16;
    if ((words[i] & 0x7fffffff) > 0x7f800000) result[i] = kept | 0x40;
    else result[i] = kept + roundUp(words[i] & 0xffff, 0x8000, kept);
  }
  return result;
}

function roundUp(rest: number, half: number, kept: number): number {
  return rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0;
}
