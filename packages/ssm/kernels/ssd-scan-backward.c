/*
 * SSD scan, backward. A task is one sequence and some heads of one group: forward over time to keep each head's state at every chunk, then
 * backward over the chunks, where everything else is computed again. States and their slopes lie as in memory, [P][N], N along the vectors.
 * With c, decays and scores of ssd-scan.h, S the state before a run, G the slope of the state after it, u = dt x, dy after the gate:
 *   du[j] = sum over i >= j of scores[i][j] dy[i] + fading[j] B[j] G            M[i][j] = dy[i] . u[j]
 *   dC[i] = grown[i] dy[i] S + sum over j <= i of (decays M)[i][j] B[j]         dB[j] = sum over i >= j of (decays M)[i][j] C[i] + fading[j] u[j] G
 *   slope before the run = grown[last] G + sum of grown[i] dy[i] C[i]
 * The slope of step k's log decay is all that crosses from before k to k or later; pairs that do not cross it never enter, so nothing cancels.
 * dB and dC of the tasks of a group are added in order by phase 1, what belongs to heads by phase 2 over the sequences.
 */
#include "ssd-scan.h"

typedef struct { int in_group, blocks, in_block; } ssd_partition;

/* Blocks of heads: eight tasks or more where there are heads enough, no more than needed, because each holds its own dB and dC. */
INLINE ssd_partition ssd_partition_of(const ssd_shape *s) {
  ssd_partition p;
  p.in_group = s->H / s->G;
  int wanted = min_int(p.in_group, divide_up(8, max_int(1, s->B * s->G)));
  p.in_block = divide_up(p.in_group, wanted);
  p.blocks = divide_up(p.in_group, p.in_block);
  return p;
}

/* Sums over time of one head: slopes of A, of the bias and of D, [P] or one. */
INLINE int ssd_sums(const ssd_shape *s) { return 2 + (s->wide_skip ? s->P : 1); }

typedef struct {
  float *db, *dc, *sums; /* [tasks][L][N] where a group has several tasks; [B][H][ssd_sums] */
} ssd_partials;

INLINE size_t ssd_partial_floats(const ssd_shape *s, const ssd_partition *p) {
  return p->blocks > 1 ? (size_t)s->B * s->G * p->blocks * s->L * s->N : 0;
}

static ssd_partials take_ssd_partials(const ssd_shape *s, const ssd_partition *p, void *memory) {
  arena_t arena = {memory};
  ssd_partials w;
  w.sums = take_floats(&arena, (size_t)s->B * s->H * ssd_sums(s));
  w.db = take_floats(&arena, ssd_partial_floats(s, p));
  w.dc = take_floats(&arena, ssd_partial_floats(s, p));
  return w;
}

typedef struct {
  ssd_head *head;
  steps_t *steps;
  float *kept, *slopes;                  /* [heads][chunks][P][states], [heads][P][states] */
  float *before;                         /* [runs][P][states]: states before the runs of a chunk */
  float *b, *c, *db, *dc, *part;         /* [MAX_STEPS][states] */
  float *b_across, *c_across, *products; /* [N][SSD_STRIDE], [MAX_STEPS][SSD_STRIDE] */
  float *u, *faded, *dy, *grown, *du, *y; /* [MAX_STEPS][width] */
  float *across, *u_across;              /* [P][SSD_STRIDE] */
  float *scores, *decays, *m;            /* [MAX_STEPS][SSD_STRIDE] */
  double *crossing;                      /* [SSD_STRIDE] */
  double *totals;                        /* slopes of A and of the bias over a chunk: they nearly cancel */
  float *sums;                           /* [width]: of D */
} ssd_backward_scratch;

/* Runs that a chunk can have. */
static int ssd_most_runs(const call_t *call, const ssd_shape *s) {
  if (IN(uint8_t, 9)) return 2 * MAX_STEPS + 1;
  return s->state_every ? divide_up(MAX_STEPS, s->state_every) + 2 : 1;
}

