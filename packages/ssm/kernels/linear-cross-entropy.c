/*
 * Softmax cross-entropy of x W^T + bias without storing the logits of all rows. A block of logits is kept transposed, [vocabulary][rows]: the
 * product reads W as it lies and packs only x, and the running log-sum-exp goes along the lanes without sums across them.
 */
#include "functions.h"
#include "matmul.h"
#include "scalar-functions.h"

enum { ENTROPY_ROWS = 64, ENTROPY_WORDS = 64 };

typedef struct { int R, D, V, width, row_blocks, word_blocks, padded; } entropy_shape;

static entropy_shape entropy_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  entropy_shape s = {.R = v[0], .D = v[1], .V = v[2]};
  s.width = round_up(s.D, W);
  s.row_blocks = divide_up(s.R, ENTROPY_ROWS);
  s.word_blocks = divide_up(s.V, ENTROPY_WORDS);
  s.padded = s.width != s.D;
  return s;
}

/* target[d][ENTROPY_ROWS] = x[first + row][d]; zeros behind the last row and for ignored rows, whatever stands in those. */
static void pack_entropy_rows(const call_t *call, const entropy_shape *s, int first, int rows, float *target) {
  const float *x = IN(float, 0);
  for (int row = 0; row < ENTROPY_ROWS; row++) {
    int counted = row < rows && IN(int32_t, 3)[first + row] >= 0;
    for (int d = 0; d < s->D; d++) target[(size_t)d * ENTROPY_ROWS + row] = counted ? x[(size_t)(first + row) * s->D + d] : 0.0f;
  }
}

/* logits[word][ENTROPY_ROWS] of words [first, first + words). */
static void entropy_logits(const call_t *call, const entropy_shape *s, const float *packed, int rows, int first, int words, float *logits) {
  const float *bias = IN(float, 2);
  int columns = round_up(rows, W);
  matmul_t m = {.a = IN(float, 1) + (size_t)first * s->D, .a_row = s->D, .a_inner = 1, .b = packed, .b_stride = ENTROPY_ROWS, .c = logits,
                .c_stride = ENTROPY_ROWS, .rows = words, .columns = columns, .inner = s->D};
  matmul(&m);
  if (bias)
    for (int word = 0; word < words; word++)
      for (int row = 0; row < columns; row += W) {
        float *at = logits + word * ENTROPY_ROWS + row;
        store(at, load(at) + splat(bias[first + word]));
      }
}

/* Where a row's largest logit is -inf, nothing is subtracted: -inf - -inf would be NaN. */
INLINE vf entropy_shift(vf largest) { return select_lanes(largest == splat(-__builtin_inff()), splat(0.0f), largest); }

/* largest[row] = maximum of the logits, sum[row] = sum of exp(logit - largest); `at_target` (may be null) = the target's logit. */
static void entropy_statistics(const call_t *call, const entropy_shape *s, const float *packed, int first, int rows, float *logits,
                               float *largest, float *sum, float *at_target) {
  const int32_t *targets = IN(int32_t, 3) + first;
  for (int row = 0; row < ENTROPY_ROWS; row++) {
    largest[row] = -__builtin_inff();
    sum[row] = 0.0f;
  }
  for (int word = 0; word < s->V; word += ENTROPY_WORDS) {
    int words = min_int(ENTROPY_WORDS, s->V - word);
    entropy_logits(call, s, packed, rows, word, words, logits);
    for (int row = 0; row < rows; row += W) {
      vf before = load(largest + row), most = before, block = splat(0.0f);
      for (int i = 0; i < words; i++) most = at_least(load(logits + i * ENTROPY_ROWS + row), most);
      vf shift = entropy_shift(most);
      for (int i = 0; i < words; i++) block = block + exp_of_negative(load(logits + i * ENTROPY_ROWS + row) - shift);
      store(sum + row, multiply_add(load(sum + row), exp_of_negative(before - shift), block));
      store(largest + row, most);
    }
    for (int row = 0; at_target && row < rows; row++)
      if (targets[row] >= word && targets[row] < word + words) at_target[row] = logits[(targets[row] - word) * ENTROPY_ROWS + row];
  }
}

static double log_of_sum(double x) {
  if (!(x > 0)) return x == 0 ? -__builtin_inf() : __builtin_nan("");
  if (x > 1e300) return x;
  union { double value; uint64_t bits; } pun = {x};
  int exponent = (int)(pun.bits >> 52) - 1023;
  pun.bits = (pun.bits & 0xfffffffffffffULL) | ((uint64_t)1023 << 52);
  return exponent * 0.69314718055994530942 + log1p_double(pun.value - 1.0);
}

