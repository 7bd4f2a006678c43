/*
 * Linear attention with a gated matrix state, gradients. A task first walks its sequence and keeps the state at the start of every chunk (in
 * scratch: memory does not grow with batch and heads), then takes the chunks in reverse: replay with every step's state kept, then step back.
 * Gradients that blocks of value columns share go to one partial buffer a block; phase 1 adds those. Phase 2 adds what sequences share.
 */
#include "gated-linear-attention.h"

enum { ATTENTION_CHUNK = 16, ATTENTION_SLOPE = ATTENTION_INPUTS, ATTENTION_SHARED = 9, ATTENTION_SUMS = 5 };
/* Shared by the blocks of one head, all with the batch axis first. Decays and bonuses that every step has in common are apart. */
enum { SHARED_Q, SHARED_K, SHARED_DECAY, SHARED_BETA, SHARED_A, SHARED_B, SHARED_GATE, SHARED_NORMALISER, SHARED_MAXIMUM };

typedef struct {
  float *shared[ATTENTION_SHARED]; /* [blocks][size], or the output itself where there is one block; null where not wanted */
  size_t size[ATTENTION_SHARED];
  float *output[ATTENTION_SHARED];
  float *decay, *bonus; /* [B][blocks][H][K], or null */
} attention_job;

static attention_job attention_job_of(const call_t *call, const attention_shape *s, void *workspace, double *bytes) {
  attention_job job = {.decay = 0, .bonus = 0};
  size_t steps = (size_t)s->B * s->L * s->H, keys = steps * s->K, places = (size_t)s->B * s->H;
  int per_step = s->decay == DECAY_STEP || s->decay == DECAY_STEP_KEY, constants = OUT(float, 3) && !per_step;
  int outputs[ATTENTION_SHARED] = {0, 1, 3, 5, 6, 7, 8, 10, 11};
  size_t sizes[ATTENTION_SHARED] = {keys, keys, s->decay == DECAY_STEP ? steps : keys, steps, keys, keys, steps, places * s->K, places};
  size_t all = (size_t)s->B * s->blocks * s->H * s->K;
  arena_t arena = {workspace};
  double needed = aligned_bytes(0);
  for (int i = 0; i < ATTENTION_SHARED; i++) {
    job.size[i] = sizes[i];
    job.output[i] = i == SHARED_DECAY && constants ? 0 : OUT(float, outputs[i]);
    job.shared[i] = job.output[i];
    if (!job.output[i] || s->blocks == 1) continue;
    needed += 4.0 * sizes[i] * s->blocks + ALIGNMENT;
    if (workspace) job.shared[i] = take_floats(&arena, sizes[i] * s->blocks);
  }
  if (constants) {
    needed += 4.0 * all + ALIGNMENT;
    if (workspace) job.decay = take_floats(&arena, all);
  }
  if (OUT(float, 4)) {
    needed += 4.0 * all + ALIGNMENT;
    if (workspace) job.bonus = take_floats(&arena, all);
  }
  if (bytes) *bytes = needed;
  return job;
}

typedef struct {
  float *tiles;                 /* [chunk + 1][K][width]: the state before each counted step of the chunk */
  float *carry;                 /* [K][width]: slope of the state */
  float *checkpoints, *maxima;  /* [chunks][K][width], [chunks] */
  float *written, *read, *raw;  /* [chunk][width] */
  float *factors;               /* [chunk] of what attention_factors point to */
  attention_factors *step;      /* [chunk] */
  float *slope, *d_written, *d_read;
  float *sums;                  /* [sums][keys][W]: products of each key's row, lanes not yet added */
  float *row;                   /* [sums][keys]: the same, added */
  float *keep_slope, *bonus_slope; /* [keys] each: sums over steps of decays and bonuses in common */
} attention_scratch;

