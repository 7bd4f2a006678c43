/*
 * Selective scan, forward. A task is one batch row and one block of channels. Time runs in blocks of steps: a pre-pass turns delta into
 * the step size dt and dt * u, then each vector of W channels carries a few states at a time over the block, then D and the gate z.
 */
#include "selective-scan.h"

enum { FORWARD_STEPS = 64 };

typedef struct {
  float *dt, *dx, *y; /* [width / W][FORWARD_STEPS][W] */
  float *a, *h;       /* [N][width]; a holds A * log2(e) */
  float *b, *c;       /* [N][width] where B or C is constant */
  float *skip, *bias; /* [width] */
  steps_t *steps;
} forward_scratch;

static double forward_scratch_bytes(const scan_shape *s, double width) {
  return aligned_bytes(4 * width * (3.0 * (FORWARD_STEPS + 1) + 4.0 * s->N + 2) + sizeof(steps_t) + 11 * ALIGNMENT);
}

static forward_scratch take_forward_scratch(const scan_shape *s, int width, void *memory) {
  arena_t arena = {memory};
  forward_scratch f;
  f.dt = take_floats(&arena, (size_t)(FORWARD_STEPS + 1) * width);
  f.dx = take_floats(&arena, (size_t)(FORWARD_STEPS + 1) * width);
  f.y = take_floats(&arena, (size_t)(FORWARD_STEPS + 1) * width);
  f.a = take_floats(&arena, (size_t)s->N * width);
  f.h = take_floats(&arena, (size_t)s->N * width);
  f.b = take_floats(&arena, (size_t)s->N * width);
  f.c = take_floats(&arena, (size_t)s->N * width);
  f.skip = take_floats(&arena, width);
  f.bias = take_floats(&arena, width);
  f.steps = take(&arena, sizeof(steps_t));
  return f;
}

static void selective_scan_forward_plan(const call_t *call, plan_t *plan) {
  scan_shape s = scan_shape_of(call);
  channel_partition p = partition_channels(&s);
  plan->workspaceBytes = 0;
  plan->scratchBytes = forward_scratch_bytes(&s, p.block_width);
  plan->phases = 1;
  plan->tasks[0] = s.B * block_count(&p);
}

/*
 * Carries `states` states of one vector of channels over steps [begin, end) of the block. B and C are rows per step ([t][n], scalars)
 * or, where constant, one vector per state. Template: every integer but begin and end is a constant at the call.
 */
INLINE void carry_states(const float *dt, const float *dx, float *y, const float *a, float *h, const float *b, const float *c,
                         const int *step, int begin, int end, int width, size_t b_stride, size_t c_stride, const fetch_t *fetch,
                         int states, int bounded, int constant_b, int constant_c) {
  vf state[STATES_AT_ONCE], decay[STATES_AT_ONCE];
  for (int n = 0; n < states; n++) {
    state[n] = load(h + n * width);
    decay[n] = load(a + n * width);
  }
  for (int k = begin; k < end; k++) {
    vf size = load(dt + k * W), input = load(dx + k * W), sum = load(y + k * W);
    const float *b_row = constant_b ? b : b + (size_t)step[k] * b_stride;
    const float *c_row = constant_c ? c : c + (size_t)step[k] * c_stride;
    fetch_step(fetch, k);
    for (int n = 0; n < states; n++) {
      vf bn = constant_b ? load(b_row + n * width) : splat(b_row[n]);
      vf cn = constant_c ? load(c_row + n * width) : splat(c_row[n]);
      state[n] = multiply_add(state[n], exp2_of(size * decay[n], bounded), input * bn);
      sum = multiply_add(state[n], cn, sum);
    }
    store(y + k * W, sum);
  }
  for (int n = 0; n < states; n++) store(h + n * width, state[n]);
}

