import type { Complex } from '../../math/index.ts';
import { add, complexExp, complexExpm1, conjugate, multiply, scale } from '../../math/complex.ts';

/** A bounded 1 / x: conj(x) / (|x|^2 + epsilon), or with `clamp` conj(x) / max(|x|^2, epsilon); not analytic, so the slope is taken by parts. */
export function boundedReciprocal(x: Complex, epsilon: number, clamp = false): { value: Complex; back(slope: Complex): Complex } {
  const square = x.re * x.re + x.im * x.im, fixed = clamp && square < epsilon;
  const size = clamp ? Math.max(square, epsilon) : square + epsilon;
  return {
    value: { re: x.re / size, im: -x.im / size },
    back: (d) => {
      const pull = fixed ? 0 : (2 * (d.re * x.re - d.im * x.im)) / (size * size);
      return { re: d.re / size - pull * x.re, im: -d.im / size - pull * x.im };
    },
  };
}

/**
 * The factor of one mode of DSS-softmax: (e^z' - 1) / ((e^(L z') - 1) lambda), z' = z or -z so that its real part is not positive, and times e^(-(L - 1) z)
 * where it is turned: the row is normalised by its largest entry.
 *
 * @remarks As in the published code the largest entry is a constant for the gradient, and the reciprocal is bounded by epsilon.
 */
export function softmaxFactor(z: Complex, lambda: Complex, length: number, epsilon: number): { value: Complex; back(slope: Complex): { z: Complex; lambda: Complex } } {
  const sign = lambda.re > 0 ? -1 : 1, turned = scale(z, sign);
  const shift = sign < 0 ? complexExp(scale(z, -(length - 1))) : { re: 1, im: 0 };
  const numerator = complexExpm1(turned), denominator = complexExpm1(scale(turned, length));
  const reciprocal = boundedReciprocal(multiply(denominator, lambda), epsilon);
  return {
    value: multiply(multiply(numerator, reciprocal.value), shift),
    back: (slope) => {
      const d = multiply(conjugate(shift), slope);
      const dNumerator = multiply(conjugate(reciprocal.value), d);
      const dProduct = reciprocal.back(multiply(conjugate(numerator), d));
      const dDenominator = multiply(conjugate(lambda), dProduct);
      const dTurned = add(
        multiply(conjugate(complexExp(turned)), dNumerator),
        multiply(conjugate(scale(complexExp(scale(turned, length)), length)), dDenominator),
      );
      return { z: scale(dTurned, sign), lambda: multiply(conjugate(denominator), dProduct) };
    },
  };
}
