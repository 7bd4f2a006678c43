/*
 * What the real and the complex linear scan share: x[t] = a[t] x[t-1] + b[t], every channel by itself. A task is one sequence and a block of
 * channels, so no channel's bits depend on the partition. Reverse runs the same recurrence from the last step to the first.
 */
#ifndef MAMBA360_LINEAR_SCAN_H
#define MAMBA360_LINEAR_SCAN_H

#include "simd.h"

/* LINEAR_STEPS: steps of a time block, and the distance of checkpoints in the backward pass. LINEAR_WIDE: most channels of a task. */
enum { LINEAR_STEPS = 32, LINEAR_WIDE = 256, LINEAR_NARROW = 64 };

typedef struct {
  int B, L, E, varying, reverse;
  int width, blocks; /* channels of a block, blocks of a sequence */
  long stride;       /* floats from one step to the next in the order of the recurrence */
} linear_shape;

/*
 * Wide blocks, so that a task reads long pieces of memory in order: the processor fetches ahead only along such pieces. Narrower ones, down to
 * LINEAR_NARROW, where there would be fewer than four tasks. Shape decides, never the number of threads.
 */
INLINE linear_shape linear_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  linear_shape s = {.B = v[0], .L = v[1], .E = v[2], .varying = v[3], .reverse = v[4], .width = LINEAR_WIDE};
  while (s.width > LINEAR_NARROW && s.B * divide_up(s.E, s.width) < 4) s.width /= 2;
  s.blocks = divide_up(s.E, s.width);
  s.stride = s.reverse ? -(long)s.E : s.E;
  return s;
}

/* One task: a sequence and some of its channels. `row` is the offset of the first step of the recurrence. */
typedef struct {
  int b, first, width;
  size_t row;
  const uint8_t *control; /* of the first step, or null */
  long direction;
} linear_task;

INLINE linear_task linear_task_at(const linear_shape *s, const uint8_t *control, int number) {
  linear_task t = {.b = number / s->blocks, .first = number % s->blocks * s->width, .direction = s->reverse ? -1 : 1};
  size_t begin = (size_t)t.b * s->L + (s->reverse ? s->L - 1 : 0);
  t.width = min_int(s->width, s->E - t.first);
  t.row = begin * s->E + t.first;
  t.control = control ? control + begin : 0;
  return t;
}

INLINE int linear_control(const linear_task *t, int i) { return t->control ? t->control[i * t->direction] : 0; }

/* load_part and store_part with the target's masked instruction where there is one. */
INLINE vf load_lanes(const float *p, int count) {
  if (count >= W) return load(p);
#if W == 16
  return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
  return load_part(p, count);
#endif
}
INLINE void store_lanes(float *p, vf x, int count) {
  if (count >= W) { store(p, x); return; }
#if W == 16
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), x);
#else
  store_part(p, x, count);
#endif
}

#endif
