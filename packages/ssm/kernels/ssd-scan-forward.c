/*
 * SSD scan, forward: h[t] = exp(dt A) h[t-1] + dt x[t] B[t]^T, y[t] = h[t] C[t], as matrix products over chunks. Phase 0 multiplies C and B of
 * each chunk once for all heads of a group; phase 1 walks through time with one head of one sequence:
 *   y[i] = exp(c[i]) C[i] S + sum over j <= i of (C[i] . B[j]) exp(c[i] - c[j]) dt[j] x[j];  S = exp(c[last]) S + sum of exp(c[last] - c[j]) B[j] dt[j] x[j].
 * The state lies as [N][P], so that P runs along the vectors.
 */
#include "ssd-scan.h"

typedef struct {
  ssd_head *head;
  float *state;        /* [N][width] */
  float *u, *faded, *y; /* [MAX_STEPS][width]: dt x; the same, decayed to the run's end; output */
  float *scores;       /* [MAX_STEPS][SSD_STRIDE] */
  float *b, *c;        /* [MAX_STEPS][N], where steps are masked */
  float *transposed;   /* [N][SSD_STRIDE], phase 0 */
  steps_t *steps;
} ssd_forward_scratch;

static double ssd_forward_scratch_bytes(const ssd_shape *s) {
  return aligned_bytes(sizeof(ssd_head) + sizeof(steps_t) +
                       4.0 * ((double)s->N * s->width + 3.0 * MAX_STEPS * s->width + MAX_STEPS * SSD_STRIDE + 2.0 * MAX_STEPS * s->N + (double)s->N * SSD_STRIDE) +
                       10 * ALIGNMENT);
}

static ssd_forward_scratch take_ssd_forward_scratch(const ssd_shape *s, void *memory) {
  arena_t arena = {memory};
  ssd_forward_scratch f;
  f.head = take(&arena, sizeof(ssd_head));
  f.state = take_floats(&arena, (size_t)s->N * s->width);
  f.u = take_floats(&arena, (size_t)MAX_STEPS * s->width);
  f.faded = take_floats(&arena, (size_t)MAX_STEPS * s->width);
  f.y = take_floats(&arena, (size_t)MAX_STEPS * s->width);
  f.scores = take_floats(&arena, MAX_STEPS * SSD_STRIDE);
  f.b = take_floats(&arena, (size_t)MAX_STEPS * s->N);
  f.c = take_floats(&arena, (size_t)MAX_STEPS * s->N);
  f.transposed = take_floats(&arena, (size_t)s->N * SSD_STRIDE);
  f.steps = take(&arena, sizeof(steps_t));
  return f;
}

static void ssd_scan_forward_plan(const call_t *call, plan_t *plan) {
  ssd_shape s = ssd_shape_of(call);
  plan->workspaceBytes = aligned_bytes(4.0 * s.B * s.G * s.chunks * MAX_STEPS * SSD_STRIDE);
  plan->scratchBytes = ssd_forward_scratch_bytes(&s);
  plan->phases = 2;
  plan->tasks[0] = s.B * s.G * s.chunks;
  plan->tasks[1] = s.B * s.H;
}

static const uint8_t *ssd_control(const call_t *call, const ssd_shape *s, int b) {
  return IN(uint8_t, 9) ? IN(uint8_t, 9) + (size_t)b * s->L : 0;
}

static void ssd_list(const call_t *call, const ssd_shape *s, int b, int chunk, int state_every, steps_t *steps) {
  list_steps(steps, ssd_control(call, s, b), chunk * MAX_STEPS, min_int((chunk + 1) * MAX_STEPS, s->L), s->L, state_every);
}

/* Rows of B or C of the listed steps: the tensor's own where no step is left out, else copies. */
typedef struct { const float *first; size_t stride; } ssd_rows;

static ssd_rows ssd_rows_of(const float *tensor, const ssd_shape *s, const steps_t *steps, int b, int g, float *copies) {
  if (steps->count == steps->length) return (ssd_rows){tensor + (((size_t)b * s->L + steps->start) * s->G + g) * s->N, (size_t)s->G * s->N};
  for (int k = 0; k < steps->count; k++) copy_floats(copies + (size_t)k * s->N, tensor + ssd_row(s, steps, k, b, s->G, g, s->N), s->N);
  return (ssd_rows){copies, s->N};
}

/* Phase 0: products[i][j] = C[i] . B[j] of one chunk. */
static void ssd_products_task(const call_t *call, const ssd_shape *s, int task, float *products, const ssd_forward_scratch *f) {
  int chunk = task % s->chunks, g = task / s->chunks % s->G, b = task / s->chunks / s->G;
  ssd_list(call, s, b, chunk, 0, f->steps);
  ssd_rows rows_b = ssd_rows_of(IN(float, 3), s, f->steps, b, g, f->b), rows_c = ssd_rows_of(IN(float, 4), s, f->steps, b, g, f->c);
  for (int n = 0; n < s->N; n++)
    for (int k = f->steps->count / W * W; k < SSD_STRIDE; k++) f->transposed[n * SSD_STRIDE + k] = 0.0f;
  ssd_transpose(f->transposed, SSD_STRIDE, rows_b.first, rows_b.stride, f->steps->count, s->N);
  ssd_lower_products(rows_c.first, rows_c.stride, f->transposed, products + (size_t)task * MAX_STEPS * SSD_STRIDE, f->steps->count, s->N);
}

