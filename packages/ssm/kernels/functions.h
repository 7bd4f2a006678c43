/*
 * Elementary functions on vectors, without libm. NaN in gives NaN out. Coefficients are minimax fits of this project (the leading ones
 * rounded to float first, the rest refitted); bounds are tested in src/kernels/functions.test.ts through the ceilings' probe kernel.
 */
#ifndef MAMBA360_FUNCTIONS_H
#define MAMBA360_FUNCTIONS_H

#include "simd.h"

#define LOG2_E 1.44269504f
#define ROUND_TO_INTEGER 12582912.0f /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */

/* 2^r for |r| <= 1/2, relative error 3e-9 before rounding; exactly 1 at 0, so slow decays stay exact. */
INLINE vf exp2_fraction(vf r) {
  vf p = multiply_add(splat(0.000153264715f), r, splat(0.00133908074f));
  p = multiply_add(p, r, splat(0.00961850584f));
  p = multiply_add(p, r, splat(0.0555035993f));
  p = multiply_add(p, r, splat(0.240226477f));
  p = multiply_add(p, r, splat(0.693147182f));
  return multiply_add(p, r, splat(1.0f));
}

#if W == 16
/*
 * 2^r for |r| <= 1/32 as a cubic (relative error 1e-8), and the sixteenths of the exponent from a table that is one register: two
 * multiply-adds fewer than the polynomial above, and they are what the scans are short of. Exactly 1 at 0.
 */
INLINE vf exp2_by_sixteenths(vf t) {
  const vf table = {1.0f, 1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f, 1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f, 1.75625217f, 1.8340081f, 1.91520655f};
  const vf round_to_sixteenth = splat(786432.0f); /* 1.5 * 2^19 */
  vf shifted = t + round_to_sixteenth, k = shifted - round_to_sixteenth, r = t - k;
  vf p = multiply_add(splat(0.0555041087f), r, splat(0.240226507f));
  p = multiply_add(p, r, splat(0.693147182f));
  p = multiply_add(p, r, splat(1.0f));
  return _mm512_scalef_ps(p * _mm512_permutexvar_ps((__m512i)shifted, table), k); /* by 2 to the floor of k */
}
#endif

/*
 * 2^t. `bounded` is a compile-time promise that every |t| <= 125, which spares the clamps; both forms give the same bits there.
 * Otherwise t >= 127.5 gives infinity and t <= -126.5 gives 0 (no subnormal results).
 */
INLINE vf exp2_of(vf t, int bounded) {
#if W == 16
  if (!bounded) t = at_most(at_least(t, splat(-1000.0f)), splat(1000.0f));
  return exp2_by_sixteenths(t);
#else
  if (!bounded) t = at_most(at_least(t, splat(-127.0f)), splat(128.0f));
  vf shifted = t + splat(ROUND_TO_INTEGER);
  vf p = exp2_fraction(t - (shifted - splat(ROUND_TO_INTEGER)));
  if (bounded) return (vf)((vi)p + ((vi)shifted << 23));
  return p * (vf)(((vi)shifted + splat_int(127)) << 23);
#endif
}

/* e^x = fraction * 2^k: returns the fraction, and k in the low bits of `shifted`. */
INLINE vf exp_fraction(vf x, vi *shifted) {
  vf s = multiply_add(x, splat(LOG2_E), splat(ROUND_TO_INTEGER));
  vf k = s - splat(ROUND_TO_INTEGER);
  vf r = multiply_add(k, splat(-0.693359375f), x);
  r = multiply_add(k, splat(2.12194440e-4f), r);
  vf p = multiply_add(splat(0.00138198235f), r, splat(0.0083686877f));
  p = multiply_add(p, r, splat(0.0416682772f));
  p = multiply_add(p, r, splat(0.166665211f));
  p = multiply_add(p, r, splat(0.49999994f));
  p = multiply_add(p, r, splat(1.0f));
  *shifted = (vi)s;
  return multiply_add(p, r, splat(1.0f));
}

/* e^x for x <= 0, at most 2 ulp; 0 below -87.3. */
INLINE vf exp_of_negative(vf x) {
  vi shifted;
  vf p = exp_fraction(at_least(x, splat(-87.3f)), &shifted);
  return select_lanes(x < splat(-87.3f), splat(0.0f), (vf)((vi)p + (shifted << 23)));
}

/* e^x for a denominator 1 + e^x: at most 2 ulp from -87 to 88.3, infinity above, and no smaller than e^-87. */
INLINE vf exp_of_denominator(vf x) {
  vi shifted;
  vf p = exp_fraction(at_most(at_least(x, splat(-87.0f)), splat(89.0f)), &shifted);
  return p * (vf)((shifted + splat_int(127)) << 23);
}

/* 1 / d for 1 <= d, about 1 ulp. Where a division holds up the whole unit, an estimate and a Newton step. */
INLINE vf reciprocal_of(vf d) {
#if W == 16
  vf estimate = _mm512_rcp14_ps(d);
  __mmask16 finite = _mm512_cmp_ps_mask(d, splat(__builtin_inff()), _CMP_LT_OQ); /* the step would make NaN of 1 / infinity */
  return _mm512_mask_fmadd_ps(estimate, finite, multiply_add(-d, estimate, splat(1.0f)), estimate);
#else
  return splat(1.0f) / d;
#endif
}

/* log(1 + y) for y in [0, 1], relative error about 1 ulp: 2 atanh(y / (2 + y)). */
INLINE vf log1p_of(vf y) {
  vf s = y * reciprocal_of(splat(2.0f) + y);
  vf z = s * s;
  vf p = multiply_add(splat(0.280067533f), z, splat(0.28003028f));
  p = multiply_add(p, z, splat(0.400214374f));
  p = multiply_add(p, z, splat(0.666664183f));
  return multiply_add(s * z, p, s + s);
}

INLINE vf softplus_of(vf x) { return at_least(x, splat(0.0f)) + log1p_of(exp_of_negative(-absolute(x))); }
INLINE vf sigmoid_of(vf x) { return reciprocal_of(splat(1.0f) + exp_of_denominator(-x)); }
INLINE vf silu_of(vf x) { return x * sigmoid_of(x); }

/* tanh: odd polynomial near 0, else 1 - 2 / (e^(2|x|) + 1). */
INLINE vf tanh_of(vf x) {
  vf a = absolute(x), z = x * x;
  vf p = multiply_add(splat(-0.0056922962f), z, splat(0.0206281673f));
  p = multiply_add(p, z, splat(-0.0537365153f));
  p = multiply_add(p, z, splat(0.133314058f));
  p = multiply_add(p, z, splat(-0.333332807f));
  vf small = multiply_add(x * z, p, x);
  vf large = splat(1.0f) - splat(2.0f) / (exp_of_denominator(a + a) + splat(1.0f));
  large = (vf)((vi)large | ((vi)x & splat_int((int32_t)0x80000000)));
  return select_lanes(a < splat(0.625f), small, large);
}

/* d silu(x) / dx from s = sigmoid(x). */
INLINE vf silu_slope(vf x, vf s) { return multiply_add(x * s, splat(1.0f) - s, s); }

#endif
