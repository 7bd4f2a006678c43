/*
 * Gradient of the long convolution. Inputs: u, kernel, D, pre, post, history, control, dy, dFinalHistory; outputs: du, dKernel, dD, dPre,
 * dPost, dHistory.
 *
 * With g = post * dy and g reversed in time, dv reversed is the product k * g and dk reversed the product v * g, both in the packing and at
 * the size of the forward pass. Sequences of one block of channels are taken in a few groups whose number follows from the shapes; each
 * sums its gradients of kernel and D, and a last phase adds the groups in order.
 */
#include "fft-convolution.h"

enum { FC_TASKS = 8 };

INLINE int fc_groups(const fc_shape *s) { return min_int(s->B, divide_up(FC_TASKS, max_int(s->blocks, 1))); }

typedef struct { float *x, *g, *dv, *spectral, *own; int32_t *steps; } fc_buffers;
typedef struct { float *kernel, *D; } fc_sums; /* [groups][blocks][kernels][K] and [groups][blocks][kernels] vectors */

INLINE double fc_sum_bytes(const fc_shape *s) { return 4.0 * W * fc_groups(s) * s->blocks * s->kernels * (s->K + 1.0) + 2 * ALIGNMENT; }

static void fft_convolution_backward_plan(const call_t *call, plan_t *plan) {
  fc_shape s = fc_shape_of(call, call->in[5], call->in[6]);
  fc_piece whole = fc_whole(&s);
  fc_shared f = fc_shared_of(&s, &whole);
  double data = max_int(whole.direct ? max_int(whole.inputs, s.L) : 2 << f.log, 1), own = whole.direct ? s.K : data;
  double kept = whole.direct ? 1 : data * s.kernels;
  plan->scratchBytes = aligned_bytes(4.0 * W * (3 * data + own + kept) + 4.0 * (s.control ? s.L : 0) + 8 * ALIGNMENT);
  plan->workspaceBytes = aligned_bytes((whole.direct ? 0 : fc_shared_bytes(&s, &f)) + fc_sum_bytes(&s));
  int base = whole.direct ? 0 : 2;
  plan->phases = base + 2;
  if (!whole.direct) {
    plan->tasks[0] = fc_table_tasks(&f);
    plan->tasks[1] = s.blocks * s.kernels;
  }
  plan->tasks[base] = s.blocks * fc_groups(&s);
  plan->tasks[base + 1] = s.blocks * s.kernels;
}

/* Pointers of one block of channels of one sequence. */
typedef struct { const float *D, *post, *dy, *dfinal; float *du, *dpre, *dpost, *dhistory; } fc_slopes;

static fc_slopes fc_slopes_of(const call_t *call, const fc_shape *s, int b, int block) {
  size_t first = (size_t)block * W, at = (size_t)b * s->L * s->E + first, wide = (size_t)b * s->L * s->kernels * s->E + first, tail = (size_t)b * (s->K - 1) * s->E + first;
  return (fc_slopes){
    IN(float, 2) ? IN(float, 2) + first : 0, IN(float, 4) ? IN(float, 4) + wide : 0, IN(float, 7) + wide, IN(float, 8) ? IN(float, 8) + tail : 0,
    OUT(float, 0) + at, OUT(float, 3) ? OUT(float, 3) + at : 0, OUT(float, 4) ? OUT(float, 4) + wide : 0, OUT(float, 5) ? OUT(float, 5) + tail : 0,
  };
}

INLINE size_t fc_wide(const fc_shape *s, int t, int m) { return ((size_t)t * s->kernels + m) * s->E; }
INLINE vf fc_slope(const fc_shape *s, const fc_slopes *o, int t, int m, int width) {
  vf g = load_part(o->dy + fc_wide(s, t, m), width);
  return o->post ? g * load_part(o->post + fc_wide(s, t, m), width) : g;
}

/* Gradient of the gate behind the convolution. */
INLINE void fc_store_gate(const fc_shape *s, const fc_rows *r, const fc_slopes *o, int t, int m, vf sum) {
  if (o->D) sum = multiply_add(load_part(o->D + (size_t)m * s->E, r->width), fc_value(r, t), sum);
  store_part(o->dpost + fc_wide(s, t, m), sum * load_part(o->dy + fc_wide(s, t, m), r->width), r->width);
}