/* u = dt x for the listed steps; asks for the rows of the next chunk. */
static void ssd_load_inputs(const call_t *call, const ssd_shape *s, const steps_t *steps, int b, int h, const float *dt, float *u) {
  const float *x = IN(float, 0);
  size_t ahead = steps->start + 2 * MAX_STEPS <= s->L ? (size_t)MAX_STEPS * s->H * s->P : 0;
  for (int k = 0; k < steps->count; k++) {
    const float *row = x + ssd_row(s, steps, k, b, s->H, h, s->P);
    for (int e = 0; e < s->width; e += W) {
      fetch_ahead(row + ahead + e);
      store(u + (size_t)k * s->width + e, load_part(row + e, s->P - e) * splat(dt[k]));
    }
  }
}

/* D of one vector of channels of head h. */
INLINE vf ssd_skip(const call_t *call, const ssd_shape *s, int h, int e) {
  const float *skip = IN(float, 5);
  if (!skip) return splat(0.0f);
  return s->wide_skip ? load_part(skip + (size_t)h * s->P + e, s->P - e) : splat(skip[h]);
}

/* Adds D x, applies the gate, writes every step of the chunk, zeros at masked ones. */
static void ssd_finish(const call_t *call, const ssd_shape *s, const steps_t *steps, int b, int h, const float *values) {
  const float *x = IN(float, 0), *z = IN(float, 6);
  int skip = IN(float, 5) != 0;
  float *y = OUT(float, 0);
  for (int t = 0, k = 0; t < steps->length; t++) {
    size_t row = (((size_t)b * s->L + steps->start + t) * s->H + h) * s->P;
    if (!steps->counted[t]) {
      fill_zero(y + row, s->P);
      continue;
    }
    for (int e = 0; e < s->P; e += W) {
      int count = s->P - e;
      vf value = load(values + (size_t)k * s->width + e);
      if (skip) value = multiply_add(ssd_skip(call, s, h, e), load_part(x + row + e, count), value);
      if (z) value = value * silu_of(load_part(z + row + e, count));
      store_part(y + row + e, value, count);
    }
    k++;
  }
}

/* One run: outputs of its steps, and the state carried to its end. */
static void ssd_forward_run_of_steps(const ssd_shape *s, const ssd_forward_scratch *f, const run_t *run, ssd_rows rows_b, ssd_rows rows_c, const float *products) {
  int begin = run->begin, count = run->end - begin, width = s->width;
  float *y = f->y + (size_t)begin * width, *u = f->u + (size_t)begin * width, *faded = f->faded + (size_t)begin * width;
  float kept = ssd_decays(f->head, run);
  matmul_t from_state = {rows_c.first + begin * rows_c.stride, rows_c.stride, 1, f->state, width, y, width, count, width, s->N, 0};
  matmul(&from_state);
  for (int k = 0; k < count; k++) {
    vf grown = splat(f->head->grown[begin + k]), fading = splat(f->head->fading[begin + k]);
    for (int e = 0; e < width; e += W) {
      float *row = y + (size_t)k * width + e;
      store(row, load(row) * grown);
      store(faded + (size_t)k * width + e, load(u + (size_t)k * width + e) * fading);
    }
  }
  ssd_scores(f->head, run, products, f->scores, 0);
  ssd_add_lower(f->scores, u, y, count, width);
  ssd_scale(f->state, (size_t)s->N * width, kept);
  matmul_t to_state = {rows_b.first + begin * rows_b.stride, 1, rows_b.stride, faded, width, f->state, width, s->N, width, count, 1};
  matmul(&to_state);
}

/* Phase 1: one head of one sequence. */
static void ssd_forward_task(const call_t *call, const ssd_shape *s, int task, const float *products, const ssd_forward_scratch *f) {
  int b = task / s->H, h = task % s->H, g = h / (s->H / s->G);
  size_t size = (size_t)s->P * s->N, slots = s->state_every ? divide_up(s->L, s->state_every) : 0;
  const float *initial = IN(float, 8);
  float *states = OUT(float, 2);
  fill_zero(f->state, (size_t)s->N * s->width);
  if (initial) ssd_transpose(f->state, s->width, initial + task * size, s->N, s->P, s->N);
  for (int chunk = 0; chunk < s->chunks; chunk++) {
    ssd_list(call, s, b, chunk, states ? s->state_every : 0, f->steps);
    ssd_step_sizes(call, s, f->steps, b, h, f->head);
    ssd_load_inputs(call, s, f->steps, b, h, f->head->dt, f->u);
    ssd_rows rows_b = ssd_rows_of(IN(float, 3), s, f->steps, b, g, f->b), rows_c = ssd_rows_of(IN(float, 4), s, f->steps, b, g, f->c);
    const float *own = products + (((size_t)b * s->G + g) * s->chunks + chunk) * MAX_STEPS * SSD_STRIDE;
    for (int r = 0; r < f->steps->runs; r++) {
      const run_t *run = &f->steps->run[r];
      if (run->reset) fill_zero(f->state, (size_t)s->N * s->width);
      if (run->end > run->begin) ssd_forward_run_of_steps(s, f, run, rows_b, rows_c, own);
      if (run->state_index >= 0) ssd_transpose(states + (((size_t)b * slots + run->state_index) * s->H + h) * size, s->N, f->state, s->width, s->N, s->P);
    }
    ssd_finish(call, s, f->steps, b, h, f->y);
  }
  ssd_transpose(OUT(float, 1) + task * size, s->N, f->state, s->width, s->N, s->P);
}

static void ssd_scan_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  ssd_shape s = ssd_shape_of(call);
  arena_t arena = {workspace};
  float *products = take_floats(&arena, 0);
  ssd_forward_scratch f = take_ssd_forward_scratch(&s, scratch);
  for (int task = begin; task < end; task++) {
    if (phase == 0) ssd_products_task(call, &s, task, products, &f);
    else ssd_forward_task(call, &s, task, products, &f);
  }
}