static void linear_cross_entropy_forward_plan(const call_t *call, plan_t *plan) {
  entropy_shape s = entropy_shape_of(call);
  plan->scratchBytes = aligned_bytes(4.0 * ENTROPY_ROWS * (s.D + ENTROPY_WORDS + 3) + 6 * ALIGNMENT);
  plan->phases = 1;
  plan->tasks[0] = s.row_blocks;
}

static void linear_cross_entropy_forward_run(const call_t *call, int begin, int end, void *scratch) {
  entropy_shape s = entropy_shape_of(call);
  arena_t arena = {scratch};
  float *packed = take_floats(&arena, (size_t)s.D * ENTROPY_ROWS), *logits = take_floats(&arena, ENTROPY_WORDS * ENTROPY_ROWS);
  float *largest = take_floats(&arena, ENTROPY_ROWS), *sum = take_floats(&arena, ENTROPY_ROWS), *at_target = take_floats(&arena, ENTROPY_ROWS);
  for (int task = begin; task < end; task++) {
    int first = task * ENTROPY_ROWS, rows = min_int(ENTROPY_ROWS, s.R - first);
    pack_entropy_rows(call, &s, first, rows, packed);
    entropy_statistics(call, &s, packed, first, rows, logits, largest, sum, at_target);
    for (int row = 0; row < rows; row++)
      OUT(float, 0)[first + row] = IN(int32_t, 3)[first + row] < 0 ? 0.0f : (float)(((double)largest[row] - at_target[row]) + log_of_sum(sum[row]));
  }
}

typedef struct {
  float *packed;          /* [row_blocks][D][ENTROPY_ROWS] */
  float *largest, *share; /* [row_blocks][ENTROPY_ROWS]: maximum; slope / sum */
  float *x, *own_weight;  /* rows of `width`, padded by zeros; ignored rows are zeros */
  const float *weight;
} entropy_job;

static entropy_job entropy_job_of(const call_t *call, const entropy_shape *s, void *workspace, double *bytes) {
  double statistics = (double)s->row_blocks * ENTROPY_ROWS, packed = statistics * s->D;
  double rows = (double)s->R * s->width, words = s->padded ? (double)s->V * s->width : 0;
  entropy_job j = {0};
  if (bytes) {
    *bytes = aligned_bytes(4 * (packed + 2 * statistics + rows + words) + 5 * ALIGNMENT);
    return j;
  }
  arena_t arena = {workspace};
  j.packed = take_floats(&arena, (size_t)packed);
  j.largest = take_floats(&arena, (size_t)statistics);
  j.share = take_floats(&arena, (size_t)statistics);
  j.x = take_floats(&arena, (size_t)rows);
  j.own_weight = take_floats(&arena, (size_t)words);
  j.weight = s->padded ? j.own_weight : IN(float, 1);
  return j;
}