/* Adds sum over the piece of g v to the gradient of D, a run of 64 at a time. */
static void fc_add_skip(const fc_shape *s, const fc_piece *p, const fc_rows *r, const fc_slopes *o, int m, float *total) {
  for (int first = 0; first < p->count; first += 64) {
    vf sum = splat(0.0f);
    for (int i = first; i < min_int(first + 64, p->count); i++) {
      int t = fc_step(p, i);
      sum = multiply_add(fc_slope(s, o, t, m, r->width), fc_value(r, t), sum);
    }
    store(total, load(total) + sum);
  }
}

/* du, dpre and dhistory from the gradient of v; `place` maps a position to where it lies in dv. */
static void fc_store_values(const fc_shape *s, const fc_piece *p, const fc_rows *r, const fc_slopes *o, const float *dv, int half) {
  int mirror = p->offset + p->span - 1;
  for (int i = 0; i < p->history && o->dhistory; i++) {
    vf d = load(dv + fc_slot(half ? mirror - i : i, half) * W);
    if (p->last && o->dfinal && i >= p->count) d = d + load_part(o->dfinal + (size_t)(i - p->count) * s->E, r->width);
    store_part(o->dhistory + (size_t)i * s->E, d, r->width);
  }
  for (int i = 0; i < p->count; i++) {
    int t = fc_step(p, i), at = p->history + fc_position(s, i), kept = i - p->count + s->K - 1;
    vf d = load(dv + fc_slot(half ? mirror - at : at, half) * W);
    for (int m = 0; o->D && m < s->kernels; m++) d = multiply_add(load_part(o->D + (size_t)m * s->E, r->width), fc_slope(s, o, t, m, r->width), d);
    if (p->last && o->dfinal && kept >= 0) d = d + load_part(o->dfinal + (size_t)kept * s->E, r->width);
    size_t place = (size_t)t * s->E;
    if (r->pre) {
      if (o->dpre) store_part(o->dpre + place, d * load_part(r->u + place, r->width), r->width);
      d = d * load_part(r->pre + place, r->width);
    }
    store_part(o->du + place, d, r->width);
  }
}

INLINE void fc_multiply_spectra(float *target, const float *a, const float *b, int n, int add) {
  for (size_t i = 0; i < (size_t)n * 2 * W; i += 2 * W) {
    cv x = cv_multiply(cv_load(a + i), cv_load(b + i));
    cv_store(target + i, add ? cv_add(cv_load(target + i), x) : x);
  }
}

/* Adds the gradient of the kernel out of a product v * g. */
static void fc_add_kernel(const fc_shape *s, const fc_piece *p, const float *product, int half, float *sum) {
  int mirror = p->offset + p->span - 1, taps = s->image ? s->K : p->taps;
  vf scale = splat(1.0f / (float)half);
  for (int j = 0; j < taps; j++, sum += W) {
    int at = mirror - fc_tap(s, j);
    if (at >= 0) store(sum, multiply_add(load(product + fc_slot(at, half) * W), scale, load(sum)));
  }
}

