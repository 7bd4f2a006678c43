/*
 * Expert networks of a mixture, without a capacity: every (row, choice) pair is computed by the expert it chose. Pairs are sorted by expert and cut
 * into blocks; a block is kept transposed, [channels][pairs], so that the products read the experts' matrices as they lie. A row's result adds
 * its choices in their order, so it does not depend on which other rows chose the same expert.
 */
#include "functions.h"
#include "matmul.h"

enum { EXPERT_PAIRS = 32, ACT_SWIGLU = 0, ACT_GELU = 1, ACT_RELU = 2 };

typedef struct {
  int R, D, F, X, k, activation, blocks;
  int M;              /* rows of an expert's first matrix: F, or 2 F with a gate */
  int width_d, width_f, width_m, pairs;
} expert_shape;

static expert_shape expert_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  expert_shape s = {.R = v[0], .D = v[1], .F = v[2], .X = v[3], .k = v[4], .activation = v[5], .blocks = v[6]};
  s.M = s.activation == ACT_SWIGLU ? 2 * s.F : s.F;
  s.width_d = round_up(s.D, W);
  s.width_f = round_up(s.F, W);
  s.width_m = round_up(s.M, W);
  s.pairs = s.R * s.k;
  return s;
}

/* Block i of the sorted pairs: its expert and [begin, end) in `order`, whose entries are pairs row * k + choice. */
typedef struct { int expert, begin, count; const int32_t *order; } expert_block;
INLINE expert_block expert_block_of(const call_t *call, int i) {
  const int32_t *b = IN(int32_t, 5) + (size_t)i * 3;
  return (expert_block){b[0], b[1], b[2] - b[1], IN(int32_t, 4) + b[1]};
}

/* 0.7978846 (x + 0.044715 x^3), the argument of the tanh form of GELU. */
INLINE vf gelu_argument(vf x) { return splat(0.79788456f) * multiply_add(splat(0.044715f) * x * x, x, x); }

/* active[f][pairs] from hidden[m][pairs]; SwiGLU: the first F rows are the value, the others the gate. */
static void expert_activate(const expert_shape *s, const float *hidden, int columns, float *active) {
  for (int f = 0; f < s->F; f++)
    for (int i = 0; i < columns; i += W) {
      vf x = load(hidden + f * EXPERT_PAIRS + i), y;
      if (s->activation == ACT_SWIGLU) y = x * silu_of(load(hidden + (size_t)(s->F + f) * EXPERT_PAIRS + i));
      else if (s->activation == ACT_GELU) y = splat(0.5f) * x * (splat(1.0f) + tanh_of(gelu_argument(x)));
      else y = at_least(x, splat(0.0f));
      store(active + (size_t)f * EXPERT_PAIRS + i, y);
    }
}

/* slopes[f][pairs] of the activated values become those of hidden, [m][pairs], in `target`. */
static void expert_activate_backward(const expert_shape *s, const float *hidden, const float *slopes, int columns, float *target) {
  vf one = splat(1.0f);
  for (int f = 0; f < s->F; f++)
    for (int i = 0; i < columns; i += W) {
      vf x = load(hidden + (size_t)f * EXPERT_PAIRS + i), slope = load(slopes + (size_t)f * EXPERT_PAIRS + i);
      float *to = target + (size_t)f * EXPERT_PAIRS + i;
      if (s->activation == ACT_SWIGLU) {
        vf gate = load(hidden + (size_t)(s->F + f) * EXPERT_PAIRS + i), open = sigmoid_of(gate);
        store(to, slope * gate * open);
        store(to + (size_t)s->F * EXPERT_PAIRS, slope * x * silu_slope(gate, open));
      } else if (s->activation == ACT_GELU) {
        vf bent = tanh_of(gelu_argument(x));
        vf inner = splat(0.79788456f) * multiply_add(splat(3.0f * 0.044715f) * x, x, one);
        store(to, slope * splat(0.5f) * multiply_add(x * (one - bent * bent), inner, one + bent));
      } else store(to, select_lanes(x > splat(0.0f), slope, select_lanes(x != x, x, splat(0.0f))));
    }
}

/* target[d][pairs] = source[row of the pair][d] (times the pair's gate), zeros behind the last pair. */
static void expert_gather(const expert_shape *s, const expert_block *b, const float *source, const float *gates, float *target) {
  for (int i = 0; i < EXPERT_PAIRS; i++) {
    const float *row = i < b->count ? source + (size_t)(b->order[i] / s->k) * s->D : 0;
    float gate = row && gates ? gates[b->order[i]] : 1.0f;
    for (int d = 0; d < s->D; d++) target[(size_t)d * EXPERT_PAIRS + i] = row ? row[d] * gate : 0.0f;
  }
}

/* product[rows][pairs] = matrix (or its transpose, by strides) times right[inner][pairs] */
static void expert_product(const float *matrix, size_t a_row, size_t a_inner, const float *right, int rows, int inner, int columns, float *product) {
  matmul_t m = {.a = matrix, .a_row = a_row, .a_inner = a_inner, .b = right, .b_stride = EXPERT_PAIRS, .c = product, .c_stride = EXPERT_PAIRS,
                .rows = rows, .columns = columns, .inner = inner};
  matmul(&m);
}

