/*
 * Selective scan, backward. A task is one batch row and one block of channels: a first pass forward keeps the states at the start of each
 * chunk; then the chunks go in reverse, each recomputing its states and decays into scratch. So memory is O(L / Q * E * N). Sums over
 * channels (dB, dC) and over the batch (dA, dD, dDeltaBias) go through partial sums that phase 1 adds in a fixed order.
 *
 *   g[t] = dy[t] C[t] + carry;  dC = dy h[t];  dB = g dt u;  carry = exp(dt A) g;  dA = carry h[t-1] dt;  ddt = u (g . B) + carry h[t-1] . A
 */
#include "selective-scan.h"

enum { CHUNK = 40, CHUNK_PITCH = CHUNK + 1, BACKWARD_STATES = 4, REDUCE_STEPS = 64, REDUCE_CHANNELS = 64 };
#define LN_2 0.693147181f

typedef struct {
  scan_shape s;
  channel_partition p;
  int blocks, chunks, blocks_per_b, blocks_per_c;
  /* Workspace: checkpoints [B][blocks][chunks][N][width]; partial dB, dC [B][blocks][L][N]; partial sums over the batch. */
  float *checkpoints, *partial_b, *partial_c;
  float *batch_a, *batch_b, *batch_c, *batch_skip, *batch_bias;
} backward_job;

typedef struct {
  float *dt, *dx, *dy, *y, *sum_b, *sum_a, *slope, *gate; /* slope = d dt / d delta, gate = sigmoid(z).
                                                            * [width / W][CHUNK_PITCH][W]: a pitch of 64 would put all vectors in the same cache sets */
  float *a, *h, *carry, *da;               /* [N][width] */
  float *b, *c, *db, *dc;                  /* [N][width] where B or C is constant */
  float *skip, *bias, *dskip, *dbias, *chunk_skip, *chunk_bias; /* [width] */
  float *trace, *decay;                    /* [slots][BACKWARD_STATES][W] */
  float *lanes_b, *lanes_c;                /* [CHUNK][BACKWARD_STATES][W] */
  steps_t *steps;
} backward_scratch;

static backward_job backward_job_of(const call_t *call, void *workspace, double *bytes) {
  backward_job j;
  j.s = scan_shape_of(call);
  j.p = partition_channels(&j.s);
  j.blocks = block_count(&j.p);
  j.chunks = divide_up(j.s.L, CHUNK);
  j.blocks_per_b = j.s.groups_b ? j.blocks / j.s.groups_b : 1;
  j.blocks_per_c = j.s.groups_c ? j.blocks / j.s.groups_c : 1;
  int several = j.s.B > 1;
  double rows = (double)j.s.B * j.blocks, matrix = (double)j.s.B * j.s.E * j.s.N, vector = (double)j.s.B * j.s.E;
  double sizes[8] = {
    rows * j.chunks * j.s.N * j.p.block_width,
    j.blocks_per_b > 1 ? rows * j.s.L * j.s.N : 0,
    j.blocks_per_c > 1 ? rows * j.s.L * j.s.N : 0,
    several ? matrix : 0,
    several && !j.s.groups_b ? matrix : 0,
    several && !j.s.groups_c ? matrix : 0,
    several ? vector : 0,
    several ? vector : 0,
  };
  if (bytes) {
    *bytes = aligned_bytes(8 * ALIGNMENT);
    for (int i = 0; i < 8; i++) *bytes += 4 * sizes[i];
    return j;
  }
  arena_t arena = {workspace};
  float *pieces[8];
  for (int i = 0; i < 8; i++) pieces[i] = take_floats(&arena, (size_t)sizes[i]);
  j.checkpoints = pieces[0];
  j.partial_b = pieces[1];
  j.partial_c = pieces[2];
  j.batch_a = several ? pieces[3] : OUT(float, 2);
  j.batch_b = several ? pieces[4] : OUT(float, 3);
  j.batch_c = several ? pieces[5] : OUT(float, 4);
  j.batch_skip = several ? pieces[6] : OUT(float, 5);
  j.batch_bias = several ? pieces[7] : OUT(float, 7);
  return j;
}