/* With null memory only counts: the arena then ends at the number of bytes. */
static ssd_backward_scratch take_ssd_backward_scratch(const call_t *call, const ssd_shape *s, const ssd_partition *p, arena_t *arena) {
  ssd_backward_scratch f;
  size_t state = (size_t)s->P * s->states, rows = (size_t)MAX_STEPS * s->width, coefficients = (size_t)MAX_STEPS * s->states, square = MAX_STEPS * SSD_STRIDE;
  f.head = take(arena, sizeof(ssd_head));
  f.steps = take(arena, sizeof(steps_t));
  f.kept = take_floats(arena, state * p->in_block * s->chunks);
  f.slopes = take_floats(arena, state * p->in_block);
  f.before = take_floats(arena, state * ssd_most_runs(call, s));
  f.b = take_floats(arena, coefficients);
  f.c = take_floats(arena, coefficients);
  f.db = take_floats(arena, coefficients);
  f.dc = take_floats(arena, coefficients);
  f.part = take_floats(arena, coefficients);
  f.b_across = take_floats(arena, (size_t)s->N * SSD_STRIDE);
  f.c_across = take_floats(arena, (size_t)s->N * SSD_STRIDE);
  f.products = take_floats(arena, square);
  f.u = take_floats(arena, rows);
  f.faded = take_floats(arena, rows);
  f.dy = take_floats(arena, rows);
  f.grown = take_floats(arena, rows);
  f.du = take_floats(arena, rows);
  f.y = take_floats(arena, rows);
  f.across = take_floats(arena, (size_t)s->P * SSD_STRIDE);
  f.u_across = take_floats(arena, (size_t)s->P * SSD_STRIDE);
  f.scores = take_floats(arena, square);
  f.decays = take_floats(arena, square);
  f.m = take_floats(arena, square);
  f.crossing = take(arena, SSD_STRIDE * sizeof(double));
  f.totals = take(arena, 2 * sizeof(double));
  f.sums = take_floats(arena, s->width);
  return f;
}

