/*
 * What the forward and backward of gated linear attention share. A task is one head of one sequence and a block of value columns; its state is
 * a tile [K][width] in scratch memory, columns padded to whole vectors. With a normaliser, one more column whose value is always 1 keeps the
 * sum of the keys, so that every formula of a column serves it too. Every block of columns keeps its own copy of that sum.
 */
#ifndef MAMBA360_GATED_LINEAR_ATTENTION_H
#define MAMBA360_GATED_LINEAR_ATTENTION_H

#include "functions.h"

enum { ATTENTION_COLUMNS = 64, ATTENTION_VECTORS = 4 };
enum { DECAY_NONE = 0, DECAY_HEAD = 1, DECAY_HEAD_KEY = 2, DECAY_STEP = 3, DECAY_STEP_KEY = 4 };
enum { NORMALISER_NONE = 0, NORMALISER_SUM = 1, NORMALISER_MAXIMUM = 2 };
enum { RULE_PLAIN = 0, RULE_BONUS = 1, RULE_DELTA = 2, RULE_RANK_ONE = 3 };
enum { ATTENTION_Q, ATTENTION_K, ATTENTION_V, ATTENTION_DECAY, ATTENTION_BONUS, ATTENTION_BETA, ATTENTION_A, ATTENTION_B, ATTENTION_GATE,
       ATTENTION_STATE, ATTENTION_NORMALISER, ATTENTION_MAXIMUM, ATTENTION_CONTROL, ATTENTION_INPUTS };

typedef struct {
  int B, L, H, K, V, decay, normaliser, rule;
  int blocks, keys; /* blocks of value columns; K padded to fours */
  float scale, epsilon;
} attention_shape;

static attention_shape attention_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  attention_shape s = {.B = v[0], .L = v[1], .H = v[2], .K = v[3], .V = v[4], .decay = v[5], .normaliser = v[6]};
  s.rule = call->in[ATTENTION_BONUS] ? RULE_BONUS : call->in[ATTENTION_BETA] ? RULE_DELTA : call->in[ATTENTION_A] ? RULE_RANK_ONE : RULE_PLAIN;
  s.blocks = divide_up(s.V, ATTENTION_COLUMNS);
  s.keys = round_up(s.K, 4);
  s.scale = (float)call->scalars[0];
  s.epsilon = (float)call->scalars[1];
  return s;
}

/* Columns of the widest tile, padded: the same for every block, so that plans need no block. */
INLINE int attention_width(const attention_shape *s) { return round_up(min_int(s->V, ATTENTION_COLUMNS) + (s->normaliser ? 1 : 0), W); }

typedef struct {
  const call_t *call;
  attention_shape s;
  int b, head, block, first, columns, width; /* value columns [first, first + columns); tile columns with padding */
  const uint8_t *control;
} attention_task;

static attention_task attention_task_at(const call_t *call, const attention_shape *s, int number) {
  attention_task task = {.call = call, .s = *s, .block = number % s->blocks, .head = number / s->blocks % s->H, .b = number / s->blocks / s->H};
  task.first = task.block * ATTENTION_COLUMNS;
  task.columns = min_int(ATTENTION_COLUMNS, s->V - task.first);
  task.width = round_up(task.columns + (s->normaliser ? 1 : 0), W);
  task.control = IN(uint8_t, ATTENTION_CONTROL) ? IN(uint8_t, ATTENTION_CONTROL) + (size_t)task.b * s->L : 0;
  return task;
}

INLINE size_t attention_row(const attention_task *task, int t) { return ((size_t)task->b * task->s.L + t) * task->s.H + task->head; }

/* e^x of any x: 0 below -87.3, infinity above 88.7, NaN stays NaN. */
INLINE vf exp_of(vf x) {
  vi shifted;
  vf p = exp_fraction(at_most(at_least(x, splat(-87.3f)), splat(89.0f)), &shifted);
  return select_lanes(x < splat(-87.3f), splat(0.0f), p * (vf)((shifted + splat_int(127)) << 23));
}
INLINE float exp_of_one(float x) { return exp_of(splat(x))[0]; }

