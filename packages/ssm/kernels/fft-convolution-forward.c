/* Long convolution, forward. Inputs: u, kernel, D, pre, post, history, control; outputs: y, final history. */
#include "fft-convolution.h"

static void fft_convolution_forward_plan(const call_t *call, plan_t *plan) {
  fc_shape s = fc_shape_of(call, call->in[5], call->in[6]);
  fc_piece whole = fc_whole(&s);
  fc_shared f = fc_shared_of(&s, &whole);
  double data = max_int(whole.direct ? whole.inputs : 2 << f.log, 1), own = max_int(whole.direct ? s.K : s.control ? 2 << f.log : 1, 1);
  plan->scratchBytes = aligned_bytes(4.0 * W * (data + own + (s.kernels > 1 && !whole.direct ? data : 0)) + 4.0 * (s.control ? s.L : 0) + 8 * ALIGNMENT);
  plan->workspaceBytes = whole.direct ? 0 : aligned_bytes(fc_shared_bytes(&s, &f));
  plan->phases = whole.direct ? 1 : 3;
  if (!whole.direct) {
    plan->tasks[0] = fc_table_tasks(&f);
    plan->tasks[1] = s.blocks * s.kernels;
  }
  plan->tasks[whole.direct ? 0 : 2] = s.B * s.blocks;
}

typedef struct { const float *D, *post; float *y; } fc_outputs;

/* y of one item from its convolution. */
INLINE void fc_store_output(const fc_shape *s, const fc_rows *r, const fc_outputs *o, int t, int m, vf sum) {
  size_t at = ((size_t)t * s->kernels + m) * s->E;
  if (o->D) sum = multiply_add(load_part(o->D + (size_t)m * s->E, r->width), fc_value(r, t), sum);
  if (o->post) sum = sum * load_part(o->post + at, r->width);
  store_part(o->y + at, sum, r->width);
}

/*
 * Channels with a value that is not finite: it was taken as 0 for the transform, which would spread it over all of time; here it becomes
 * NaN where the kernel reaches. In an image, everywhere in its channel.
 */
static void fc_spread_not_finite(const fc_shape *s, const fc_piece *p, const fc_rows *r, const fc_outputs *o, int lane) {
  int last = -1;
  for (int at = 0, item = 0; item < p->count; at++) {
    int own = at - p->history;
    if (s->image) last = at;
    else if (at < p->inputs) {
      float v = own < 0 ? r->history[(size_t)at * r->E + lane] : r->u[(size_t)fc_step(p, own) * r->E + lane];
      if (own >= 0 && r->pre) v *= r->pre[(size_t)fc_step(p, own) * r->E + lane];
      if (v - v != 0.0f) last = at;
    }
    if (at < p->offset && !s->image) continue;
    if (last >= 0 && (s->image || at - last < p->taps))
      for (int m = 0; m < s->kernels; m++) o->y[((size_t)fc_step(p, item) * s->kernels + m) * s->E + lane] = __builtin_nanf("");
    item++;
  }
}

static void fc_forward_fft(const call_t *call, const fc_shape *s, const fc_shared *f, const fc_piece *p, const fc_rows *r, const fc_outputs *o, int block, float *x, float *own, float *product) {
  fft_t fft = fc_fft(f, p->log);
  vf check = fc_load(s, p, r, x, fft.n);
  float checks[W] __attribute__((aligned(64)));
  store(checks, check);
  int finite = 1;
  for (int e = 0; e < r->width; e++) finite &= checks[e] == 0.0f;
  if (!finite)
    for (size_t i = 0; i < 2 * (size_t)fft.n; i++) {
      vf v = load(x + i * W), zero = v - v;
      store(x + i * W, select_lanes(zero == splat(0.0f), v, splat(0.0f)));
    }
  if (s->kernels > 1) fft_walk(&fft, x, 0, FFT_DOWN);
  for (int m = 0; m < s->kernels; m++) {
    const float *spectrum = fc_spectrum_for(s, f, p, IN(float, 1), m, block, own);
    float *result = x;
    if (s->kernels == 1) fft_walk(&fft, x, spectrum, FFT_DOWN | FFT_PRODUCT | FFT_UP);
    else {
      result = product;
      for (size_t i = 0; i < (size_t)fft.n * 2 * W; i += 2 * W) cv_store(result + i, cv_multiply(cv_load(x + i), cv_load(spectrum + i)));
      fft_walk(&fft, result, 0, FFT_UP);
    }
    for (int i = 0; i < p->count; i++)
      fc_store_output(s, r, o, fc_step(p, i), m, load(result + fc_slot(p->offset + fc_position(s, i), fft.n) * W));
  }
  if (!finite)
    for (int e = 0; e < r->width; e++)
      if (checks[e] != 0.0f) fc_spread_not_finite(s, p, r, o, e);
}