static double backward_scratch_bytes(const scan_shape *s, int width) {
  double slots = 3.0 * CHUNK + 1;
  return aligned_bytes(4 * (8.0 * CHUNK_PITCH * width + 8.0 * s->N * width + 6.0 * width + BACKWARD_STATES * W * (slots + 3.0 * CHUNK)) + sizeof(steps_t) + 28 * ALIGNMENT);
}

static backward_scratch take_backward_scratch(const scan_shape *s, int width, void *memory) {
  arena_t arena = {memory};
  backward_scratch f;
  float **series[8] = {&f.dt, &f.dx, &f.dy, &f.y, &f.sum_b, &f.sum_a, &f.slope, &f.gate};
  float **matrices[8] = {&f.a, &f.h, &f.carry, &f.da, &f.b, &f.c, &f.db, &f.dc};
  float **vectors[6] = {&f.skip, &f.bias, &f.dskip, &f.dbias, &f.chunk_skip, &f.chunk_bias};
  for (int i = 0; i < 8; i++) *series[i] = take_floats(&arena, (size_t)CHUNK_PITCH * width);
  for (int i = 0; i < 8; i++) *matrices[i] = take_floats(&arena, (size_t)s->N * width);
  for (int i = 0; i < 6; i++) *vectors[i] = take_floats(&arena, width);
  f.trace = take_floats(&arena, (size_t)(3 * CHUNK + 1) * BACKWARD_STATES * W);
  f.decay = take_floats(&arena, (size_t)CHUNK * BACKWARD_STATES * W);
  f.lanes_b = take_floats(&arena, (size_t)CHUNK * BACKWARD_STATES * W);
  f.lanes_c = take_floats(&arena, (size_t)CHUNK * BACKWARD_STATES * W);
  f.steps = take(&arena, sizeof(steps_t));
  return f;
}

static void selective_scan_backward_plan(const call_t *call, plan_t *plan) {
  backward_job j = backward_job_of(call, 0, &plan->workspaceBytes);
  plan->scratchBytes = backward_scratch_bytes(&j.s, j.p.block_width);
  plan->phases = 2;
  plan->tasks[0] = j.s.B * j.blocks;
  plan->tasks[1] = j.s.B * divide_up(j.s.L, REDUCE_STEPS) + divide_up(j.s.E, REDUCE_CHANNELS);
}

/* dt and dt * u of the listed steps; true when no exponent can reach a clamp. */
static int backward_prepare(const call_t *call, const scan_shape *s, const backward_scratch *f, channel_block block, int width, int b, float largest_decay,
                            int with_slope) {
  const float *u = IN(float, 0), *delta = IN(float, 1);
  vi inside = splat_int(-1);
  for (int k = 0; k < f->steps->count; k++) {
    size_t row = ((size_t)b * s->L + f->steps->step[k]) * s->E + block.first;
    for (int e = 0; e < width; e += W) {
      vf size = load_part(delta + row + e, block.width - e) + load(f->bias + e);
      if (s->softplus) {
        vf raw = size, fading = exp_of_negative(-absolute(raw));
        size = at_least(raw, splat(0.0f)) + log1p_of(fading);
        if (with_slope) store(f->slope + e * CHUNK_PITCH + k * W, select_lanes(raw < splat(0.0f), fading, splat(1.0f)) / (splat(1.0f) + fading));
      }
      inside &= absolute(size) * splat(largest_decay) < splat(125.0f);
      store(f->dt + e * CHUNK_PITCH + k * W, size);
      store(f->dx + e * CHUNK_PITCH + k * W, size * load_part(u + row + e, block.width - e));
    }
  }
  return all_lanes(inside);
}

