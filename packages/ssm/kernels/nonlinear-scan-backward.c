/*
 * Recurrences, backpropagation through time. A first pass keeps the state at the start of each chunk of solver steps; chunks then go in
 * reverse, recomputing their gates. dR of a chunk is one matrix product of the stored states and gate gradients; phase 2 adds the row blocks.
 */
#include "nonlinear-scan.h"

enum { RECURRENT_CHUNK = 16 };

typedef struct {
  int chunks, tasks;
  float *packed, *transposed; /* [H][P][columns], [H][columns][width] */
  float *checkpoints;         /* [tasks][chunks][S][RECURRENT_ROWS][width] */
  float *sum_recurrent;       /* [tasks][P][columns] */
  float *sum_bias;            /* [tasks][columns] */
  float *sum_constants;       /* [tasks][2][width] */
} recurrent_job;

typedef struct {
  recurrent_states now, carry, was; /* [rows][width]; `was` [chunk][rows][width]: states before the step */
  float *bias, *constants;          /* [columns], [2][width] */
  float *inner;                     /* [chunk][rows][width]; GRU: h R_n + b_n */
  float *gates, *slopes;            /* [chunk][rows][columns]: gates as the cell left them; gradient at h R + b */
  float *sum_constants;             /* [2][width] */
} recurrent_scratch;

static recurrent_job recurrent_job_of(const recurrent_shape *s, void *workspace, double *bytes) {
  recurrent_job j = {.chunks = divide_up(s->T, RECURRENT_CHUNK), .tasks = s->H * s->row_blocks};
  double matrix = (double)s->H * s->P * s->columns;
  double sizes[6] = {matrix, (double)s->H * s->columns * s->width, (double)j.tasks * j.chunks * s->S * RECURRENT_ROWS * s->width,
                     (double)j.tasks * s->P * s->columns, (double)j.tasks * s->columns, (double)j.tasks * 2 * s->width};
  if (bytes) {
    *bytes = aligned_bytes(6 * ALIGNMENT);
    for (int i = 0; i < 6; i++) *bytes += 4 * sizes[i];
    return j;
  }
  arena_t arena = {workspace};
  float **pieces[6] = {&j.packed, &j.transposed, &j.checkpoints, &j.sum_recurrent, &j.sum_bias, &j.sum_constants};
  for (int i = 0; i < 6; i++) *pieces[i] = take_floats(&arena, (size_t)sizes[i]);
  return j;
}

