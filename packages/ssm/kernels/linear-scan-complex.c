/*
 * Complex linear scan. The state is carried in double precision, always and not only where |a| is near 1: so a channel's bits depend on no other
 * channel and on no other step, and memory still sets the speed on processors with wide vectors. Complex numbers are two buffers, re and im.
 */
#include "linear-scan.h"

/* Half vectors: as many floats as a vector holds doubles. */
enum { HALF = W / 2 };
typedef float hf __attribute__((vector_size(HALF * 4)));
typedef float hf_any __attribute__((vector_size(HALF * 4), may_alias, aligned(4)));
typedef double hd __attribute__((vector_size(HALF * 8)));
typedef double hd_any __attribute__((vector_size(HALF * 8), may_alias, aligned(8)));
typedef struct { hd re, im; } hd_pair;

INLINE hd splat_hd(double x) { return x - (hd){0}; }
INLINE hd load_hd(const double *p) { return *(const hd_any *)p; }
INLINE void store_hd(double *p, hd x) { *(hd_any *)p = x; }
INLINE hd load_half(const float *p, int count) {
  if (count >= HALF) return __builtin_convertvector((hf)*(const hf_any *)p, hd);
  float lanes[HALF] __attribute__((aligned(64)));
  for (int i = 0; i < HALF; i++) lanes[i] = 0.0f;
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return __builtin_convertvector((hf)*(const hf_any *)lanes, hd);
}
INLINE void store_half(float *p, hd x, int count) {
  hf value = __builtin_convertvector(x, hf);
  if (count >= HALF) { *(hf_any *)p = value; return; }
  float lanes[HALF] __attribute__((aligned(64)));
  *(hf_any *)lanes = value;
  for (int i = 0; i < count; i++) p[i] = lanes[i];
}
INLINE hd_pair zero_pair(void) { return (hd_pair){splat_hd(0.0), splat_hd(0.0)}; }
INLINE hd_pair load_pair(const float *re, const float *im, long at, int count) {
  return (hd_pair){load_half(re + at, count), im ? load_half(im + at, count) : splat_hd(0.0)};
}
INLINE void store_pair(float *re, float *im, long at, hd_pair x, int count) {
  store_half(re + at, x.re, count);
  if (im) store_half(im + at, x.im, count);
}
INLINE hd_pair load_doubles(const double *p, int e) { return (hd_pair){load_hd(p + e), load_hd(p + LINEAR_WIDE + e)}; }
INLINE void store_doubles(double *p, int e, hd_pair x) {
  store_hd(p + e, x.re);
  store_hd(p + LINEAR_WIDE + e, x.im);
}
INLINE hd_pair add_pairs(hd_pair a, hd_pair b) { return (hd_pair){a.re + b.re, a.im + b.im}; }
INLINE hd multiply_add_hd(hd a, hd b, hd c) {
#if W == 16
  return _mm512_fmadd_pd(a, b, c);
#elif W == 8
  return _mm256_fmadd_pd(a, b, c);
#else
  return a * b + c;
#endif
}
INLINE hd_pair multiply_add_pairs(hd_pair a, hd_pair b, hd_pair c) {
  return (hd_pair){multiply_add_hd(a.re, b.re, multiply_add_hd(-a.im, b.im, c.re)), multiply_add_hd(a.re, b.im, multiply_add_hd(a.im, b.re, c.im))};
}
INLINE hd_pair conjugate_pair(hd_pair a) { return (hd_pair){a.re, -a.im}; }

typedef struct { const float *re, *im; } complex_rows;
typedef struct { float *re, *im; } complex_target;

/* Where a buffer's rows begin: `offset` floats in; null stays null. */
INLINE complex_rows rows_at(const float *re, const float *im, size_t offset) { return (complex_rows){re + offset, im ? im + offset : 0}; }
INLINE complex_target target_at(float *re, float *im, size_t offset) { return (complex_target){re + offset, im ? im + offset : 0}; }

/*
 * Steps [begin, end) of a block, row by row, from `state` [2][LINEAR_WIDE]. `before` gets the states before each step, [step][2][LINEAR_WIDE], in
 * double; x.re is null where no output is wanted.
 */
INLINE void linear_complex_rows(const linear_shape *s, const linear_task *t, complex_rows a, complex_rows b, complex_target x, double *before, double *state,
                                int begin, int end, int varying) {
  for (int i = begin; i < end; i++) {
    int bits = linear_control(t, i), masked = bits & CONTROL_MASKED;
    long at = i * s->stride;
    for (int e = 0; e < t->width; e += HALF) {
      int count = t->width - e;
      hd_pair h = bits & CONTROL_RESET ? zero_pair() : load_doubles(state, e);
      if (before) store_doubles(before + (size_t)(i - begin) * 2 * LINEAR_WIDE, e, h);
      if (masked) {
        if (x.re) store_pair(x.re, x.im, at + e, zero_pair(), count);
      } else {
        h = multiply_add_pairs(load_pair(a.re, a.im, varying ? at + e : e, count), h, load_pair(b.re, b.im, at + e, count));
        if (x.re) store_pair(x.re, x.im, at + e, h, count);
      }
      store_doubles(state, e, h);
    }
  }
}

