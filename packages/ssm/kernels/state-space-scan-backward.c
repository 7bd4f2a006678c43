#include "state-space-scan.h"

/* Steps between the states that are kept on the way forward: about the square root of the length. */
INLINE int space_chunk(const space_shape *s) {
  int chunk = 64;
  while ((int64_t)chunk * chunk < s->L) chunk *= 2;
  return min_int(chunk, max_int(s->L, 1));
}

static void state_space_scan_backward_plan(const call_t *call, plan_t *plan) {
  space_shape s = space_shape_of(call);
  double chunk = space_chunk(&s), checkpoints = divide_up(s.L, space_chunk(&s));
  plan->scratchBytes = aligned_bytes(sizeof(vd) * (2 * space_system_vectors(&s) + 2.0 * s.N * (chunk + checkpoints + 4)) + 24 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B ? space_blocks(&s) : 0;
}

typedef struct { space_system f, d; vd *checkpoints, *states, *zeros, *slope; } space_backward;

INLINE void space_zero(vd *x, size_t count) {
  for (size_t i = 0; i < count; i++) x[i] = splat_double(0.0);
}

/* The state after a step under its control bits. */
INLINE void space_controlled_step(const space_backward *k, const space_shape *s, int bits, const vd *x, vd u, vd *next) {
  const vd *before = bits & CONTROL_RESET ? k->zeros : x;
  if (bits & CONTROL_MASKED)
    for (int i = 0; i < 2 * s->N; i++) next[i] = before[i];
  else
    space_step(&k->f, s, before, u, next);
}

/* One step back: from the slope of the state after the step to that of the state before it. Returns the slope of u. */
static vd space_step_back(const space_backward *k, const space_shape *s, const vd *before, const vd *after, vd u, const vd *dy) {
  const space_system *f = &k->f, *d = &k->d;
  int N = s->N;
  vd *slope = k->slope, du = splat_double(0.0);
  for (int c = 0; c < s->C; c++) {
    const vd *w = f->c + 2 * (size_t)c * N;
    vd *dw = d->c + 2 * (size_t)c * N;
    for (int n = 0; n < N; n++) {
      slope[2 * n] = multiply_add_double(w[2 * n], dy[c], slope[2 * n]);
      slope[2 * n + 1] = subtract_product(w[2 * n + 1], dy[c], slope[2 * n + 1]);
      dw[2 * n] = multiply_add_double(after[2 * n], dy[c], dw[2 * n]);
      dw[2 * n + 1] = subtract_product(after[2 * n + 1], dy[c], dw[2 * n + 1]);
    }
  }
  for (int r = 0; r < s->R; r++) {
    const vd *w = f->f + 2 * (size_t)r * N, *g = f->g + 2 * (size_t)r * N;
    vd *dw = d->f + 2 * (size_t)r * N, *dg = d->g + 2 * (size_t)r * N;
    vd dot = space_dot(w, before, N), into = splat_double(0.0);
    for (int n = 0; n < N; n++) {
      into = multiply_add_double(g[2 * n + 1], slope[2 * n + 1], multiply_add_double(g[2 * n], slope[2 * n], into));
      dg[2 * n] = multiply_add_double(slope[2 * n], dot, dg[2 * n]);
      dg[2 * n + 1] = multiply_add_double(slope[2 * n + 1], dot, dg[2 * n + 1]);
    }
    for (int n = 0; n < N; n++) {
      dw[2 * n] = multiply_add_double(before[2 * n], into, dw[2 * n]);
      dw[2 * n + 1] = subtract_product(before[2 * n + 1], into, dw[2 * n + 1]);
    }
    d->dots[r] = into;
  }
  for (int n = 0; n < N; n++) {
    vd re = slope[2 * n], im = slope[2 * n + 1], aRe = f->a[2 * n], aIm = f->a[2 * n + 1];
    du = multiply_add_double(f->b[2 * n + 1], im, multiply_add_double(f->b[2 * n], re, du));
    d->b[2 * n] = multiply_add_double(re, u, d->b[2 * n]);
    d->b[2 * n + 1] = multiply_add_double(im, u, d->b[2 * n + 1]);
    d->a[2 * n] = multiply_add_double(im, before[2 * n + 1], multiply_add_double(re, before[2 * n], d->a[2 * n]));
    d->a[2 * n + 1] = subtract_product(re, before[2 * n + 1], multiply_add_double(im, before[2 * n], d->a[2 * n + 1]));
    vd nextRe = multiply_add_double(aIm, im, aRe * re), nextIm = subtract_product(aIm, re, aRe * im);
    for (int r = 0; r < s->R; r++) {
      nextRe = multiply_add_double(f->f[2 * (r * N + n)], d->dots[r], nextRe);
      nextIm = subtract_product(f->f[2 * (r * N + n) + 1], d->dots[r], nextIm);
    }
    slope[2 * n] = nextRe;
    slope[2 * n + 1] = nextIm;
  }
  return du;
}

static void space_backward_sequence(const call_t *call, const space_shape *s, const space_backward *k, int b, int first, int count) {
  const float *u = IN(float, 0), *dy = IN(float, 14);
  const uint8_t *control = IN(uint8_t, 13) ? IN(uint8_t, 13) + (size_t)b * s->L : 0;
  float *du = OUT(float, 0);
  int chunk = space_chunk(s), width = 2 * s->N, chunks = divide_up(s->L, chunk);
  vd cotangent[16];
  space_load_state(k->checkpoints, IN(float, 11), IN(float, 12), s, b, first, count);
  for (int q = 0; q + 1 < chunks; q++) {
    vd *x = k->checkpoints + (size_t)(q + 1) * width;
    for (int i = 0; i < width; i++) x[i] = k->checkpoints[(size_t)q * width + i];
    for (int t = q * chunk; t < (q + 1) * chunk; t++)
      space_controlled_step(k, s, control ? control[t] : 0, x, load_floats_as_double(u + ((size_t)b * s->L + t) * s->H + first, count), x);
  }
  space_load_state(k->slope, IN(float, 15), IN(float, 16), s, b, first, count);
  for (int q = chunks - 1; q >= 0; q--) {
    int start = q * chunk, steps = min_int(chunk, s->L - start);
    for (int i = 0; i < width; i++) k->states[i] = k->checkpoints[(size_t)q * width + i];
    for (int t = 0; t < steps; t++)
      space_controlled_step(k, s, control ? control[start + t] : 0, k->states + (size_t)t * width,
                            load_floats_as_double(u + ((size_t)b * s->L + start + t) * s->H + first, count), k->states + (size_t)(t + 1) * width);
    for (int t = steps - 1; t >= 0; t--) {
      int bits = control ? control[start + t] : 0;
      size_t at = ((size_t)b * s->L + start + t) * s->H + first;
      if (bits & CONTROL_MASKED) {
        fill_zero(du + at, count);
      } else {
        const vd *before = bits & CONTROL_RESET ? k->zeros : k->states + (size_t)t * width;
        for (int c = 0; c < s->C; c++)
          cotangent[c] = dy ? load_floats_as_double(dy + (((size_t)b * s->L + start + t) * s->C + c) * s->H + first, count) : splat_double(0.0);
        store_double_as_floats(du + at, space_step_back(k, s, before, k->states + (size_t)(t + 1) * width, load_floats_as_double(u + at, count), cotangent), count);
      }
      if (bits & CONTROL_RESET) space_zero(k->slope, width);
    }
  }
  if (OUT(float, 11)) space_store_state(k->slope, OUT(float, 11), OUT(float, 12), s, b, first, count);
}

/* A task is a block of channels with all its sequences, one after the other, so that sums over the batch keep their order. */
static void state_space_scan_backward_run(const call_t *call, int begin, int end, void *scratch) {
  space_shape s = space_shape_of(call);
  for (int task = begin; task < end; task++) {
    int last = min_int((task + 1) * SPACE_CHANNELS, s.H);
    for (int first = task * SPACE_CHANNELS; first < last; first += DW) {
      int count = min_int(DW, last - first), chunk = space_chunk(&s);
      size_t width = 2 * (size_t)s.N;
      arena_t arena = {scratch};
      space_backward k;
      k.f = space_take_system(&arena, call, &s, first, count);
      k.d.a = take_vectors(&arena, width);
      k.d.b = take_vectors(&arena, width);
      k.d.c = take_vectors(&arena, width * s.C);
      k.d.f = take_vectors(&arena, width * s.R);
      k.d.g = take_vectors(&arena, width * s.R);
      k.d.dots = take_vectors(&arena, (size_t)s.R);
      k.checkpoints = take_vectors(&arena, width * divide_up(s.L, chunk));
      k.states = take_vectors(&arena, width * (chunk + 1));
      k.zeros = take_vectors(&arena, width);
      k.slope = take_vectors(&arena, width);
      space_zero(k.zeros, width);
      space_zero(k.d.a, width);
      space_zero(k.d.b, width);
      space_zero(k.d.c, width * s.C);
      space_zero(k.d.f, width * s.R);
      space_zero(k.d.g, width * s.R);
      for (int b = 0; b < s.B; b++) space_backward_sequence(call, &s, &k, b, first, count);
      space_store(k.d.a, OUT(double, 1), OUT(double, 2), &s, 1, first, count);
      space_store(k.d.b, OUT(double, 3), OUT(double, 4), &s, 1, first, count);
      if (s.C) space_store(k.d.c, OUT(double, 5), OUT(double, 6), &s, s.C, first, count);
      if (s.R) space_store(k.d.f, OUT(double, 7), OUT(double, 8), &s, s.R, first, count);
      if (s.R) space_store(k.d.g, OUT(double, 9), OUT(double, 10), &s, s.R, first, count);
    }
  }
}
