/* LSTM and GRU over a sequence. Phase 0 packs the recurrent matrix of each head, phase 1 runs time for one head and up to eight rows. */
#include "nonlinear-scan.h"

static void nonlinear_scan_forward_plan(const call_t *call, plan_t *plan) {
  recurrent_shape s = recurrent_shape_of(call);
  plan->workspaceBytes = aligned_bytes(4.0 * s.H * s.P * s.columns);
  plan->scratchBytes = aligned_bytes(4.0 * (2.0 * RECURRENT_ROWS * s.width + (RECURRENT_ROWS + 1.0) * s.columns) + 4 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.H;
  plan->tasks[1] = s.H * s.row_blocks;
}

static void nonlinear_scan_forward_task(const call_t *call, const recurrent_shape *s, int number, const float *packed, void *scratch) {
  recurrent_task task = recurrent_task_at(call, s, number);
  arena_t arena = {scratch};
  float *h = take_floats(&arena, RECURRENT_ROWS * s->width), *c = take_floats(&arena, RECURRENT_ROWS * s->width);
  float *gates = take_floats(&arena, RECURRENT_ROWS * s->columns), *bias = take_floats(&arena, s->columns);
  const uint8_t *control = IN(uint8_t, 5);
  packed += (size_t)task.head * s->P * s->columns;
  load_recurrent_bias(&task, IN(float, 2), bias);
  load_recurrent_state(&task, IN(float, 3), h);
  load_recurrent_state(&task, IN(float, 4), c);
  for (int t = 0; t < s->L; t++) {
    reset_rows(&task, control, t, h, c);
    multiply_recurrent(&task, h, packed, gates);
    for (int row = 0; row < task.rows; row++) {
      size_t step = (size_t)(task.first + row) * s->L + t;
      float *y = OUT(float, 0) + step * s->E + task.head * s->P;
      if (control_of_row(&task, control, row, t) & CONTROL_MASKED) {
        fill_zero(y, s->P);
        continue;
      }
      const float *x = IN(float, 0) + step * s->K * s->E + task.head * s->P;
      recurrent_cell(s, x, bias, gates + row * s->columns, h + row * s->width, c + row * s->width, 0);
      copy_floats(y, h + row * s->width, s->P);
    }
  }
  store_recurrent_state(&task, h, OUT(float, 1));
  if (OUT(float, 2)) store_recurrent_state(&task, c, OUT(float, 2));
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
