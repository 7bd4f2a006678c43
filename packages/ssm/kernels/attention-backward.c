/*
 * Gradients of attention by recomputation. Phase 0 packs keys and values; phase 1 goes by queries: maximum and sum again, mean slope, then dq; phase 2
 * goes by keys: dk and dv. Scores never exist for more than 32 queries by 64 keys.
 */
#include "attention.h"

typedef struct {
  float *packed;     /* [B][G] softmax_pack */
  float *queries;    /* [B][H][L][width_k]: scaled, rotated, by counted steps */
  float *slopes;     /* [B][H][L][width_v]: dy */
  float *statistics; /* [B][H][L][3]: maximum, 1 / sum, mean slope of the weights */
} softmax_job;

static softmax_job softmax_job_of(const softmax_shape *s, void *workspace, double *bytes) {
  double rows = (double)s->B * s->H * s->L;
  double sizes[4] = {(double)s->B * s->G * (double)softmax_pack_floats(s, 1), rows * s->width_k, rows * s->width_v, rows * 3};
  softmax_job j = {0};
  if (bytes) {
    *bytes = aligned_bytes(4 * (sizes[0] + sizes[1] + sizes[2] + sizes[3]) + 4 * ALIGNMENT);
    return j;
  }
  arena_t arena = {workspace};
  float **pieces[4] = {&j.packed, &j.queries, &j.slopes, &j.statistics};
  for (int i = 0; i < 4; i++) *pieces[i] = take_floats(&arena, (size_t)sizes[i]);
  return j;
}