static void linear_complex_block(const linear_shape *s, const linear_task *t, complex_rows a, complex_rows b, complex_target x, double *before, double *state,
                                 int begin, int end) {
  if (s->varying) linear_complex_rows(s, t, a, b, x, before, state, begin, end, 1);
  else linear_complex_rows(s, t, a, b, x, before, state, begin, end, 0);
}

static void linear_load_complex(const linear_shape *s, const linear_task *t, const float *re, const float *im, double *state) {
  for (int e = 0; e < LINEAR_WIDE; e++) {
    size_t at = (size_t)t->b * s->E + t->first + e;
    state[e] = re && e < t->width ? re[at] : 0.0;
    state[LINEAR_WIDE + e] = im && e < t->width ? im[at] : 0.0;
  }
}
static void linear_store_complex(const linear_shape *s, const linear_task *t, const double *state, float *re, float *im) {
  for (int e = 0; e < t->width; e++) {
    size_t at = (size_t)t->b * s->E + t->first + e;
    if (re) re[at] = (float)state[e];
    if (im) im[at] = (float)state[LINEAR_WIDE + e];
  }
}

/* in: bRe, bIm?, aRe, aIm, initialRe?, initialIm?, control?. out: xRe, xIm, finalRe, finalIm. */
static void linear_scan_complex_forward_plan(const call_t *call, plan_t *plan) {
  linear_shape s = linear_shape_of(call);
  plan->scratchBytes = aligned_bytes(8.0 * 2 * LINEAR_WIDE);
  plan->phases = 1;
  plan->tasks[0] = s.B * s.blocks;
}

static void linear_scan_complex_forward_run(const call_t *call, int begin, int end, void *scratch) {
  linear_shape s = linear_shape_of(call);
  arena_t arena = {scratch};
  double *state = take(&arena, 8 * 2 * LINEAR_WIDE);
  for (int number = begin; number < end; number++) {
    linear_task t = linear_task_at(&s, IN(uint8_t, 6), number);
    complex_rows b = rows_at(IN(float, 0), IN(float, 1), t.row), a = rows_at(IN(float, 2), IN(float, 3), s.varying ? t.row : (size_t)t.first);
    complex_target x = target_at(OUT(float, 0), OUT(float, 1), t.row);
    linear_load_complex(&s, &t, IN(float, 4), IN(float, 5), state);
    for (int i = 0; i < s.L; i += LINEAR_STEPS) linear_complex_block(&s, &t, a, b, x, 0, state, i, min_int(i + LINEAR_STEPS, s.L));
    linear_store_complex(&s, &t, state, OUT(float, 2), OUT(float, 3));
  }
}

/* Workspace as in the real scan, but doubles: states before each time block, and with a constant a its gradient [B][2][E]. */
typedef struct { int chunks; double *checkpoints, *sum; } linear_complex_job;

static linear_complex_job linear_complex_job_of(const linear_shape *s, void *workspace, double *bytes) {
  linear_complex_job j = {.chunks = divide_up(s->L, LINEAR_STEPS)};
  double kept = j.chunks > 1 ? 2.0 * s->B * s->blocks * j.chunks * LINEAR_WIDE : 0, sums = s->varying ? 0 : 2.0 * s->B * s->E;
  if (bytes) {
    *bytes = kept + sums > 0 ? aligned_bytes(8 * (kept + sums) + 2 * ALIGNMENT) : 0;
    return j;
  }
  arena_t arena = {workspace};
  j.checkpoints = take(&arena, 8 * (size_t)kept);
  j.sum = take(&arena, 8 * (size_t)sums);
  return j;
}