/* Tile of a state [B][H][K][V] and its normaliser [B][H][K], zeros where null. */
static void load_attention_state(const attention_task *task, const float *state, const float *normaliser, float *tile) {
  const attention_shape *s = &task->s;
  size_t place = (size_t)task->b * s->H + task->head;
  fill_zero(tile, (size_t)s->K * task->width);
  for (int key = 0; key < s->K; key++) {
    if (state) copy_floats(tile + (size_t)key * task->width, state + (place * s->K + key) * s->V + task->first, task->columns);
    if (s->normaliser && normaliser) tile[(size_t)key * task->width + task->columns] = normaliser[place * s->K + key];
  }
}
static void store_attention_state(const attention_task *task, const float *tile, float *state, float *normaliser) {
  const attention_shape *s = &task->s;
  size_t place = (size_t)task->b * s->H + task->head;
  for (int key = 0; key < s->K; key++) {
    if (state) copy_floats(state + (place * s->K + key) * s->V + task->first, tile + (size_t)key * task->width, task->columns);
    if (normaliser) normaliser[place * s->K + key] = tile[(size_t)key * task->width + task->columns];
  }
}

/* One step's factors: keep [K] = exp(decay) between scaled states, key [K] = the key times exp(gate - m), query [K] = scale q, erase [K]. */
typedef struct {
  float *keep, *key, *query, *erase;
  const float *replace; /* b of the rank-one rule */
  float admit, beta, maximum, before;
  int gate_wins;
} attention_factors;

INLINE size_t attention_factor_floats(const attention_shape *s) { return (size_t)4 * round_up(s->K, W); }
static attention_factors attention_factors_in(const attention_shape *s, float *memory) {
  size_t K = round_up(s->K, W);
  return (attention_factors){.keep = memory, .key = memory + K, .query = memory + 2 * K, .erase = memory + 3 * K};
}

static void attention_factors_at(const attention_task *task, int t, float maximum, attention_factors *f) {
  const call_t *call = task->call;
  const attention_shape *s = &task->s;
  size_t row = attention_row(task, t);
  const float *decay = IN(float, ATTENTION_DECAY), *gate = IN(float, ATTENTION_GATE), *a = IN(float, ATTENTION_A);
  const float *q = IN(float, ATTENTION_Q) + row * s->K, *k = IN(float, ATTENTION_K) + row * s->K;
  float shift = 0.0f;
  f->before = f->maximum = maximum;
  f->admit = 1.0f;
  f->beta = IN(float, ATTENTION_BETA) ? IN(float, ATTENTION_BETA)[row] : 0.0f;
  f->replace = IN(float, ATTENTION_B) ? IN(float, ATTENTION_B) + row * s->K : 0;
  float one = s->decay == DECAY_HEAD ? decay[task->head] : s->decay == DECAY_STEP ? decay[row] : 0.0f;
  if (gate) {
    float carried = one + maximum;
    f->gate_wins = !(carried >= gate[row]);
    f->maximum = carried != carried ? carried : f->gate_wins ? gate[row] : carried;
    f->admit = exp_of_one(gate[row] - f->maximum);
    shift = maximum - f->maximum;
  }
  if (s->decay == DECAY_HEAD_KEY || s->decay == DECAY_STEP_KEY) {
    const float *of_keys = decay + (s->decay == DECAY_HEAD_KEY ? (size_t)task->head * s->K : row * s->K);
    for (int key = 0; key < s->K; key += W) store(f->keep + key, exp_of(load_part(of_keys + key, s->K - key)));
  } else {
    float keep = s->decay == DECAY_NONE && !gate ? 1.0f : exp_of_one(one + shift);
    for (int key = 0; key < s->K; key++) f->keep[key] = keep;
  }
  for (int key = 0; key < s->K; key++) {
    f->key[key] = f->admit * k[key];
    f->query[key] = s->scale * q[key];
    if (s->rule == RULE_DELTA) f->erase[key] = f->keep[key] * k[key];
    if (s->rule == RULE_RANK_ONE) f->erase[key] = a[row * s->K + key];
  }
}

/* Row of values of a step, with the 1 of the normaliser's column. */
static void attention_value(const attention_task *task, int t, float *value) {
  const call_t *call = task->call;
  const float *v = IN(float, ATTENTION_V) + attention_row(task, t) * task->s.V + task->first;
  for (int j = 0; j < task->width; j += W) store(value + j, load_part(v + j, max_int(0, task->columns - j)));
  if (task->s.normaliser) value[task->columns] = 1.0f;
}

/*
 * `vectors` vectors of columns of one step: from `before` to `after` (may be the same tile). `written` is the row that the key writes (on
 * entry the values, changed by the delta rule), `read` the row erase . S, `raw` the output before it is divided.
 */