/* dy before the gate, and the running sums' start: y = D u, sum_b = sum_a = 0. */
static void backward_prepare_reverse(const call_t *call, const scan_shape *s, const backward_scratch *f, channel_block block, int width, int b) {
  const float *u = IN(float, 0), *z = IN(float, 6), *dy = IN(float, 10);
  for (int k = 0; k < f->steps->count; k++) {
    size_t row = ((size_t)b * s->L + f->steps->step[k]) * s->E + block.first;
    for (int e = 0; e < width; e += W) {
      vf slope = load_part(dy + row + e, block.width - e);
      if (z) {
        vf gate = load_part(z + row + e, block.width - e), open = sigmoid_of(gate);
        slope = slope * (gate * open);
        store(f->gate + e * CHUNK_PITCH + k * W, open);
      }
      store(f->dy + e * CHUNK_PITCH + k * W, slope);
      store(f->y + e * CHUNK_PITCH + k * W, load(f->skip + e) * load_part(u + row + e, block.width - e));
      store(f->sum_b + e * CHUNK_PITCH + k * W, splat(0.0f));
      store(f->sum_a + e * CHUNK_PITCH + k * W, splat(0.0f));
    }
  }
}

/* First pass: states only. */
INLINE void advance_states(const float *dt, const float *dx, const float *a, float *h, const float *b, const int *step, int begin, int end,
                           int width, size_t b_stride, const fetch_t *fetch, int states, int bounded, int constant_b) {
  vf state[BACKWARD_STATES], decay[BACKWARD_STATES];
  for (int n = 0; n < states; n++) {
    state[n] = load(h + n * width);
    decay[n] = load(a + n * width);
  }
  for (int k = begin; k < end; k++) {
    vf size = load(dt + k * W), input = load(dx + k * W);
    fetch_step(fetch, k);
    const float *b_row = constant_b ? b : b + (size_t)step[k] * b_stride;
    for (int n = 0; n < states; n++) {
      vf bn = constant_b ? load(b_row + n * width) : splat(b_row[n]);
      state[n] = multiply_add(state[n], exp2_of(size * decay[n], bounded), input * bn);
    }
  }
  for (int n = 0; n < states; n++) store(h + n * width, state[n]);
}

/* Second pass: as the forward kernel, and keeps the state before the run, each state after a step, and each decay. */
INLINE void trace_states(const float *dt, const float *dx, float *y, const float *a, float *h, const float *b, const float *c, float *trace,
                         float *decays, const int *step, int begin, int end, int width, size_t b_stride, size_t c_stride,
                         const fetch_t *fetch, int states, int bounded, int constant_b, int constant_c) {
  vf state[BACKWARD_STATES];
  for (int n = 0; n < states; n++) {
    state[n] = load(h + n * width);
    store(trace + n * W, state[n]);
  }
  trace += states * W;
  for (int k = begin; k < end; k++, trace += states * W) {
    vf size = load(dt + k * W), input = load(dx + k * W), sum = load(y + k * W);
    fetch_step(fetch, k);
    const float *b_row = constant_b ? b : b + (size_t)step[k] * b_stride;
    const float *c_row = constant_c ? c : c + (size_t)step[k] * c_stride;
    for (int n = 0; n < states; n++) {
      vf bn = constant_b ? load(b_row + n * width) : splat(b_row[n]);
      vf cn = constant_c ? load(c_row + n * width) : splat(c_row[n]);
      vf decay = exp2_of(size * load(a + n * width), bounded);
      state[n] = multiply_add(state[n], decay, input * bn);
      sum = multiply_add(state[n], cn, sum);
      store(decays + (k * states + n) * W, decay);
      store(trace + n * W, state[n]);
    }
    store(y + k * W, sum);
  }
  for (int n = 0; n < states; n++) store(h + n * width, state[n]);
}