static void fc_forward_direct(const call_t *call, const fc_shape *s, const fc_piece *p, const fc_rows *r, const fc_outputs *o, int block, float *x, float *k) {
  fc_load(s, p, r, x, 0);
  for (int m = 0; m < s->kernels; m++) {
    fc_load_kernel(s, p, IN(float, 1), m, block, k, 0, 1.0f);
    for (int i = 0; i < p->count; i++) fc_store_output(s, r, o, fc_step(p, i), m, fc_direct_sum(s, p, x, k, p->offset + fc_position(s, i)));
  }
}

/* The K - 1 newest values after the last piece; `seen`: rows of history (zeros where there is none) before it. */
static void fc_store_history(const fc_shape *s, const fc_piece *p, const fc_rows *r, int seen, float *final) {
  for (int k = 0; k < s->K - 1; k++, final += s->E) {
    int at = seen + p->count - (s->K - 1) + k;
    vf v = splat(0.0f);
    if (at >= seen) v = fc_value(r, fc_step(p, at - seen));
    else if (at >= 0 && p->history) v = load_part(r->history + (size_t)at * r->E, r->width);
    store_part(final, v, r->width);
  }
}

static void fc_forward_task(const call_t *call, const fc_shape *s, const fc_shared *f, int whole_direct, int task, void *scratch, size_t data) {
  int b = task / s->blocks, block = task % s->blocks;
  arena_t arena = {scratch};
  float *x = take_floats(&arena, data * W), *own = take_floats(&arena, (size_t)max_int(whole_direct ? s->K : s->control ? 2 << f->log : 1, 1) * W);
  float *product = s->kernels > 1 && !whole_direct ? take_floats(&arena, data * W) : 0;
  int32_t *steps = s->control ? take(&arena, 4 * (size_t)s->L) : 0;
  fc_rows r = fc_rows_of(s, IN(float, 0), IN(float, 3), IN(float, 5), b, block);
  size_t first = (size_t)block * W, at = (size_t)b * s->L * s->kernels * s->E + first;
  fc_outputs o = {IN(float, 2) ? IN(float, 2) + first : 0, IN(float, 4) ? IN(float, 4) + at : 0, OUT(float, 0) + at};
  const uint8_t *control = s->control ? s->control + (size_t)b * s->L : 0;
  for (int t = 0; control && t < s->L; t++)
    for (int m = 0; m < s->kernels && control[t] & CONTROL_MASKED; m++) fill_zero(o.y + ((size_t)t * s->kernels + m) * s->E, r.width);
  for (int t = 0; t < s->L;) {
    int is_first = t == 0 && !(control && control[0] & CONTROL_RESET);
    fc_piece p = fc_next_piece(s, b, &t, steps);
    if (p.count && (whole_direct || p.direct)) fc_forward_direct(call, s, &p, &r, &o, block, x, own);
    else if (p.count) fc_forward_fft(call, s, f, &p, &r, &o, block, x, own, product);
    if (p.last && OUT(float, 1)) fc_store_history(s, &p, &r, is_first ? s->K - 1 : 0, OUT(float, 1) + (size_t)b * (s->K - 1) * s->E + first);
  }
}

static void fft_convolution_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  fc_shape s = fc_shape_of(call, call->in[5], call->in[6]);
  fc_piece whole = fc_whole(&s);
  fc_shared f = fc_shared_of(&s, &whole);
  if (!whole.direct) {
    arena_t arena = {workspace};
    fc_take_shared(&s, &f, &arena);
    if (phase < 2) {
      fc_prepare(&s, &f, &whole, IN(float, 1), phase, begin, end);
      return;
    }
  }
  size_t data = (size_t)max_int(whole.direct ? whole.inputs : 2 << f.log, 1);
  for (int task = begin; task < end; task++) fc_forward_task(call, &s, &f, whole.direct, task, scratch, data);
}
