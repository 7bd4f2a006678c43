/*
 * What the SSD scan's forward and backward share. Time runs in chunks of up to 64 counted steps; a chunk is cut into runs where the state is
 * reset or wanted, and each run is a handful of matrix products. Inside a run, c[i] is the sum of the logarithms of its decays up to step i.
 */
#ifndef MAMBA360_SSD_SCAN_H
#define MAMBA360_SSD_SCAN_H

#include "functions.h"
#include "matmul.h"
#include "steps.h"

/* Rows of [..][steps] arrays: a run may begin anywhere, and whole vectors are read and written from there. */
enum { SSD_STRIDE = MAX_STEPS + 16 };

typedef struct {
  int B, L, H, P, G, N, softplus, state_every, varying_decay, wide_skip;
  int width, states; /* P and N, rounded up to whole vectors */
  int chunks;
  float dt_least, dt_most;
} ssd_shape;

INLINE ssd_shape ssd_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  ssd_shape s = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], 0, 0, 0, (float)call->scalars[0], (float)call->scalars[1]};
  s.width = round_up(s.P, W);
  s.states = round_up(s.N, W);
  s.chunks = divide_up(s.L, MAX_STEPS);
  return s;
}

/* Row of step k of the list in a tensor [B, L, heads, size]. */
INLINE size_t ssd_row(const ssd_shape *s, const steps_t *steps, int k, int b, int heads, int head, int size) {
  return (((size_t)b * s->L + steps->step[k]) * heads + head) * size;
}

/* Step sizes and sums of the logarithms of the decays (base 2, in two floats, so that differences keep their digits) of one head. */
typedef struct {
  float dt[SSD_STRIDE], slope[SSD_STRIDE], decay[SSD_STRIDE]; /* slope: d dt / d raw; decay: A */
  float high[SSD_STRIDE], low[SSD_STRIDE];
  float grown[SSD_STRIDE], fading[SSD_STRIDE]; /* exp(c[i]), and exp(c[last] - c[i]) of the step's run */
} ssd_head;

static void ssd_step_sizes(const call_t *call, const ssd_shape *s, const steps_t *steps, int b, int h, ssd_head *head) {
  const float *dt = IN(float, 1), *a = IN(float, 2), *bias = IN(float, 7);
  float shift = bias ? bias[h] : 0.0f;
  for (int k = 0; k < SSD_STRIDE; k++) head->dt[k] = head->decay[k] = head->high[k] = head->low[k] = 0.0f;
  for (int k = 0; k < steps->count; k++) {
    size_t row = ssd_row(s, steps, k, b, s->H, h, 1);
    head->dt[k] = dt[row] + shift;
    head->decay[k] = s->varying_decay ? a[row] : a[h];
  }
  for (int k = 0; k < steps->count; k += W) {
    vf size = load(head->dt + k), slope = splat(1.0f);
    if (s->softplus) {
      slope = sigmoid_of(size);
      size = softplus_of(size);
    }
    vf low = splat(s->dt_least), high = splat(s->dt_most);
    slope = select_lanes((size < low) | (size > high), splat(0.0f), slope);
    store(head->dt + k, at_most(at_least(size, low), high));
    store(head->slope + k, slope);
  }
  for (int r = 0; r < steps->runs; r++) {
    double sum = 0.0;
    for (int k = steps->run[r].begin; k < steps->run[r].end; k++) {
      double rate = (double)head->dt[k] * head->decay[k] * 1.4426950408889634;
      if (rate > 1e4) rate = 1e4; /* 2^1e4 is infinity or 0 anyway; the differences of sums stay numbers. NaN passes. */
      if (rate < -1e4) rate = -1e4;
      sum += rate;
      head->high[k] = (float)sum;
      head->low[k] = (float)(sum - head->high[k]);
    }
  }
}

/* Fills grown and fading for one run; returns exp(c[last]). */
static float ssd_decays(ssd_head *head, const run_t *run) {
  int last = run->end - 1;
  float high = head->high[last], low = head->low[last];
  float whole[W], grown[W] __attribute__((aligned(64)));
  for (int k = run->begin; k < run->end; k += W) {
    vf c = load(head->high + k);
    vf left = exp2_of((splat(high) - c) + (splat(low) - load(head->low + k)), 0);
    store(grown, exp2_of(c, 0));
    store(whole, left);
    for (int i = 0; i < min_int(W, run->end - k); i++) {
      head->grown[k + i] = grown[i];
      head->fading[k + i] = whole[i];
    }
  }
  return head->grown[last];
}

