/*
 * RWKV-4's weighted mean with its running maximum. Per channel: numerator and denominator are kept times exp(-maximum). A denominator of 0 or
 * below says that nothing was seen yet, so that a state of zeros is the start. Backward: states recomputed from checkpoints of chunks.
 */
#include "functions.h"

enum { WKV_CHANNELS = 64, WKV_CHUNK = 32 };
enum { WKV_K, WKV_V, WKV_DECAY, WKV_BONUS, WKV_NUMERATOR, WKV_DENOMINATOR, WKV_MAXIMUM, WKV_CONTROL, WKV_SLOPE };

typedef struct { int B, L, E, blocks; } wkv_shape;
typedef struct { vf numerator, denominator, maximum; } wkv_state;

static wkv_shape wkv_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (wkv_shape){v[0], v[1], v[2], divide_up(v[2], WKV_CHANNELS)};
}

/* The state as a step sees it: weight 0 where nothing was seen. */
INLINE wkv_state wkv_seen(wkv_state s) {
  vi empty = s.denominator <= splat(0.0f);
  return (wkv_state){select_lanes(empty, splat(0.0f), s.numerator), select_lanes(empty, splat(0.0f), s.denominator),
                     select_lanes(empty, splat(-1e30f), s.maximum)};
}

INLINE wkv_state wkv_load(const float *state, int e) {
  return (wkv_state){load(state + e), load(state + WKV_CHANNELS + e), load(state + 2 * WKV_CHANNELS + e)};
}
INLINE void wkv_store(float *state, int e, wkv_state s) {
  store(state + e, s.numerator);
  store(state + WKV_CHANNELS + e, s.denominator);
  store(state + 2 * WKV_CHANNELS + e, s.maximum);
}

/* Weights of the carried and the new part, relative to the larger. */
typedef struct { vf larger, carried, fresh; } wkv_weights;
INLINE wkv_weights wkv_weigh(vf carried, vf fresh) {
  vf larger = at_least(carried, fresh);
  larger = select_lanes(fresh != fresh, fresh, larger);
  return (wkv_weights){larger, exp_of_negative(carried - larger), exp_of_negative(fresh - larger)};
}

INLINE vf wkv_output(wkv_state s, vf k, vf v, vf bonus) {
  wkv_weights w = wkv_weigh(s.maximum, bonus + k);
  return multiply_add(w.carried, s.numerator, w.fresh * v) / multiply_add(w.carried, s.denominator, w.fresh);
}
INLINE wkv_state wkv_next(wkv_state s, vf k, vf v, vf decay) {
  wkv_weights w = wkv_weigh(s.maximum + decay, k);
  return (wkv_state){multiply_add(w.carried, s.numerator, w.fresh * v), multiply_add(w.carried, s.denominator, w.fresh), w.larger};
}

typedef struct {
  const uint8_t *control;
  int b, first, width; /* channels [first, first + width) of sequence b */
} wkv_task;

static wkv_task wkv_task_at(const call_t *call, const wkv_shape *s, int number) {
  wkv_task task = {.b = number / s->blocks, .first = number % s->blocks * WKV_CHANNELS};
  task.width = min_int(WKV_CHANNELS, s->E - task.first);
  task.control = IN(uint8_t, WKV_CONTROL) ? IN(uint8_t, WKV_CONTROL) + (size_t)task.b * s->L : 0;
  return task;
}

/* Three rows of WKV_CHANNELS from three inputs [B][E], zeros where null. */
static void wkv_load_rows(const call_t *call, const wkv_shape *s, const wkv_task *task, int input, float *rows) {
  fill_zero(rows, 3 * WKV_CHANNELS);
  for (int i = 0; i < 3; i++)
    if (call->in[input + i]) copy_floats(rows + i * WKV_CHANNELS, IN(float, input + i) + (size_t)task->b * s->E + task->first, task->width);
}
static void wkv_store_rows(const call_t *call, const wkv_shape *s, const wkv_task *task, int output, const float *rows) {
  for (int i = 0; i < 3; i++)
    if (call->out[output + i]) copy_floats(OUT(float, output + i) + (size_t)task->b * s->E + task->first, rows + i * WKV_CHANNELS, task->width);
}

