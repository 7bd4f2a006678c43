/*
 * Real linear scan. The forward pass reads each value once and writes once: memory sets its speed. The backward pass keeps the state before each
 * time block, then goes back block by block: recomputes the states of the block, and runs g[t] = dx[t] + a[t+1] g[t+1], db = g, da = g x[t-1].
 */
#include "linear-scan.h"

/* Vectors that run side by side, so that a row is read in one go and several chains hide the latency of the multiply-add. */
enum { LINEAR_GROUP = 4 };

/*
 * Steps [begin, end) of `vectors` vectors (the last one of `count` lanes) from `state`. `x` or `before` may be null: outputs, and states before the
 * step at [step - begin][LINEAR_WIDE]. The last four arguments are constants at every call but for a part of a vector.
 */
INLINE void linear_forward_steps(const linear_shape *s, const linear_task *t, const float *a, const float *b, float *x, float *before, float *state,
                                 int begin, int end, int vectors, int count, int varying, int masked) {
  vf h[LINEAR_GROUP], constant[LINEAR_GROUP];
  for (int v = 0; v < vectors; v++) {
    h[v] = load(state + v * W);
    if (!varying) constant[v] = load_lanes(a + v * W, count);
  }
  for (int i = begin; i < end; i++) {
    int bits = masked ? linear_control(t, i) : 0;
    long at = i * s->stride;
    if (bits & CONTROL_RESET)
      for (int v = 0; v < vectors; v++) h[v] = splat(0.0f);
    if (before)
      for (int v = 0; v < vectors; v++) store(before + (size_t)(i - begin) * LINEAR_WIDE + v * W, h[v]);
    if (bits & CONTROL_MASKED) {
      if (x)
        for (int v = 0; v < vectors; v++) store_lanes(x + at + v * W, splat(0.0f), count);
      continue;
    }
    for (int v = 0; v < vectors; v++) {
      vf factor = varying ? load_lanes(a + at + v * W, count) : constant[v];
      h[v] = multiply_add(factor, h[v], load_lanes(b + at + v * W, count));
      if (x) store_lanes(x + at + v * W, h[v], count);
    }
  }
  for (int v = 0; v < vectors; v++) store(state + v * W, h[v]);
}

/* The same for a block of more vectors than fit in registers: row by row, the state in the first-level cache. */
INLINE void linear_forward_rows(const linear_shape *s, const linear_task *t, const float *a, const float *b, float *x, float *before, float *state,
                                int begin, int end, int varying) {
  for (int i = begin; i < end; i++) {
    int bits = linear_control(t, i), masked = bits & CONTROL_MASKED;
    const float *factors = varying ? a + i * s->stride : a, *values = b + i * s->stride;
    if (bits & CONTROL_RESET) fill_zero(state, t->width);
    if (before) copy_floats(before + (size_t)(i - begin) * LINEAR_WIDE, state, round_up(t->width, W));
    if (masked && x) fill_zero(x + i * s->stride, t->width);
    for (int e = 0; !masked && e < t->width; e += W) {
      int count = t->width - e;
      vf h = multiply_add(load_lanes(factors + e, count), load(state + e), load_lanes(values + e, count));
      store(state + e, h);
      if (x) store_lanes(x + i * s->stride + e, h, count);
    }
  }
}

static void linear_forward_block(const linear_shape *s, const linear_task *t, const float *a, const float *b, float *x, float *before, float *state,
                                 int begin, int end) {
  if (t->width > LINEAR_GROUP * W) {
    if (s->varying) linear_forward_rows(s, t, a, b, x, before, state, begin, end, 1);
    else linear_forward_rows(s, t, a, b, x, before, state, begin, end, 0);
    return;
  }
  for (int e = 0; e < t->width;) {
    int left = t->width - e, vectors = left >= LINEAR_GROUP * W ? LINEAR_GROUP : 1;
    float *rows = x ? x + e : 0, *kept = before ? before + e : 0;
#define STEPS(vectors, count, varying, masked) linear_forward_steps(s, t, a + e, b + e, rows, kept, state + e, begin, end, vectors, count, varying, masked)
    if (vectors == 1) { if (s->varying) STEPS(1, left, 1, 1); else STEPS(1, left, 0, 1); }
    else if (t->control) { if (s->varying) STEPS(LINEAR_GROUP, W, 1, 1); else STEPS(LINEAR_GROUP, W, 0, 1); }
    else { if (s->varying) STEPS(LINEAR_GROUP, W, 1, 0); else STEPS(LINEAR_GROUP, W, 0, 0); }
#undef STEPS
    e += vectors * W;
  }
}