static void fc_backward_fft(const call_t *call, const fc_shape *s, const fc_shared *f, const fc_piece *whole, const fc_piece *p, const fc_rows *r, const fc_slopes *o, int block, const fc_buffers *w, float *dkernel) {
  fft_t fft = fc_fft(f, p->log);
  /* Spectra of one size and one mirror may be added before the way back. */
  int n = fft.n, mirror = p->span - 1, is_whole = p->log == f->log && p->offset + p->span == whole->offset + whole->span;
  fc_load(s, p, r, w->x, n);
  fft_walk(&fft, w->x, 0, FFT_DOWN);
  for (int m = 0; m < s->kernels; m++) {
    if (s->image) fc_clear(w->g, 0, n);
    else fc_clear(w->g, p->span, n);
    for (int i = 0; i < p->count; i++)
      store(w->g + fc_slot(mirror - fc_position(s, i), n) * W, fc_slope(s, o, fc_step(p, i), m, r->width));
    fft_walk(&fft, w->g, 0, FFT_DOWN);
    const float *spectrum = fc_spectrum_for(s, f, p, IN(float, 1), m, block, w->own);
    fc_multiply_spectra(w->dv, w->g, spectrum, n, m > 0);
    float *kept = w->spectral + (size_t)m * ((size_t)2 * W << f->log);
    if (is_whole) fc_multiply_spectra(kept, w->x, w->g, n, 1);
    else {
      fc_multiply_spectra(w->g, w->x, w->g, n, 0);
      fft_walk(&fft, w->g, 0, FFT_UP);
      fc_add_kernel(s, p, w->g, n, dkernel + (size_t)m * s->K * W);
    }
    if (o->dpost) {
      fc_multiply_spectra(w->g, w->x, spectrum, n, 0);
      fft_walk(&fft, w->g, 0, FFT_UP);
      for (int i = 0; i < p->count; i++) fc_store_gate(s, r, o, fc_step(p, i), m, load(w->g + fc_slot(p->offset + fc_position(s, i), n) * W));
    }
  }
  fft_walk(&fft, w->dv, 0, FFT_UP);
  fc_store_values(s, p, r, o, w->dv, n);
}

static void fc_backward_direct(const call_t *call, const fc_shape *s, const fc_piece *p, const fc_rows *r, const fc_slopes *o, int block, const fc_buffers *w, float *dkernel) {
  fc_load(s, p, r, w->x, 0);
  fill_zero(w->dv, (size_t)p->inputs * W);
  for (int m = 0; m < s->kernels; m++, dkernel += (size_t)s->K * W) {
    fc_load_kernel(s, p, IN(float, 1), m, block, w->own, 0, 1.0f);
    for (int i = 0; i < p->count; i++) {
      int t = fc_step(p, i), at = p->offset + fc_position(s, i);
      if (o->dpost) fc_store_gate(s, r, o, t, m, fc_direct_sum(s, p, w->x, w->own, at));
      vf g = fc_slope(s, o, t, m, r->width);
      for (int row = 0; row < s->kernel_rows; row++) {
        int first, reach = fc_reach(s, p, at, row, &first);
        size_t tap = ((size_t)row * s->kernel_columns + first) * W;
        long value = ((long)at - row * s->stride - first) * W;
        for (int j = 0; j < reach; j++, tap += W, value -= W) {
          store(dkernel + tap, multiply_add(g, load(w->x + value), load(dkernel + tap)));
          store(w->dv + value, multiply_add(g, load(w->own + tap), load(w->dv + value)));
        }
      }
    }
  }
  fc_store_values(s, p, r, o, w->dv, 0);
}

/* Nothing flows to masked steps, nor to a history that was not read. */
static void fc_start_slopes(const fc_shape *s, const fc_slopes *o, int b, int width) {
  for (int i = 0; o->dhistory && i < s->K - 1; i++) fill_zero(o->dhistory + (size_t)i * s->E, width);
  if (!s->control) return;
  const uint8_t *control = s->control + (size_t)b * s->L;
  for (int t = 0; t < s->L; t++) {
    if (!(control[t] & CONTROL_MASKED)) continue;
    fill_zero(o->du + (size_t)t * s->E, width);
    if (o->dpre) fill_zero(o->dpre + (size_t)t * s->E, width);
    for (int m = 0; o->dpost && m < s->kernels; m++) fill_zero(o->dpost + fc_wide(s, t, m), width);
  }
}

