/*
 * The scale-invariant LegS memory: sample number t + 1 of a sequence takes x to (I - alpha A / t)^-1 ((I + (1 - alpha) A / t) x + B / t u), the first one to
 * x = (u, 0, ...); outputs are real dots c_c . x. A is lower triangular with A_nm = -s_n s_m below the diagonal, s_n = sqrt(2 n + 1), and -(n + 1) on it, B_n = s_n,
 * so that products and solves are prefix sums, O(N). Lanes are channels, in double precision; t is counted for each sequence, masked steps left out.
 */
#include "double-simd.h"

enum { LEGS_CHANNELS = 8 };

typedef struct { int B, L, H, N, C; double alpha; } legs_shape;

INLINE legs_shape legs_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (legs_shape){v[0], v[1], v[2], v[3], v[4], call->scalars[0]};
}
INLINE int legs_chunk(const legs_shape *s) {
  int chunk = 64;
  while ((int64_t)chunk * chunk < s->L) chunk *= 2;
  return min_int(chunk, max_int(s->L, 1));
}

/* next = the memory after sample t + 1 from x. Both may be one. */
static void legs_step(const legs_shape *s, const double *roots, int t, const vd *x, vd u, vd *next) {
  if (t == 0) {
    for (int n = 0; n < s->N; n++) next[n] = splat_double(0.0);
    next[0] = u;
    return;
  }
  double forward = (1.0 - s->alpha) / t, backward = s->alpha / t;
  vd before = splat_double(0.0), after = splat_double(0.0);
  for (int n = 0; n < s->N; n++) {
    vd root = splat_double(roots[n]), old = x[n];
    vd y = old - splat_double(forward) * (root * before + splat_double(n + 1) * old) + splat_double(roots[n] / t) * u;
    before += root * old;
    vd z = (y - splat_double(backward) * root * after) / splat_double(1.0 + backward * (n + 1));
    after += root * z;
    next[n] = z;
  }
}

/* The slope of x in place of that of the memory after the step; returns the slope of u. */
static vd legs_step_back(const legs_shape *s, const double *roots, int t, vd *slope) {
  if (t == 0) {
    vd du = slope[0];
    for (int n = 0; n < s->N; n++) slope[n] = splat_double(0.0);
    return du;
  }
  double forward = (1.0 - s->alpha) / t, backward = s->alpha / t;
  vd sum = splat_double(0.0), du = splat_double(0.0);
  for (int n = s->N - 1; n >= 0; n--) {
    vd root = splat_double(roots[n]);
    vd w = (slope[n] - splat_double(backward) * root * sum) / splat_double(1.0 + backward * (n + 1));
    du += splat_double(roots[n] / t) * w;
    slope[n] = w - splat_double(forward) * (splat_double(n + 1) * w + root * sum);
    sum += root * w;
  }
  return du;
}

static void legs_load(vd *x, const float *source, const legs_shape *s, size_t row, int first, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int n = 0; n < s->N; n++) {
    for (int i = 0; i < DW; i++) lanes[i] = source && i < count ? (double)source[(row * s->H + first + i) * s->N + n] : 0.0;
    x[n] = load_double(lanes);
  }
}
static void legs_store(const vd *x, float *target, const legs_shape *s, size_t row, int first, int count) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int n = 0; n < s->N; n++) {
    store_double(lanes, x[n]);
    for (int i = 0; i < DW && i < count; i++) target[(row * s->H + first + i) * s->N + n] = (float)lanes[i];
  }
}
INLINE double square_root_double(double x) { return __builtin_sqrt(x); }
static double *legs_roots(arena_t *arena, const legs_shape *s) {
  double *roots = take_doubles(arena, s->N);
  for (int n = 0; n < s->N; n++) roots[n] = square_root_double(2.0 * n + 1.0);
  return roots;
}
/* The sample number before each step of a chunk follows from the one before the chunk. */
INLINE int legs_next_count(int bits, int t) {
  if (bits & CONTROL_RESET) t = 0;
  return bits & CONTROL_MASKED ? t : t + 1;
}