/* state[LINEAR_WIDE] = source[b][first ...], zeros behind it and where source is null. */
static void linear_load_state(const linear_shape *s, const linear_task *t, const float *source, float *state) {
  for (int e = 0; e < LINEAR_WIDE; e++) state[e] = source && e < t->width ? source[(size_t)t->b * s->E + t->first + e] : 0.0f;
}
static void linear_store_state(const linear_shape *s, const linear_task *t, const float *state, float *target) {
  if (target) copy_floats(target + (size_t)t->b * s->E + t->first, state, t->width);
}

static void linear_scan_forward_plan(const call_t *call, plan_t *plan) {
  linear_shape s = linear_shape_of(call);
  plan->scratchBytes = aligned_bytes(4.0 * LINEAR_WIDE);
  plan->phases = 1;
  plan->tasks[0] = s.B * s.blocks;
}

static void linear_scan_forward_run(const call_t *call, int begin, int end, void *scratch) {
  linear_shape s = linear_shape_of(call);
  arena_t arena = {scratch};
  float *state = take_floats(&arena, LINEAR_WIDE);
  for (int number = begin; number < end; number++) {
    linear_task t = linear_task_at(&s, IN(uint8_t, 3), number);
    const float *b = IN(float, 0) + t.row, *a = s.varying ? IN(float, 1) + t.row : IN(float, 1) + t.first;
    linear_load_state(&s, &t, IN(float, 2), state);
    for (int i = 0; i < s.L; i += LINEAR_STEPS) linear_forward_block(&s, &t, a, b, OUT(float, 0) + t.row, 0, state, i, min_int(i + LINEAR_STEPS, s.L));
    linear_store_state(&s, &t, state, OUT(float, 1));
  }
}

/* Workspace: states before each time block [tasks][chunks][LINEAR_WIDE]; with a constant a, its gradient of each sequence [B][E] in double. */
typedef struct { int chunks; float *checkpoints; double *sum; } linear_job;

static linear_job linear_job_of(const linear_shape *s, void *workspace, double *bytes) {
  linear_job j = {.chunks = divide_up(s->L, LINEAR_STEPS)};
  double kept = j.chunks > 1 ? (double)s->B * s->blocks * j.chunks * LINEAR_WIDE : 0, sums = s->varying ? 0 : (double)s->B * s->E;
  if (bytes) {
    *bytes = kept + sums > 0 ? aligned_bytes(4 * kept + 8 * sums + 2 * ALIGNMENT) : 0;
    return j;
  }
  arena_t arena = {workspace};
  j.checkpoints = take_floats(&arena, (size_t)kept);
  j.sum = take(&arena, 8 * (size_t)sums);
  return j;
}

