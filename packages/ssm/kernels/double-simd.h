/* Vectors of doubles, half as many lanes as vectors of floats: kernel generation and time-invariant scans calculate in double precision. */
#ifndef MAMBA360_DOUBLE_SIMD_H
#define MAMBA360_DOUBLE_SIMD_H

#include "scalar-functions.h"
#include "simd.h"

#define DW (W / 2)

typedef double vd __attribute__((vector_size(W * 4)));
typedef double vd_any __attribute__((vector_size(W * 4), may_alias, aligned(8)));

INLINE vd splat_double(double x) { return x - (vd){0}; }
INLINE vd load_double(const double *p) { return *(const vd_any *)p; }
INLINE void store_double(double *p, vd x) { *(vd_any *)p = x; }
INLINE vd *take_vectors(arena_t *arena, size_t count) { return (vd *)take(arena, count * sizeof(vd)); }
INLINE double *take_doubles(arena_t *arena, size_t count) { return (double *)take(arena, count * sizeof(double)); }

/* a * b + c, with one rounding where the target has the instruction. */
INLINE vd multiply_add_double(vd a, vd b, vd c) {
#if W == 16
  return _mm512_fmadd_pd(a, b, c);
#elif W == 8
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}
INLINE vd subtract_product(vd a, vd b, vd c) { return multiply_add_double(-a, b, c); }

/* First `count` lanes, zeros after them. */
INLINE vd load_floats_as_double(const float *p, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int i = 0; i < DW; i++) lanes[i] = i < count ? (double)p[i] : 0.0;
  return load_double(lanes);
}
INLINE void store_double_as_floats(float *p, vd x, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  store_double(lanes, x);
  for (int i = 0; i < DW && i < count; i++) p[i] = (float)lanes[i];
}
/* Sum of the lanes in order. */
INLINE double sum_lanes_double(vd x) {
  double lanes[DW] __attribute__((aligned(64))), sum = 0.0;
  store_double(lanes, x);
  for (int i = 0; i < DW; i++) sum += lanes[i];
  return sum;
}

/* e^(x + i y). */
INLINE void exp_complex(double x, double y, double *re, double *im) {
  double size = exp_double(x), sine, cosine;
  sine_cosine_double(y, &sine, &cosine);
  *re = size * cosine;
  *im = size * sine;
}

#endif
