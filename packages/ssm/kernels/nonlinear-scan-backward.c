/*
 * LSTM and GRU, backpropagation through time. A first pass keeps the state at the start of each chunk of steps; chunks then go in reverse,
 * recomputing their gates. dR of a chunk is one matrix product of the stored states and gate gradients; phase 2 adds the row blocks.
 */
#include "nonlinear-scan.h"

enum { RECURRENT_CHUNK = 16 };

typedef struct {
  int chunks, tasks;
  float *packed, *transposed; /* [H][P][columns], [H][columns][width] */
  float *checkpoints;         /* [tasks][chunks][2][RECURRENT_ROWS][width] */
  float *sum_recurrent;       /* [tasks][P][columns] */
  float *sum_bias;            /* [tasks][columns] */
} recurrent_job;

typedef struct {
  float *h, *c, *carry_h, *carry_c, *product_h, *bias; /* [rows][width], bias [columns] */
  float *was_h, *was_c, *inner;                        /* [chunk][rows][width]: states before the step; GRU: h R_n + b_n */
  float *gates, *slopes;                               /* [chunk][rows][columns]: activated gates; gradient at h R + b */
} recurrent_scratch;

static recurrent_job recurrent_job_of(const recurrent_shape *s, void *workspace, double *bytes) {
  recurrent_job j = {.chunks = divide_up(s->L, RECURRENT_CHUNK), .tasks = s->H * s->row_blocks};
  double matrix = (double)s->H * s->P * s->columns;
  double sizes[5] = {matrix, (double)s->H * s->columns * s->width, (double)j.tasks * j.chunks * 2 * RECURRENT_ROWS * s->width,
                     (double)j.tasks * s->P * s->columns, (double)j.tasks * s->columns};
  if (bytes) {
    *bytes = aligned_bytes(5 * ALIGNMENT);
    for (int i = 0; i < 5; i++) *bytes += 4 * sizes[i];
    return j;
  }
  arena_t arena = {workspace};
  float **pieces[5] = {&j.packed, &j.transposed, &j.checkpoints, &j.sum_recurrent, &j.sum_bias};
  for (int i = 0; i < 5; i++) *pieces[i] = take_floats(&arena, (size_t)sizes[i]);
  return j;
}

