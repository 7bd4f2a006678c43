/*
 * Time-invariant state space: x[t] = a x[t-1] + sum over r of g_r Re(f_r . x[t-1]) + b u[t];  y_c[t] = Re(c_c . x[t]), complex N-vectors for
 * every channel h, without conjugation in the dots. Lanes are channels; everything in double precision, inputs and states in float.
 */
#ifndef MAMBA360_STATE_SPACE_SCAN_H
#define MAMBA360_STATE_SPACE_SCAN_H

#include "double-simd.h"

enum { SPACE_CHANNELS = 8 };

typedef struct { int B, L, H, N, C, R; } space_shape;

INLINE space_shape space_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (space_shape){v[0], v[1], v[2], v[3], v[4], v[5]};
}
INLINE int space_blocks(const space_shape *s) { return divide_up(s->H, SPACE_CHANNELS); }

/* Vectors of one block of DW channels: re at [2 i], im at [2 i + 1]. a, b [N]; c [C][N]; f, g [R][N]. */
typedef struct { vd *a, *b, *c, *f, *g, *dots; } space_system;

INLINE double space_system_vectors(const space_shape *s) { return 2.0 * s->N * (2.0 + s->C + 2.0 * s->R) + s->R; }

static void space_load(vd *target, const double *re, const double *im, const space_shape *s, int rows, int first, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int row = 0; row < rows; row++)
    for (int n = 0; n < s->N; n++)
      for (int part = 0; part < 2; part++) {
        const double *source = part ? im : re;
        for (int i = 0; i < DW; i++) lanes[i] = i < count ? source[((size_t)row * s->H + first + i) * s->N + n] : 0.0;
        target[2 * (row * s->N + n) + part] = load_double(lanes);
      }
}

static void space_store(const vd *source, double *re, double *im, const space_shape *s, int rows, int first, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int row = 0; row < rows; row++)
    for (int n = 0; n < s->N; n++)
      for (int part = 0; part < 2; part++) {
        store_double(lanes, source[2 * (row * s->N + n) + part]);
        double *target = part ? im : re;
        for (int i = 0; i < DW && i < count; i++) target[((size_t)row * s->H + first + i) * s->N + n] = lanes[i];
      }
}

/* States [B, H, N] in float; null means zeros. */
static void space_load_state(vd *x, const float *re, const float *im, const space_shape *s, int b, int first, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int n = 0; n < s->N; n++)
    for (int part = 0; part < 2; part++) {
      const float *source = part ? im : re;
      for (int i = 0; i < DW; i++) lanes[i] = source && i < count ? (double)source[((size_t)b * s->H + first + i) * s->N + n] : 0.0;
      x[2 * n + part] = load_double(lanes);
    }
}
static void space_store_state(const vd *x, float *re, float *im, const space_shape *s, int b, int first, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int n = 0; n < s->N; n++)
    for (int part = 0; part < 2; part++) {
      float *target = part ? im : re;
      store_double(lanes, x[2 * n + part]);
      for (int i = 0; i < DW && i < count; i++) target[((size_t)b * s->H + first + i) * s->N + n] = (float)lanes[i];
    }
}

static space_system space_take_system(arena_t *arena, const call_t *call, const space_shape *s, int first, int count) {
  space_system f;
  f.a = take_vectors(arena, 2 * (size_t)s->N);
  f.b = take_vectors(arena, 2 * (size_t)s->N);
  f.c = take_vectors(arena, 2 * (size_t)s->N * s->C);
  f.f = take_vectors(arena, 2 * (size_t)s->N * s->R);
  f.g = take_vectors(arena, 2 * (size_t)s->N * s->R);
  f.dots = take_vectors(arena, (size_t)s->R);
  space_load(f.a, IN(double, 1), IN(double, 2), s, 1, first, count);
  space_load(f.b, IN(double, 3), IN(double, 4), s, 1, first, count);
  space_load(f.c, IN(double, 5), IN(double, 6), s, s->C, first, count);
  space_load(f.f, IN(double, 7), IN(double, 8), s, s->R, first, count);
  space_load(f.g, IN(double, 9), IN(double, 10), s, s->R, first, count);
  return f;
}

/* Re(w . x) of one vector of coefficients. */
INLINE vd space_dot(const vd *w, const vd *x, int N) {
  vd sum = splat_double(0.0);
  for (int n = 0; n < N; n++) sum = subtract_product(w[2 * n + 1], x[2 * n + 1], multiply_add_double(w[2 * n], x[2 * n], sum));
  return sum;
}

/* next = the state after a step from x; next may be x. */
INLINE void space_step(const space_system *f, const space_shape *s, const vd *x, vd u, vd *next) {
  for (int r = 0; r < s->R; r++) f->dots[r] = space_dot(f->f + 2 * (size_t)r * s->N, x, s->N);
  for (int n = 0; n < s->N; n++) {
    vd re = x[2 * n], im = x[2 * n + 1], aRe = f->a[2 * n], aIm = f->a[2 * n + 1];
    vd nextRe = subtract_product(aIm, im, multiply_add_double(aRe, re, f->b[2 * n] * u));
    vd nextIm = multiply_add_double(aIm, re, multiply_add_double(aRe, im, f->b[2 * n + 1] * u));
    for (int r = 0; r < s->R; r++) {
      nextRe = multiply_add_double(f->g[2 * (r * s->N + n)], f->dots[r], nextRe);
      nextIm = multiply_add_double(f->g[2 * (r * s->N + n) + 1], f->dots[r], nextIm);
    }
    next[2 * n] = nextRe;
    next[2 * n + 1] = nextIm;
  }
}

#endif
