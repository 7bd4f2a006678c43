/* Recurrences over a sequence. Phase 0 packs the recurrent matrix of each head, phase 1 runs time for one head and up to eight rows. */
#include "nonlinear-scan.h"

static void nonlinear_scan_forward_plan(const call_t *call, plan_t *plan) {
  recurrent_shape s = recurrent_shape_of(call);
  plan->workspaceBytes = aligned_bytes(4.0 * s.H * s.P * s.columns);
  plan->scratchBytes = aligned_bytes(4.0 * ((double)s.S * RECURRENT_ROWS * s.width + (RECURRENT_ROWS + 1.0) * s.columns + 2.0 * s.width) + 8 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.H;
  plan->tasks[1] = s.H * s.row_blocks;
}

static void nonlinear_scan_forward_task(const call_t *call, const recurrent_shape *s, int number, const float *packed, void *scratch) {
  recurrent_task task = recurrent_task_at(call, s, number);
  arena_t arena = {scratch};
  recurrent_states states = take_recurrent_states(s, &arena, RECURRENT_ROWS * s->width);
  float *gates = take_floats(&arena, RECURRENT_ROWS * s->columns), *bias = take_floats(&arena, s->columns), *constants = take_floats(&arena, 2 * s->width);
  const uint8_t *control = IN(uint8_t, 5);
  packed += (size_t)task.head * s->P * s->columns;
  load_recurrent_rows(&task, IN(float, 2), s->K, bias);
  load_recurrent_rows(&task, IN(float, 8), 2, constants);
  load_recurrent_states(&task, &states);
  for (int t = 0; t < s->L; t++) {
    reset_rows(&task, control, t, &states);
    for (int unfold = 0; unfold < s->unfolds; unfold++) {
      multiply_recurrent(&task, states.of[0], packed, gates);
      for (int row = 0; row < task.rows; row++) {
        if (control_of_row(&task, control, row, t) & CONTROL_MASKED) continue;
        const float *x = IN(float, 0) + ((size_t)(task.first + row) * s->L + t) * s->K * s->E + task.head * s->P;
        recurrent_states at = recurrent_states_at(s, &states, row * s->width);
        recurrent_cell(s, x, bias, gates + row * s->columns, &at, 0, constants);
      }
    }
    for (int row = 0; row < task.rows; row++) {
      float *y = OUT(float, 0) + ((size_t)(task.first + row) * s->L + t) * s->E + task.head * s->P;
      if (control_of_row(&task, control, row, t) & CONTROL_MASKED) fill_zero(y, s->P);
      else copy_floats(y, states.of[0] + row * s->width, s->P);
    }
  }
  for (int i = 0; i < s->S; i++)
    if (OUT(float, 1 + i)) store_recurrent_state(&task, states.of[i], OUT(float, 1 + i));
}

static void nonlinear_scan_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  recurrent_shape s = recurrent_shape_of(call);
  arena_t arena = {workspace};
  float *packed = take_floats(&arena, (size_t)s.H * s.P * s.columns);
  for (int task = begin; task < end; task++) {
    if (phase == 0) pack_recurrent(&s, IN(float, 1), packed + (size_t)task * s.P * s.columns, task);
    else nonlinear_scan_forward_task(call, &s, task, packed, scratch);
  }
}