/* Third pass, backwards over a run. da, and db, dc where B or C is constant, are [n][width] totals; else lanes_b, lanes_c add up per step. */
INLINE void reverse_states(const float *dt, const float *dx, const float *dy, float *sum_b, float *sum_a, const float *a, float *carry,
                           float *da, const float *b, const float *c, float *db, float *dc, const float *trace, const float *decays,
                           float *lanes_b, float *lanes_c, const int *step, int begin, int end, int width, size_t b_stride, size_t c_stride,
                           const fetch_t *fetch, int states, int constant_b, int constant_c) {
  vf flow[BACKWARD_STATES], slope_a[BACKWARD_STATES], after[BACKWARD_STATES], slope_b[BACKWARD_STATES], slope_c[BACKWARD_STATES];
  trace += (size_t)(end - begin) * states * W;
  for (int n = 0; n < states; n++) {
    flow[n] = load(carry + n * width);
    slope_a[n] = slope_b[n] = slope_c[n] = splat(0.0f);
    after[n] = load(trace + n * W);
  }
  for (int k = end - 1; k >= begin; k--) {
    trace -= states * W;
    vf size = load(dt + k * W), input = load(dx + k * W), slope = load(dy + k * W);
    vf over_b = load(sum_b + k * W), over_a = load(sum_a + k * W);
    fetch_step(fetch, k);
    const float *b_row = constant_b ? b : b + (size_t)step[k] * b_stride;
    const float *c_row = constant_c ? c : c + (size_t)step[k] * c_stride;
    for (int n = 0; n < states; n++) {
      vf bn = constant_b ? load(b_row + n * width) : splat(b_row[n]);
      vf cn = constant_c ? load(c_row + n * width) : splat(c_row[n]);
      float *lane_b = lanes_b + (k * states + n) * W, *lane_c = lanes_c + (k * states + n) * W;
      vf g = multiply_add(slope, cn, flow[n]);
      if (constant_c) slope_c[n] = multiply_add(slope, after[n], slope_c[n]);
      else store(lane_c, multiply_add(slope, after[n], load(lane_c)));
      if (constant_b) slope_b[n] = multiply_add(g, input, slope_b[n]);
      else store(lane_b, multiply_add(g, input, load(lane_b)));
      over_b = multiply_add(g, bn, over_b);
      flow[n] = g * load(decays + (k * states + n) * W);
      after[n] = load(trace + n * W);
      vf through = flow[n] * after[n];
      over_a = multiply_add(through, load(a + n * width), over_a);
      slope_a[n] = multiply_add(through, size, slope_a[n]);
    }
    store(sum_b + k * W, over_b);
    store(sum_a + k * W, over_a);
  }
  for (int n = 0; n < states; n++) {
    store(carry + n * width, flow[n]);
    store(da + n * width, load(da + n * width) + slope_a[n]);
    if (constant_b) store(db + n * width, load(db + n * width) + slope_b[n]);
    if (constant_c) store(dc + n * width, load(dc + n * width) + slope_c[n]);
  }
}

typedef struct {
  const call_t *call;
  const backward_job *job;
  backward_scratch f;
  channel_block block;
  int b, width, index;
  const float *rows_b, *rows_c;
  size_t b_stride, c_stride;
  float largest_decay;
  const float *slope_states; /* dStates of this batch row, or null */
} backward_task;

static void backward_first_pass(const backward_task *task, const uint8_t *control, float *checkpoints) {
  const call_t *call = task->call;
  const scan_shape *s = &task->job->s;
  const backward_scratch *f = &task->f;
  int width = task->width;
  size_t size = (size_t)s->N * width;
  for (int chunk = 0; chunk < task->job->chunks; chunk++) {
    copy_floats(checkpoints + chunk * size, f->h, size);
    if (chunk + 1 == task->job->chunks) break;
    list_steps(f->steps, control, chunk * CHUNK, (chunk + 1) * CHUNK, s->L, 0);
    size_t next_row = ((size_t)task->b * s->L + (chunk + 2 < task->job->chunks ? (chunk + 1) * CHUNK : 0)) * s->E + task->block.first;
    int bounded = backward_prepare(call, s, f, task->block, width, task->b, task->largest_decay, 0);
    const float *next[4] = {IN(float, 0) + next_row, IN(float, 1) + next_row, f->dt, f->dt};
    for (int e = 0; e < task->block.width; e += W)
      for (int n = 0; n < s->N;) {
        fetch_t fetch = fetch_pair(next, n ? 2 : 0, e, s->E, f->dt);
        int at_once = bounded && s->groups_b && s->N - n >= BACKWARD_STATES ? BACKWARD_STATES : 1;
        float *h = f->h + (size_t)n * width + e;
        const float *a = f->a + (size_t)n * width + e, *b = s->groups_b ? task->rows_b + n : task->rows_b + (size_t)n * width + e;
        for (int r = 0; r < f->steps->runs; r++) {
          const run_t *run = &f->steps->run[r];
          if (run->reset)
            for (int i = 0; i < at_once; i++) store(h + (size_t)i * width, splat(0.0f));
#define ADVANCE(states, bounded, constant_b) \
  advance_states(f->dt + e * CHUNK_PITCH, f->dx + e * CHUNK_PITCH, a, h, b, f->steps->step, run->begin, run->end, width, task->b_stride, &fetch, states, bounded, constant_b)
          if (at_once == BACKWARD_STATES) ADVANCE(BACKWARD_STATES, 1, 0);
          else if (s->groups_b) ADVANCE(1, 0, 0);
          else ADVANCE(1, 0, 1);
#undef ADVANCE
        }
        n += at_once;
      }
  }
}