static void fc_backward_task(const call_t *call, const fc_shape *s, const fc_shared *f, const fc_piece *whole, const fc_sums *sums, int task, void *scratch) {
  int block = task % s->blocks, group = task / s->blocks, groups = fc_groups(s);
  size_t data = (size_t)max_int(whole->direct ? max_int(whole->inputs, s->L) : 2 << f->log, 1);
  arena_t arena = {scratch};
  fc_buffers w = {take_floats(&arena, data * W), take_floats(&arena, data * W), take_floats(&arena, data * W), 0, 0, 0};
  w.spectral = take_floats(&arena, (whole->direct ? 1 : data * s->kernels) * W);
  w.own = take_floats(&arena, (whole->direct ? (size_t)s->K : data) * W);
  w.steps = s->control ? take(&arena, 4 * (size_t)s->L) : 0;
  size_t at = (size_t)task * s->kernels;
  float *dkernel = sums->kernel + at * s->K * W, *dD = sums->D + at * W;
  fill_zero(dkernel, (size_t)s->kernels * s->K * W);
  fill_zero(dD, (size_t)s->kernels * W);
  if (!whole->direct) fill_zero(w.spectral, data * s->kernels * W);
  for (int b = (int)((long)group * s->B / groups); b < (int)((long)(group + 1) * s->B / groups); b++) {
    fc_rows r = fc_rows_of(s, IN(float, 0), IN(float, 3), IN(float, 5), b, block);
    fc_slopes o = fc_slopes_of(call, s, b, block);
    fc_start_slopes(s, &o, b, r.width);
    for (int t = 0; t < s->L;) {
      fc_piece p = fc_next_piece(s, b, &t, w.steps);
      for (int m = 0; OUT(float, 2) && m < s->kernels; m++) fc_add_skip(s, &p, &r, &o, m, dD + m * W);
      if (p.count && (whole->direct || p.direct)) fc_backward_direct(call, s, &p, &r, &o, block, &w, dkernel);
      else if (p.count) fc_backward_fft(call, s, f, whole, &p, &r, &o, block, &w, dkernel);
      else if (p.last && p.history && o.dhistory && o.dfinal)
        for (int i = 0; i < s->K - 1; i++)
          store_part(o.dhistory + (size_t)i * s->E, load_part(o.dfinal + (size_t)i * s->E, r.width), r.width);
    }
  }
  if (whole->direct) return;
  fft_t fft = fc_fft(f, f->log);
  for (int m = 0; m < s->kernels; m++) {
    float *product = w.spectral + (size_t)m * data * W;
    fft_walk(&fft, product, 0, FFT_UP);
    fc_add_kernel(s, whole, product, fft.n, dkernel + (size_t)m * s->K * W);
  }
}

/* Adds the groups and lays the result out. */
static void fc_reduce_task(const call_t *call, const fc_shape *s, const fc_sums *sums, int task) {
  int m = task / s->blocks, block = task % s->blocks, width = min_int(W, s->E - block * W), groups = fc_groups(s);
  float *dkernel = OUT(float, 1) + ((size_t)m * s->E + (size_t)block * W) * s->K, *dD = OUT(float, 2);
  size_t next = (size_t)s->blocks * s->kernels, at = (size_t)block * s->kernels + m;
  for (int j = 0; j < s->K; j++) {
    vf sum = splat(0.0f);
    for (int g = 0; g < groups; g++) sum = sum + load(sums->kernel + ((at + g * next) * s->K + j) * W);
    float lanes[W] __attribute__((aligned(64)));
    store(lanes, sum);
    for (int e = 0; e < width; e++) dkernel[(size_t)e * s->K + j] = lanes[e];
  }
  if (!dD) return;
  vf sum = splat(0.0f);
  for (int g = 0; g < groups; g++) sum = sum + load(sums->D + (at + g * next) * W);
  store_part(dD + (size_t)m * s->E + (size_t)block * W, sum, width);
}

static void fft_convolution_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  fc_shape s = fc_shape_of(call, call->in[5], call->in[6]);
  fc_piece whole = fc_whole(&s);
  fc_shared f = fc_shared_of(&s, &whole);
  arena_t arena = {workspace};
  if (!whole.direct) {
    fc_take_shared(&s, &f, &arena);
    if (phase < 2) {
      fc_prepare(&s, &f, &whole, IN(float, 1), phase, begin, end);
      return;
    }
    phase -= 2;
  }
  size_t sums_of = (size_t)fc_groups(&s) * s.blocks * s.kernels;
  fc_sums sums;
  sums.kernel = take_floats(&arena, sums_of * s.K * W);
  sums.D = take_floats(&arena, sums_of * W);
  for (int task = begin; task < end; task++) {
    if (phase == 0) fc_backward_task(call, &s, &f, &whole, &sums, task, scratch);
    else fc_reduce_task(call, &s, &sums, task);
  }
}