INLINE void attention_columns(const attention_task *task, const attention_factors *f, const float *before, float *after, float *written, float *read,
                              float *raw, int rule, int vectors) {
  int K = task->s.K, width = task->width;
  vf out[ATTENTION_VECTORS], value[ATTENTION_VECTORS], found[ATTENTION_VECTORS];
  for (int v = 0; v < vectors; v++) {
    out[v] = found[v] = splat(0.0f);
    value[v] = load(written + v * W);
  }
  if (rule == RULE_DELTA || rule == RULE_RANK_ONE) {
    for (int key = 0; key < K; key++) {
      vf erase = splat(f->erase[key]);
      for (int v = 0; v < vectors; v++) found[v] = multiply_add(erase, load(before + key * width + v * W), found[v]);
    }
    for (int v = 0; v < vectors; v++) {
      store(read + v * W, found[v]);
      if (rule == RULE_DELTA) {
        value[v] = splat(f->beta) * (value[v] - found[v]);
        store(written + v * W, value[v]);
      }
    }
  }
  for (int key = 0; key < K; key++) {
    vf keep = splat(f->keep[key]), write = splat(f->key[key]), query = splat(f->query[key]);
    for (int v = 0; v < vectors; v++) {
      vf state = load(before + key * width + v * W);
      if (rule == RULE_BONUS) out[v] = multiply_add(query, state, out[v]);
      state = multiply_add(write, value[v], keep * state);
      if (rule == RULE_RANK_ONE) state = multiply_add(splat(f->replace[key]), found[v], state);
      if (rule != RULE_BONUS) out[v] = multiply_add(query, state, out[v]);
      store(after + key * width + v * W, state);
    }
  }
  for (int v = 0; v < vectors; v++) store(raw + v * W, out[v]);
}

INLINE void attention_columns_of_rule(const attention_task *task, const attention_factors *f, const float *before, float *after, float *written,
                                      float *read, float *raw, int vectors) {
  switch (task->s.rule) {
    case RULE_BONUS: attention_columns(task, f, before, after, written, read, raw, RULE_BONUS, vectors); break;
    case RULE_DELTA: attention_columns(task, f, before, after, written, read, raw, RULE_DELTA, vectors); break;
    case RULE_RANK_ONE: attention_columns(task, f, before, after, written, read, raw, RULE_RANK_ONE, vectors); break;
    default: attention_columns(task, f, before, after, written, read, raw, RULE_PLAIN, vectors); break;
  }
}

/* scale * sum over keys of q * bonus * k: what the bonus adds of the step's own value. */
static float attention_bonus(const attention_task *task, int t, const attention_factors *f) {
  const call_t *call = task->call;
  int K = task->s.K;
  const float *bonus = IN(float, ATTENTION_BONUS) + (size_t)task->head * K, *k = IN(float, ATTENTION_K) + attention_row(task, t) * K;
  float sum = 0.0f;
  for (int key = 0; key < K; key++) sum += f->query[key] * bonus[key] * k[key];
  return sum;
}

/* One whole step. */
static void attention_step(const attention_task *task, int t, const attention_factors *f, const float *before, float *after, float *written,
                           float *read, float *raw) {
  int j = 0;
  for (; j + ATTENTION_VECTORS * W <= task->width; j += ATTENTION_VECTORS * W)
    attention_columns_of_rule(task, f, before + j, after + j, written + j, read + j, raw + j, ATTENTION_VECTORS);
  for (; j + 2 * W <= task->width; j += 2 * W) attention_columns_of_rule(task, f, before + j, after + j, written + j, read + j, raw + j, 2);
  for (; j < task->width; j += W) attention_columns_of_rule(task, f, before + j, after + j, written + j, read + j, raw + j, 1);
  if (task->s.rule == RULE_BONUS) {
    vf own = splat(attention_bonus(task, t, f));
    for (j = 0; j < task->width; j += W) store(raw + j, multiply_add(own, load(written + j), load(raw + j)));
  }
}

/* The output's divisor; `slope` is its derivative by the sum, `floor_slope` by the maximum. */
static float attention_divisor(const attention_shape *s, float sum, float maximum, float *slope, float *floor_slope) {
  *slope = 1.0f;
  *floor_slope = 0.0f;
  if (s->normaliser == NORMALISER_SUM) return sum + s->epsilon;
  float least = exp_of_one(-maximum), size = sum < 0.0f ? -sum : sum;
  if (size < least) {
    *slope = 0.0f;
    *floor_slope = -least;
    return least + s->epsilon;
  }
  *slope = sum < 0.0f ? -1.0f : sum > 0.0f ? 1.0f : 0.0f;
  return size + s->epsilon;
}

#endif