/* Recompute and reverse `at_once` states from n on, for one vector of channels at e, over the listed chunk. */
static void backward_vector(const backward_task *task, int n, int e, int at_once, const float *const *earlier, const float *const *results) {
  const scan_shape *s = &task->job->s;
  const backward_scratch *f = &task->f;
  const steps_t *steps = f->steps;
  int width = task->width, constant_b = !s->groups_b, constant_c = !s->groups_c;
  size_t place = (size_t)n * width + e;
  float *h = f->h + place, *carry = f->carry + place;
  const float *b = constant_b ? task->rows_b + place : task->rows_b + n, *c = constant_c ? task->rows_c + place : task->rows_c + n;
  fetch_t fetch = fetch_pair(earlier, n / at_once, e, s->E, f->dt);
  for (int r = 0; r < steps->runs; r++) {
    const run_t *run = &steps->run[r];
    float *trace = f->trace + (size_t)(run->begin + r) * at_once * W;
    if (run->reset)
      for (int i = 0; i < at_once; i++) store(h + (size_t)i * width, splat(0.0f));
#define TRACE(states, bounded, constant_b, constant_c)                                                                                   \
  trace_states(f->dt + e * CHUNK_PITCH, f->dx + e * CHUNK_PITCH, f->y + e * CHUNK_PITCH, f->a + place, h, b, c, trace, f->decay, steps->step, run->begin, run->end, width,          \
               task->b_stride, task->c_stride, &fetch, states, bounded, constant_b, constant_c)
    if (at_once == BACKWARD_STATES) TRACE(BACKWARD_STATES, 1, 0, 0);
    else if (!constant_b && !constant_c) TRACE(1, 0, 0, 0);
    else if (!constant_b) TRACE(1, 0, 0, 1);
    else if (!constant_c) TRACE(1, 0, 1, 0);
    else TRACE(1, 0, 1, 1);
#undef TRACE
  }
  fetch = fetch_pair(results, n / at_once, e, s->E, f->dt);
  for (int r = steps->runs - 1; r >= 0; r--) {
    const run_t *run = &steps->run[r];
    const float *trace = f->trace + (size_t)(run->begin + r) * at_once * W;
    if (run->state_index >= 0)
      for (int i = 0; i < at_once; i++)
        for (int lane = 0; lane < min_int(W, task->block.width - e); lane++)
          carry[(size_t)i * width + lane] += task->slope_states[((size_t)run->state_index * s->E + task->block.first + e + lane) * s->N + n + i];
#define REVERSE(states, constant_b, constant_c)                                                                                              \
  reverse_states(f->dt + e * CHUNK_PITCH, f->dx + e * CHUNK_PITCH, f->dy + e * CHUNK_PITCH, f->sum_b + e * CHUNK_PITCH, f->sum_a + e * CHUNK_PITCH, f->a + place, carry, f->da + place, b, c, f->db + place,        \
                 f->dc + place, trace, f->decay, f->lanes_b, f->lanes_c, steps->step, run->begin, run->end, width, task->b_stride,            \
                 task->c_stride, &fetch, states, constant_b, constant_c)
    if (at_once == BACKWARD_STATES) REVERSE(BACKWARD_STATES, 0, 0);
    else if (!constant_b && !constant_c) REVERSE(1, 0, 0);
    else if (!constant_b) REVERSE(1, 0, 1);
    else if (!constant_c) REVERSE(1, 1, 0);
    else REVERSE(1, 1, 1);
#undef REVERSE
    if (run->reset)
      for (int i = 0; i < at_once; i++) store(carry + (size_t)i * width, splat(0.0f));
  }
}

