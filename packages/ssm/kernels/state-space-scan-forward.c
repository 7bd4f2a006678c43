#include "state-space-scan.h"

enum { SPACE_STEPS = 64 };

static void state_space_scan_forward_plan(const call_t *call, plan_t *plan) {
  space_shape s = space_shape_of(call);
  plan->scratchBytes = aligned_bytes(sizeof(vd) * (space_system_vectors(&s) + 2.0 * s.N + SPACE_STEPS * (1.0 + s.C)) + 12 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B * space_blocks(&s);
}

/* Steps [start, stop) without masks or resets of a diagonal system: modes outside, time inside, so that a mode's numbers stay in registers. */
static void space_run_block(const space_system *f, const space_shape *s, vd *x, const vd *inputs, vd *outputs, int count) {
  for (int i = 0; i < count * s->C; i++) outputs[i] = splat_double(0.0);
  for (int n = 0; n < s->N; n++) {
    vd re = x[2 * n], im = x[2 * n + 1], aRe = f->a[2 * n], aIm = f->a[2 * n + 1], bRe = f->b[2 * n], bIm = f->b[2 * n + 1];
    for (int t = 0; t < count; t++) {
      vd nextRe = subtract_product(aIm, im, multiply_add_double(aRe, re, bRe * inputs[t]));
      im = multiply_add_double(aIm, re, multiply_add_double(aRe, im, bIm * inputs[t]));
      re = nextRe;
      for (int c = 0; c < s->C; c++) {
        const vd *w = f->c + 2 * ((size_t)c * s->N + n);
        outputs[t * s->C + c] = subtract_product(w[1], im, multiply_add_double(w[0], re, outputs[t * s->C + c]));
      }
    }
    x[2 * n] = re;
    x[2 * n + 1] = im;
  }
}

static void space_forward_block(const call_t *call, const space_shape *s, int b, int first, int count, void *scratch) {
  const float *u = IN(float, 0);
  const uint8_t *control = IN(uint8_t, 13) ? IN(uint8_t, 13) + (size_t)b * s->L : 0;
  float *y = OUT(float, 0);
  arena_t arena = {scratch};
  space_system f = space_take_system(&arena, call, s, first, count);
  vd *x = take_vectors(&arena, 2 * (size_t)s->N), *inputs = take_vectors(&arena, SPACE_STEPS), *outputs = take_vectors(&arena, (size_t)SPACE_STEPS * s->C);
  space_load_state(x, IN(float, 11), IN(float, 12), s, b, first, count);
  for (int start = 0; start < s->L; start += SPACE_STEPS) {
    int steps = min_int(SPACE_STEPS, s->L - start), plain = s->R == 0 && s->C > 0;
    for (int t = 0; t < steps; t++) {
      if (control && control[start + t]) plain = 0;
      inputs[t] = load_floats_as_double(u + ((size_t)b * s->L + start + t) * s->H + first, count);
    }
    if (plain) space_run_block(&f, s, x, inputs, outputs, steps);
    for (int t = 0; !plain && t < steps; t++) {
      int bits = control ? control[start + t] : 0;
      if (bits & CONTROL_RESET)
        for (int i = 0; i < 2 * s->N; i++) x[i] = splat_double(0.0);
      if (bits & CONTROL_MASKED) {
        for (int c = 0; c < s->C; c++) outputs[t * s->C + c] = splat_double(0.0);
        continue;
      }
      space_step(&f, s, x, inputs[t], x);
      for (int c = 0; c < s->C; c++) outputs[t * s->C + c] = space_dot(f.c + 2 * (size_t)c * s->N, x, s->N);
    }
    for (int t = 0; y && t < steps; t++)
      for (int c = 0; c < s->C; c++) store_double_as_floats(y + (((size_t)b * s->L + start + t) * s->C + c) * s->H + first, outputs[t * s->C + c], count);
  }
  space_store_state(x, OUT(float, 1), OUT(float, 2), s, b, first, count);
}

static void state_space_scan_forward_run(const call_t *call, int begin, int end, void *scratch) {
  space_shape s = space_shape_of(call);
  for (int task = begin; task < end; task++) {
    int b = task / space_blocks(&s), last = min_int((task % space_blocks(&s) + 1) * SPACE_CHANNELS, s.H);
    for (int first = task % space_blocks(&s) * SPACE_CHANNELS; first < last; first += DW)
      space_forward_block(call, &s, b, first, min_int(DW, last - first), scratch);
  }
}