static double attention_backward_floats(const attention_shape *s, attention_scratch *f, void *memory) {
  size_t width = attention_width(s), tile = (size_t)s->K * width, chunks = divide_up(s->L, ATTENTION_CHUNK);
  size_t counts[16] = {(ATTENTION_CHUNK + 1) * tile, tile, chunks * tile, chunks, ATTENTION_CHUNK * width, ATTENTION_CHUNK * width, ATTENTION_CHUNK * width,
                       ATTENTION_CHUNK * attention_factor_floats(s), ATTENTION_CHUNK * sizeof(attention_factors) / sizeof(float), width, width, width, (size_t)ATTENTION_SUMS * s->keys * W, (size_t)ATTENTION_SUMS * s->keys, s->keys, s->keys};
  double total = 0;
  for (int i = 0; i < 16; i++) total += (double)counts[i];
  if (!f) return total;
  float **pieces[16] = {&f->tiles, &f->carry, &f->checkpoints, &f->maxima, &f->written, &f->read, &f->raw, &f->factors, (float **)&f->step, &f->slope, &f->d_written, &f->d_read,
                        &f->sums, &f->row, &f->keep_slope, &f->bonus_slope};
  arena_t arena = {memory};
  for (int i = 0; i < 16; i++) *pieces[i] = take_floats(&arena, counts[i]);
  return total;
}

