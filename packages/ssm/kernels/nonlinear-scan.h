/* What the forward and backward of the LSTM and GRU scan share. P is padded to whole vectors; the recurrent matrix is packed to that width. */
#ifndef MAMBA360_NONLINEAR_SCAN_H
#define MAMBA360_NONLINEAR_SCAN_H

#include "functions.h"
#include "matmul.h"

enum { KIND_LSTM = 0, RECURRENT_ROWS = 8 };

typedef struct {
  int B, L, H, P, kind, K, E;
  int width, columns; /* P and K * P, each gate padded to whole vectors */
  int row_blocks;
} recurrent_shape;

static recurrent_shape recurrent_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  recurrent_shape s = {.B = v[0], .L = v[1], .H = v[2], .P = v[3], .kind = v[4]};
  s.K = s.kind == KIND_LSTM ? 4 : 3;
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

static recurrent_task recurrent_task_at(const call_t *call, const recurrent_shape *s, int number) {
  recurrent_task task = {.call = call, .s = *s, .number = number, .head = number / s->row_blocks, .first = number % s->row_blocks * RECURRENT_ROWS};
  task.rows = min_int(RECURRENT_ROWS, s->B - task.first);
  return task;
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

static void load_recurrent_bias(const recurrent_task *task, const float *bias, float *target) {
  const recurrent_shape *s = &task->s;
  for (int k = 0; k < s->K; k++)
    for (int j = 0; j < s->width; j++) target[k * s->width + j] = bias && j < s->P ? bias[k * s->E + task->head * s->P + j] : 0.0f;
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

/* product[row][columns] = h[row] R */
static void multiply_recurrent(const recurrent_task *task, const float *h, const float *packed, float *product) {
  const recurrent_shape *s = &task->s;
  matmul_t m = {.a = h, .a_row = s->width, .a_inner = 1, .b = packed, .b_stride = s->columns, .c = product, .c_stride = s->columns,
                .rows = task->rows, .columns = s->columns, .inner = s->P};
  matmul(&m);
}

/*
 * One step of one row in place. `gates` holds h R on entry and the activated gates on return (for GRU, `inner` gets h R_n + b_n, unless null).
 * x points at the step's gates of this head; they are [K] rows, E apart.
 */
static void recurrent_cell(const recurrent_shape *s, const float *x, const float *bias, float *gates, float *h, float *c, float *inner) {
  int w = s->width;
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
    } else {
      vf reset = sigmoid_of(load_part(x + j, count) + load(bias + j) + load(gates + j));
      vf keep = sigmoid_of(load_part(x + s->E + j, count) + load(bias + w + j) + load(gates + w + j));
      vf recurrent = load(bias + 2 * w + j) + load(gates + 2 * w + j);
      vf value = tanh_of(multiply_add(reset, recurrent, load_part(x + 2 * s->E + j, count)));
      store(h + j, multiply_add(keep, load(h + j), (splat(1.0f) - keep) * value));
      store(gates + j, reset);
      store(gates + w + j, keep);
      store(gates + 2 * w + j, value);
      if (inner) store(inner + j, recurrent);
    }
  }
}

/* Zeros the states of rows that are reset before step t. */
static void reset_rows(const recurrent_task *task, const uint8_t *control, int t, float *h, float *c) {
  for (int row = 0; row < task->rows; row++)
    if (control_of_row(task, control, row, t) & CONTROL_RESET) {
      fill_zero(h + row * task->s.width, task->s.width);
      if (c) fill_zero(c + row * task->s.width, task->s.width);
    }
}

#endif
