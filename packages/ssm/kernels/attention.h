/*
 * What the forward and backward of attention share. Keys and queries are numbered by the steps that count ("places"): first the cached ones, then
 * those of this call, so that masks, segments, windows and caches are all a range [low, high] of places for each query. Keys are packed by blocks
 * of places, transposed, rotated; each row of scores is reduced along the blocks in order, so a query's bits do not depend on its neighbours.
 */
#ifndef MAMBA360_SOFTMAX_ATTENTION_H
#define MAMBA360_SOFTMAX_ATTENTION_H

#include "functions.h"
#include "matmul.h"

enum { QUERY_ROWS = 32, KEY_BLOCK = 64, ROW_STEP = 0, ROW_LOW = 1, ROW_HIGH = 2, ROW_ANGLE = 3, COUNT_QUERIES = 0, COUNT_CACHED = 1, COUNT_FIRST = 2, COUNT_KEPT = 3 };

typedef struct {
  int B, L, M, H, G, K, V, R, interleaved;
  int width_k, width_v; /* padded to whole vectors */
  int places, key_blocks, query_blocks;
  float scale;
} softmax_shape;

static softmax_shape softmax_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  softmax_shape s = {.B = v[0], .L = v[1], .M = v[2], .H = v[3], .G = v[4], .K = v[5], .V = v[6], .R = v[7], .interleaved = v[8]};
  s.width_k = round_up(s.K, W);
  s.width_v = round_up(s.V, W);
  s.key_blocks = divide_up(s.M + s.L, KEY_BLOCK);
  s.places = s.key_blocks * KEY_BLOCK;
  s.query_blocks = divide_up(s.L, QUERY_ROWS);
  s.scale = (float)call->scalars[0];
  return s;
}

/* One sequence's rows (step, low, high, angle; after the counted ones the masked steps) and counts (queries, cached, first kept place, kept). */
typedef struct { const int32_t *rows, *counts; } softmax_sequence;

INLINE softmax_sequence softmax_sequence_of(const call_t *call, const softmax_shape *s, int b) {
  return (softmax_sequence){IN(int32_t, 5) + (size_t)b * s->L * 4, IN(int32_t, 6) + (size_t)b * 4};
}

/* Rotates the first R elements of a row by the angles of table row `angle`; sign -1 turns back. */
static void rotate_row(const call_t *call, const softmax_shape *s, float *row, int angle, float sign) {
  int half = s->R / 2, stride = s->interleaved ? 2 : 1, apart = s->interleaved ? 1 : half;
  const float *cosine = IN(float, 7), *sine = IN(float, 8);
  if (!half || !cosine) return;
  for (int i = 0; i < half; i++) {
    float c = cosine[(size_t)angle * half + i], d = sign * sine[(size_t)angle * half + i];
    float a = row[i * stride], b = row[i * stride + apart];
    row[i * stride] = a * c - b * d;
    row[i * stride + apart] = b * c + a * d;
  }
}

/* Packed keys and values of one sequence and group. */
typedef struct {
  float *keys_across;   /* [key_blocks][K][KEY_BLOCK] */
  float *values;        /* [places][width_v] */
  float *keys;          /* [places][width_k], backward only */
  float *values_across; /* [key_blocks][V][KEY_BLOCK], backward only */
} softmax_pack;

static size_t softmax_pack_floats(const softmax_shape *s, int backward) {
  size_t forward = (size_t)s->places * (s->K + s->width_v);
  return forward + (backward ? (size_t)s->places * (s->width_k + s->V) : 0);
}

static softmax_pack softmax_pack_at(const softmax_shape *s, float *memory, int pair, int backward) {
  float *at = memory + pair * softmax_pack_floats(s, backward);
  softmax_pack p = {at, at + (size_t)s->places * s->K, 0, 0};
  if (backward) {
    p.keys = p.values + (size_t)s->places * s->width_v;
    p.values_across = p.keys + (size_t)s->places * s->width_k;
  }
  return p;
}