/* Adds the lanes of each step and writes `at_once` values of its row; zeros at masked steps. `rows` is null where B (or C) is constant. */
static void backward_sum_lanes(const steps_t *steps, const float *lanes, float *rows, size_t stride, int at_once) {
  if (!rows) return;
  for (int t = 0, k = 0; t < steps->length; t++) {
    float *row = rows + (size_t)(steps->start + t) * stride;
    if (!steps->counted[t]) fill_zero(row, at_once);
    else if (at_once == 4) sum_lanes_of_four(lanes + k * 4 * W, row);
    else for (int i = 0; i < at_once; i++) row[i] = sum_lanes(load(lanes + (k * at_once + i) * W));
    k += steps->counted[t];
  }
}

/* du, dDelta and dz of the chunk, and its share of dD and dDeltaBias. */
static void backward_finish(const backward_task *task) {
  const call_t *call = task->call;
  const scan_shape *s = &task->job->s;
  const backward_scratch *f = &task->f;
  const float *u = IN(float, 0), *z = IN(float, 6), *dy = IN(float, 10);
  float *du = OUT(float, 0), *ddelta = OUT(float, 1), *dz = OUT(float, 6);
  int channels = task->block.width;
  fill_zero(f->chunk_skip, task->width);
  fill_zero(f->chunk_bias, task->width);
  for (int t = 0, k = 0; t < f->steps->length; t++) {
    size_t row = ((size_t)task->b * s->L + f->steps->start + t) * s->E + task->block.first;
    if (!f->steps->counted[t]) {
      fill_zero(du + row, channels);
      fill_zero(ddelta + row, channels);
      if (z && dz) fill_zero(dz + row, channels);
      continue;
    }
    for (int e = 0; e < channels; e += W) {
      int count = channels - e, at = e * CHUNK_PITCH + k * W;
      size_t place = row + e;
      vf x = load_part(u + place, count), slope = load(f->dy + at), over_b = load(f->sum_b + at);
      store_part(du + place, multiply_add(load(f->dt + at), over_b, slope * load(f->skip + e)), count);
      vf slope_dt = multiply_add(x, over_b, load(f->sum_a + at) * splat(LN_2));
      if (s->softplus) slope_dt = slope_dt * load(f->slope + at);
      store_part(ddelta + place, slope_dt, count);
      store(f->chunk_skip + e, multiply_add(slope, x, load(f->chunk_skip + e)));
      store(f->chunk_bias + e, load(f->chunk_bias + e) + slope_dt);
      if (z && dz) {
        store_part(dz + place, load_part(dy + place, count) * load(f->y + at) * silu_slope(load_part(z + place, count), load(f->gate + at)), count);
      }
    }
    k++;
  }
  for (int e = 0; e < task->width; e += W) {
    store(f->dskip + e, load(f->dskip + e) + load(f->chunk_skip + e));
    store(f->dbias + e, load(f->dbias + e) + load(f->chunk_bias + e));
  }
}