static void legs_scan_forward_plan(const call_t *call, plan_t *plan) {
  legs_shape s = legs_shape_of(call);
  plan->scratchBytes = aligned_bytes(8.0 * s.N + sizeof(vd) * s.N * (1.0 + s.C) + 4 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B * divide_up(s.H, LEGS_CHANNELS);
}

static void legs_scan_forward_run(const call_t *call, int begin, int end, void *scratch) {
  legs_shape s = legs_shape_of(call);
  int blocks = divide_up(s.H, LEGS_CHANNELS);
  for (int task = begin; task < end; task++) {
    int b = task / blocks, last = min_int((task % blocks + 1) * LEGS_CHANNELS, s.H);
    const uint8_t *control = IN(uint8_t, 4) ? IN(uint8_t, 4) + (size_t)b * s.L : 0;
    for (int first = task % blocks * LEGS_CHANNELS; first < last; first += DW) {
      int lanes = min_int(DW, last - first), t = IN(int32_t, 3) ? IN(int32_t, 3)[b] : 0;
      arena_t arena = {scratch};
      double *roots = legs_roots(&arena, &s);
      vd *x = take_vectors(&arena, s.N), *c = take_vectors(&arena, (size_t)s.N * s.C);
      legs_load(x, IN(float, 2), &s, b, first, lanes);
      for (int j = 0; j < s.C; j++) legs_load(c + (size_t)j * s.N, IN(float, 1), &s, j, first, lanes);
      for (int l = 0; l < s.L; l++) {
        int bits = control ? control[l] : 0;
        size_t row = (size_t)b * s.L + l;
        if (bits & CONTROL_RESET) {
          t = 0;
          for (int n = 0; n < s.N; n++) x[n] = splat_double(0.0);
        }
        if (!(bits & CONTROL_MASKED)) legs_step(&s, roots, t++, x, load_floats_as_double(IN(float, 0) + row * s.H + first, lanes), x);
        for (int j = 0; j < s.C; j++) {
          vd y = splat_double(0.0);
          for (int n = 0; n < s.N && !(bits & CONTROL_MASKED); n++) y = multiply_add_double(c[(size_t)j * s.N + n], x[n], y);
          store_double_as_floats(OUT(float, 0) + (row * s.C + j) * s.H + first, y, lanes);
        }
      }
      legs_store(x, OUT(float, 1), &s, b, first, lanes);
    }
  }
}

static void legs_scan_backward_plan(const call_t *call, plan_t *plan) {
  legs_shape s = legs_shape_of(call);
  double chunk = legs_chunk(&s), checkpoints = divide_up(s.L, legs_chunk(&s));
  plan->scratchBytes = aligned_bytes(8.0 * s.N + sizeof(vd) * s.N * (1.0 + 2.0 * s.C + chunk + 1.0 + checkpoints) + 8.0 * (chunk + checkpoints) + 12 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B ? divide_up(s.H, LEGS_CHANNELS) : 0;
}

typedef struct { double *roots; vd *c, *dc, *checkpoints, *states, *slope; int *counts, *starts; } legs_backward;

INLINE void legs_controlled_step(const legs_shape *s, const legs_backward *k, int bits, int t, const vd *x, vd u, vd *next) {
  if (bits & CONTROL_RESET) t = 0; /* the first sample overwrites the memory, and so does a masked reset by zeros */
  if (!(bits & CONTROL_MASKED)) legs_step(s, k->roots, t, x, u, next);
  else
    for (int n = 0; n < s->N; n++) next[n] = bits & CONTROL_RESET ? splat_double(0.0) : x[n];
}

static void legs_backward_sequence(const call_t *call, const legs_shape *s, const legs_backward *k, int b, int first, int lanes) {
  const float *u = IN(float, 0), *dy = IN(float, 5);
  const uint8_t *control = IN(uint8_t, 4) ? IN(uint8_t, 4) + (size_t)b * s->L : 0;
  float *du = OUT(float, 0);
  int chunk = legs_chunk(s), chunks = divide_up(s->L, chunk), N = s->N, t = IN(int32_t, 3) ? IN(int32_t, 3)[b] : 0;
  legs_load(k->checkpoints, IN(float, 2), s, b, first, lanes);
  for (int q = 0; q < chunks; q++) {
    k->starts[q] = t;
    vd *x = k->checkpoints + (size_t)(q + 1) * N;
    for (int n = 0; n < N && q + 1 < chunks; n++) x[n] = k->checkpoints[(size_t)q * N + n];
    for (int l = q * chunk; l < (q + 1) * chunk && q + 1 < chunks; l++) {
      int bits = control ? control[l] : 0;
      legs_controlled_step(s, k, bits, t, x, load_floats_as_double(u + ((size_t)b * s->L + l) * s->H + first, lanes), x);
      t = legs_next_count(bits, t);
    }
  }
  legs_load(k->slope, IN(float, 6), s, b, first, lanes);
  for (int q = chunks - 1; q >= 0; q--) {
    int start = q * chunk, steps = min_int(chunk, s->L - start);
    t = k->starts[q];
    for (int n = 0; n < N; n++) k->states[n] = k->checkpoints[(size_t)q * N + n];
    for (int l = 0; l < steps; l++) {
      int bits = control ? control[start + l] : 0;
      k->counts[l] = bits & CONTROL_RESET ? 0 : t;
      legs_controlled_step(s, k, bits, t, k->states + (size_t)l * N, load_floats_as_double(u + ((size_t)b * s->L + start + l) * s->H + first, lanes), k->states + (size_t)(l + 1) * N);
      t = legs_next_count(bits, t);
    }
    for (int l = steps - 1; l >= 0; l--) {
      int bits = control ? control[start + l] : 0;
      size_t row = (size_t)b * s->L + start + l;
      if (bits & CONTROL_MASKED) {
        fill_zero(du + row * s->H + first, lanes);
      } else {
        const vd *after = k->states + (size_t)(l + 1) * N;
        for (int j = 0; j < s->C; j++) {
          vd d = load_floats_as_double(dy + (row * s->C + j) * s->H + first, lanes);
          for (int n = 0; n < N; n++) {
            k->slope[n] = multiply_add_double(k->c[(size_t)j * N + n], d, k->slope[n]);
            k->dc[(size_t)j * N + n] = multiply_add_double(after[n], d, k->dc[(size_t)j * N + n]);
          }
        }
        store_double_as_floats(du + row * s->H + first, legs_step_back(s, k->roots, k->counts[l], k->slope), lanes);
      }
      for (int n = 0; n < N && bits & CONTROL_RESET; n++) k->slope[n] = splat_double(0.0);
    }
  }
  if (OUT(float, 2)) legs_store(k->slope, OUT(float, 2), s, b, first, lanes);
}

static void legs_scan_backward_run(const call_t *call, int begin, int end, void *scratch) {
  legs_shape s = legs_shape_of(call);
  for (int task = begin; task < end; task++) {
    int last = min_int((task + 1) * LEGS_CHANNELS, s.H);
    for (int first = task * LEGS_CHANNELS; first < last; first += DW) {
      int lanes = min_int(DW, last - first), chunk = legs_chunk(&s), chunks = divide_up(s.L, chunk);
      arena_t arena = {scratch};
      legs_backward k;
      k.roots = legs_roots(&arena, &s);
      k.c = take_vectors(&arena, (size_t)s.N * s.C);
      k.dc = take_vectors(&arena, (size_t)s.N * s.C);
      k.checkpoints = take_vectors(&arena, (size_t)s.N * chunks);
      k.states = take_vectors(&arena, (size_t)s.N * (chunk + 1));
      k.slope = take_vectors(&arena, s.N);
      k.counts = take(&arena, sizeof(int) * chunk);
      k.starts = take(&arena, sizeof(int) * chunks);
      for (int j = 0; j < s.C; j++) legs_load(k.c + (size_t)j * s.N, IN(float, 1), &s, j, first, lanes);
      for (int i = 0; i < s.N * s.C; i++) k.dc[i] = splat_double(0.0);
      for (int b = 0; b < s.B; b++) legs_backward_sequence(call, &s, &k, b, first, lanes);
      for (int j = 0; j < s.C; j++) legs_store(k.dc + (size_t)j * s.N, OUT(float, 1), &s, j, first, lanes);
    }
  }
}