/* Packs one block of places of one sequence and group; `row` holds max(K, V) floats. Forward: also writes the block's part of the new state. */
static void softmax_pack_block(const call_t *call, const softmax_shape *s, const softmax_pack *p, int b, int g, int block, float *row, float *final_keys, float *final_values) {
  softmax_sequence q = softmax_sequence_of(call, s, b);
  int cached = q.counts[COUNT_CACHED], total = cached + q.counts[COUNT_QUERIES], first = q.counts[COUNT_FIRST], kept = q.counts[COUNT_KEPT];
  float *across = p->keys_across + (size_t)block * s->K * KEY_BLOCK;
  for (int j = 0; j < KEY_BLOCK; j++) {
    int place = block * KEY_BLOCK + j, slot = place - first, is_kept = slot >= 0 && slot < kept && place < total;
    const float *key = 0, *value = 0;
    if (place < cached) {
      key = IN(float, 3) + (((size_t)b * s->M + place) * s->G + g) * s->K;
      value = IN(float, 4) + (((size_t)b * s->M + place) * s->G + g) * s->V;
    } else if (place < total) {
      size_t step = (size_t)b * s->L + q.rows[(place - cached) * 4 + ROW_STEP];
      key = IN(float, 1) + (step * s->G + g) * s->K;
      value = IN(float, 2) + (step * s->G + g) * s->V;
    }
    for (int d = 0; d < s->K; d++) row[d] = key ? key[d] : 0.0f;
    if (key && place >= cached) rotate_row(call, s, row, q.rows[(place - cached) * 4 + ROW_ANGLE], 1.0f);
    for (int d = 0; d < s->K; d++) across[d * KEY_BLOCK + j] = row[d];
    if (p->keys)
      for (int d = 0; d < s->width_k; d++) p->keys[(size_t)place * s->width_k + d] = d < s->K ? row[d] : 0.0f;
    if (final_keys && is_kept) copy_floats(final_keys + (((size_t)b * s->M + slot) * s->G + g) * s->K, row, s->K);
    for (int d = 0; d < s->width_v; d++) p->values[(size_t)place * s->width_v + d] = value && d < s->V ? value[d] : 0.0f;
    if (p->values_across)
      for (int d = 0; d < s->V; d++) p->values_across[((size_t)block * s->V + d) * KEY_BLOCK + j] = value ? value[d] : 0.0f;
    if (final_values && is_kept) copy_floats(final_values + (((size_t)b * s->M + slot) * s->G + g) * s->V, value, s->V);
  }
}

/* Queries [first, first + rows) of one head, scaled and rotated: target[row][width_k]. */
static void softmax_queries(const call_t *call, const softmax_shape *s, int b, int head, int first, int rows, float *target) {
  softmax_sequence q = softmax_sequence_of(call, s, b);
  for (int row = 0; row < rows; row++) {
    const int32_t *at = q.rows + (size_t)(first + row) * 4;
    const float *source = IN(float, 0) + (((size_t)b * s->L + at[ROW_STEP]) * s->H + head) * s->K;
    float *to = target + (size_t)row * s->width_k;
    for (int d = 0; d < s->width_k; d++) to[d] = d < s->K ? source[d] * s->scale : 0.0f;
    rotate_row(call, s, to, at[ROW_ANGLE], 1.0f);
  }
}

/* product[row][KEY_BLOCK] = left[row] . columns of a packed block */
static void softmax_scores(const float *left, int stride, int inner, const float *across, int rows, float *product) {
  matmul_t m = {.a = left, .a_row = stride, .a_inner = 1, .b = across, .b_stride = KEY_BLOCK, .c = product, .c_stride = KEY_BLOCK,
                .rows = rows, .columns = KEY_BLOCK, .inner = inner};
  matmul(&m);
}

/* Which keys of block [start, start + KEY_BLOCK) a row sees: [*from, *to) within the block. */
INLINE int softmax_range(const int32_t *row, int start, int *from, int *to) {
  *from = max_int(row[ROW_LOW] - start, 0);
  *to = min_int(row[ROW_HIGH] + 1 - start, KEY_BLOCK);
  return *from < *to;
}