/* Fills dt, dx and y = D u for the listed steps; true when no exponent of the block can reach a clamp. */
static int forward_prepare(const call_t *call, const scan_shape *s, const forward_scratch *f, channel_block block, int width, int b, float largest_decay) {
  const float *u = IN(float, 0), *delta = IN(float, 1);
  vi inside = splat_int(-1);
  for (int k = 0; k < f->steps->count; k++) {
    size_t row = ((size_t)b * s->L + f->steps->step[k]) * s->E + block.first;
    size_t soon = row + soon_distance(s, f->steps->step[k]);
    for (int e = 0; e < width; e += W) {
      fetch_soon(u + soon + e);
      fetch_soon(delta + soon + e);
      vf x = load_part(u + row + e, block.width - e);
      vf size = load_part(delta + row + e, block.width - e) + load(f->bias + e);
      if (s->softplus) size = softplus_of(size);
      inside &= absolute(size) * splat(largest_decay) < splat(125.0f);
      int at = e * (FORWARD_STEPS + 1) + k * W;
      store(f->dt + at, size);
      store(f->dx + at, size * x);
      store(f->y + at, load(f->skip + e) * x);
    }
  }
  return all_lanes(inside);
}

/* Applies the gate and writes y for every step of the block, zeros at masked ones. */
static void forward_finish(const call_t *call, const scan_shape *s, const forward_scratch *f, channel_block block, int b) {
  const float *z = IN(float, 6);
  float *y = OUT(float, 0);
  for (int t = 0, k = 0; t < f->steps->length; t++) {
    size_t row = ((size_t)b * s->L + f->steps->start + t) * s->E + block.first;
    if (!f->steps->counted[t]) {
      fill_zero(y + row, block.width);
      continue;
    }
    size_t soon = row + soon_distance(s, f->steps->start + t);
    for (int e = 0; e < block.width; e += W) {
      if (z) fetch_soon(z + soon + e);
      fetch_soon(y + soon + e);
      vf value = load(f->y + e * (FORWARD_STEPS + 1) + k * W);
      if (z) value = value * silu_of(load_part(z + row + e, block.width - e));
      store_part(y + row + e, value, block.width - e);
    }
    k++;
  }
}

static float largest_absolute(const float *values, size_t count) {
  float largest = 0.0f;
  for (size_t i = 0; i < count; i++) {
    float size = __builtin_fabsf(values[i]);
    if (!(size <= largest)) largest = size; /* NaN wins, and then no block counts as bounded */
    if (largest != largest) break;
  }
  return largest;
}

/* States of the block's channels from memory [E, N] layout at `states`, one run after the other. */
static void forward_carry(const float *const *next_rows, const scan_shape *s, const forward_scratch *f, channel_block block, int width, const float *b, const float *c, size_t b_stride, size_t c_stride, int bounded, float *states) {
  const steps_t *steps = f->steps;
  int constant_b = !s->groups_b, constant_c = !s->groups_c, fast = bounded && !constant_b && !constant_c;
  for (int e = 0; e < block.width; e += W) {
    int n = 0, pass = 0;
    while (n < s->N) {
      fetch_t fetch = fetch_pair(next_rows, pass++, e, s->E, f->dt);
      int at_once = fast && s->N - n >= STATES_AT_ONCE ? STATES_AT_ONCE : 1;
      float *h = f->h + (size_t)n * width + e;
      const float *a = f->a + (size_t)n * width + e;
      const float *bn = constant_b ? b + (size_t)n * width + e : b + n, *cn = constant_c ? c + (size_t)n * width + e : c + n;
      for (int r = 0; r < steps->runs; r++) {
        const run_t *run = &steps->run[r];
        if (run->reset)
          for (int i = 0; i < at_once; i++) store(h + (size_t)i * width, splat(0.0f));
#define CARRY(states, bounded, constant_b, constant_c)                                                                                       \
  carry_states(f->dt + e * (FORWARD_STEPS + 1), f->dx + e * (FORWARD_STEPS + 1), f->y + e * (FORWARD_STEPS + 1), a, h, bn, cn, steps->step, run->begin, run->end, width, b_stride, c_stride, &fetch, states, bounded, \
               constant_b, constant_c)
        if (at_once == STATES_AT_ONCE) CARRY(STATES_AT_ONCE, 1, 0, 0);
        else if (!constant_b && !constant_c) CARRY(1, 0, 0, 0);
        else if (!constant_b) CARRY(1, 0, 0, 1);
        else if (!constant_c) CARRY(1, 0, 1, 0);
        else CARRY(1, 0, 1, 1);
#undef CARRY
        if (run->state_index >= 0)
          for (int i = 0; i < at_once; i++)
            for (int lane = 0; lane < min_int(W, block.width - e); lane++)
              states[((size_t)run->state_index * s->E + block.first + e + lane) * s->N + n + i] = h[(size_t)i * width + lane];
      }
      n += at_once;
    }
  }
}