static void softmax_backward_plan(const call_t *call, plan_t *plan) {
  softmax_shape s = softmax_shape_of(call);
  softmax_job_of(&s, 0, &plan->workspaceBytes);
  plan->scratchBytes = aligned_bytes(4.0 * (2.0 * QUERY_ROWS * KEY_BLOCK + KEY_BLOCK * (double)(s.width_k + s.width_v) + 2 * QUERY_ROWS + max_int(s.K, s.V)) + 8 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.B * s.G * s.key_blocks;
  plan->tasks[1] = s.B * s.H * s.query_blocks;
  plan->tasks[2] = s.B * s.G * s.key_blocks;
}

typedef struct { float *weights, *changes, *for_keys, *for_values, *largest, *total, *row; } softmax_scratch;

/*
 * weights = softmax of the scores of one block, changes = their slopes times the softmax's derivative; elements that a row does not see are 0.
 */
static void softmax_weights(const softmax_shape *s, const softmax_pack *p, const int32_t *rows, int count, int block, const float *queries, const float *slopes,
                              const float *statistics, const softmax_scratch *f) {
  softmax_scores(queries, s->width_k, s->K, p->keys_across + (size_t)block * s->K * KEY_BLOCK, count, f->weights);
  softmax_scores(slopes, s->width_v, s->V, p->values_across + (size_t)block * s->V * KEY_BLOCK, count, f->changes);
  for (int row = 0; row < count; row++) {
    int from, to;
    if (!softmax_range(rows + row * 4, block * KEY_BLOCK, &from, &to)) from = to = 0;
    float largest = statistics[row * 3], shift = largest == -__builtin_inff() ? 0.0f : largest;
    for (int j = 0; j < KEY_BLOCK; j += W) {
      vi seen = softmax_lanes(j, from, to);
      float *weight = f->weights + row * KEY_BLOCK + j, *change = f->changes + row * KEY_BLOCK + j;
      vf w = select_lanes(seen, exp_of_negative(load(weight) - splat(shift)) * splat(statistics[row * 3 + 1]), splat(0.0f));
      store(weight, w);
      store(change, select_lanes(seen, w * (load(change) - splat(statistics[row * 3 + 2])), splat(0.0f)));
    }
  }
}

static void softmax_backward_queries(const call_t *call, const softmax_shape *s, const softmax_job *j, int task, const softmax_scratch *f) {
  int pair = task / s->query_blocks, first = task % s->query_blocks * QUERY_ROWS, b = pair / s->H, head = pair % s->H;
  softmax_sequence q = softmax_sequence_of(call, s, b);
  int stop = min_int(first + QUERY_ROWS, s->L), count = min_int(stop, q.counts[COUNT_QUERIES]) - first;
  for (int i = max_int(first, q.counts[COUNT_QUERIES]); i < stop; i++)
    fill_zero(OUT(float, 0) + (((size_t)b * s->L + q.rows[i * 4 + ROW_STEP]) * s->H + head) * s->K, s->K);
  if (count <= 0) return;
  size_t place = (size_t)pair * s->L + first;
  float *queries = j->queries + place * s->width_k, *slopes = j->slopes + place * s->width_v, *statistics = j->statistics + place * 3;
  const int32_t *rows = q.rows + (size_t)first * 4;
  softmax_pack p = softmax_pack_at(s, j->packed, b * s->G + head / (s->H / s->G), 1);
  softmax_queries(call, s, b, head, first, count, queries);
  softmax_stream(s, &p, rows, count, queries, f->weights, 0, f->largest, f->total);
  for (int i = 0; i < count; i++) {
    const float *dy = IN(float, 9) + (((size_t)b * s->L + rows[i * 4 + ROW_STEP]) * s->H + head) * s->V;
    for (int d = 0; d < s->width_v; d += W) store(slopes + (size_t)i * s->width_v + d, load_part(dy + d, s->V - d));
    statistics[i * 3] = f->largest[i];
    statistics[i * 3 + 1] = 1.0f / f->total[i];
    statistics[i * 3 + 2] = f->total[i] = 0.0f;
  }
  int last = rows[(count - 1) * 4 + ROW_HIGH] / KEY_BLOCK;
  /* The mean slope from the same products as below, not from dy . y: where one weight is 1 the difference is exactly 0. */
  for (int block = rows[ROW_LOW] / KEY_BLOCK; block <= last; block++) {
    softmax_weights(s, &p, rows, count, block, queries, slopes, statistics, f);
    for (int i = 0; i < count; i++) {
      vf sum = splat(0.0f);
      for (int j = 0; j < KEY_BLOCK; j += W) sum = sum + load(f->changes + i * KEY_BLOCK + j);
      f->total[i] += sum_lanes(sum);
    }
  }
  for (int i = 0; i < count; i++) statistics[i * 3 + 2] = f->total[i];
  fill_zero(f->for_keys, (size_t)count * s->width_k);
  for (int block = rows[ROW_LOW] / KEY_BLOCK; block <= last; block++) {
    int start = block * KEY_BLOCK;
    softmax_weights(s, &p, rows, count, block, queries, slopes, statistics, f);
    softmax_gather(f->changes, rows, count, start, softmax_whole(rows, count, start), p.keys + (size_t)start * s->width_k, s->width_k, f->for_keys);
  }
  for (int i = 0; i < count; i++) {
    float *dq = OUT(float, 0) + (((size_t)b * s->L + rows[i * 4 + ROW_STEP]) * s->H + head) * s->K, *from = f->for_keys + (size_t)i * s->width_k;
    for (int d = 0; d < s->K; d++) dq[d] = from[d] * s->scale;
    rotate_row(call, s, dq, rows[i * 4 + ROW_ANGLE], -1.0f);
  }
}

/* target[key] += weights[row][key] * right[row] over the rows that see the key, which follow each other. */
static void softmax_scatter(const float *weights, const int32_t *rows, int count, int start, int whole, const float *right, int width, float *target) {
  matmul_t m = {.a = weights, .a_row = 1, .a_inner = KEY_BLOCK, .b = right, .b_stride = width, .c = target, .c_stride = width,
                .rows = KEY_BLOCK, .columns = width, .inner = count, .add = 1};
  if (whole) {
    matmul(&m);
    return;
  }
  m.rows = 1;
  int from = 0, to = 0;
  for (int key = 0; key < KEY_BLOCK; key++) {
    while (from < count && rows[from * 4 + ROW_HIGH] < start + key) from++;
    while (to < count && rows[to * 4 + ROW_LOW] <= start + key) to++;
    if (from >= to) continue;
    m.a = weights + from * KEY_BLOCK + key;
    m.b = right + (size_t)from * width;
    m.c = target + (size_t)key * width;
    m.inner = to - from;
    matmul(&m);
  }
}

static void softmax_write_key(const call_t *call, const softmax_shape *s, int b, int g, int place, const float *key, const float *value) {
  softmax_sequence q = softmax_sequence_of(call, s, b);
  int cached = q.counts[COUNT_CACHED], slot = place - q.counts[COUNT_FIRST];
  int is_kept = slot >= 0 && slot < q.counts[COUNT_KEPT];
  const float *more_keys = is_kept && IN(float, 10) ? IN(float, 10) + (((size_t)b * s->M + slot) * s->G + g) * s->K : 0;
  const float *more_values = is_kept && IN(float, 11) ? IN(float, 11) + (((size_t)b * s->M + slot) * s->G + g) * s->V : 0;
  float *dk = 0, *dv = 0;
  if (place < cached) {
    if (OUT(float, 3)) dk = OUT(float, 3) + (((size_t)b * s->M + place) * s->G + g) * s->K;
    if (OUT(float, 4)) dv = OUT(float, 4) + (((size_t)b * s->M + place) * s->G + g) * s->V;
  } else {
    size_t step = (size_t)b * s->L + q.rows[(place - cached) * 4 + ROW_STEP];
    dk = OUT(float, 1) + (step * s->G + g) * s->K;
    dv = OUT(float, 2) + (step * s->G + g) * s->V;
  }
  for (int d = 0; dk && d < s->K; d++) dk[d] = key[d] + (more_keys ? more_keys[d] : 0.0f);
  for (int d = 0; dv && d < s->V; d++) dv[d] = value[d] + (more_values ? more_values[d] : 0.0f);
  if (dk && place >= cached) rotate_row(call, s, dk, q.rows[(place - cached) * 4 + ROW_ANGLE], -1.0f);
}

static void softmax_backward_keys(const call_t *call, const softmax_shape *s, const softmax_job *j, int task, const softmax_scratch *f) {
  int pair = task / s->key_blocks, block = task % s->key_blocks, b = pair / s->G, g = pair % s->G, start = block * KEY_BLOCK, heads = s->H / s->G;
  softmax_sequence q = softmax_sequence_of(call, s, b);
  softmax_pack p = softmax_pack_at(s, j->packed, pair, 1);
  int queries = q.counts[COUNT_QUERIES], cached = q.counts[COUNT_CACHED], stop = min_int(start + KEY_BLOCK, cached + queries);
  fill_zero(f->for_keys, (size_t)KEY_BLOCK * s->width_k);
  fill_zero(f->for_values, (size_t)KEY_BLOCK * s->width_v);
  int first = 0, last = queries;
  while (first < queries && q.rows[first * 4 + ROW_HIGH] < start) first++;
  while (last > first && q.rows[(last - 1) * 4 + ROW_LOW] >= start + KEY_BLOCK) last--;
  for (int head = g * heads; head < (g + 1) * heads; head++)
    for (int i = first; i < last; i += QUERY_ROWS) {
      int count = min_int(QUERY_ROWS, last - i);
      size_t place = ((size_t)b * s->H + head) * s->L + i;
      const int32_t *rows = q.rows + (size_t)i * 4;
      int whole = softmax_whole(rows, count, start);
      softmax_weights(s, &p, rows, count, block, j->queries + place * s->width_k, j->slopes + place * s->width_v, j->statistics + place * 3, f);
      softmax_scatter(f->weights, rows, count, start, whole, j->slopes + place * s->width_v, s->width_v, f->for_values);
      softmax_scatter(f->changes, rows, count, start, whole, j->queries + place * s->width_k, s->width_k, f->for_keys);
    }
  for (int at = start; at < stop; at++)
    softmax_write_key(call, s, b, g, at, f->for_keys + (size_t)(at - start) * s->width_k, f->for_values + (size_t)(at - start) * s->width_v);
  if (block > 0) return;
  for (int i = queries; i < s->L; i++) {
    size_t step = (size_t)b * s->L + q.rows[i * 4 + ROW_STEP];
    fill_zero(OUT(float, 1) + (step * s->G + g) * s->K, s->K);
    fill_zero(OUT(float, 2) + (step * s->G + g) * s->V, s->V);
  }
  for (int slot = cached; slot < s->M; slot++) {
    if (OUT(float, 3)) fill_zero(OUT(float, 3) + (((size_t)b * s->M + slot) * s->G + g) * s->K, s->K);
    if (OUT(float, 4)) fill_zero(OUT(float, 4) + (((size_t)b * s->M + slot) * s->G + g) * s->V, s->V);
  }
}

static void softmax_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  softmax_shape s = softmax_shape_of(call);
  softmax_job j = softmax_job_of(&s, workspace, 0);
  arena_t arena = {scratch};
  softmax_scratch f;
  f.weights = take_floats(&arena, QUERY_ROWS * KEY_BLOCK);
  f.changes = take_floats(&arena, QUERY_ROWS * KEY_BLOCK);
  f.for_keys = take_floats(&arena, (size_t)KEY_BLOCK * s.width_k);
  f.for_values = take_floats(&arena, (size_t)KEY_BLOCK * s.width_v);
  f.largest = take_floats(&arena, QUERY_ROWS);
  f.total = take_floats(&arena, QUERY_ROWS);
  f.row = take_floats(&arena, max_int(s.K, s.V));
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      int pair = task / s.key_blocks;
      softmax_pack p = softmax_pack_at(&s, j.packed, pair, 1);
      softmax_pack_block(call, &s, &p, pair / s.G, pair % s.G, task % s.key_blocks, f.row, 0, 0);
    } else if (phase == 1) softmax_backward_queries(call, &s, &j, task, &f);
    else softmax_backward_keys(call, &s, &j, task, &f);
  }
}