/* Lanes [from - j, to - j) of a vector that begins at element j. */
INLINE vi softmax_lanes(int j, int from, int to) {
  vi lane;
  for (int i = 0; i < W; i++) lane[i] = j + i;
  return (lane >= splat_int(from)) & (lane < splat_int(to));
}

INLINE float softmax_exp_of_one(float x) { return exp_of_negative(splat(x))[0]; }

/*
 * target[row] += weights[row][from..to) . rows of `right`: one product where every row sees the whole block, else each row its own range, so that a
 * key that a row does not see cannot touch it, NaN included.
 */
static void softmax_gather(const float *weights, const int32_t *rows, int count, int start, int whole, const float *right, int width, float *target) {
  matmul_t m = {.a = weights, .a_row = KEY_BLOCK, .a_inner = 1, .b = right, .b_stride = width, .c = target, .c_stride = width,
                .rows = count, .columns = width, .inner = KEY_BLOCK, .add = 1};
  if (whole) {
    matmul(&m);
    return;
  }
  m.rows = 1;
  for (int row = 0; row < count; row++) {
    int from, to;
    if (!softmax_range(rows + (size_t)row * 4, start, &from, &to)) continue;
    m.a = weights + row * KEY_BLOCK + from;
    m.b = right + (size_t)from * width;
    m.c = target + (size_t)row * width;
    m.inner = to - from;
    matmul(&m);
  }
}

INLINE int softmax_whole(const int32_t *rows, int count, int start) {
  for (int row = 0; row < count; row++)
    if (rows[row * 4 + ROW_LOW] > start || rows[row * 4 + ROW_HIGH] < start + KEY_BLOCK - 1) return 0;
  return 1;
}

/* Maximum and sum of exponentials of the scores of each query, and unless `sum` is null the weighted values sum[row][width_v]. */
static void softmax_stream(const softmax_shape *s, const softmax_pack *p, const int32_t *rows, int count, const float *queries, float *scores,
                             float *sum, float *largest, float *total) {
  if (sum) fill_zero(sum, (size_t)count * s->width_v);
  for (int row = 0; row < count; row++) {
    largest[row] = -__builtin_inff();
    total[row] = 0.0f;
  }
  int last = rows[(count - 1) * 4 + ROW_HIGH] / KEY_BLOCK;
  for (int block = rows[ROW_LOW] / KEY_BLOCK; block <= last; block++) {
    int start = block * KEY_BLOCK;
    softmax_scores(queries, s->width_k, s->K, p->keys_across + (size_t)block * s->K * KEY_BLOCK, count, scores);
    for (int row = 0; row < count; row++) {
      int from, to;
      if (!softmax_range(rows + row * 4, start, &from, &to)) continue;
      float *score = scores + row * KEY_BLOCK;
      vf most = splat(-__builtin_inff()), part = splat(0.0f);
      for (int j = from / W * W; j < to; j += W) most = at_least(select_lanes(softmax_lanes(j, from, to), load(score + j), splat(-__builtin_inff())), most);
      float before = largest[row], now = before;
      for (int i = 0; i < W; i++) now = most[i] > now || most[i] != most[i] ? most[i] : now;
      float shift = now == -__builtin_inff() ? 0.0f : now;
      for (int j = from / W * W; j < to; j += W) {
        vf weight = select_lanes(softmax_lanes(j, from, to), exp_of_negative(load(score + j) - splat(shift)), splat(0.0f));
        store(score + j, weight);
        part = part + weight;
      }
      float fade = softmax_exp_of_one(before - shift);
      total[row] = total[row] * fade + sum_lanes(part);
      largest[row] = now;
      if (sum && fade != 1.0f)
        for (int d = 0; d < s->width_v; d += W) store(sum + (size_t)row * s->width_v + d, load(sum + (size_t)row * s->width_v + d) * splat(fade));
    }
    if (sum) softmax_gather(scores, rows, count, start, softmax_whole(rows, count, start), p->values + (size_t)start * s->width_v, s->width_v, sum);
  }
}

#endif
