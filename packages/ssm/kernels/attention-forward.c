/* Attention with a streaming softmax: scores exist for 32 queries by 64 keys at a time. Phase 0 packs keys and values, phase 1 goes by queries. */
#include "attention.h"

static void softmax_forward_plan(const call_t *call, plan_t *plan) {
  softmax_shape s = softmax_shape_of(call);
  plan->workspaceBytes = aligned_bytes(4.0 * s.B * s.G * (double)softmax_pack_floats(&s, 0) + ALIGNMENT);
  plan->scratchBytes = aligned_bytes(4.0 * (QUERY_ROWS * (s.width_k + s.width_v + KEY_BLOCK + 2.0) + max_int(s.K, s.V)) + 8 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.B * s.G * s.key_blocks;
  plan->tasks[1] = s.B * s.H * s.query_blocks;
}

/* Slots of the new state behind the kept keys. */
static void softmax_clear_slots(const softmax_shape *s, float *state, int width, int b, int g, int first) {
  for (int slot = first; state && slot < s->M; slot++) fill_zero(state + (((size_t)b * s->M + slot) * s->G + g) * width, width);
}

static void softmax_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  softmax_shape s = softmax_shape_of(call);
  arena_t shared = {workspace}, own = {scratch};
  float *packed = take_floats(&shared, 0);
  float *queries = take_floats(&own, QUERY_ROWS * s.width_k), *sum = take_floats(&own, QUERY_ROWS * s.width_v), *scores = take_floats(&own, QUERY_ROWS * KEY_BLOCK);
  float *largest = take_floats(&own, QUERY_ROWS), *total = take_floats(&own, QUERY_ROWS), *row = take_floats(&own, max_int(s.K, s.V));
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      int pair = task / s.key_blocks, block = task % s.key_blocks, b = pair / s.G, g = pair % s.G;
      softmax_pack p = softmax_pack_at(&s, packed, pair, 0);
      softmax_pack_block(call, &s, &p, b, g, block, row, OUT(float, 1), OUT(float, 2));
      if (block == 0) {
        int kept = softmax_sequence_of(call, &s, b).counts[COUNT_KEPT];
        softmax_clear_slots(&s, OUT(float, 1), s.K, b, g, kept);
        softmax_clear_slots(&s, OUT(float, 2), s.V, b, g, kept);
      }
      continue;
    }
    int pair = task / s.query_blocks, first = task % s.query_blocks * QUERY_ROWS, b = pair / s.H, head = pair % s.H;
    softmax_sequence q = softmax_sequence_of(call, &s, b);
    int stop = min_int(first + QUERY_ROWS, s.L), count = min_int(stop, q.counts[COUNT_QUERIES]) - first;
    for (int i = max_int(first, q.counts[COUNT_QUERIES]); i < stop; i++)
      fill_zero(OUT(float, 0) + (((size_t)b * s.L + q.rows[i * 4 + ROW_STEP]) * s.H + head) * s.V, s.V);
    if (count <= 0) continue;
    softmax_pack p = softmax_pack_at(&s, packed, b * s.G + head / (s.H / s.G), 0);
    const int32_t *rows = q.rows + (size_t)first * 4;
    softmax_queries(call, &s, b, head, first, count, queries);
    softmax_stream(&s, &p, rows, count, queries, scores, sum, largest, total);
    for (int i = 0; i < count; i++) {
      float *y = OUT(float, 0) + (((size_t)b * s.L + rows[i * 4 + ROW_STEP]) * s.H + head) * s.V;
      for (int d = 0; d < s.V; d += W) store_part(y + d, load(sum + (size_t)i * s.width_v + d) / splat(total[i]), s.V - d);
    }
  }
}