static void nonlinear_scan_backward_plan(const call_t *call, plan_t *plan) {
  recurrent_shape s = recurrent_shape_of(call);
  recurrent_job j = recurrent_job_of(&s, 0, &plan->workspaceBytes);
  double rows = RECURRENT_ROWS;
  plan->scratchBytes = aligned_bytes(4 * (5 * rows * s.width + s.columns + RECURRENT_CHUNK * rows * (3.0 * s.width + 2.0 * s.columns)) + 12 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.H;
  plan->tasks[1] = j.tasks;
  plan->tasks[2] = s.H;
}

static recurrent_scratch take_recurrent_scratch(const recurrent_shape *s, void *memory) {
  arena_t arena = {memory};
  recurrent_scratch f;
  float **states[5] = {&f.h, &f.c, &f.carry_h, &f.carry_c, &f.product_h}, **series[3] = {&f.was_h, &f.was_c, &f.inner};
  for (int i = 0; i < 5; i++) *states[i] = take_floats(&arena, (size_t)RECURRENT_ROWS * s->width);
  f.bias = take_floats(&arena, s->columns);
  for (int i = 0; i < 3; i++) *series[i] = take_floats(&arena, (size_t)RECURRENT_CHUNK * RECURRENT_ROWS * s->width);
  f.gates = take_floats(&arena, (size_t)RECURRENT_CHUNK * RECURRENT_ROWS * s->columns);
  f.slopes = take_floats(&arena, (size_t)RECURRENT_CHUNK * RECURRENT_ROWS * s->columns);
  return f;
}

/* Runs [start, stop) forward from f->h, f->c; `keep` stores what the reverse pass needs, at the index of the step in the chunk. */
static void recurrent_replay(const recurrent_task *task, const recurrent_scratch *f, const float *packed, int start, int stop, int keep) {
  const call_t *call = task->call;
  const recurrent_shape *s = &task->s;
  const uint8_t *control = IN(uint8_t, 5);
  size_t state = (size_t)task->rows * s->width;
  for (int t = start; t < stop; t++) {
    size_t at = keep ? (size_t)(t - start) * task->rows : 0;
    float *gates = f->gates + at * s->columns;
    reset_rows(task, control, t, f->h, f->c);
    if (keep) {
      copy_floats(f->was_h + at * s->width, f->h, state);
      copy_floats(f->was_c + at * s->width, f->c, state);
    }
    multiply_recurrent(task, f->h, packed, gates);
    for (int row = 0; row < task->rows; row++) {
      if (control_of_row(task, control, row, t) & CONTROL_MASKED) continue;
      const float *x = IN(float, 0) + ((size_t)(task->first + row) * s->L + t) * s->K * s->E + task->head * s->P;
      recurrent_cell(s, x, f->bias, gates + row * s->columns, f->h + row * s->width, f->c + row * s->width, f->inner + (at + row) * s->width);
    }
  }
}

/* One row at one step: gate gradients to `slopes` and dx; carry_c in place, and for GRU the direct part of carry_h (`direct`). */
static void recurrent_cell_backward(const recurrent_shape *s, const float *gates, const float *was_h, const float *was_c, const float *inner,
                                    const float *dy, float *carry_h, float *carry_c, float *slopes, float *dx) {
  int w = s->width;
  vf one = splat(1.0f);
  for (int j = 0; j < w; j += W) {
    int count = s->P - j;
    vf dh = load(carry_h + j) + load_part(dy + j, count);
    if (s->kind == KIND_LSTM) {
      vf in = load(gates + j), forget = load(gates + w + j), value = load(gates + 2 * w + j), out = load(gates + 3 * w + j), before = load(was_c + j);
      vf bent = tanh_of(multiply_add(forget, before, in * value));
      vf dc = multiply_add(dh * out, one - bent * bent, load(carry_c + j));
      vf d_in = dc * value * in * (one - in), d_forget = dc * before * forget * (one - forget);
      vf d_value = dc * in * (one - value * value), d_out = dh * bent * out * (one - out);
      store(carry_c + j, dc * forget);
      store(carry_h + j, splat(0.0f));
      store(slopes + j, d_in);
      store(slopes + w + j, d_forget);
      store(slopes + 2 * w + j, d_value);
      store(slopes + 3 * w + j, d_out);
      store_part(dx + j, d_in, count);
      store_part(dx + s->E + j, d_forget, count);
      store_part(dx + 2 * s->E + j, d_value, count);
      store_part(dx + 3 * s->E + j, d_out, count);
    } else {
      vf reset = load(gates + j), keep = load(gates + w + j), value = load(gates + 2 * w + j);
      vf d_value = dh * (one - keep) * (one - value * value);
      vf d_keep = dh * (load(was_h + j) - value) * keep * (one - keep);
      vf d_reset = d_value * load(inner + j) * reset * (one - reset);
      store(carry_h + j, dh * keep);
      store(slopes + j, d_reset);
      store(slopes + w + j, d_keep);
      store(slopes + 2 * w + j, d_value * reset);
      store_part(dx + j, d_reset, count);
      store_part(dx + s->E + j, d_keep, count);
      store_part(dx + 2 * s->E + j, d_value, count);
    }
  }
}

static void recurrent_reverse_step(const recurrent_task *task, const recurrent_scratch *f, const float *transposed, int t, int start) {
  const call_t *call = task->call;
  const recurrent_shape *s = &task->s;
  const uint8_t *control = IN(uint8_t, 5);
  size_t at = (size_t)(t - start) * task->rows;
  for (int row = 0; row < task->rows; row++) {
    size_t step = (size_t)(task->first + row) * s->L + t, slot = at + row;
    float *dx = OUT(float, 0) + step * s->K * s->E + task->head * s->P, *slopes = f->slopes + slot * s->columns;
    if (control_of_row(task, control, row, t) & CONTROL_MASKED) {
      fill_zero(slopes, s->columns);
      for (int k = 0; k < s->K; k++) fill_zero(dx + k * s->E, s->P);
      continue;
    }
    recurrent_cell_backward(s, f->gates + slot * s->columns, f->was_h + slot * s->width, f->was_c + slot * s->width, f->inner + slot * s->width,
                            IN(float, 6) + step * s->E + task->head * s->P, f->carry_h + row * s->width, f->carry_c + row * s->width, slopes, dx);
  }
  /* Masked rows have zero slopes, so their carry stays as it is. */
  matmul_t m = {.a = f->slopes + at * s->columns, .a_row = s->columns, .a_inner = 1, .b = transposed, .b_stride = s->width, .c = f->carry_h,
                .c_stride = s->width, .rows = task->rows, .columns = s->width, .inner = s->columns, .add = 1};
  matmul(&m);
  reset_rows(task, control, t, f->carry_h, f->carry_c);
}

static void recurrent_backward_task(const call_t *call, const recurrent_shape *s, const recurrent_job *j, int number, void *scratch) {
  recurrent_task task = recurrent_task_at(call, s, number);
  recurrent_scratch f = take_recurrent_scratch(s, scratch);
  const float *packed = j->packed + (size_t)task.head * s->P * s->columns, *transposed = j->transposed + (size_t)task.head * s->columns * s->width;
  size_t state = (size_t)task.rows * s->width, slot = (size_t)2 * RECURRENT_ROWS * s->width;
  float *checkpoints = j->checkpoints + number * j->chunks * slot;
  float *sum_recurrent = j->sum_recurrent + (size_t)number * s->P * s->columns, *sum_bias = j->sum_bias + (size_t)number * s->columns;
  load_recurrent_bias(&task, IN(float, 2), f.bias);
  load_recurrent_state(&task, IN(float, 3), f.h);
  load_recurrent_state(&task, IN(float, 4), f.c);
  load_recurrent_state(&task, IN(float, 7), f.carry_h);
  load_recurrent_state(&task, IN(float, 8), f.carry_c);
  fill_zero(sum_recurrent, (size_t)s->P * s->columns);
  fill_zero(sum_bias, s->columns);
  for (int chunk = 0; chunk < j->chunks; chunk++) {
    copy_floats(checkpoints + chunk * slot, f.h, state);
    copy_floats(checkpoints + chunk * slot + slot / 2, f.c, state);
    if (chunk + 1 < j->chunks) recurrent_replay(&task, &f, packed, chunk * RECURRENT_CHUNK, (chunk + 1) * RECURRENT_CHUNK, 0);
  }
  for (int chunk = j->chunks - 1; chunk >= 0; chunk--) {
    int start = chunk * RECURRENT_CHUNK, stop = min_int(start + RECURRENT_CHUNK, s->L), steps = (stop - start) * task.rows;
    copy_floats(f.h, checkpoints + chunk * slot, state);
    copy_floats(f.c, checkpoints + chunk * slot + slot / 2, state);
    recurrent_replay(&task, &f, packed, start, stop, 1);
    for (int t = stop - 1; t >= start; t--) recurrent_reverse_step(&task, &f, transposed, t, start);
    matmul_t m = {.a = f.was_h, .a_row = 1, .a_inner = s->width, .b = f.slopes, .b_stride = s->columns, .c = sum_recurrent, .c_stride = s->columns,
                  .rows = s->P, .columns = s->columns, .inner = steps, .add = 1};
    matmul(&m);
    for (int i = 0; i < s->columns; i += W) {
      vf sum = splat(0.0f);
      for (int row = 0; row < steps; row++) sum = sum + load(f.slopes + (size_t)row * s->columns + i);
      store(sum_bias + i, load(sum_bias + i) + sum);
    }
  }
  if (OUT(float, 3)) store_recurrent_state(&task, f.carry_h, OUT(float, 3));
  if (OUT(float, 4)) store_recurrent_state(&task, f.carry_c, OUT(float, 4));
}

static void recurrent_backward_reduce(const call_t *call, const recurrent_shape *s, const recurrent_job *j, int head) {
  size_t matrix = (size_t)s->P * s->columns;
  for (int k = 0; k < s->K; k++)
    for (int i = 0; i < s->P; i++) {
      float bias = 0.0f;
      for (int block = 0; block < s->row_blocks; block++) bias += j->sum_bias[(size_t)(head * s->row_blocks + block) * s->columns + k * s->width + i];
      if (OUT(float, 2)) OUT(float, 2)[k * s->E + head * s->P + i] = bias;
      for (int p = 0; p < s->P; p++) {
        float sum = 0.0f;
        for (int block = 0; block < s->row_blocks; block++)
          sum += j->sum_recurrent[(head * s->row_blocks + block) * matrix + (size_t)p * s->columns + k * s->width + i];
        OUT(float, 1)[((size_t)head * s->P + p) * s->K * s->P + k * s->P + i] = sum;
      }
    }
}

static void nonlinear_scan_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  recurrent_shape s = recurrent_shape_of(call);
  recurrent_job j = recurrent_job_of(&s, workspace, 0);
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      pack_recurrent(&s, IN(float, 1), j.packed + (size_t)task * s.P * s.columns, task);
      pack_recurrent_transposed(&s, IN(float, 1), j.transposed + (size_t)task * s.columns * s.width, task);
    } else if (phase == 1) recurrent_backward_task(call, &s, &j, task, scratch);
    else recurrent_backward_reduce(call, &s, &j, task);
  }
}