/* hidden and active of a block from x [D][pairs]; the block's result goes to out[pair][D]. */
static void expert_forward_block(const call_t *call, const expert_shape *s, const expert_block *b, const float *x, float *hidden, float *active, float *product, float *out) {
  int columns = round_up(b->count, W);
  const float *first = IN(float, 1) + (size_t)b->expert * s->M * s->D, *second = IN(float, 2) + (size_t)b->expert * s->D * s->F;
  expert_product(first, s->D, 1, x, s->M, s->D, columns, hidden);
  expert_activate(s, hidden, columns, active);
  expert_product(second, s->F, 1, active, s->D, s->F, columns, product);
  for (int i = 0; i < b->count; i++)
    for (int d = 0; d < s->D; d++) out[(size_t)b->order[i] * s->D + d] = product[(size_t)d * EXPERT_PAIRS + i];
}

static void mixture_of_experts_forward_plan(const call_t *call, plan_t *plan) {
  expert_shape s = expert_shape_of(call);
  plan->workspaceBytes = aligned_bytes(4.0 * s.pairs * s.D);
  plan->scratchBytes = aligned_bytes(4.0 * EXPERT_PAIRS * (2.0 * s.D + s.M + s.F) + 5 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.blocks;
  plan->tasks[1] = divide_up(s.R, EXPERT_PAIRS);
}

/* y[row] = sum over choices of gate * result */
static void expert_combine(const expert_shape *s, const float *results, const float *gates, int row, float *y) {
  for (int d = 0; d < s->D; d++) {
    float sum = 0.0f;
    for (int choice = 0; choice < s->k; choice++) {
      size_t pair = (size_t)row * s->k + choice;
      sum += results[pair * s->D + d] * (gates ? gates[pair] : 1.0f);
    }
    y[d] = sum;
  }
}

static void mixture_of_experts_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  expert_shape s = expert_shape_of(call);
  arena_t shared = {workspace}, own = {scratch};
  float *results = take_floats(&shared, (size_t)s.pairs * s.D);
  float *x = take_floats(&own, (size_t)s.D * EXPERT_PAIRS), *product = take_floats(&own, (size_t)s.D * EXPERT_PAIRS);
  float *hidden = take_floats(&own, (size_t)s.M * EXPERT_PAIRS), *active = take_floats(&own, (size_t)s.F * EXPERT_PAIRS);
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      expert_block b = expert_block_of(call, task);
      expert_gather(&s, &b, IN(float, 0), 0, x);
      expert_forward_block(call, &s, &b, x, hidden, active, product, results);
      continue;
    }
    int last = min_int((task + 1) * EXPERT_PAIRS, s.R);
    for (int row = task * EXPERT_PAIRS; row < last; row++) expert_combine(&s, results, IN(float, 3), row, OUT(float, 0) + (size_t)row * s.D);
  }
}

/* By sorted pairs: active [pairs][width_f], slopes of hidden [pairs][width_m], x and the result's slopes [pairs][width_d]; dx by pairs [pairs][D]. */
typedef struct { float *active, *hidden_slopes, *x, *result_slopes, *results, *dx; } expert_job;

static expert_job expert_job_of(const expert_shape *s, void *workspace, double *bytes) {
  double n = s->pairs, sizes[6] = {n * s->width_f, n * s->width_m, n * s->width_d, n * s->width_d, n * s->D, n * s->D};
  expert_job j = {0};
  if (bytes) {
    *bytes = aligned_bytes(6 * ALIGNMENT);
    for (int i = 0; i < 6; i++) *bytes += 4 * sizes[i];
    return j;
  }
  arena_t arena = {workspace};
  float **pieces[6] = {&j.active, &j.hidden_slopes, &j.x, &j.result_slopes, &j.results, &j.dx};
  for (int i = 0; i < 6; i++) *pieces[i] = take_floats(&arena, (size_t)sizes[i]);
  return j;
}

INLINE int expert_tiles(const expert_shape *s) { return divide_up(s->M, EXPERT_PAIRS) + divide_up(s->D, EXPERT_PAIRS); }