static void linear_scan_backward_plan(const call_t *call, plan_t *plan) {
  linear_shape s = linear_shape_of(call);
  linear_job_of(&s, 0, &plan->workspaceBytes);
  plan->scratchBytes = aligned_bytes(4.0 * LINEAR_WIDE * (LINEAR_STEPS + 3.0) + 8.0 * LINEAR_WIDE + 5 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.B * s.blocks;
  plan->tasks[1] = s.varying ? 0 : s.blocks;
}

typedef struct { float *state, *carry, *block, *before; double *sum; } linear_scratch;

/*
 * Steps of a time block, last to first, row by row. With a constant a its gradient adds up in `block` over the time block, in `sum` over all.
 */
INLINE void linear_backward_rows(const linear_shape *s, const linear_task *t, const float *a, const float *dx, float *db, float *da, const linear_scratch *f,
                                 int begin, int end, int varying) {
  if (!varying) fill_zero(f->block, round_up(t->width, W));
  for (int i = end - 1; i >= begin; i--) {
    int bits = linear_control(t, i);
    long at = i * s->stride;
    const float *before = f->before + (size_t)(i - begin) * LINEAR_WIDE;
    if (bits & CONTROL_MASKED) {
      fill_zero(db + at, t->width);
      if (varying) fill_zero(da + at, t->width);
    } else {
      for (int e = 0; e < t->width; e += W) {
        int count = t->width - e;
        vf g = load(f->carry + e) + load_lanes(dx + at + e, count), kept = load(before + e);
        store_lanes(db + at + e, g, count);
        if (varying) store_lanes(da + at + e, g * kept, count);
        else store(f->block + e, multiply_add(g, kept, load(f->block + e)));
        store(f->carry + e, g * load_lanes(varying ? a + at + e : a + e, count));
      }
    }
    if (bits & CONTROL_RESET) fill_zero(f->carry, t->width);
  }
  for (int e = 0; !varying && e < t->width; e++) f->sum[e] += f->block[e];
}

static void linear_backward_task(const call_t *call, const linear_shape *s, const linear_job *j, int number, void *scratch) {
  linear_task t = linear_task_at(s, IN(uint8_t, 3), number);
  const float *b = IN(float, 0) + t.row, *a = s->varying ? IN(float, 1) + t.row : IN(float, 1) + t.first;
  float *kept = j->checkpoints + (size_t)number * j->chunks * LINEAR_WIDE;
  arena_t arena = {scratch};
  linear_scratch f = {.state = take_floats(&arena, LINEAR_WIDE), .carry = take_floats(&arena, LINEAR_WIDE), .block = take_floats(&arena, LINEAR_WIDE)};
  f.before = take_floats(&arena, LINEAR_STEPS * LINEAR_WIDE);
  f.sum = take(&arena, 8 * LINEAR_WIDE);
  for (int e = 0; e < LINEAR_WIDE; e++) f.sum[e] = 0.0;
  linear_load_state(s, &t, IN(float, 2), f.state);
  linear_load_state(s, &t, IN(float, 5), f.carry);
  for (int chunk = 0; chunk + 1 < j->chunks; chunk++) {
    copy_floats(kept + (size_t)chunk * LINEAR_WIDE, f.state, LINEAR_WIDE);
    linear_forward_block(s, &t, a, b, 0, 0, f.state, chunk * LINEAR_STEPS, (chunk + 1) * LINEAR_STEPS);
  }
  for (int chunk = j->chunks - 1; chunk >= 0; chunk--) {
    int begin = chunk * LINEAR_STEPS, end = min_int(begin + LINEAR_STEPS, s->L);
    if (chunk + 1 < j->chunks) copy_floats(f.state, kept + (size_t)chunk * LINEAR_WIDE, LINEAR_WIDE);
    linear_forward_block(s, &t, a, b, 0, f.before, f.state, begin, end);
    const float *dx = IN(float, 4) + t.row;
    if (s->varying) linear_backward_rows(s, &t, a, dx, OUT(float, 0) + t.row, OUT(float, 1) + t.row, &f, begin, end, 1);
    else linear_backward_rows(s, &t, a, dx, OUT(float, 0) + t.row, 0, &f, begin, end, 0);
  }
  linear_store_state(s, &t, f.carry, OUT(float, 2));
  if (!s->varying)
    for (int e = 0; e < t.width; e++) j->sum[(size_t)t.b * s->E + t.first + e] = f.sum[e];
}

static void linear_scan_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  linear_shape s = linear_shape_of(call);
  linear_job j = linear_job_of(&s, workspace, 0);
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      linear_backward_task(call, &s, &j, task, scratch);
      continue;
    }
    for (int e = task * s.width; e < min_int((task + 1) * s.width, s.E); e++) {
      double sum = 0.0;
      for (int b = 0; b < s.B; b++) sum += j.sum[(size_t)b * s.E + e];
      OUT(float, 1)[e] = (float)sum;
    }
  }
}