static void wkv4_forward_plan(const call_t *call, plan_t *plan) {
  wkv_shape s = wkv_shape_of(call);
  plan->scratchBytes = aligned_bytes(4.0 * 3 * WKV_CHANNELS + ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B * s.blocks;
}

/* Steps [start, stop); `trace` null: outputs are written and only the running state kept, else the state before each step goes there. */
static void wkv_walk(const call_t *call, const wkv_shape *s, const wkv_task *task, float *state, int start, int stop, float *trace, float *y) {
  for (int t = start; t < stop; t++) {
    size_t at = ((size_t)task->b * s->L + t) * s->E + task->first;
    int bits = task->control ? task->control[t] : 0;
    if (bits & CONTROL_RESET) fill_zero(state, 3 * WKV_CHANNELS);
    if (trace) copy_floats(trace + (size_t)(t - start) * 3 * WKV_CHANNELS, state, 3 * WKV_CHANNELS);
    if (bits & CONTROL_MASKED) {
      if (y) fill_zero(y + at, task->width);
      continue;
    }
    for (int e = 0; e < task->width; e += W) {
      int count = task->width - e;
      vf k = load_part(IN(float, WKV_K) + at + e, count), v = load_part(IN(float, WKV_V) + at + e, count);
      wkv_state seen = wkv_seen(wkv_load(state, e));
      if (y) store_part(y + at + e, wkv_output(seen, k, v, load_part(IN(float, WKV_BONUS) + task->first + e, count)), count);
      wkv_store(state, e, wkv_next(seen, k, v, load_part(IN(float, WKV_DECAY) + task->first + e, count)));
    }
  }
}

static void wkv4_forward_run(const call_t *call, int begin, int end, void *scratch) {
  wkv_shape s = wkv_shape_of(call);
  for (int number = begin; number < end; number++) {
    wkv_task task = wkv_task_at(call, &s, number);
    arena_t arena = {scratch};
    float *state = take_floats(&arena, 3 * WKV_CHANNELS);
    wkv_load_rows(call, &s, &task, WKV_NUMERATOR, state);
    wkv_walk(call, &s, &task, state, 0, s.L, 0, OUT(float, 0));
    wkv_store_rows(call, &s, &task, 1, state);
  }
}

/* Workspace of the backward pass: partial dDecay and dBonus [B][E] each, where B > 1. */
static void wkv4_backward_plan(const call_t *call, plan_t *plan) {
  wkv_shape s = wkv_shape_of(call);
  double rows = 3.0 * WKV_CHANNELS;
  plan->scratchBytes = aligned_bytes(4 * rows * (2.0 + WKV_CHUNK + divide_up(s.L, WKV_CHUNK)) + 4 * 2.0 * WKV_CHANNELS + 6 * ALIGNMENT);
  plan->workspaceBytes = s.B > 1 ? aligned_bytes(8.0 * s.B * s.E + 2 * ALIGNMENT) : 0;
  plan->phases = 2;
  plan->tasks[0] = s.B * s.blocks;
  plan->tasks[1] = s.B > 1 ? s.blocks : 0;
}

/* One vector of channels one step back; `carry` holds the slopes of the state after the step on entry, before it on return. */
INLINE void wkv_step_back(wkv_state raw, vf k, vf v, vf decay, vf bonus, vf dy, float *carry, int e, vf *dk, vf *dv, vf *d_decay, vf *d_bonus) {
  wkv_state s = wkv_seen(raw), d = wkv_load(carry, e);
  wkv_weights out = wkv_weigh(s.maximum, bonus + k), next = wkv_weigh(s.maximum + decay, k);
  vf below = multiply_add(out.carried, s.denominator, out.fresh), y = multiply_add(out.carried, s.numerator, out.fresh * v) / below;
  vf g = dy / below, d_fresh = g * (v - y) * out.fresh; /* y does not depend on the maximum it is computed with */
  vf d_seen = g * out.carried * (s.numerator - y * s.denominator);
  vf d_carried = next.carried * multiply_add(d.numerator, s.numerator, d.denominator * s.denominator);
  vf d_new = next.fresh * multiply_add(d.numerator, v, d.denominator);
  vf d_larger = d.maximum - d_carried - d_new;
  vi carried_wins = s.maximum + decay >= k;
  vf to_carried = d_carried + select_lanes(carried_wins, d_larger, splat(0.0f));
  *dk = d_fresh + d_new + select_lanes(carried_wins, splat(0.0f), d_larger);
  *dv = multiply_add(g, out.fresh, d.numerator * next.fresh);
  *d_decay = to_carried;
  *d_bonus = d_fresh;
  vi empty = raw.denominator <= splat(0.0f);
  vf zero = splat(0.0f);
  wkv_store(carry, e, (wkv_state){select_lanes(empty, zero, multiply_add(d.numerator, next.carried, g * out.carried)),
                                  select_lanes(empty, zero, multiply_add(d.denominator, next.carried, -g * y * out.carried)),
                                  select_lanes(empty, zero, to_carried + d_seen)});
}

static void wkv_backward_task(const call_t *call, const wkv_shape *s, const wkv_task *task, float *sum_decay, float *sum_bonus, void *scratch) {
  size_t rows = 3 * WKV_CHANNELS;
  int chunks = divide_up(s->L, WKV_CHUNK);
  arena_t arena = {scratch};
  float *state = take_floats(&arena, rows), *carry = take_floats(&arena, rows), *trace = take_floats(&arena, WKV_CHUNK * rows);
  float *checkpoints = take_floats(&arena, chunks * rows), *totals = take_floats(&arena, 2 * WKV_CHANNELS);
  wkv_load_rows(call, s, task, WKV_NUMERATOR, state);
  wkv_load_rows(call, s, task, WKV_SLOPE + 1, carry);
  fill_zero(totals, 2 * WKV_CHANNELS);
  for (int chunk = 0; chunk < chunks; chunk++) {
    copy_floats(checkpoints + chunk * rows, state, rows);
    if (chunk + 1 < chunks) wkv_walk(call, s, task, state, chunk * WKV_CHUNK, (chunk + 1) * WKV_CHUNK, 0, 0);
  }
  for (int chunk = chunks - 1; chunk >= 0; chunk--) {
    int start = chunk * WKV_CHUNK, stop = min_int(start + WKV_CHUNK, s->L);
    copy_floats(state, checkpoints + chunk * rows, rows);
    wkv_walk(call, s, task, state, start, stop, trace, 0);
    for (int t = stop - 1; t >= start; t--) {
      size_t at = ((size_t)task->b * s->L + t) * s->E + task->first;
      int bits = task->control ? task->control[t] : 0;
      float *dk = OUT(float, 0) + at, *dv = OUT(float, 1) + at;
      if (bits & CONTROL_MASKED) {
        fill_zero(dk, task->width);
        fill_zero(dv, task->width);
      } else
        for (int e = 0; e < task->width; e += W) {
          int count = task->width - e;
          vf d_k, d_v, d_decay, d_bonus;
          wkv_step_back(wkv_load(trace + (size_t)(t - start) * rows, e), load_part(IN(float, WKV_K) + at + e, count),
                        load_part(IN(float, WKV_V) + at + e, count), load_part(IN(float, WKV_DECAY) + task->first + e, count),
                        load_part(IN(float, WKV_BONUS) + task->first + e, count), load_part(IN(float, WKV_SLOPE) + at + e, count), carry, e, &d_k, &d_v,
                        &d_decay, &d_bonus);
          store_part(dk + e, d_k, count);
          store_part(dv + e, d_v, count);
          store(totals + e, load(totals + e) + d_decay);
          store(totals + WKV_CHANNELS + e, load(totals + WKV_CHANNELS + e) + d_bonus);
        }
      if (bits & CONTROL_RESET) fill_zero(carry, rows);
    }
  }
  wkv_store_rows(call, s, task, 4, carry);
  copy_floats(sum_decay + (size_t)task->b * s->E + task->first, totals, task->width);
  copy_floats(sum_bonus + (size_t)task->b * s->E + task->first, totals + WKV_CHANNELS, task->width);
}

static void wkv4_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  wkv_shape s = wkv_shape_of(call);
  float *sum_decay = OUT(float, 2), *sum_bonus = OUT(float, 3);
  if (s.B > 1) {
    arena_t arena = {workspace};
    sum_decay = take_floats(&arena, (size_t)s.B * s.E);
    sum_bonus = take_floats(&arena, (size_t)s.B * s.E);
  }
  for (int number = begin; number < end; number++) {
    if (phase == 0) {
      wkv_task task = wkv_task_at(call, &s, number);
      wkv_backward_task(call, &s, &task, sum_decay, sum_bonus, scratch);
      continue;
    }
    for (int e = number * WKV_CHANNELS; e < min_int((number + 1) * WKV_CHANNELS, s.E); e++) {
      float decay = 0.0f, bonus = 0.0f;
      for (int b = 0; b < s.B; b++) {
        decay += sum_decay[(size_t)b * s.E + e];
        bonus += sum_bonus[(size_t)b * s.E + e];
      }
      OUT(float, 2)[e] = decay;
      OUT(float, 3)[e] = bonus;
    }
  }
}