static void mixture_of_experts_backward_plan(const call_t *call, plan_t *plan) {
  expert_shape s = expert_shape_of(call);
  expert_job_of(&s, 0, &plan->workspaceBytes);
  plan->scratchBytes = aligned_bytes(4.0 * EXPERT_PAIRS * (3.0 * s.D + 2.0 * s.M + 2.0 * s.F + max_int(s.width_d, s.width_f)) + 9 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.blocks;
  plan->tasks[1] = s.pairs > 0 ? s.X * expert_tiles(&s) : 0;
  plan->tasks[2] = divide_up(s.R, EXPERT_PAIRS);
}

/* target[pair][width] = source[channel][pairs], padded by zeros */
static void expert_turn(const float *source, int count, int channels, int width, float *target) {
  for (int i = 0; i < count; i++)
    for (int d = 0; d < width; d++) target[(size_t)i * width + d] = d < channels ? source[(size_t)d * EXPERT_PAIRS + i] : 0.0f;
}

static void expert_backward_block(const call_t *call, const expert_shape *s, const expert_job *j, int number, arena_t own) {
  expert_block b = expert_block_of(call, number);
  int columns = round_up(b.count, W);
  float *x = take_floats(&own, (size_t)s->D * EXPERT_PAIRS), *product = take_floats(&own, (size_t)s->D * EXPERT_PAIRS), *slope = take_floats(&own, (size_t)s->D * EXPERT_PAIRS);
  float *hidden = take_floats(&own, (size_t)s->M * EXPERT_PAIRS), *hidden_slope = take_floats(&own, (size_t)s->M * EXPERT_PAIRS);
  float *active = take_floats(&own, (size_t)s->F * EXPERT_PAIRS), *active_slope = take_floats(&own, (size_t)s->F * EXPERT_PAIRS);
  expert_gather(s, &b, IN(float, 0), 0, x);
  expert_forward_block(call, s, &b, x, hidden, active, product, j->results);
  expert_gather(s, &b, IN(float, 6), IN(float, 3), slope);
  expert_product(IN(float, 2) + (size_t)b.expert * s->D * s->F, 1, s->F, slope, s->F, s->D, columns, active_slope);
  expert_activate_backward(s, hidden, active_slope, columns, hidden_slope);
  expert_product(IN(float, 1) + (size_t)b.expert * s->M * s->D, 1, s->D, hidden_slope, s->D, s->M, columns, product);
  for (int i = 0; i < b.count; i++)
    for (int d = 0; d < s->D; d++) j->dx[(size_t)b.order[i] * s->D + d] = product[(size_t)d * EXPERT_PAIRS + i];
  expert_turn(active, b.count, s->F, s->width_f, j->active + (size_t)b.begin * s->width_f);
  expert_turn(hidden_slope, b.count, s->M, s->width_m, j->hidden_slopes + (size_t)b.begin * s->width_m);
  expert_turn(x, b.count, s->D, s->width_d, j->x + (size_t)b.begin * s->width_d);
  expert_turn(slope, b.count, s->D, s->width_d, j->result_slopes + (size_t)b.begin * s->width_d);
}

/* Up to EXPERT_PAIRS rows of one gradient of one expert: a sum over its pairs in their order. */
static void expert_backward_weights(const call_t *call, const expert_shape *s, const expert_job *j, int task, float *sum) {
  int expert = task / expert_tiles(s), tile = task % expert_tiles(s), first_tiles = divide_up(s->M, EXPERT_PAIRS), is_first = tile < first_tiles;
  int row = (is_first ? tile : tile - first_tiles) * EXPERT_PAIRS, rows = min_int(EXPERT_PAIRS, (is_first ? s->M : s->D) - row);
  int begin = IN(int32_t, 7)[expert], count = IN(int32_t, 7)[expert + 1] - begin;
  int width = is_first ? s->width_d : s->width_f, columns = is_first ? s->D : s->F, left = is_first ? s->width_m : s->width_d;
  float *target = (is_first ? OUT(float, 1) + ((size_t)expert * s->M + row) * s->D : OUT(float, 2) + ((size_t)expert * s->D + row) * s->F);
  matmul_t m = {.a = (is_first ? j->hidden_slopes : j->result_slopes) + (size_t)begin * left + row, .a_row = 1, .a_inner = left,
                .b = (is_first ? j->x : j->active) + (size_t)begin * width, .b_stride = width, .c = sum, .c_stride = width,
                .rows = rows, .columns = width, .inner = count};
  matmul(&m);
  for (int i = 0; i < rows; i++) copy_floats(target + (size_t)i * columns, sum + (size_t)i * width, columns);
}

static void mixture_of_experts_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  expert_shape s = expert_shape_of(call);
  expert_job j = expert_job_of(&s, workspace, 0);
  arena_t own = {scratch};
  for (int task = begin; task < end; task++) {
    if (phase == 0) expert_backward_block(call, &s, &j, task, own);
    else if (phase == 1) expert_backward_weights(call, &s, &j, task, take_floats(&(arena_t){scratch}, 0));
    else
      for (int row = task * EXPERT_PAIRS; row < min_int((task + 1) * EXPERT_PAIRS, s.R); row++) {
        expert_combine(&s, j.dx, 0, row, OUT(float, 0) + (size_t)row * s.D);
        for (int choice = 0; OUT(float, 3) && choice < s.k; choice++) {
          size_t pair = (size_t)row * s.k + choice;
          double sum = 0;
          for (int d = 0; d < s.D; d++) sum += (double)IN(float, 6)[(size_t)row * s.D + d] * j.results[pair * s.D + d];
          OUT(float, 3)[pair] = (float)sum;
        }
      }
  }
}
