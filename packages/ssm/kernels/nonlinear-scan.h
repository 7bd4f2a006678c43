/* What the forward and backward of the recurrences share. P is padded to whole vectors; the recurrent matrix is packed to that width. */
#ifndef MAMBA360_NONLINEAR_SCAN_H
#define MAMBA360_NONLINEAR_SCAN_H

#include "functions.h"
#include "matmul.h"

enum { KIND_LSTM = 0, KIND_GRU = 1, KIND_RNN = 2, KIND_SLSTM = 3, KIND_LTC = 4, RECURRENT_ROWS = 8, RECURRENT_STATES = 4 };

typedef struct {
  int B, L, H, P, kind, K, E;
  int S;               /* states: h; LSTM c; sLSTM c, n, m */
  int unfolds, T;      /* LTC: solver steps in each step; T = L * unfolds */
  float time_step;     /* LTC: length of one solver step */
  int width, columns;  /* P and K * P, each gate padded to whole vectors */
  int row_blocks;
} recurrent_shape;

static recurrent_shape recurrent_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  recurrent_shape s = {.B = v[0], .L = v[1], .H = v[2], .P = v[3], .kind = v[4]};
  s.K = 0x14134 >> 4 * s.kind & 7; /* by kind, in hexadecimal digits: a chain of conditions would become a table, which wasm may not have */
  s.S = 0x14112 >> 4 * s.kind & 7;
  s.unfolds = s.kind == KIND_LTC ? max_int(v[5], 1) : 1;
  s.T = s.L * s.unfolds;
  s.time_step = (float)(call->scalars[0] / s.unfolds);
  s.E = s.H * s.P;
  s.width = round_up(s.P, W);
  s.columns = s.K * s.width;
  s.row_blocks = divide_up(s.B, RECURRENT_ROWS);
  return s;
}

/* A task: one head and some rows of the batch. */
typedef struct {
  const call_t *call;
  recurrent_shape s;
  int number, head, first, rows;
} recurrent_task;

/* h, c, n, m: [rows][width] each; the first S of them exist. */
typedef struct { float *of[RECURRENT_STATES]; } recurrent_states;

static recurrent_task recurrent_task_at(const call_t *call, const recurrent_shape *s, int number) {
  recurrent_task task = {.call = call, .s = *s, .number = number, .head = number / s->row_blocks, .first = number % s->row_blocks * RECURRENT_ROWS};
  task.rows = min_int(RECURRENT_ROWS, s->B - task.first);
  return task;
}

static recurrent_states take_recurrent_states(const recurrent_shape *s, arena_t *arena, size_t count) {
  recurrent_states states = {{0, 0, 0, 0}};
  for (int i = 0; i < s->S; i++) states.of[i] = take_floats(arena, count);
  return states;
}
INLINE recurrent_states recurrent_states_at(const recurrent_shape *s, const recurrent_states *states, size_t offset) {
  recurrent_states at = {{0, 0, 0, 0}};
  for (int i = 0; i < s->S; i++) at.of[i] = states->of[i] + offset;
  return at;
}

INLINE int control_of_row(const recurrent_task *task, const uint8_t *control, int row, int t) {
  return control ? control[(size_t)(task->first + row) * task->s.L + t] : 0;
}

/* packed[p][k][width] = R[head][p][k * P + j] */
static void pack_recurrent(const recurrent_shape *s, const float *R, float *packed, int head) {
  for (int p = 0; p < s->P; p++)
    for (int k = 0; k < s->K; k++)
      for (int j = 0; j < s->width; j++)
        packed[((size_t)p * s->K + k) * s->width + j] = j < s->P ? R[((size_t)head * s->P + p) * s->K * s->P + k * s->P + j] : 0.0f;
}

/* packed[k][j][p]: the transpose, rows of padding are zero. */
static void pack_recurrent_transposed(const recurrent_shape *s, const float *R, float *packed, int head) {
  for (int k = 0; k < s->K; k++)
    for (int j = 0; j < s->width; j++)
      for (int p = 0; p < s->width; p++)
        packed[((size_t)k * s->width + j) * s->width + p] = j < s->P && p < s->P ? R[((size_t)head * s->P + p) * s->K * s->P + k * s->P + j] : 0.0f;
}

/* target[k][width] = source[k][E] of this head, or zeros: the bias of the gates, the constants of an LTC. */
static void load_recurrent_rows(const recurrent_task *task, const float *source, int count, float *target) {
  const recurrent_shape *s = &task->s;
  for (int k = 0; k < count; k++)
    for (int j = 0; j < s->width; j++) target[k * s->width + j] = source && j < s->P ? source[k * s->E + task->head * s->P + j] : 0.0f;
}

/* target[row][width] = source[b][head][P], or zeros. */
static void load_recurrent_state(const recurrent_task *task, const float *source, float *target) {
  const recurrent_shape *s = &task->s;
  for (int row = 0; row < task->rows; row++)
    for (int j = 0; j < s->width; j++)
      target[row * s->width + j] = source && j < s->P ? source[(size_t)(task->first + row) * s->E + task->head * s->P + j] : 0.0f;
}
static void store_recurrent_state(const recurrent_task *task, const float *source, float *target) {
  const recurrent_shape *s = &task->s;
  for (int row = 0; row < task->rows; row++)
    copy_floats(target + (size_t)(task->first + row) * s->E + task->head * s->P, source + row * s->width, s->P);
}

/* Places of the states among the inputs: h, c, control, n, m. */
INLINE int initial_state_input(int i) { return i < 2 ? 3 + i : 4 + i; }

