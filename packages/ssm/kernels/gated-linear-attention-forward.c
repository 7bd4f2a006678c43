/* Linear attention with a gated matrix state, forward: each task walks its sequence with the state in first-level cache. */
#include "gated-linear-attention.h"

static void gated_linear_attention_forward_plan(const call_t *call, plan_t *plan) {
  attention_shape s = attention_shape_of(call);
  double width = attention_width(&s);
  plan->scratchBytes = aligned_bytes(4 * (s.K * width + 3 * width + attention_factor_floats(&s)) + 6 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.B * s.H * s.blocks;
}

static void attention_forward_task(const attention_task *task, void *scratch) {
  const call_t *call = task->call;
  const attention_shape *s = &task->s;
  arena_t arena = {scratch};
  float *tile = take_floats(&arena, (size_t)s->K * task->width), *written = take_floats(&arena, task->width);
  float *read = take_floats(&arena, task->width), *raw = take_floats(&arena, task->width);
  attention_factors f = attention_factors_in(s, take_floats(&arena, attention_factor_floats(s)));
  size_t place = (size_t)task->b * s->H + task->head;
  float maximum = IN(float, ATTENTION_MAXIMUM) ? IN(float, ATTENTION_MAXIMUM)[place] : 0.0f;
  load_attention_state(task, IN(float, ATTENTION_STATE), IN(float, ATTENTION_NORMALISER), tile);
  for (int t = 0; t < s->L; t++) {
    float *out = OUT(float, 0) + attention_row(task, t) * s->V + task->first;
    int bits = task->control ? task->control[t] : 0;
    if (bits & CONTROL_RESET) {
      fill_zero(tile, (size_t)s->K * task->width);
      maximum = 0.0f;
    }
    if (bits & CONTROL_MASKED) {
      fill_zero(out, task->columns);
      continue;
    }
    attention_factors_at(task, t, maximum, &f);
    attention_value(task, t, written);
    attention_step(task, t, &f, tile, tile, written, read, raw);
    maximum = f.maximum;
    if (s->normaliser) {
      float slope, floor_slope;
      vf divisor = splat(attention_divisor(s, raw[task->columns], maximum, &slope, &floor_slope));
      for (int j = 0; j < task->columns; j += W) store(raw + j, load(raw + j) / divisor);
    }
    for (int j = 0; j < task->columns; j += W) store_part(out + j, load(raw + j), task->columns - j);
  }
  store_attention_state(task, tile, OUT(float, 1), task->block ? 0 : OUT(float, 2));
  if (OUT(float, 3) && !task->block) OUT(float, 3)[place] = maximum;
}

static void gated_linear_attention_forward_run(const call_t *call, int begin, int end, void *scratch) {
  attention_shape s = attention_shape_of(call);
  for (int number = begin; number < end; number++) {
    attention_task task = attention_task_at(call, &s, number);
    attention_forward_task(&task, scratch);
  }
}