/* Phase 0 packs and finds the statistics of the rows (and pads the words); phase 1 makes dx by rows, then dWeight and dBias by words. */
static void linear_cross_entropy_backward_plan(const call_t *call, plan_t *plan) {
  entropy_shape s = entropy_shape_of(call);
  entropy_job_of(call, &s, 0, &plan->workspaceBytes);
  plan->scratchBytes = aligned_bytes(4.0 * ENTROPY_ROWS * (s.width + ENTROPY_WORDS + 1.0) + 4 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.R > 0 ? s.row_blocks + (s.padded ? s.word_blocks : 0) : 0;
  plan->tasks[1] = s.R > 0 ? s.row_blocks + s.word_blocks : 0;
}

static void entropy_prepare(const call_t *call, const entropy_shape *s, const entropy_job *j, int task, void *scratch) {
  if (task >= s->row_blocks) {
    int first = (task - s->row_blocks) * ENTROPY_WORDS;
    for (int word = first; word < min_int(first + ENTROPY_WORDS, s->V); word++)
      for (int d = 0; d < s->width; d++) j->own_weight[(size_t)word * s->width + d] = d < s->D ? IN(float, 1)[(size_t)word * s->D + d] : 0.0f;
    return;
  }
  arena_t arena = {scratch};
  float *logits = take_floats(&arena, ENTROPY_WORDS * ENTROPY_ROWS), *sum = take_floats(&arena, ENTROPY_ROWS);
  int first = task * ENTROPY_ROWS, rows = min_int(ENTROPY_ROWS, s->R - first);
  float *packed = j->packed + (size_t)first * s->D, *share = j->share + first;
  pack_entropy_rows(call, s, first, rows, packed);
  for (int row = 0; row < rows; row++)
    for (int d = 0; d < s->width; d++) j->x[(size_t)(first + row) * s->width + d] = d < s->D ? packed[(size_t)d * ENTROPY_ROWS + row] : 0.0f;
  entropy_statistics(call, s, packed, first, rows, logits, j->largest + first, sum, 0);
  for (int row = 0; row < ENTROPY_ROWS; row++)
    share[row] = row < rows && IN(int32_t, 3)[first + row] >= 0 ? IN(float, 4)[first + row] / sum[row] : 0.0f;
}

/* slopes[word][row] = (softmax - 1 at the target) * slope; an ignored row has none, whatever its logits are. */
static void entropy_slopes(const call_t *call, const entropy_shape *s, const entropy_job *j, int first, int rows, int word, int words, float *slopes) {
  const int32_t *targets = IN(int32_t, 3) + first;
  entropy_logits(call, s, j->packed + (size_t)first * s->D, rows, word, words, slopes);
  for (int row = 0; row < rows; row += W) {
    vf shift = entropy_shift(load(j->largest + first + row)), share = load(j->share + first + row);
    for (int i = 0; i < words; i++) {
      float *at = slopes + i * ENTROPY_ROWS + row;
      store(at, exp_of_negative(load(at) - shift) * share);
    }
  }
  for (int row = 0; row < rows; row++) {
    if (targets[row] < 0)
      for (int i = 0; i < words; i++) slopes[i * ENTROPY_ROWS + row] = 0.0f;
    else if (targets[row] >= word && targets[row] < word + words) slopes[(targets[row] - word) * ENTROPY_ROWS + row] -= IN(float, 4)[first + row];
  }
}

static void entropy_backward_rows(const call_t *call, const entropy_shape *s, const entropy_job *j, int block, void *scratch) {
  arena_t arena = {scratch};
  float *slopes = take_floats(&arena, ENTROPY_WORDS * ENTROPY_ROWS), *sum = take_floats(&arena, (size_t)ENTROPY_ROWS * s->width);
  int first = block * ENTROPY_ROWS, rows = min_int(ENTROPY_ROWS, s->R - first);
  fill_zero(sum, (size_t)rows * s->width);
  for (int word = 0; word < s->V; word += ENTROPY_WORDS) {
    int words = min_int(ENTROPY_WORDS, s->V - word);
    entropy_slopes(call, s, j, first, rows, word, words, slopes);
    matmul_t m = {.a = slopes, .a_row = 1, .a_inner = ENTROPY_ROWS, .b = j->weight + (size_t)word * s->width, .b_stride = s->width, .c = sum,
                  .c_stride = s->width, .rows = rows, .columns = s->width, .inner = words, .add = 1};
    matmul(&m);
  }
  for (int row = 0; row < rows; row++) {
    float *dx = OUT(float, 0) + (size_t)(first + row) * s->D;
    if (IN(int32_t, 3)[first + row] < 0) fill_zero(dx, s->D); /* 0 * NaN of a weight must not reach it */
    else copy_floats(dx, sum + (size_t)row * s->width, s->D);
  }
}

static void entropy_backward_words(const call_t *call, const entropy_shape *s, const entropy_job *j, int block, void *scratch) {
  arena_t arena = {scratch};
  float *slopes = take_floats(&arena, ENTROPY_WORDS * ENTROPY_ROWS), *sum = take_floats(&arena, (size_t)ENTROPY_WORDS * s->width);
  float *bias = take_floats(&arena, ENTROPY_WORDS);
  int word = block * ENTROPY_WORDS, words = min_int(ENTROPY_WORDS, s->V - word);
  fill_zero(sum, (size_t)words * s->width);
  fill_zero(bias, words);
  for (int first = 0; first < s->R; first += ENTROPY_ROWS) {
    int rows = min_int(ENTROPY_ROWS, s->R - first);
    entropy_slopes(call, s, j, first, rows, word, words, slopes);
    matmul_t m = {.a = slopes, .a_row = ENTROPY_ROWS, .a_inner = 1, .b = j->x + (size_t)first * s->width, .b_stride = s->width, .c = sum,
                  .c_stride = s->width, .rows = words, .columns = s->width, .inner = rows, .add = 1};
    matmul(&m);
    for (int i = 0; i < words; i++) {
      float total = 0.0f;
      for (int row = 0; row < rows; row++) total += slopes[i * ENTROPY_ROWS + row];
      bias[i] += total;
    }
  }
  for (int i = 0; i < words; i++) {
    copy_floats(OUT(float, 1) + (size_t)(word + i) * s->D, sum + (size_t)i * s->width, s->D);
    if (OUT(float, 2)) OUT(float, 2)[word + i] = bias[i];
  }
}

static void linear_cross_entropy_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  entropy_shape s = entropy_shape_of(call);
  entropy_job j = entropy_job_of(call, &s, workspace, 0);
  for (int task = begin; task < end; task++) {
    if (phase == 0) entropy_prepare(call, &s, &j, task, scratch);
    else if (task < s.row_blocks) entropy_backward_rows(call, &s, &j, task, scratch);
    else entropy_backward_words(call, &s, &j, task - s.row_blocks, scratch);
  }
}