static void nonlinear_scan_backward_plan(const call_t *call, plan_t *plan) {
  recurrent_shape s = recurrent_shape_of(call);
  recurrent_job j = recurrent_job_of(&s, 0, &plan->workspaceBytes);
  double rows = RECURRENT_ROWS;
  plan->scratchBytes = aligned_bytes(4 * (2.0 * s.S * rows * s.width + s.columns + 2.0 * s.width + RECURRENT_CHUNK * rows * ((s.S + 1.0) * s.width + 2.0 * s.columns)) + 20 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.H;
  plan->tasks[1] = j.tasks;
  plan->tasks[2] = s.H;
}

static recurrent_scratch take_recurrent_scratch(const recurrent_shape *s, void *memory) {
  arena_t arena = {memory};
  size_t chunk = (size_t)RECURRENT_CHUNK * RECURRENT_ROWS;
  recurrent_scratch f;
  f.now = take_recurrent_states(s, &arena, (size_t)RECURRENT_ROWS * s->width);
  f.carry = take_recurrent_states(s, &arena, (size_t)RECURRENT_ROWS * s->width);
  f.was = take_recurrent_states(s, &arena, chunk * s->width);
  f.bias = take_floats(&arena, s->columns);
  f.constants = take_floats(&arena, 2 * s->width);
  f.inner = take_floats(&arena, chunk * s->width);
  f.gates = take_floats(&arena, chunk * s->columns);
  f.slopes = take_floats(&arena, chunk * s->columns);
  f.sum_constants = 0;
  return f;
}

/* Runs solver steps [start, stop) forward from f->now; `keep` stores what the reverse pass needs, at the index of the step in the chunk. */
static void recurrent_replay(const recurrent_task *task, const recurrent_scratch *f, const float *packed, int start, int stop, int keep) {
  const call_t *call = task->call;
  const recurrent_shape *s = &task->s;
  const uint8_t *control = IN(uint8_t, 5);
  size_t state = (size_t)task->rows * s->width;
  for (int step = start; step < stop; step++) {
    int t = step / s->unfolds;
    size_t at = keep ? (size_t)(step - start) * task->rows : 0;
    float *gates = f->gates + at * s->columns;
    if (step % s->unfolds == 0) reset_rows(task, control, t, &f->now);
    if (keep)
      for (int i = 0; i < s->S; i++) copy_floats(f->was.of[i] + at * s->width, f->now.of[i], state);
    multiply_recurrent(task, f->now.of[0], packed, gates);
    for (int row = 0; row < task->rows; row++) {
      if (control_of_row(task, control, row, t) & CONTROL_MASKED) continue;
      const float *x = IN(float, 0) + ((size_t)(task->first + row) * s->L + t) * s->K * s->E + task->head * s->P;
      recurrent_states of_row = recurrent_states_at(s, &f->now, row * s->width);
      recurrent_cell(s, x, f->bias, gates + row * s->columns, &of_row, f->inner + (at + row) * s->width, f->constants);
    }
  }
}

/* sLSTM, one vector: from the slopes of h, c, n, m after the step to those of the gates, and of c, n, m before it. */
static void slstm_backward(const float *gates, int w, const recurrent_states *was, const recurrent_states *carry, int j, vf dh, vf d[4]) {
  vf c = load(was->of[1] + j), n = load(was->of[2] + j), m = load(was->of[3] + j), raw_forget = load(gates + w + j), zero = splat(0.0f), one = splat(1.0f);
  slstm_values v = slstm_step(load(gates + j), raw_forget, load(gates + 2 * w + j), load(gates + 3 * w + j), c, n, m);
  vf ratio = v.c / v.n, open = dh * v.out / v.n;
  vf dc = load(carry->of[1] + j) + open, dn = load(carry->of[2] + j) - open * ratio;
  vf d_in = multiply_add(dc, v.value, dn) * v.in;
  vf d_carried = multiply_add(dc, c, dn * n) * v.forget;
  d_carried = select_lanes(v.carried > v.m, zero, d_carried); /* the exponential was cut at 1 */
  vf dm = load(carry->of[3] + j) - d_in - d_carried;
  vi from_in = v.first | (v.m != v.carried);
  d_in = d_in + select_lanes(from_in, dm, zero);
  d_carried = d_carried + select_lanes(from_in, zero, dm);
  d[0] = d_in;
  d[1] = d_carried * sigmoid_of(-raw_forget);
  d[2] = dc * v.in * (one - v.value * v.value);
  d[3] = dh * ratio * v.out * (one - v.out);
  store(carry->of[0] + j, zero);
  store(carry->of[1] + j, dc * v.forget);
  store(carry->of[2] + j, dn * v.forget);
  store(carry->of[3] + j, d_carried);
}

/*
 * One row at one solver step: gate gradients to `slopes` and dx (added where `add`); the carried slopes in place, and the direct part of that of h.
 * dy is null inside a step.
 */
static void recurrent_cell_backward(const recurrent_shape *s, const recurrent_scratch *f, const float *gates, const recurrent_states *was, const float *inner,
                                    const float *dy, const recurrent_states *carry, float *slopes, float *dx, int add) {
  int w = s->width;
  float *carry_h = carry->of[0], *carry_c = carry->of[1];
  vf one = splat(1.0f);
  for (int j = 0; j < w; j += W) {
    int count = s->P - j;
    vf dh = load(carry_h + j);
    if (dy) dh = dh + load_part(dy + j, count);
    if (s->kind == KIND_LSTM) {
      vf in = load(gates + j), forget = load(gates + w + j), value = load(gates + 2 * w + j), out = load(gates + 3 * w + j), before = load(was->of[1] + j);
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
    } else if (s->kind == KIND_GRU) {
      vf reset = load(gates + j), keep = load(gates + w + j), value = load(gates + 2 * w + j);
      vf d_value = dh * (one - keep) * (one - value * value);
      vf d_keep = dh * (load(was->of[0] + j) - value) * keep * (one - keep);
      vf d_reset = d_value * load(inner + j) * reset * (one - reset);
      store(carry_h + j, dh * keep);
      store(slopes + j, d_reset);
      store(slopes + w + j, d_keep);
      store(slopes + 2 * w + j, d_value * reset);
      store_part(dx + j, d_reset, count);
      store_part(dx + s->E + j, d_keep, count);
      store_part(dx + 2 * s->E + j, d_value, count);
    } else if (s->kind == KIND_SLSTM) {
      vf d[4];
      slstm_backward(gates, w, was, carry, j, dh, d);
      for (int k = 0; k < 4; k++) {
        store(slopes + k * w + j, d[k]);
        store_part(dx + k * s->E + j, d[k], count);
      }
    } else {
      vf value = load(gates + j), d;
      if (s->kind == KIND_RNN) {
        d = dh * (one - value * value);
        store(carry_h + j, splat(0.0f));
      } else {
        vf step = splat(s->time_step), asymptote = load(f->constants + j);
        vf below = multiply_add(step, load(f->constants + w + j) + value, one);
        vf next = multiply_add(step * value, asymptote, load(was->of[0] + j)) / below, slope = dh / below;
        d = slope * step * (asymptote - next) * value * (one - value);
        store(carry_h + j, slope);
        store(f->sum_constants + j, multiply_add(slope * step, value, load(f->sum_constants + j)));
        store(f->sum_constants + w + j, load(f->sum_constants + w + j) - slope * step * next);
      }
      store(slopes + j, d);
      store_part(dx + j, add ? d + load_part(dx + j, count) : d, count);
    }
  }
}

static void recurrent_reverse_step(const recurrent_task *task, const recurrent_scratch *f, const float *transposed, int step, int start) {
  const call_t *call = task->call;
  const recurrent_shape *s = &task->s;
  const uint8_t *control = IN(uint8_t, 5);
  int t = step / s->unfolds, last = step % s->unfolds == s->unfolds - 1;
  size_t at = (size_t)(step - start) * task->rows;
  for (int row = 0; row < task->rows; row++) {
    size_t place = (size_t)(task->first + row) * s->L + t, slot = at + row;
    float *dx = OUT(float, 0) + place * s->K * s->E + task->head * s->P, *slopes = f->slopes + slot * s->columns;
    if (control_of_row(task, control, row, t) & CONTROL_MASKED) {
      fill_zero(slopes, s->columns);
      for (int k = 0; k < s->K; k++) fill_zero(dx + k * s->E, s->P);
      continue;
    }
    recurrent_states was = recurrent_states_at(s, &f->was, slot * s->width), carry = recurrent_states_at(s, &f->carry, row * s->width);
    recurrent_cell_backward(s, f, f->gates + slot * s->columns, &was, f->inner + slot * s->width,
                            last ? IN(float, 9) + place * s->E + task->head * s->P : 0, &carry, slopes, dx, !last);
  }
  /* Masked rows have zero slopes, so their carry stays as it is. */
  matmul_t m = {.a = f->slopes + at * s->columns, .a_row = s->columns, .a_inner = 1, .b = transposed, .b_stride = s->width, .c = f->carry.of[0],
                .c_stride = s->width, .rows = task->rows, .columns = s->width, .inner = s->columns, .add = 1};
  matmul(&m);
  if (step % s->unfolds == 0) reset_rows(task, control, t, &f->carry);
}

static void recurrent_backward_task(const call_t *call, const recurrent_shape *s, const recurrent_job *j, int number, void *scratch) {
  recurrent_task task = recurrent_task_at(call, s, number);
  recurrent_scratch f = take_recurrent_scratch(s, scratch);
  const float *packed = j->packed + (size_t)task.head * s->P * s->columns, *transposed = j->transposed + (size_t)task.head * s->columns * s->width;
  size_t state = (size_t)task.rows * s->width, piece = (size_t)RECURRENT_ROWS * s->width, slot = s->S * piece;
  float *checkpoints = j->checkpoints + number * j->chunks * slot;
  float *sum_recurrent = j->sum_recurrent + (size_t)number * s->P * s->columns, *sum_bias = j->sum_bias + (size_t)number * s->columns;
  f.sum_constants = j->sum_constants + (size_t)number * 2 * s->width;
  load_recurrent_rows(&task, IN(float, 2), s->K, f.bias);
  load_recurrent_rows(&task, IN(float, 8), 2, f.constants);
  load_recurrent_states(&task, &f.now);
  for (int i = 0; i < s->S; i++) load_recurrent_state(&task, IN(float, 10 + i), f.carry.of[i]);
  fill_zero(sum_recurrent, (size_t)s->P * s->columns);
  fill_zero(sum_bias, s->columns);
  fill_zero(f.sum_constants, 2 * s->width);
  for (int chunk = 0; chunk < j->chunks; chunk++) {
    for (int i = 0; i < s->S; i++) copy_floats(checkpoints + chunk * slot + i * piece, f.now.of[i], state);
    if (chunk + 1 < j->chunks) recurrent_replay(&task, &f, packed, chunk * RECURRENT_CHUNK, (chunk + 1) * RECURRENT_CHUNK, 0);
  }
  for (int chunk = j->chunks - 1; chunk >= 0; chunk--) {
    int start = chunk * RECURRENT_CHUNK, stop = min_int(start + RECURRENT_CHUNK, s->T), steps = (stop - start) * task.rows;
    for (int i = 0; i < s->S; i++) copy_floats(f.now.of[i], checkpoints + chunk * slot + i * piece, state);
    recurrent_replay(&task, &f, packed, start, stop, 1);
    for (int step = stop - 1; step >= start; step--) recurrent_reverse_step(&task, &f, transposed, step, start);
    matmul_t m = {.a = f.was.of[0], .a_row = 1, .a_inner = s->width, .b = f.slopes, .b_stride = s->columns, .c = sum_recurrent, .c_stride = s->columns,
                  .rows = s->P, .columns = s->columns, .inner = steps, .add = 1};
    matmul(&m);
    for (int i = 0; i < s->columns; i += W) {
      vf sum = splat(0.0f);
      for (int row = 0; row < steps; row++) sum = sum + load(f.slopes + (size_t)row * s->columns + i);
      store(sum_bias + i, load(sum_bias + i) + sum);
    }
  }
  for (int i = 0; i < s->S; i++)
    if (OUT(float, 3 + i)) store_recurrent_state(&task, f.carry.of[i], OUT(float, 3 + i));
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
  for (int k = 0; OUT(float, 7) && k < 2; k++)
    for (int i = 0; i < s->P; i++) {
      float sum = 0.0f;
      for (int block = 0; block < s->row_blocks; block++) sum += j->sum_constants[((size_t)(head * s->row_blocks + block) * 2 + k) * s->width + i];
      OUT(float, 7)[k * s->E + head * s->P + i] = sum;
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