static void selective_scan_forward_task(const call_t *call, const scan_shape *s, const channel_partition *p, int task, void *scratch) {
  int b = task / block_count(p), width = p->block_width;
  channel_block block = block_at(p, task % block_count(p));
  forward_scratch f = take_forward_scratch(s, width, scratch);
  const uint8_t *control = IN(uint8_t, 9) ? IN(uint8_t, 9) + (size_t)b * s->L : 0;
  size_t state_row = (size_t)b * s->E * s->N;
  gather_channels(f.a, IN(float, 2), block, s->N, width, LOG2_E);
  gather_channels(f.h, IN(float, 8) ? IN(float, 8) + state_row : 0, block, s->N, width, 1.0f);
  gather_channels(f.skip, IN(float, 5), block, 1, width, 1.0f);
  gather_channels(f.bias, IN(float, 7), block, 1, width, 1.0f);

  const float *rows_b = f.b, *rows_c = f.c;
  if (s->groups_b) rows_b = IN(float, 3) + ((size_t)b * s->L * s->groups_b + block.first / (s->E / s->groups_b)) * s->N;
  else gather_channels(f.b, IN(float, 3), block, s->N, width, 1.0f);
  if (s->groups_c) rows_c = IN(float, 4) + ((size_t)b * s->L * s->groups_c + block.first / (s->E / s->groups_c)) * s->N;
  else gather_channels(f.c, IN(float, 4), block, s->N, width, 1.0f);

  float *states = OUT(float, 2);
  const float *u = IN(float, 0), *delta = IN(float, 1), *z = IN(float, 6) ? IN(float, 6) : u, *y = OUT(float, 0);
  int every = states ? s->state_every : 0;
  if (every) states += (size_t)b * divide_up(s->L, every) * s->E * s->N;
  float largest_decay = largest_absolute(f.a, (size_t)s->N * width);
  for (int t = 0; t < s->L; t += FORWARD_STEPS) {
    list_steps(f.steps, control, t, min_int(t + FORWARD_STEPS, s->L), s->L, every);
    size_t at = ((size_t)b * s->L + t + FORWARD_STEPS) * s->E + block.first;
    int bounded = forward_prepare(call, s, &f, block, width, b, largest_decay);
    const float *const next[4] = {u + at, delta + at, z + at, y + at};
    forward_carry(t + 2 * FORWARD_STEPS <= s->L ? next : 0, s, &f, block, width, rows_b, rows_c, (size_t)s->groups_b * s->N, (size_t)s->groups_c * s->N, bounded, states);
    forward_finish(call, s, &f, block, b);
  }
  scatter_channels(OUT(float, 1) + state_row, f.h, block, s->N, width);
}

static void selective_scan_forward_run(const call_t *call, int begin, int end, void *scratch) {
  scan_shape s = scan_shape_of(call);
  channel_partition p = partition_channels(&s);
  for (int task = begin; task < end; task++) selective_scan_forward_task(call, &s, &p, task, scratch);
}
