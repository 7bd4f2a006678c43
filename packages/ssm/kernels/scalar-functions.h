/* Elementary functions of one double, without libm and without tables. Relative error below 1e-14 in the ranges the kernels use. */
#ifndef MAMBA360_SCALAR_FUNCTIONS_H
#define MAMBA360_SCALAR_FUNCTIONS_H

#include "abi.h"

INLINE double power_of_two(int exponent) {
  union { uint64_t bits; double value; } pun = {(uint64_t)(exponent + 1023) << 52};
  return pun.value;
}
INLINE double nearest_integer(double x) {
  double magic = 6755399441055744.0; /* 1.5 * 2^52 */
  return (x + magic) - magic;
}

static double exp_double(double x) {
  if (x != x) return x;
  if (x > 709.0) return __builtin_inf();
  if (x < -708.0) return 0.0;
  double k = nearest_integer(x * 1.4426950408889634);
  double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10, term = 1.0, sum = 1.0;
  for (int i = 1; i <= 14; i++) { /* |r| <= 0.35: the 15th term is below 1e-19 */
    term *= r / i;
    sum += term;
  }
  return sum * power_of_two((int)k);
}

/* Reduces by multiples of pi / 2 in three parts, good for |x| up to about 1e6; beyond that the float inputs carry no phase anyway. */
static void sine_cosine_double(double x, double *sine, double *cosine) {
  if (!(x < 1e15 && x > -1e15)) { *sine = *cosine = x - x == 0 ? 0.0 : __builtin_nan(""); return; }
  double k = nearest_integer(x * 0.63661977236758134308);
  double r = ((x - k * 1.57079632673412561417) - k * 6.07710050630396597660e-11) - k * 2.02226624879595063154e-21;
  double z = r * r, s = 1.0, c = 1.0;
  for (int i = 17; i >= 3; i -= 2) s = 1.0 - s * z / (i * (i - 1));
  for (int i = 16; i >= 2; i -= 2) c = 1.0 - c * z / (i * (i - 1));
  s *= r;
  switch ((int)((int64_t)k & 3)) {
    case 0: *sine = s; *cosine = c; break;
    case 1: *sine = c; *cosine = -s; break;
    case 2: *sine = -s; *cosine = -c; break;
    default: *sine = -c; *cosine = s;
  }
}

/* log(1 + y) for y in [0, 1]: 2 atanh(y / (2 + y)) by its series, at most (1/3)^2 a term. */
static double log1p_double(double y) {
  double s = y / (2.0 + y), z = s * s, sum = 0.0;
  for (int i = 33; i >= 1; i -= 2) sum = sum * z + 1.0 / i;
  return 2.0 * s * sum;
}

static double softplus_double(double x) { return (x > 0 ? x : 0.0) + log1p_double(exp_double(x > 0 ? -x : x)); }
static double sigmoid_double(double x) {
  if (x >= 0) return 1.0 / (1.0 + exp_double(-x));
  double e = exp_double(x);
  return e / (1.0 + e);
}

#endif