static void selective_scan_backward_task(const call_t *call, const backward_job *j, int number, void *scratch) {
  const scan_shape *s = &j->s;
  backward_task task = {.call = call, .job = j, .b = number / j->blocks, .index = number % j->blocks, .width = j->p.block_width};
  int b = task.b, width = task.width;
  channel_block block = task.block = block_at(&j->p, task.index);
  task.f = take_backward_scratch(s, width, scratch);
  const backward_scratch *f = &task.f;
  const uint8_t *control = IN(uint8_t, 9) ? IN(uint8_t, 9) + (size_t)b * s->L : 0;
  size_t state_row = (size_t)b * s->E * s->N, size = (size_t)s->N * width;
  gather_channels(f->a, IN(float, 2), block, s->N, width, LOG2_E);
  gather_channels(f->h, IN(float, 8) ? IN(float, 8) + state_row : 0, block, s->N, width, 1.0f);
  gather_channels(f->carry, IN(float, 11) ? IN(float, 11) + state_row : 0, block, s->N, width, 1.0f);
  gather_channels(f->skip, IN(float, 5), block, 1, width, 1.0f);
  gather_channels(f->bias, IN(float, 7), block, 1, width, 1.0f);
  fill_zero(f->da, size);
  fill_zero(f->db, size);
  fill_zero(f->dc, size);
  fill_zero(f->dskip, width);
  fill_zero(f->dbias, width);
  task.largest_decay = largest_absolute(f->a, size);
  task.rows_b = f->b;
  task.rows_c = f->c;
  task.b_stride = (size_t)s->groups_b * s->N;
  task.c_stride = (size_t)s->groups_c * s->N;
  if (!s->groups_b) gather_channels(f->b, IN(float, 3), block, s->N, width, 1.0f);
  if (!s->groups_c) gather_channels(f->c, IN(float, 4), block, s->N, width, 1.0f);

  float *rows_db = 0, *rows_dc = 0;
  size_t db_stride = s->N, dc_stride = s->N, partial = ((size_t)b * j->blocks + task.index) * s->L * s->N;
  if (s->groups_b) {
    size_t first = ((size_t)b * s->L * s->groups_b + block.first / (s->E / s->groups_b)) * s->N;
    task.rows_b = IN(float, 3) + first;
    rows_db = j->blocks_per_b > 1 ? j->partial_b + partial : OUT(float, 3) + first;
    if (j->blocks_per_b == 1) db_stride = task.b_stride;
  }
  if (s->groups_c) {
    size_t first = ((size_t)b * s->L * s->groups_c + block.first / (s->E / s->groups_c)) * s->N;
    task.rows_c = IN(float, 4) + first;
    rows_dc = j->blocks_per_c > 1 ? j->partial_c + partial : OUT(float, 4) + first;
    if (j->blocks_per_c == 1) dc_stride = task.c_stride;
  }
  int every = IN(float, 12) ? s->state_every : 0;
  task.slope_states = every ? IN(float, 12) + (size_t)b * divide_up(s->L, every) * s->E * s->N : 0;

  float *checkpoints = j->checkpoints + ((size_t)b * j->blocks + task.index) * j->chunks * size;
  backward_first_pass(&task, control, checkpoints);
  for (int chunk = j->chunks - 1; chunk >= 0; chunk--) {
    copy_floats(f->h, checkpoints + chunk * size, size);
    list_steps(f->steps, control, chunk * CHUNK, min_int((chunk + 1) * CHUNK, s->L), s->L, every);
    int bounded = backward_prepare(call, s, f, block, width, b, task.largest_decay, 1);
    backward_prepare_reverse(call, s, f, block, width, b);
    size_t here = ((size_t)b * s->L + chunk * CHUNK) * s->E + block.first, before = here - (chunk > 0 ? (size_t)CHUNK * s->E : 0);
    const float *z = IN(float, 6) ? IN(float, 6) : IN(float, 0), *dz = OUT(float, 6) ? OUT(float, 6) : OUT(float, 0);
    const float *earlier[4] = {IN(float, 0) + before, IN(float, 1) + before, IN(float, 10) + before, z + before};
    const float *results[4] = {OUT(float, 0) + here, OUT(float, 1) + here, dz + here, dz + here};
    for (int n = 0; n < s->N;) {
      int at_once = bounded && s->groups_b && s->groups_c && s->N - n >= BACKWARD_STATES ? BACKWARD_STATES : 1;
      fill_zero(f->lanes_b, (size_t)f->steps->count * at_once * W);
      fill_zero(f->lanes_c, (size_t)f->steps->count * at_once * W);
      for (int e = 0; e < block.width; e += W) backward_vector(&task, n, e, at_once, chunk > 0 ? earlier : 0, results);
      backward_sum_lanes(f->steps, f->lanes_b, rows_db ? rows_db + n : 0, db_stride, at_once);
      backward_sum_lanes(f->steps, f->lanes_c, rows_dc ? rows_dc + n : 0, dc_stride, at_once);
      n += at_once;
    }
    backward_finish(&task);
  }

  scatter_channels(j->batch_a + state_row, f->da, block, s->N, width);
  if (!s->groups_b) scatter_channels(j->batch_b + state_row, f->db, block, s->N, width);
  if (!s->groups_c) scatter_channels(j->batch_c + state_row, f->dc, block, s->N, width);
  size_t vector_row = (size_t)b * s->E;
  if (OUT(float, 5)) copy_floats(j->batch_skip + vector_row + block.first, f->dskip, block.width);
  if (OUT(float, 7)) copy_floats(j->batch_bias + vector_row + block.first, f->dbias, block.width);
  if (OUT(float, 8)) scatter_channels(OUT(float, 8) + state_row, f->carry, block, s->N, width);
}