static void load_recurrent_states(const recurrent_task *task, const recurrent_states *states) {
  const call_t *call = task->call;
  for (int i = 0; i < task->s.S; i++) load_recurrent_state(task, IN(float, initial_state_input(i)), states->of[i]);
}

/* product[row][columns] = h[row] R */
static void multiply_recurrent(const recurrent_task *task, const float *h, const float *packed, float *product) {
  const recurrent_shape *s = &task->s;
  matmul_t m = {.a = h, .a_row = s->width, .a_inner = 1, .b = packed, .b_stride = s->columns, .c = product, .c_stride = s->columns,
                .rows = task->rows, .columns = s->columns, .inner = s->P};
  matmul(&m);
}

typedef struct { vf in, forget, value, out, carried, c, n, m; vi first; } slstm_values;

/*
 * sLSTM of one vector: the maximum m keeps both exponentials at or below 1. Before the first step (n = 0) the carried part has nothing to
 * stabilise and m is the input gate alone.
 */
INLINE slstm_values slstm_step(vf raw_in, vf raw_forget, vf raw_value, vf raw_out, vf c, vf n, vf m) {
  slstm_values v;
  v.carried = m - softplus_of(-raw_forget);
  v.first = n == splat(0.0f);
  v.m = select_lanes(v.first, raw_in, at_least(raw_in, v.carried));
  v.in = exp_of_negative(raw_in - v.m);
  v.forget = exp_of_negative(at_most(v.carried - v.m, splat(0.0f)));
  v.value = tanh_of(raw_value);
  v.out = sigmoid_of(raw_out);
  v.c = multiply_add(v.forget, c, v.in * v.value);
  v.n = multiply_add(v.forget, n, v.in);
  return v;
}

/*
 * One step of one row in place. `gates` holds h R on entry; on return the activated gates, for sLSTM the gates before their activation (for
 * GRU, `inner` gets h R_n + b_n, unless null). x points at the step's gates of this head: [K] rows, E apart. `constants` [2][width] are an
 * LTC's asymptote and rate.
 */
static void recurrent_cell(const recurrent_shape *s, const float *x, const float *bias, float *gates, const recurrent_states *states,
                           float *inner, const float *constants) {
  int w = s->width;
  float *h = states->of[0], *c = states->of[1];
  for (int j = 0; j < w; j += W) {
    int count = s->P - j;
    if (s->kind == KIND_LSTM) {
      vf in = sigmoid_of(load_part(x + j, count) + load(bias + j) + load(gates + j));
      vf forget = sigmoid_of(load_part(x + s->E + j, count) + load(bias + w + j) + load(gates + w + j));
      vf value = tanh_of(load_part(x + 2 * s->E + j, count) + load(bias + 2 * w + j) + load(gates + 2 * w + j));
      vf out = sigmoid_of(load_part(x + 3 * s->E + j, count) + load(bias + 3 * w + j) + load(gates + 3 * w + j));
      vf cell = multiply_add(forget, load(c + j), in * value);
      store(c + j, cell);
      store(h + j, out * tanh_of(cell));
      store(gates + j, in);
      store(gates + w + j, forget);
      store(gates + 2 * w + j, value);
      store(gates + 3 * w + j, out);
    } else if (s->kind == KIND_GRU) {
      vf reset = sigmoid_of(load_part(x + j, count) + load(bias + j) + load(gates + j));
      vf keep = sigmoid_of(load_part(x + s->E + j, count) + load(bias + w + j) + load(gates + w + j));
      vf recurrent = load(bias + 2 * w + j) + load(gates + 2 * w + j);
      vf value = tanh_of(multiply_add(reset, recurrent, load_part(x + 2 * s->E + j, count)));
      store(h + j, multiply_add(keep, load(h + j), (splat(1.0f) - keep) * value));
      store(gates + j, reset);
      store(gates + w + j, keep);
      store(gates + 2 * w + j, value);
      if (inner) store(inner + j, recurrent);
    } else if (s->kind == KIND_SLSTM) {
      vf raw[4];
      for (int k = 0; k < 4; k++) {
        raw[k] = load_part(x + k * s->E + j, count) + load(bias + k * w + j) + load(gates + k * w + j);
        store(gates + k * w + j, raw[k]);
      }
      slstm_values v = slstm_step(raw[0], raw[1], raw[2], raw[3], load(c + j), load(states->of[2] + j), load(states->of[3] + j));
      store(c + j, v.c);
      store(states->of[2] + j, v.n);
      store(states->of[3] + j, v.m);
      store(h + j, v.out * v.c / v.n);
    } else {
      vf sum = load_part(x + j, count) + load(bias + j) + load(gates + j);
      if (s->kind == KIND_RNN) {
        vf value = tanh_of(sum);
        store(h + j, value);
        store(gates + j, value);
      } else {
        vf open = sigmoid_of(sum), step = splat(s->time_step);
        vf above = multiply_add(step * open, load(constants + j), load(h + j));
        store(h + j, above / multiply_add(step, load(constants + w + j) + open, splat(1.0f)));
        store(gates + j, open);
      }
    }
  }
}

/* Zeros the states of rows that are reset before step t. */
static void reset_rows(const recurrent_task *task, const uint8_t *control, int t, const recurrent_states *states) {
  for (int row = 0; row < task->rows; row++)
    if (control_of_row(task, control, row, t) & CONTROL_RESET)
      for (int i = 0; i < task->s.S; i++) fill_zero(states->of[i] + row * task->s.width, task->s.width);
}

#endif