static void linear_scan_complex_backward_plan(const call_t *call, plan_t *plan) {
  linear_shape s = linear_shape_of(call);
  linear_complex_job_of(&s, 0, &plan->workspaceBytes);
  plan->scratchBytes = aligned_bytes(16.0 * LINEAR_WIDE * (LINEAR_STEPS + 3.0) + 4 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.B * s.blocks;
  plan->tasks[1] = s.varying ? 0 : s.blocks;
}

typedef struct { double *state, *carry, *sum, *before; } linear_complex_scratch;

/* With g = dL/dRe + i dL/dIm: db = g, da = g conj(x[t-1]), and conj(a) g goes on to the step before. */
INLINE void linear_complex_backward_rows(const linear_shape *s, const linear_task *t, complex_rows a, complex_rows dx, complex_target db, complex_target da,
                                         const linear_complex_scratch *f, int begin, int end, int varying) {
  for (int i = end - 1; i >= begin; i--) {
    int bits = linear_control(t, i);
    long at = i * s->stride;
    for (int e = 0; e < t->width; e += HALF) {
      int count = t->width - e;
      hd_pair g = load_doubles(f->carry, e);
      if (bits & CONTROL_MASKED) {
        store_pair(db.re, db.im, at + e, zero_pair(), count);
        if (varying) store_pair(da.re, da.im, at + e, zero_pair(), count);
      } else {
        hd_pair before = conjugate_pair(load_doubles(f->before + (size_t)(i - begin) * 2 * LINEAR_WIDE, e));
        g = add_pairs(g, load_pair(dx.re, dx.im, at + e, count));
        store_pair(db.re, db.im, at + e, g, count);
        if (varying) store_pair(da.re, da.im, at + e, multiply_add_pairs(g, before, zero_pair()), count);
        else store_doubles(f->sum, e, multiply_add_pairs(g, before, load_doubles(f->sum, e)));
        g = multiply_add_pairs(conjugate_pair(load_pair(a.re, a.im, varying ? at + e : e, count)), g, zero_pair());
      }
      store_doubles(f->carry, e, bits & CONTROL_RESET ? zero_pair() : g);
    }
  }
}

static void linear_complex_backward_task(const call_t *call, const linear_shape *s, const linear_complex_job *j, int number, void *scratch) {
  linear_task t = linear_task_at(s, IN(uint8_t, 6), number);
  complex_rows b = rows_at(IN(float, 0), IN(float, 1), t.row), a = rows_at(IN(float, 2), IN(float, 3), s->varying ? t.row : (size_t)t.first);
  complex_rows dx = rows_at(IN(float, 7), IN(float, 8), t.row);
  complex_target db = target_at(OUT(float, 0), OUT(float, 1), t.row), da = {0, 0}, none = {0, 0};
  if (s->varying) da = target_at(OUT(float, 2), OUT(float, 3), t.row);
  size_t slot = 2 * LINEAR_WIDE;
  double *kept = j->checkpoints + (size_t)number * j->chunks * slot;
  arena_t arena = {scratch};
  linear_complex_scratch f = {.state = take(&arena, 8 * slot), .carry = take(&arena, 8 * slot), .sum = take(&arena, 8 * slot)};
  f.before = take(&arena, 8 * slot * LINEAR_STEPS);
  for (size_t e = 0; e < slot; e++) f.sum[e] = 0.0;
  linear_load_complex(s, &t, IN(float, 4), IN(float, 5), f.state);
  linear_load_complex(s, &t, IN(float, 9), IN(float, 10), f.carry);
  for (int chunk = 0; chunk + 1 < j->chunks; chunk++) {
    for (size_t e = 0; e < slot; e++) kept[chunk * slot + e] = f.state[e];
    linear_complex_block(s, &t, a, b, none, 0, f.state, chunk * LINEAR_STEPS, (chunk + 1) * LINEAR_STEPS);
  }
  for (int chunk = j->chunks - 1; chunk >= 0; chunk--) {
    int begin = chunk * LINEAR_STEPS, end = min_int(begin + LINEAR_STEPS, s->L);
    if (chunk + 1 < j->chunks)
      for (size_t e = 0; e < slot; e++) f.state[e] = kept[chunk * slot + e];
    linear_complex_block(s, &t, a, b, none, f.before, f.state, begin, end);
    if (s->varying) linear_complex_backward_rows(s, &t, a, dx, db, da, &f, begin, end, 1);
    else linear_complex_backward_rows(s, &t, a, dx, db, da, &f, begin, end, 0);
  }
  linear_store_complex(s, &t, f.carry, OUT(float, 4), OUT(float, 5));
  if (!s->varying)
    for (int e = 0; e < t.width; e++) {
      j->sum[(size_t)t.b * 2 * s->E + t.first + e] = f.sum[e];
      j->sum[((size_t)t.b * 2 + 1) * s->E + t.first + e] = f.sum[LINEAR_WIDE + e];
    }
}

/* in: as forward, then dxRe, dxIm, dFinalRe?, dFinalIm?. out: dbRe, dbIm?, daRe, daIm, dInitialRe?, dInitialIm?. */
static void linear_scan_complex_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  linear_shape s = linear_shape_of(call);
  linear_complex_job j = linear_complex_job_of(&s, workspace, 0);
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      linear_complex_backward_task(call, &s, &j, task, scratch);
      continue;
    }
    for (int part = 0; part < 2; part++)
      for (int e = task * s.width; e < min_int((task + 1) * s.width, s.E); e++) {
        double sum = 0.0;
        for (int b = 0; b < s.B; b++) sum += j.sum[((size_t)b * 2 + part) * s.E + e];
        OUT(float, 2 + part)[e] = (float)sum;
      }
  }
}