/* out[t][g][n] = sum over the blocks of group g, in order. */
static void backward_reduce_rows(float *out, const float *partial, const backward_job *j, int groups, int blocks_per_group, int b, int start, int stop) {
  int N = j->s.N, L = j->s.L;
  for (int t = start; t < stop; t++)
    for (int g = 0; g < groups; g++) {
      float *row = out + (((size_t)b * L + t) * groups + g) * N;
      for (int i = 0; i < blocks_per_group; i++) {
        const float *part = partial + (((size_t)b * j->blocks + g * blocks_per_group + i) * L + t) * N;
        for (int n = 0; n < N; n++) row[n] = i ? row[n] + part[n] : part[n];
      }
    }
}

/* out[e...] = sum over batch rows, in order; `size` values a channel. */
static void backward_reduce_batch(float *out, const float *partial, const scan_shape *s, int first, int last, int size) {
  for (size_t i = (size_t)first * size; i < (size_t)last * size; i++) {
    float sum = partial[i];
    for (int b = 1; b < s->B; b++) sum += partial[(size_t)b * s->E * size + i];
    out[i] = sum;
  }
}

static void selective_scan_backward_reduce(const call_t *call, const backward_job *j, int task) {
  const scan_shape *s = &j->s;
  int pieces = divide_up(s->L, REDUCE_STEPS);
  if (task < s->B * pieces) {
    int b = task / pieces, start = task % pieces * REDUCE_STEPS, stop = min_int(start + REDUCE_STEPS, s->L);
    if (j->blocks_per_b > 1) backward_reduce_rows(OUT(float, 3), j->partial_b, j, s->groups_b, j->blocks_per_b, b, start, stop);
    if (j->blocks_per_c > 1) backward_reduce_rows(OUT(float, 4), j->partial_c, j, s->groups_c, j->blocks_per_c, b, start, stop);
    return;
  }
  if (s->B == 1) return;
  int first = (task - s->B * pieces) * REDUCE_CHANNELS, last = min_int(first + REDUCE_CHANNELS, s->E);
  backward_reduce_batch(OUT(float, 2), j->batch_a, s, first, last, s->N);
  if (!s->groups_b) backward_reduce_batch(OUT(float, 3), j->batch_b, s, first, last, s->N);
  if (!s->groups_c) backward_reduce_batch(OUT(float, 4), j->batch_c, s, first, last, s->N);
  if (OUT(float, 5)) backward_reduce_batch(OUT(float, 5), j->batch_skip, s, first, last, 1);
  if (OUT(float, 7)) backward_reduce_batch(OUT(float, 7), j->batch_bias, s, first, last, 1);
}

static void selective_scan_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  backward_job j = backward_job_of(call, workspace, 0);
  for (int task = begin; task < end; task++) {
    if (phase == 0) selective_scan_backward_task(call, &j, task, scratch);
    else selective_scan_backward_reduce(call, &j, task);
  }
}
