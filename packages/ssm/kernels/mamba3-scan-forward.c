/*
 * Scan of Mamba-3, forward, step by step. A task is one head of one sequence. With B and C turned by the accumulated angle, in each of R ranks:
 *   state = alpha state + beta lastB lastX^T + gamma B v^T,  y = sum over ranks of norm(state C + D v) * silu(z) * out.
 */
#include "mamba3-scan.h"

static void mamba3_scan_forward_plan(const call_t *call, plan_t *plan) {
  mamba3_shape s = mamba3_shape_of(call);
  plan->scratchBytes = aligned_bytes(mamba3_memory_bytes(&s) + 4.0 * mamba3_step_floats(&s) + 2 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B * s.H;
}

/* y of one step from the normed outputs of its ranks. */
static void mamba3_output(const call_t *call, const mamba3_shape *s, const mamba3_step *at, size_t row, int h) {
  const float *z = IN(float, MAMBA3_Z);
  for (int e = 0; e < s->P; e += W) {
    int count = s->P - e;
    vf sum = splat(0.0f);
    for (int r = 0; r < s->R; r++) {
      vf value = load(at->normed + (size_t)r * s->width + e);
      if (z) value = value * silu_of(load_part(z + row * s->P + e, count) * mamba3_parameter(IN(float, MAMBA3_Z_PROJECTION), s, h, r, e));
      sum = multiply_add(value, mamba3_parameter(IN(float, MAMBA3_OUT_PROJECTION), s, h, r, e), sum);
    }
    store_part(OUT(float, 0) + row * s->P + e, sum, count);
  }
}

static void mamba3_scan_forward_run(const call_t *call, int begin, int end, void *scratch) {
  mamba3_shape s = mamba3_shape_of(call);
  arena_t arena = {scratch};
  mamba3_memory m = take_mamba3_memory(&s, &arena);
  mamba3_step at = take_mamba3_step(&s, take_floats(&arena, mamba3_step_floats(&s)));
  for (int task = begin; task < end; task++) {
    int b = task / s.H, h = task % s.H;
    mamba3_read_memory(&s, &m, IN(float, MAMBA3_ANGLE), IN(float, MAMBA3_STATE), IN(float, MAMBA3_LAST_B), IN(float, MAMBA3_LAST_X), task);
    fill_zero(at.b, (size_t)s.R * s.states);
    fill_zero(at.c, (size_t)s.R * s.states);
    for (int t = 0; t < s.L; t++) {
      size_t step = (size_t)b * s.L + t, row = step * s.H + h;
      int control = mamba3_control(call, step);
      if (control & CONTROL_RESET) mamba3_forget(&s, &m);
      if (control & CONTROL_MASKED) {
        fill_zero(OUT(float, 0) + row * s.P, s.P);
        continue;
      }
      mamba3_prepare(call, &s, step, h, m.angle, &at);
      mamba3_advance(call, &s, &at, h, m.b, m.x, m.state, m.state);
      mamba3_normalise(call, &s, &at, h);
      mamba3_output(call, &s, &at, row, h);
      copy_floats(m.b, at.b, (size_t)s.R * s.states);
      copy_floats(m.x, at.v, (size_t)s.R * s.width);
    }
    mamba3_write_memory(&s, &m, OUT(float, 1), OUT(float, 2), OUT(float, 3), OUT(float, 4), task);
  }
}
