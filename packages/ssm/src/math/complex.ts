/** Complex numbers in float64 as two arrays of one length. */
export interface ComplexArray {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** One complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

export const complexZeros = (length: number): ComplexArray => ({ re: new Float64Array(length), im: new Float64Array(length) });

export const multiply = (a: Complex, b: Complex): Complex => ({ re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re });
export const add = (a: Complex, b: Complex): Complex => ({ re: a.re + b.re, im: a.im + b.im });
export const subtract = (a: Complex, b: Complex): Complex => ({ re: a.re - b.re, im: a.im - b.im });
export const scale = (a: Complex, factor: number): Complex => ({ re: a.re * factor, im: a.im * factor });
export const conjugate = (a: Complex): Complex => ({ re: a.re, im: -a.im });

/** a / b by Smith's division, so that no square overflows. */
export function divide(a: Complex, b: Complex): Complex {
  if (Math.abs(b.re) >= Math.abs(b.im)) {
    const ratio = b.im / b.re, denominator = b.re + b.im * ratio;
    return { re: (a.re + a.im * ratio) / denominator, im: (a.im - a.re * ratio) / denominator };
  }
  const ratio = b.re / b.im, denominator = b.re * ratio + b.im;
  return { re: (a.re * ratio + a.im) / denominator, im: (a.im * ratio - a.re) / denominator };
}

export function complexExp(a: Complex): Complex {
  const size = Math.exp(a.re);
  return { re: size * Math.cos(a.im), im: size * Math.sin(a.im) };
}

/** e^a - 1 without cancellation near 0: expm1(x) cos y - 2 sin(y/2)^2, and e^x sin y. */
export function complexExpm1(a: Complex): Complex {
  const half = Math.sin(a.im / 2);
  return { re: Math.expm1(a.re) * Math.cos(a.im) - 2 * half * half, im: Math.exp(a.re) * Math.sin(a.im) };
}

/** (e^a - 1) / a, by its series where |a| is small, 1 at 0. */
export function phi1(a: Complex): Complex {
  if (Math.abs(a.re) + Math.abs(a.im) > 0.5) return divide(complexExpm1(a), a);
  let sum: Complex = { re: 1, im: 0 };
  for (let k = 18; k >= 2; k--) sum = add({ re: 1, im: 0 }, scale(multiply(a, sum), 1 / k));
  return sum;
}

/** The derivative of phi1: (e^a - phi1(a)) / a, by its series where |a| is small, 1/2 at 0. */
export function phi1Slope(a: Complex): Complex {
  if (Math.abs(a.re) + Math.abs(a.im) > 0.5) return divide(subtract(complexExp(a), phi1(a)), a);
  // sum over k >= 0 of a^k (k + 1) / (k + 2)!
  let sum: Complex = { re: 0, im: 0 }, term: Complex = { re: 0.5, im: 0 };
  for (let k = 0; k <= 18; k++) {
    sum = add(sum, scale(term, k + 1));
    term = scale(multiply(term, a), 1 / (k + 3));
  }
  return sum;
}