/* decays[i][j] = exp(c[i] - c[j]) and scores[i][j] = products[i][j] * decays[i][j] for j <= i of a run; what lies above the diagonal is
 * never read. Indices count from the run's begin; `products` are C[i] . B[j]. Null `decays`: not kept. */
static void ssd_scores(const ssd_head *head, const run_t *run, const float *products, float *scores, float *decays) {
  int begin = run->begin, count = run->end - begin;
  products += begin * SSD_STRIDE + begin;
  for (int i = 0; i < count; i++) {
    vf high = splat(head->high[begin + i]), low = splat(head->low[begin + i]);
    for (int j = 0; j <= i; j += W) {
      vf left = exp2_of((high - load(head->high + begin + j)) + (low - load(head->low + begin + j)), 0);
      store(scores + i * SSD_STRIDE + j, load(products + i * SSD_STRIDE + j) * left);
      if (decays) store(decays + i * SSD_STRIDE + j, left);
    }
  }
}

/* c[i] += sum over j <= i of a[i][j] b[j], for `count` rows of `columns`. Never multiplies by what lies above the diagonal: no NaN runs back in time. */
static void ssd_add_lower(const float *a, const float *b, float *c, int count, int columns) {
  for (int row = 0; row < count; row += TILE_ROWS) {
    int rows = min_int(TILE_ROWS, count - row);
    if (row) {
      matmul_t m = {a + row * SSD_STRIDE, SSD_STRIDE, 1, b, columns, c + (size_t)row * columns, columns, rows, columns, row, 1};
      matmul(&m);
    }
    for (int e = 0; e < columns; e += W)
      for (int i = row; i < row + rows; i++) {
        vf sum = load(c + (size_t)i * columns + e);
        for (int j = row; j <= i; j++) sum = multiply_add(splat(a[i * SSD_STRIDE + j]), load(b + (size_t)j * columns + e), sum);
        store(c + (size_t)i * columns + e, sum);
      }
  }
}

/* c[j] += sum over i >= j of a[i][j] b[i]. */
static void ssd_add_upper(const float *a, const float *b, float *c, int count, int columns) {
  for (int row = 0; row < count; row += TILE_ROWS) {
    int rows = min_int(TILE_ROWS, count - row), next = row + rows;
    for (int e = 0; e < columns; e += W)
      for (int j = row; j < next; j++) {
        vf sum = load(c + (size_t)j * columns + e);
        for (int i = j; i < next; i++) sum = multiply_add(splat(a[i * SSD_STRIDE + j]), load(b + (size_t)i * columns + e), sum);
        store(c + (size_t)j * columns + e, sum);
      }
    if (next < count) {
      matmul_t m = {a + next * SSD_STRIDE + row, 1, SSD_STRIDE, b + (size_t)next * columns, columns, c + (size_t)row * columns, columns, rows, columns, count - next, 1};
      matmul(&m);
    }
  }
}

/* c[i][j] = a[i] . b[j] for j <= i (and some j beyond): a [count][inner] with rows of a_row, b transposed, [inner][SSD_STRIDE]. */
static void ssd_lower_products(const float *a, size_t a_row, const float *b, float *c, int count, int inner) {
  enum { ROWS = 2 * TILE_ROWS };
  for (int row = 0; row < count; row += ROWS) {
    int rows = min_int(ROWS, count - row);
    matmul_t m = {a + row * a_row, a_row, 1, b, SSD_STRIDE, c + row * SSD_STRIDE, SSD_STRIDE, rows, round_up(row + rows, W), inner, 0};
    matmul(&m);
  }
}

/* target[column][row] = source[row][column]. */
static void ssd_transpose(float *target, size_t target_row, const float *source, size_t source_row, int rows, int columns) {
  int row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float *from = source + row * source_row;
    for (int column = 0; column < columns; column++) {
      float *to = target + column * target_row + row;
      for (int i = 0; i < 4; i++) to[i] = from[i * source_row + column];
    }
  }
  for (; row < rows; row++)
    for (int column = 0; column < columns; column++) target[column * target_row + row] = source[row * source_row + column];
}

/* Rows of the listed steps of a tensor [B, L, heads, size], one after the other, each of `width` floats with zeros at the end. */
static void ssd_gather_rows(float *target, int width, const float *source, const ssd_shape *s, const steps_t *steps, int b, int heads, int head, int size) {
  for (int k = 0; k < steps->count; k++) {
    const float *row = source + ssd_row(s, steps, k, b, heads, head, size);
    for (int i = 0; i < width; i += W) store(target + (size_t)k * width + i, load_part(row + i, size - i));
  }
}

INLINE void ssd_scale(float *values, size_t count, float factor) {
  for (size_t i = 0; i < count; i += W) store(values + i, load(values + i) * splat(factor));
}

#endif