static void ssd_scan_backward_plan(const call_t *call, plan_t *plan) {
  ssd_shape s = ssd_shape_of(call);
  ssd_partition p = ssd_partition_of(&s);
  arena_t arena = {0};
  take_ssd_backward_scratch(call, &s, &p, &arena);
  plan->scratchBytes = aligned_bytes((double)(uintptr_t)arena.next);
  plan->workspaceBytes = aligned_bytes(4.0 * (s.B * s.H * (double)ssd_sums(&s) + 2.0 * ssd_partial_floats(&s, &p)) + 3 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.B * s.G * p.blocks;
  plan->tasks[1] = p.blocks > 1 ? s.B * s.chunks : 0;
  plan->tasks[2] = 1;
}

/* state [P][states] = exp(c[last]) state + faded^T B over a run. */
static void ssd_advance(const ssd_shape *s, const ssd_backward_scratch *f, const run_t *run, float *state) {
  if (run->end == run->begin) return;
  float kept = ssd_decays(f->head, run);
  for (int k = run->begin; k < run->end; k++)
    for (int e = 0; e < s->width; e += W)
      store(f->faded + (size_t)k * s->width + e, load(f->u + (size_t)k * s->width + e) * splat(f->head->fading[k]));
  ssd_scale(state, (size_t)s->P * s->states, kept);
  matmul_t m = {f->faded + (size_t)run->begin * s->width, 1, s->width, f->b + (size_t)run->begin * s->states, s->states, state, s->states, s->P, s->states, run->end - run->begin, 1};
  matmul(&m);
}

/* Forward over time: the state of head h at the begin of every chunk. `index` counts the heads of the task. */
static void ssd_keep_states(const call_t *call, const ssd_shape *s, const ssd_backward_scratch *f, int b, int g, int first, int count) {
  const float *initial = IN(float, 8);
  size_t size = (size_t)s->P * s->states;
  for (int chunk = 0; chunk < s->chunks; chunk++) {
    if (chunk + 1 < s->chunks) {
      ssd_list(call, s, b, chunk, 0, f->steps);
      ssd_gather_rows(f->b, s->states, IN(float, 3), s, f->steps, b, s->G, g, s->N);
    }
    for (int index = 0; index < count; index++) {
      int h = first + index;
      float *state = f->kept + ((size_t)index * s->chunks + chunk) * size;
      if (chunk == 0)
        for (int p = 0; p < s->P; p++)
          for (int n = 0; n < s->states; n += W) {
            const float *from = initial ? initial + (((size_t)b * s->H + h) * s->P + p) * s->N + n : 0;
            store(state + (size_t)p * s->states + n, from ? load_part(from, s->N - n) : splat(0.0f));
          }
      if (chunk + 1 == s->chunks) continue;
      copy_floats(state + size, state, size);
      ssd_step_sizes(call, s, f->steps, b, h, f->head);
      ssd_load_inputs(call, s, f->steps, b, h, f->head->dt, f->u);
      for (int r = 0; r < f->steps->runs; r++) {
        if (f->steps->run[r].reset) fill_zero(state + size, size);
        ssd_advance(s, f, &f->steps->run[r], state + size);
      }
    }
  }
}

INLINE float ssd_dot(const float *a, const float *b, size_t count) {
  vf sum = splat(0.0f);
  for (size_t i = 0; i < count; i += W) sum = multiply_add(load(a + i), load(b + i), sum);
  return sum_lanes(sum);
}

/* Output before gate and D of the run's steps, for the gate's own gradient. */
static void ssd_outputs_again(const ssd_shape *s, const ssd_backward_scratch *f, const run_t *run, const float *state) {
  int begin = run->begin, count = run->end - begin, width = s->width;
  matmul_t m = {state, s->states, 1, f->c_across + begin, SSD_STRIDE, f->across, SSD_STRIDE, s->P, round_up(count, W), s->N, 0};
  matmul(&m);
  for (int k = 0; k < count; k++)
    for (int e = 0; e < width; e++)
      f->y[(size_t)(begin + k) * width + e] = e < s->P ? f->across[e * SSD_STRIDE + k] * f->head->grown[begin + k] : 0.0f;
  ssd_add_lower(f->scores, f->u + (size_t)begin * width, f->y + (size_t)begin * width, count, width);
}

/* dy of the run's steps after the gate, dz, and the slope of D. */
static void ssd_gate_slopes(const call_t *call, const ssd_shape *s, const ssd_backward_scratch *f, const run_t *run, int b, int h) {
  const float *z = IN(float, 6), *dy = IN(float, 10), *x = IN(float, 0);
  float *dz = OUT(float, 6);
  for (int k = run->begin; k < run->end; k++) {
    size_t row = ssd_row(s, f->steps, k, b, s->H, h, s->P);
    float total = 0.0f;
    for (int e = 0; e < s->width; e += W) {
      int count = s->P - e;
      vf slope = load_part(dy + row + e, count), input = load_part(x + row + e, count);
      if (z) {
        vf gate = load_part(z + row + e, count), half = sigmoid_of(gate);
        vf value = multiply_add(ssd_skip(call, s, h, e), input, load(f->y + (size_t)k * s->width + e));
        if (dz && count > 0) store_part(dz + row + e, slope * value * silu_slope(gate, half), count);
        slope = slope * (gate * half);
      }
      store(f->dy + (size_t)k * s->width + e, slope);
      store(f->grown + (size_t)k * s->width + e, slope * splat(f->head->grown[k]));
      vf product = slope * input;
      if (s->wide_skip) store(f->sums + e, load(f->sums + e) + product);
      else total += sum_lanes(product);
    }
    if (!s->wide_skip) f->sums[0] += total;
  }
}

/* m = decays * m below and on the diagonal; crossing[k] gets the sums of products * m over pairs strictly below it: + row k, - column k. */
static void ssd_weigh_pairs(const ssd_backward_scratch *f, const run_t *run) {
  int begin = run->begin, count = run->end - begin;
  const float *products = f->products + begin * SSD_STRIDE + begin;
  float columns[SSD_STRIDE];
  for (int k = 0; k < SSD_STRIDE; k++) columns[k] = 0.0f;
  vi lanes;
  for (int i = 0; i < W; i++) lanes[i] = i;
  for (int i = 0; i < count; i++) {
    vf row = splat(0.0f);
    for (int j = 0; j <= i; j += W) {
      vf pair = load(f->m + i * SSD_STRIDE + j) * load(f->decays + i * SSD_STRIDE + j);
      store(f->m + i * SSD_STRIDE + j, pair);
      vf weight = select_lanes(lanes + splat_int(j) < splat_int(i), pair * load(products + i * SSD_STRIDE + j), splat(0.0f));
      row = row + weight;
      store(columns + j, load(columns + j) + weight);
    }
    f->crossing[i] = sum_lanes(row);
  }
  for (int i = 0; i < count; i++) f->crossing[i] -= columns[i];
}

/* Writes dx, d delta and dA of the run's steps from du and the slopes of the log decays. `through`: what crosses every step of the run. */
static void ssd_step_slopes(const call_t *call, const ssd_shape *s, const ssd_backward_scratch *f, const run_t *run, const float *ending, double through, int b, int h) {
  const float *x = IN(float, 0);
  float *dx = OUT(float, 0), *ddt = OUT(float, 1), *da = OUT(float, 2);
  double after = 0.0, total = through;
  for (int k = run->begin; k < run->end; k++) total += ending[k - run->begin];
  for (int k = run->end - 1; k >= run->begin; k--) {
    after += f->crossing[k - run->begin];
    total -= ending[k - run->begin];
    double log_decay = after + total;
    size_t row = ssd_row(s, f->steps, k, b, s->H, h, s->P), step = ssd_row(s, f->steps, k, b, s->H, h, 1);
    vf sum = splat(0.0f);
    for (int e = 0; e < s->P; e += W) {
      vf slope = load(f->du + (size_t)k * s->width + e), input = load_part(x + row + e, s->P - e);
      sum = multiply_add(slope, input, sum);
      store_part(dx + row + e, multiply_add(ssd_skip(call, s, h, e), load(f->dy + (size_t)k * s->width + e), slope * splat(f->head->dt[k])), s->P - e);
    }
    double raw = (sum_lanes(sum) + log_decay * f->head->decay[k]) * f->head->slope[k];
    ddt[step] = (float)raw;
    f->totals[1] += raw;
    if (s->varying_decay) da[step] = (float)(log_decay * f->head->dt[k]);
    else f->totals[0] += log_decay * f->head->dt[k];
  }
}

/* One run of one head: slope [P][states] goes from after the run to before it. */
static void ssd_backward_steps(const call_t *call, const ssd_shape *s, const ssd_backward_scratch *f, const run_t *run, const float *state, float *slope, int b, int h) {
  int begin = run->begin, count = run->end - begin, width = s->width, states = s->states;
  size_t rows = (size_t)begin * width, coefficients = (size_t)begin * states, size = (size_t)s->P * states;
  float ending[SSD_STRIDE];
  float kept = ssd_decays(f->head, run);
  ssd_scores(f->head, run, f->products, f->scores, f->decays);
  if (IN(float, 6)) ssd_outputs_again(s, f, run, state);
  ssd_gate_slopes(call, s, f, run, b, h);
  for (int k = begin; k < run->end; k++)
    for (int e = 0; e < width; e += W) store(f->faded + (size_t)k * width + e, load(f->u + (size_t)k * width + e) * splat(f->head->fading[k]));
  ssd_transpose(f->u_across, SSD_STRIDE, f->u + rows, width, count, s->P);
  ssd_lower_products(f->dy + rows, width, f->u_across, f->m, count, s->P);
  ssd_weigh_pairs(f, run);

  matmul_t to_c = {f->grown + rows, width, 1, state, states, f->part, states, count, states, s->P, 0};
  matmul(&to_c);
  for (int k = 0; k < count; k++) f->crossing[k] += ssd_dot(f->part + (size_t)k * states, f->c + coefficients + (size_t)k * states, states);
  for (size_t i = 0; i < (size_t)count * states; i += W) store(f->dc + coefficients + i, load(f->dc + coefficients + i) + load(f->part + i));
  ssd_add_lower(f->m, f->b + coefficients, f->dc + coefficients, count, states);

  matmul_t to_b = {f->faded + rows, width, 1, slope, states, f->part, states, count, states, s->P, 0};
  matmul(&to_b);
  for (int k = 0; k < count; k++) ending[k] = ssd_dot(f->part + (size_t)k * states, f->b + coefficients + (size_t)k * states, states);
  for (size_t i = 0; i < (size_t)count * states; i += W) store(f->db + coefficients + i, load(f->db + coefficients + i) + load(f->part + i));
  ssd_add_upper(f->m, f->c + coefficients, f->db + coefficients, count, states);

  matmul_t to_u = {slope, states, 1, f->b_across + begin, SSD_STRIDE, f->across, SSD_STRIDE, s->P, round_up(count, W), s->N, 0};
  matmul(&to_u);
  for (int k = 0; k < count; k++)
    for (int e = 0; e < width; e++)
      f->du[rows + (size_t)k * width + e] = e < s->P ? f->across[e * SSD_STRIDE + k] * f->head->fading[begin + k] : 0.0f;
  ssd_add_upper(f->scores, f->dy + rows, f->du + rows, count, width);

  ssd_step_slopes(call, s, f, run, ending, (double)kept * ssd_dot(slope, state, size), b, h);
  ssd_scale(slope, size, kept);
  matmul_t to_state = {f->grown + rows, 1, width, f->c + coefficients, states, slope, states, s->P, states, count, 1};
  matmul(&to_state);
}

/* One chunk of one head. */
static void ssd_backward_chunk(const call_t *call, const ssd_shape *s, const ssd_backward_scratch *f, const float *kept, float *slope, int b, int h) {
  const float *d_states = IN(float, 12);
  const steps_t *steps = f->steps;
  size_t size = (size_t)s->P * s->states, slots = s->state_every ? divide_up(s->L, s->state_every) : 0;
  ssd_step_sizes(call, s, steps, b, h, f->head);
  ssd_load_inputs(call, s, steps, b, h, f->head->dt, f->u);
  for (int r = 0; r < steps->runs; r++) {
    float *before = f->before + r * size;
    if (steps->run[r].reset) fill_zero(before, size);
    else copy_floats(before, r ? before - size : kept, size);
    if (r && !steps->run[r].reset) ssd_advance(s, f, &steps->run[r - 1], before);
  }
  for (int r = steps->runs - 1; r >= 0; r--) {
    const run_t *run = &steps->run[r];
    if (run->state_index >= 0 && d_states) {
      const float *more = d_states + (((size_t)b * slots + run->state_index) * s->H + h) * s->P * s->N;
      for (int p = 0; p < s->P; p++)
        for (int n = 0; n < s->N; n++) slope[(size_t)p * s->states + n] += more[(size_t)p * s->N + n];
    }
    if (run->end > run->begin) ssd_backward_steps(call, s, f, run, f->before + r * size, slope, b, h);
    if (run->reset) fill_zero(slope, size);
  }
  for (int t = 0; t < steps->length; t++) {
    if (steps->counted[t]) continue;
    size_t step = ((size_t)b * s->L + steps->start + t) * s->H + h;
    fill_zero(OUT(float, 0) + step * s->P, s->P);
    OUT(float, 1)[step] = 0.0f;
    if (s->varying_decay) OUT(float, 2)[step] = 0.0f;
    if (OUT(float, 6)) fill_zero(OUT(float, 6) + step * s->P, s->P);
  }
}

/* Rows of dB or dC of a chunk to where they belong: `stride` floats from step to step; zeros at masked steps. */
static void ssd_store_coefficients(const ssd_shape *s, const steps_t *steps, const float *rows, float *target, size_t stride) {
  for (int t = 0, k = 0; t < steps->length; t++) {
    float *to = target + (size_t)(steps->start + t) * stride;
    if (steps->counted[t]) copy_floats(to, rows + (size_t)k++ * s->states, s->N);
    else fill_zero(to, s->N);
  }
}

static void ssd_backward_task(const call_t *call, const ssd_shape *s, const ssd_partition *p, int task, const ssd_partials *partials, const ssd_backward_scratch *f) {
  int block = task % p->blocks, g = task / p->blocks % s->G, b = task / p->blocks / s->G;
  int first = g * p->in_group + block * p->in_block, count = min_int(p->in_block, p->in_group - block * p->in_block);
  const float *d_final = IN(float, 11);
  float *d_initial = OUT(float, 8);
  size_t size = (size_t)s->P * s->states;
  ssd_keep_states(call, s, f, b, g, first, count);
  for (int index = 0; index < count; index++) {
    float *sums = partials->sums + ((size_t)b * s->H + first + index) * ssd_sums(s), *slope = f->slopes + index * size;
    fill_zero(sums, ssd_sums(s));
    for (int row = 0; row < s->P; row++)
      for (int n = 0; n < s->states; n += W) {
        const float *from = d_final ? d_final + (((size_t)b * s->H + first + index) * s->P + row) * s->N + n : 0;
        store(slope + (size_t)row * s->states + n, from ? load_part(from, s->N - n) : splat(0.0f));
      }
  }
  for (int chunk = s->chunks - 1; chunk >= 0; chunk--) {
    ssd_list(call, s, b, chunk, s->state_every, f->steps);
    ssd_gather_rows(f->b, s->states, IN(float, 3), s, f->steps, b, s->G, g, s->N);
    ssd_gather_rows(f->c, s->states, IN(float, 4), s, f->steps, b, s->G, g, s->N);
    fill_zero(f->b_across, (size_t)s->N * SSD_STRIDE);
    fill_zero(f->c_across, (size_t)s->N * SSD_STRIDE);
    ssd_transpose(f->b_across, SSD_STRIDE, f->b, s->states, f->steps->count, s->N);
    ssd_transpose(f->c_across, SSD_STRIDE, f->c, s->states, f->steps->count, s->N);
    ssd_lower_products(f->c, s->states, f->b_across, f->products, f->steps->count, s->N);
    fill_zero(f->db, (size_t)f->steps->count * s->states);
    fill_zero(f->dc, (size_t)f->steps->count * s->states);
    for (int index = 0; index < count; index++) {
      float *sums = partials->sums + ((size_t)b * s->H + first + index) * ssd_sums(s);
      fill_zero(f->sums, s->width);
      f->totals[0] = f->totals[1] = 0.0;
      ssd_backward_chunk(call, s, f, f->kept + ((size_t)index * s->chunks + chunk) * size, f->slopes + index * size, b, first + index);
      for (int i = 0; i < 2; i++) sums[i] += (float)f->totals[i];
      for (int i = 2; i < ssd_sums(s); i++) sums[i] += f->sums[i - 2];
    }
    size_t own = ((size_t)b * s->L * s->G + g) * s->N, partial = (size_t)task * s->L * s->N;
    ssd_store_coefficients(s, f->steps, f->db, p->blocks > 1 ? partials->db + partial : OUT(float, 3) + own, p->blocks > 1 ? s->N : (size_t)s->G * s->N);
    ssd_store_coefficients(s, f->steps, f->dc, p->blocks > 1 ? partials->dc + partial : OUT(float, 4) + own, p->blocks > 1 ? s->N : (size_t)s->G * s->N);
  }
  for (int index = 0; d_initial && index < count; index++)
    for (int row = 0; row < s->P; row++)
      copy_floats(d_initial + (((size_t)b * s->H + first + index) * s->P + row) * s->N, f->slopes + index * size + (size_t)row * s->states, s->N);
}

/* dB and dC of one chunk of one sequence: the sum over the tasks of each group. */
static void ssd_sum_coefficients(const call_t *call, const ssd_shape *s, const ssd_partition *p, int task, const ssd_partials *partials) {
  int b = task / s->chunks, start = task % s->chunks * MAX_STEPS, stop = min_int(start + MAX_STEPS, s->L);
  for (int which = 0; which < 2; which++) {
    const float *from = which ? partials->dc : partials->db;
    float *to = which ? OUT(float, 4) : OUT(float, 3);
    for (int t = start; t < stop; t++)
      for (int g = 0; g < s->G; g++)
        for (int n = 0; n < s->N; n++) {
          float sum = 0.0f;
          for (int block = 0; block < p->blocks; block++) sum += from[((((size_t)b * s->G + g) * p->blocks + block) * s->L + t) * s->N + n];
          to[(((size_t)b * s->L + t) * s->G + g) * s->N + n] = sum;
        }
  }
}

/* What belongs to heads: the sum over the sequences. */
static void ssd_sum_heads(const call_t *call, const ssd_shape *s, const ssd_partials *partials) {
  float *da = OUT(float, 2), *dd = OUT(float, 5), *dbias = OUT(float, 7);
  int each = ssd_sums(s);
  for (int h = 0; h < s->H; h++)
    for (int i = 0; i < each; i++) {
      float sum = 0.0f;
      for (int b = 0; b < s->B; b++) sum += partials->sums[((size_t)b * s->H + h) * each + i];
      if (i == 0 && !s->varying_decay) da[h] = sum;
      if (i == 1 && dbias) dbias[h] = sum;
      if (i >= 2 && dd) dd[(size_t)h * (each - 2) + i - 2] = sum;
    }
}

static void ssd_scan_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  ssd_shape s = ssd_shape_of(call);
  ssd_partition p = ssd_partition_of(&s);
  ssd_partials partials = take_ssd_partials(&s, &p, workspace);
  arena_t arena = {scratch};
  ssd_backward_scratch f = {0};
  if (phase == 0) f = take_ssd_backward_scratch(call, &s, &p, &arena);
  for (int task = begin; task < end; task++) {
    if (phase == 0) ssd_backward_task(call, &s, &p, task, &partials, &f);
    else if (phase == 1) ssd_sum_coefficients(call, &s, &p, task, &partials);
    else ssd_sum_heads(call, &s, &partials);
  }
}