static void gated_linear_attention_backward_plan(const call_t *call, plan_t *plan) {
  attention_shape s = attention_shape_of(call);
  attention_job job = attention_job_of(call, &s, 0, &plan->workspaceBytes);
  plan->scratchBytes = aligned_bytes(4 * attention_backward_floats(&s, 0, 0) + 16 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.B * s.H * s.blocks;
  plan->tasks[1] = s.blocks > 1 ? s.B : 0;
  plan->tasks[2] = s.B > 0 && ((OUT(float, 3) && !job.output[SHARED_DECAY]) || OUT(float, 4)) ? s.H : 0;
}

/* The slope of the divided output becomes that of the raw one, in place, with that of the divisor's sum behind it; returns the maximum's. */
static float attention_slope_of_raw(const attention_task *task, const float *raw, float maximum, float *slope) {
  float by, of_floor, divisor = attention_divisor(&task->s, raw[task->columns], maximum, &by, &of_floor);
  float sum = 0.0f;
  for (int j = 0; j < task->columns; j++) {
    slope[j] /= divisor;
    sum -= slope[j] * (raw[j] / divisor);
  }
  slope[task->columns] = sum * by;
  return sum * of_floor;
}

/* First pass over the keys: slopes of the rows `written` and `read`. */
INLINE void attention_slopes_of_rows(const attention_task *task, const attention_factors *f, const attention_scratch *m, int j, int rule, int vectors) {
  vf d_written[ATTENTION_VECTORS], d_read[ATTENTION_VECTORS];
  for (int v = 0; v < vectors; v++) d_written[v] = d_read[v] = splat(0.0f);
  for (int key = 0; key < task->s.K; key++) {
    vf write = splat(f->key[key]), query = splat(f->query[key]), replace = splat(rule == RULE_RANK_ONE ? f->replace[key] : 0.0f);
    for (int v = 0; v < vectors; v++) {
      vf d = load(m->carry + key * task->width + j + v * W);
      if (rule != RULE_BONUS) d = multiply_add(query, load(m->slope + j + v * W), d);
      d_written[v] = multiply_add(write, d, d_written[v]);
      if (rule == RULE_RANK_ONE) d_read[v] = multiply_add(replace, d, d_read[v]);
    }
  }
  for (int v = 0; v < vectors; v++) {
    store(m->d_written + j + v * W, d_written[v]);
    store(m->d_read + j + v * W, rule == RULE_DELTA ? splat(-f->beta) * d_written[v] : d_read[v]);
  }
}

/* Second pass: products of each key's row, and the slope of the state before the step. */
INLINE void attention_slopes_of_keys(const attention_task *task, const attention_factors *f, const attention_scratch *m, const float *before,
                                     const float *written, const float *read, int j, int rule, int vectors) {
  int width = task->width, keys = task->s.keys;
  for (int key = 0; key < task->s.K; key++) {
    vf keep = splat(f->keep[key]), query = splat(f->query[key]), erase = splat(rule == RULE_DELTA || rule == RULE_RANK_ONE ? f->erase[key] : 0.0f);
    float *at = m->sums + (size_t)key * W;
    vf with_slope = load(at), with_carry = load(at + (size_t)keys * W), with_written = load(at + (size_t)2 * keys * W), with_read = load(at + (size_t)3 * keys * W), with_found = load(at + (size_t)4 * keys * W);
    for (int v = 0; v < vectors; v++) {
      int place = key * width + j + v * W;
      vf state = load(before + place), slope = load(m->slope + j + v * W), d = load(m->carry + place);
      with_slope = multiply_add(state, slope, with_slope);
      if (rule != RULE_BONUS) d = multiply_add(query, slope, d);
      with_carry = multiply_add(state, d, with_carry);
      with_written = multiply_add(load(written + j + v * W), d, with_written);
      if (rule == RULE_RANK_ONE) with_found = multiply_add(load(read + j + v * W), d, with_found);
      vf back = keep * d;
      if (rule == RULE_BONUS) back = multiply_add(query, slope, back);
      if (rule == RULE_DELTA || rule == RULE_RANK_ONE) {
        vf d_read = load(m->d_read + j + v * W);
        with_read = multiply_add(state, d_read, with_read);
        back = multiply_add(erase, d_read, back);
      }
      store(m->carry + place, back);
    }
    store(at, with_slope);
    store(at + (size_t)keys * W, with_carry);
    store(at + (size_t)2 * keys * W, with_written);
    if (rule == RULE_DELTA || rule == RULE_RANK_ONE) store(at + (size_t)3 * keys * W, with_read);
    if (rule == RULE_RANK_ONE) store(at + (size_t)4 * keys * W, with_found);
  }
}

INLINE void attention_slopes(const attention_task *task, const attention_factors *f, const attention_scratch *m, const float *before, const float *written,
                             const float *read, int rule) {
  int j = 0;
  for (; j + ATTENTION_VECTORS * W <= task->width; j += ATTENTION_VECTORS * W) attention_slopes_of_rows(task, f, m, j, rule, ATTENTION_VECTORS);
  for (; j < task->width; j += W) attention_slopes_of_rows(task, f, m, j, rule, 1);
  for (j = 0; j + ATTENTION_VECTORS * W <= task->width; j += ATTENTION_VECTORS * W)
    attention_slopes_of_keys(task, f, m, before, written, read, j, rule, ATTENTION_VECTORS);
  for (; j < task->width; j += W) attention_slopes_of_keys(task, f, m, before, written, read, j, rule, 1);
}

static float dot_rows(const float *a, const float *b, int width) {
  vf sum = splat(0.0f);
  for (int j = 0; j < width; j += W) sum = multiply_add(load(a + j), load(b + j), sum);
  return sum_lanes(sum);
}

/* One step back. `at` is its place in the chunk, `carry_maximum` the slope of the running maximum. */
static void attention_step_back(const attention_task *task, const attention_job *job, const attention_scratch *m, const attention_factors *f, int t, int at,
                                float *carry_maximum) {
  const call_t *call = task->call;
  const attention_shape *s = &task->s;
  size_t row = attention_row(task, t), width = task->width, keys = s->keys;
  const float *before = m->tiles + at * (size_t)s->K * width, *written = m->written + at * width, *read = m->read + at * width;
  const float *k = IN(float, ATTENTION_K) + row * s->K;
  const float *d_output = IN(float, ATTENTION_SLOPE) + row * s->V + task->first;
  for (int j = 0; j < task->width; j += W) store(m->slope + j, load_part(d_output + j, max_int(0, task->columns - j)));
  if (s->normaliser) *carry_maximum += attention_slope_of_raw(task, m->raw + at * width, f->maximum, m->slope);
  fill_zero(m->sums, ATTENTION_SUMS * keys * W);
  switch (s->rule) {
    case RULE_BONUS: attention_slopes(task, f, m, before, written, read, RULE_BONUS); break;
    case RULE_DELTA: attention_slopes(task, f, m, before, written, read, RULE_DELTA); break;
    case RULE_RANK_ONE: attention_slopes(task, f, m, before, written, read, RULE_RANK_ONE); break;
    default: attention_slopes(task, f, m, before, written, read, RULE_PLAIN); break;
  }
  for (size_t i = 0; i < ATTENTION_SUMS * keys; i += 4) sum_lanes_of_four(m->sums + i * W, m->row + i);
  const float *with_slope = m->row, *with_carry = m->row + keys, *with_written = m->row + 2 * keys, *with_read = m->row + 3 * keys, *with_found = m->row + 4 * keys;
  float own = dot_rows(written, m->slope, task->width), replaced = s->rule == RULE_RANK_ONE ? dot_rows(read, m->slope, task->width) : 0.0f;

  float *d_v = OUT(float, 2) + row * s->V + task->first;
  vf value_factor = splat(s->rule == RULE_DELTA ? f->beta : 1.0f), bonus_factor = splat(s->rule == RULE_BONUS ? attention_bonus(task, t, f) : 0.0f);
  for (int j = 0; j < task->columns; j += W) {
    vf d = value_factor * load(m->d_written + j);
    if (s->rule == RULE_BONUS) d = multiply_add(bonus_factor, load(m->slope + j), d);
    store_part(d_v + j, d, task->columns - j);
  }
  size_t block = task->block;
#define SHARED_AT(which) (job->shared[which] + block * job->size[which])
  float *d_q = SHARED_AT(SHARED_Q) + row * s->K, *d_k = SHARED_AT(SHARED_K) + row * s->K;
  float d_log_keep = 0.0f, d_admit = 0.0f;
  for (int key = 0; key < s->K; key++) {
    float slope = f->keep[key] * with_slope[key] + f->key[key] * own, d_key = f->admit * with_written[key], d_keep = with_carry[key];
    if (s->rule == RULE_BONUS) {
      float bonus = IN(float, ATTENTION_BONUS)[(size_t)task->head * s->K + key];
      slope = with_slope[key] + bonus * k[key] * own;
      d_key += f->query[key] * bonus * own;
      m->bonus_slope[key] += f->query[key] * k[key] * own;
    }
    if (s->rule == RULE_DELTA) {
      d_key += f->keep[key] * with_read[key];
      d_keep += k[key] * with_read[key];
    }
    if (s->rule == RULE_RANK_ONE) {
      slope += f->replace[key] * replaced;
      SHARED_AT(SHARED_A)[row * s->K + key] = with_read[key];
      SHARED_AT(SHARED_B)[row * s->K + key] = with_found[key];
    }
    d_q[key] = s->scale * slope;
    d_k[key] = d_key;
    d_admit += k[key] * with_written[key];
    float d_log = d_keep * f->keep[key];
    d_log_keep += d_log;
    if (s->decay == DECAY_STEP_KEY) SHARED_AT(SHARED_DECAY)[row * s->K + key] = d_log;
    if (s->decay == DECAY_HEAD_KEY) m->keep_slope[key] += d_log;
  }
  if (s->rule == RULE_DELTA) {
    float sum = 0.0f; /* written = beta * (v - read) */
    const float *v = IN(float, ATTENTION_V) + row * s->V + task->first;
    for (int j = 0; j < task->columns; j++) sum += m->d_written[j] * (v[j] - read[j]);
    SHARED_AT(SHARED_BETA)[row] = sum;
  }
  if (job->shared[SHARED_GATE]) {
    float d_log_admit = d_admit * f->admit, d_maximum = *carry_maximum - d_log_keep - d_log_admit;
    *carry_maximum = d_log_keep;
    if (f->gate_wins) d_log_admit += d_maximum;
    else {
      *carry_maximum += d_maximum;
      d_log_keep += d_maximum;
    }
    SHARED_AT(SHARED_GATE)[row] = d_log_admit;
  }
  if (s->decay == DECAY_STEP) SHARED_AT(SHARED_DECAY)[row] = d_log_keep;
  if (s->decay == DECAY_HEAD) m->keep_slope[0] += d_log_keep;
}

/* Gradients of a masked step are zero. */
static void attention_clear_step(const attention_task *task, const attention_job *job, int t) {
  const call_t *call = task->call;
  const attention_shape *s = &task->s;
  size_t row = attention_row(task, t), block = task->block;
  int per_key[5] = {SHARED_Q, SHARED_K, SHARED_A, SHARED_B, SHARED_DECAY}, per_step[3] = {SHARED_BETA, SHARED_GATE, SHARED_DECAY};
  fill_zero(OUT(float, 2) + row * s->V + task->first, task->columns);
  for (int i = 0; i < (s->decay == DECAY_STEP_KEY ? 5 : 4); i++)
    if (job->shared[per_key[i]]) fill_zero(SHARED_AT(per_key[i]) + row * s->K, s->K);
  for (int i = 0; i < (s->decay == DECAY_STEP ? 3 : 2); i++)
    if (job->shared[per_step[i]]) SHARED_AT(per_step[i])[row] = 0.0f;
}

/*
 * Runs [start, stop) from the tile at m->tiles. With `keep` the state before every counted step stays, else only the running one. Returns the
 * maximum after the last step.
 */
static float attention_replay(const attention_task *task, const attention_scratch *m, int start, int stop, float maximum, int keep) {
  const attention_shape *s = &task->s;
  size_t tile = (size_t)s->K * task->width, factor_floats = attention_factor_floats(s);
  int at = 0;
  for (int t = start; t < stop; t++) {
    int bits = task->control ? task->control[t] : 0;
    float *before = m->tiles + at * tile, *written = m->written + (size_t)at * task->width;
    if (bits & CONTROL_RESET) {
      fill_zero(before, tile);
      maximum = 0.0f;
    }
    if (bits & CONTROL_MASKED) continue;
    attention_factors f = attention_factors_in(s, m->factors + at * factor_floats);
    attention_factors_at(task, t, maximum, &f);
    attention_value(task, t, written);
    attention_step(task, t, &f, before, before + (keep ? tile : 0), written, m->read + (size_t)at * task->width, m->raw + (size_t)at * task->width);
    maximum = f.maximum;
    if (keep) m->step[at++] = f;
  }
  return maximum;
}

static void attention_backward_task(const attention_task *task, const attention_job *job, void *scratch) {
  const call_t *call = task->call;
  const attention_shape *s = &task->s;
  attention_scratch m;
  attention_backward_floats(s, &m, scratch);
  size_t tile = (size_t)s->K * task->width, place = (size_t)task->b * s->H + task->head, block = task->block;
  int chunks = divide_up(s->L, ATTENTION_CHUNK);
  float maximum = IN(float, ATTENTION_MAXIMUM) ? IN(float, ATTENTION_MAXIMUM)[place] : 0.0f;
  const float *d_maximum = IN(float, ATTENTION_SLOPE + 3);
  float carry_maximum = d_maximum && !task->block ? d_maximum[place] : 0.0f;
  load_attention_state(task, IN(float, ATTENTION_STATE), IN(float, ATTENTION_NORMALISER), m.tiles);
  load_attention_state(task, IN(float, ATTENTION_SLOPE + 1), task->block ? 0 : IN(float, ATTENTION_SLOPE + 2), m.carry);
  fill_zero(m.keep_slope, s->keys);
  fill_zero(m.bonus_slope, s->keys);
  fill_zero(m.row, (size_t)ATTENTION_SUMS * s->keys);
  for (int chunk = 0; chunk < chunks; chunk++) {
    copy_floats(m.checkpoints + chunk * tile, m.tiles, tile);
    m.maxima[chunk] = maximum;
    if (chunk + 1 < chunks) maximum = attention_replay(task, &m, chunk * ATTENTION_CHUNK, (chunk + 1) * ATTENTION_CHUNK, maximum, 0);
  }
  for (int chunk = chunks - 1; chunk >= 0; chunk--) {
    int start = chunk * ATTENTION_CHUNK, stop = min_int(start + ATTENTION_CHUNK, s->L), at = 0;
    copy_floats(m.tiles, m.checkpoints + chunk * tile, tile);
    for (int t = start; t < stop; t++) at += !(task->control && task->control[t] & CONTROL_MASKED);
    attention_replay(task, &m, start, stop, m.maxima[chunk], 1);
    for (int t = stop - 1; t >= start; t--) {
      int bits = task->control ? task->control[t] : 0;
      if (bits & CONTROL_MASKED) attention_clear_step(task, job, t);
      else {
        at--;
        attention_step_back(task, job, &m, &m.step[at], t, at, &carry_maximum);
      }
      if (bits & CONTROL_RESET) {
        fill_zero(m.carry, tile);
        carry_maximum = 0.0f;
      }
    }
  }
  store_attention_state(task, m.carry, OUT(float, 9), job->shared[SHARED_NORMALISER] ? SHARED_AT(SHARED_NORMALISER) : 0);
  if (job->shared[SHARED_MAXIMUM]) SHARED_AT(SHARED_MAXIMUM)[place] = carry_maximum;
  size_t own = (((size_t)task->b * s->blocks + block) * s->H + task->head) * s->K;
  if (job->decay) copy_floats(job->decay + own, m.keep_slope, s->K);
  if (job->bonus) copy_floats(job->bonus + own, m.bonus_slope, s->K);
}

/* Adds the blocks' partial gradients of one sequence, first block first. */
static void attention_add_blocks(const attention_shape *s, const attention_job *job, int b) {
  for (int i = 0; i < ATTENTION_SHARED; i++) {
    if (!job->output[i]) continue;
    size_t count = job->size[i] / s->B, first = count * b;
    for (size_t at = first; at < first + count; at++) {
      float sum = job->shared[i][at];
      for (int block = 1; block < s->blocks; block++) sum += job->shared[i][block * job->size[i] + at];
      job->output[i][at] = sum;
    }
  }
}

/* Gradients of a head's own decays and bonuses: sums over blocks and sequences. */
static void attention_add_sequences(const call_t *call, const attention_shape *s, const attention_job *job, int head) {
  for (int key = 0; key < s->K; key++) {
    float decay = 0.0f, bonus = 0.0f;
    for (int part = 0; part < s->B * s->blocks; part++) {
      size_t at = ((size_t)part * s->H + head) * s->K + key;
      if (job->decay) decay += job->decay[at];
      if (job->bonus) bonus += job->bonus[at];
    }
    if (job->decay && s->decay == DECAY_HEAD_KEY) OUT(float, 3)[(size_t)head * s->K + key] = decay;
    if (job->decay && s->decay == DECAY_HEAD && key == 0) OUT(float, 3)[head] = decay;
    if (job->bonus) OUT(float, 4)[(size_t)head * s->K + key] = bonus;
  }
}

static void gated_linear_attention_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  attention_shape s = attention_shape_of(call);
  attention_job job = attention_job_of(call, &s, workspace, 0);
  for (int number = begin; number < end; number++) {
    if (phase == 0) {
      attention_task task = attention_task_at(call, &s, number);
      attention_backward_task(&task, &job, scratch);
    } else if (phase == 1) attention_add_blocks(&s, &job, number);
    else attention_add_sequences(call, &s, &job, number);
  }
}
#undef SHARED_AT
