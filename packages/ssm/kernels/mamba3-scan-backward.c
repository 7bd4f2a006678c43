/*
 * Scan of Mamba-3, backward. A task is one sequence and some heads of one group, one after the other: forward over time to keep the head's memory
 * at every chunk, then backward over the chunks, whose states are computed again. dB, dC and the angles' gradient of the tasks are added in order
 * by phase 1, what belongs to heads by phase 2 over the sequences.
 */
#include "mamba3-scan.h"

typedef struct { int in_group, blocks, in_block; } mamba3_partition;

INLINE mamba3_partition mamba3_partition_of(const mamba3_shape *s) {
  mamba3_partition p;
  p.in_group = s->H / s->G;
  int wanted = min_int(p.in_group, divide_up(8, max_int(1, s->B * s->G)));
  p.in_block = divide_up(p.in_group, wanted);
  p.blocks = divide_up(p.in_group, p.in_block);
  return p;
}

/* Sums over time of one head, in this order: biases of B and C [R][N], D, projections of x, z and the output [R][P], norm [P]. */
INLINE size_t mamba3_sums(const mamba3_shape *s) { return 2 * (size_t)s->R * s->N + 1 + 3 * (size_t)s->R * s->P + s->P; }
INLINE size_t mamba3_place(const mamba3_shape *s, int which) {
  size_t coefficients = (size_t)s->R * s->N, parameters = (size_t)s->R * s->P;
  if (which <= 2) return which * coefficients;
  return 2 * coefficients + 1 + (which - 3) * parameters - (which == 7 ? parameters - s->P : 0);
}

/* Floats of dB (or dC) and of the angles' gradient that each task holds for itself, for one step. */
INLINE size_t mamba3_own(const mamba3_shape *s) { return 2 * (size_t)s->R * s->N + (s->shared_angles ? s->S : 0); }

typedef struct { float *sums, *own; } mamba3_partials;

static mamba3_partials take_mamba3_partials(const mamba3_shape *s, const mamba3_partition *p, void *memory) {
  arena_t arena = {memory};
  mamba3_partials w;
  w.sums = take_floats(&arena, (size_t)s->B * s->H * mamba3_sums(s));
  w.own = take_floats(&arena, (size_t)s->B * s->G * p->blocks * s->L * mamba3_own(s));
  return w;
}

typedef struct {
  mamba3_memory now, slope;
  float *angles;                     /* [turns]: slope of the angle */
  mamba3_memory *kept;               /* [chunks] */
  mamba3_step *steps;                /* [MAX_STEPS] */
  float *states;                     /* [MAX_STEPS + 1][N][width] */
  float *first_b, *first_x;          /* memory before the chunk's first step, or zeros after a reset */
  float *d_out, *dv, *d_last;        /* [R][width] */
  float *db, *dc;                    /* [R][states] */
  float *along;                      /* [4][W] partial sums, then [states] */
  float *zeros;                      /* [max(R states, R width, N width)] */
  uint8_t *fresh;                    /* [MAX_STEPS]: the memory was empty before the step */
  int *counted;                      /* [MAX_STEPS] */
} mamba3_scratch;

static mamba3_scratch take_mamba3_scratch(const mamba3_shape *s, arena_t *arena) {
  mamba3_scratch f;
  size_t coefficients = (size_t)s->R * s->states, inputs = (size_t)s->R * s->width;
  f.now = take_mamba3_memory(s, arena);
  f.slope = take_mamba3_memory(s, arena);
  f.kept = take(arena, sizeof(mamba3_memory) * s->chunks);
  f.steps = take(arena, sizeof(mamba3_step) * MAX_STEPS);
  f.states = take_floats(arena, mamba3_state_floats(s) * (MAX_STEPS + 1));
  f.first_b = take_floats(arena, coefficients);
  f.first_x = take_floats(arena, inputs);
  f.d_out = take_floats(arena, inputs);
  f.dv = take_floats(arena, inputs);
  f.d_last = take_floats(arena, inputs);
  f.db = take_floats(arena, coefficients);
  f.dc = take_floats(arena, coefficients);
  f.along = take_floats(arena, 4 * W + s->states);
  f.zeros = take_floats(arena, mamba3_state_floats(s) + coefficients + inputs);
  f.fresh = take(arena, MAX_STEPS);
  f.counted = take(arena, sizeof(int) * MAX_STEPS);
  f.angles = take_floats(arena, s->turns);
  return f;
}

/* What lies behind pointers of the scratch: memories of chunks, steps. Kept apart so that sizes can be counted without writing. */
static void take_mamba3_rest(const mamba3_shape *s, arena_t *arena, const mamba3_scratch *fill) {
  for (int chunk = 0; chunk < s->chunks; chunk++) {
    mamba3_memory m = take_mamba3_memory(s, arena);
    if (fill) fill->kept[chunk] = m;
  }
  for (int k = 0; k < MAX_STEPS; k++) {
    float *memory = take_floats(arena, mamba3_step_floats(s));
    if (fill) fill->steps[k] = take_mamba3_step(s, memory);
  }
}

static void mamba3_scan_backward_plan(const call_t *call, plan_t *plan) {
  mamba3_shape s = mamba3_shape_of(call);
  mamba3_partition p = mamba3_partition_of(&s);
  arena_t arena = {0};
  take_mamba3_scratch(&s, &arena);
  take_mamba3_rest(&s, &arena, 0);
  plan->scratchBytes = aligned_bytes((double)(uintptr_t)arena.next);
  plan->workspaceBytes = aligned_bytes(4.0 * ((double)s.B * s.H * mamba3_sums(&s) + (double)s.B * s.G * p.blocks * s.L * mamba3_own(&s)) + 2 * ALIGNMENT);
  plan->phases = 3;
  plan->tasks[0] = s.B * s.G * p.blocks;
  plan->tasks[1] = s.B * s.chunks;
  plan->tasks[2] = s.H;
}

/* Forward over all chunks but the last: the memory at the begin of each. */
static void mamba3_keep(const call_t *call, const mamba3_shape *s, const mamba3_scratch *f, int b, int h) {
  size_t head = (size_t)b * s->H + h;
  mamba3_read_memory(s, &f->now, IN(float, MAMBA3_ANGLE), IN(float, MAMBA3_STATE), IN(float, MAMBA3_LAST_B), IN(float, MAMBA3_LAST_X), head);
  mamba3_step *at = &f->steps[0];
  for (int t = 0; t < s->L; t++) {
    size_t step = (size_t)b * s->L + t;
    int control = mamba3_control(call, step);
    if (t % MAX_STEPS == 0) mamba3_copy_memory(s, &f->kept[t / MAX_STEPS], &f->now);
    if (t / MAX_STEPS + 1 == s->chunks) return;
    if (control & CONTROL_RESET) mamba3_forget(s, &f->now);
    if (control & CONTROL_MASKED) continue;
    mamba3_prepare(call, s, step, h, f->now.angle, at);
    mamba3_advance(call, s, at, h, f->now.b, f->now.x, f->now.state, f->now.state);
    copy_floats(f->now.b, at->b, (size_t)s->R * s->states);
    copy_floats(f->now.x, at->v, (size_t)s->R * s->width);
  }
}

/* Steps and states of one chunk again. Returns how many steps count. */
static int mamba3_again(const call_t *call, const mamba3_shape *s, const mamba3_scratch *f, int chunk, int b, int h) {
  size_t size = mamba3_state_floats(s);
  int count = 0, stop = min_int((chunk + 1) * MAX_STEPS, s->L), fresh = 0;
  mamba3_copy_memory(s, &f->now, &f->kept[chunk]);
  copy_floats(f->first_b, f->now.b, (size_t)s->R * s->states);
  copy_floats(f->first_x, f->now.x, (size_t)s->R * s->width);
  copy_floats(f->states, f->now.state, size);
  for (int t = chunk * MAX_STEPS; t < stop; t++) {
    size_t step = (size_t)b * s->L + t;
    int control = mamba3_control(call, step);
    if (control & CONTROL_RESET) {
      fresh = 1;
      for (int i = 0; i < s->turns; i++) f->now.angle[i] = 0.0;
    }
    if (control & CONTROL_MASKED) continue;
    mamba3_step *at = &f->steps[count];
    mamba3_prepare(call, s, step, h, f->now.angle, at);
    const float *last_b = fresh ? f->zeros : count ? f->steps[count - 1].b : f->first_b, *last_x = fresh ? f->zeros : count ? f->steps[count - 1].v : f->first_x;
    mamba3_advance(call, s, at, h, last_b, last_x, fresh ? f->zeros : f->states + count * size, f->states + (count + 1) * size);
    mamba3_normalise(call, s, at, h);
    f->fresh[count] = (uint8_t)fresh;
    f->counted[count++] = t;
    fresh = 0;
  }
  return count;
}

/* d_out: slope of each rank's output before norm and gate. */
static void mamba3_output_slopes(const call_t *call, const mamba3_shape *s, const mamba3_scratch *f, const mamba3_step *at, size_t row, int h, float *sums) {
  const float *z = IN(float, MAMBA3_Z), *dy = IN(float, 20), *norm = IN(float, MAMBA3_NORM);
  float *dz = OUT(float, MAMBA3_Z), *d_zp = sums + mamba3_place(s, 4), *d_op = sums + mamba3_place(s, 5), *d_norm = sums + mamba3_place(s, 6);
  if (dz) fill_zero(dz + row * s->P, s->P);
  for (int r = 0; r < s->R; r++) {
    const float *raw = at->raw + (size_t)r * s->width, *normed = at->normed + (size_t)r * s->width;
    float *slope = f->d_out + (size_t)r * s->width;
    vf along = splat(0.0f);
    for (int e = 0; e < s->width; e += W) {
      int count = s->P - e;
      if (count <= 0) continue;
      vf given = load_part(dy + row * s->P + e, count), value = load(normed + e), gate = splat(1.0f);
      vf d_gated = given * mamba3_parameter(IN(float, MAMBA3_OUT_PROJECTION), s, h, r, e);
      if (z) {
        vf input = load_part(z + row * s->P + e, count), weight = mamba3_parameter(IN(float, MAMBA3_Z_PROJECTION), s, h, r, e), argument = input * weight, half = sigmoid_of(argument);
        gate = argument * half;
        vf d_argument = d_gated * value * silu_slope(argument, half);
        store_part(dz + row * s->P + e, multiply_add(d_argument, weight, load_part(dz + row * s->P + e, count)), count);
        store_part(d_zp + (size_t)r * s->P + e, multiply_add(d_argument, input, load_part(d_zp + (size_t)r * s->P + e, count)), count);
      }
      store_part(d_op + (size_t)r * s->P + e, multiply_add(given, value * gate, load_part(d_op + (size_t)r * s->P + e, count)), count);
      vf d_normed = d_gated * gate;
      if (norm) {
        vf before = load(raw + e);
        store_part(d_norm + e, multiply_add(d_normed * before, splat(at->scale[r]), load_part(d_norm + e, count)), count);
        d_normed = d_normed * load_part(norm + (size_t)h * s->P + e, count);
        along = multiply_add(d_normed, before, along);
      }
      store(slope + e, d_normed);
    }
    if (norm) {
      float scale = at->scale[r], share = sum_lanes(along) * scale * scale / s->P;
      for (int e = 0; e < s->width; e += W) store(slope + e, (load(slope + e) - load(raw + e) * splat(share)) * splat(scale));
    }
  }
}

/* Turns the slopes of B or C back, adds the angle's, and writes what belongs to the step and to the bias. */
static void mamba3_turn_back(const mamba3_shape *s, const mamba3_step *at, const float *rows, float *slopes, float *angles, float *step_sum, float *bias_sum, int add) {
  for (int r = 0; r < s->R; r++) {
    const float *row = rows + (size_t)r * s->states;
    float *slope = slopes + (size_t)r * s->states;
    for (int i = 0; i < s->S; i++) {
      float first = slope[2 * i], second = slope[2 * i + 1];
      angles[i] += second * row[2 * i] - first * row[2 * i + 1];
      slope[2 * i] = first * at->cosine[i] + second * at->sine[i];
      slope[2 * i + 1] = second * at->cosine[i] - first * at->sine[i];
    }
    for (int n = 0; n < s->N; n += W) {
      int count = s->N - n;
      float *own = step_sum + (size_t)r * s->N + n, *bias = bias_sum + (size_t)r * s->N + n;
      vf value = load(slope + n);
      store_part(own, add ? load_part(own, count) + value : value, count);
      store_part(bias, load_part(bias, count) + value, count);
    }
  }
}

/* Adds C[n] d_out of every rank to the state's slope. Returns the sum of slope * state before. */
static float mamba3_state_slopes(const mamba3_shape *s, const mamba3_scratch *f, const mamba3_step *at, const float *before) {
  float *slope = f->slope.state;
  size_t size = mamba3_state_floats(s);
  vf decayed = splat(0.0f);
  for (int r = 0; r < s->R; r++) {
    const float *c = at->c + (size_t)r * s->states, *d_out = f->d_out + (size_t)r * s->width;
    for (int n = 0; n < s->N; n++)
      for (int e = 0; e < s->width; e += W) store(slope + (size_t)n * s->width + e, multiply_add(splat(c[n]), load(d_out + e), load(slope + (size_t)n * s->width + e)));
  }
  for (size_t i = 0; i < size; i += W) decayed = multiply_add(load(slope + i), load(before + i), decayed);
  return sum_lanes(decayed);
}

/* Sums over P for each n: target[n] += sum of rows[n] * vector. Four n at a time. */
static void mamba3_project(const mamba3_shape *s, const float *rows, const float *vector, float *target, float *lanes) {
  for (int n = 0; n < s->N; n += 4) {
    int count = min_int(4, s->N - n);
    for (int i = 0; i < 4; i++) {
      vf sum = splat(0.0f);
      for (int e = 0; i < count && e < s->width; e += W) sum = multiply_add(load(rows + (size_t)(n + i) * s->width + e), load(vector + e), sum);
      store(lanes + i * W, sum);
    }
    float sums[4];
    sum_lanes_of_four(lanes, sums);
    for (int i = 0; i < count; i++) target[n + i] += sums[i];
  }
}

/* target[p] += factor * sum over n of weights[n] rows[n][p]. */
static void mamba3_gather(const mamba3_shape *s, const float *rows, const float *weights, float factor, float *target) {
  for (int e = 0; e < s->width; e += W) {
    vf sum = splat(0.0f);
    for (int n = 0; n < s->N; n++) sum = multiply_add(splat(weights[n]), load(rows + (size_t)n * s->width + e), sum);
    store(target + e, multiply_add(sum, splat(factor), load(target + e)));
  }
}

INLINE float mamba3_dot(const float *a, const float *b, int count) {
  vf sum = splat(0.0f);
  for (int i = 0; i < count; i += W) sum = multiply_add(load_part(a + i, count - i), load_part(b + i, count - i), sum);
  return sum_lanes(sum);
}

/* One step of one head; the slopes of the memory go from after it to before it. */
static void mamba3_backward_step(const call_t *call, const mamba3_shape *s, const mamba3_scratch *f, int k, int b, int h, float *sums, float *own, int add) {
  const mamba3_step *at = &f->steps[k];
  size_t step = (size_t)b * s->L + f->counted[k], row = step * s->H + h, size = mamba3_state_floats(s);
  size_t coefficients = (size_t)s->R * s->states, inputs = (size_t)s->R * s->width;
  int fresh = f->fresh[k];
  const float *last_b = fresh ? f->zeros : k ? f->steps[k - 1].b : f->first_b, *last_x = fresh ? f->zeros : k ? f->steps[k - 1].v : f->first_x;
  const float *before = fresh ? f->zeros : f->states + k * size, *after = f->states + (k + 1) * size;
  float skip = IN(float, MAMBA3_D) ? IN(float, MAMBA3_D)[h] : 0.0f, *slope = f->slope.state;
  mamba3_output_slopes(call, s, f, at, row, h, sums);
  copy_floats(f->db, f->slope.b, coefficients);
  copy_floats(f->dv, f->slope.x, inputs);
  fill_zero(f->dc, coefficients);
  fill_zero(f->slope.b, coefficients);
  fill_zero(f->slope.x, inputs);
  float d_alpha = mamba3_state_slopes(s, f, at, before), d_beta = 0.0f, d_gamma = 0.0f, d_skip = 0.0f;
  for (int r = 0; r < s->R; r++) {
    size_t cr = (size_t)r * s->states, ir = (size_t)r * s->width;
    mamba3_project(s, after, f->d_out + ir, f->dc + cr, f->along);
    /* slope times the input: what reaches B, and through it gamma */
    float *products = f->along + 4 * W;
    fill_zero(products, s->N);
    mamba3_project(s, slope, at->v + ir, products, f->along);
    d_gamma += mamba3_dot(products, at->b + cr, s->N);
    for (int n = 0; n < s->N; n++) f->db[cr + n] += at->gamma * products[n];
    fill_zero(products, s->N);
    mamba3_project(s, slope, last_x + ir, products, f->along);
    d_beta += mamba3_dot(products, last_b + cr, s->N);
    for (int n = 0; n < s->N; n++) f->slope.b[cr + n] = at->beta * products[n];
    mamba3_gather(s, slope, at->b + cr, at->gamma, f->dv + ir);
    mamba3_gather(s, slope, last_b + cr, at->beta, f->slope.x + ir);
    d_skip += mamba3_dot(f->d_out + ir, at->v + ir, s->width);
    for (int e = 0; e < s->width; e += W) store(f->dv + ir + e, multiply_add(splat(skip), load(f->d_out + ir + e), load(f->dv + ir + e)));
  }
  for (size_t i = 0; i < size; i += W) store(slope + i, load(slope + i) * splat(at->alpha));
  sums[mamba3_place(s, 2)] += d_skip;

  size_t own_row = (size_t)f->counted[k] * mamba3_own(s), each = (size_t)s->R * s->N;
  mamba3_turn_back(s, at, at->b, f->db, f->angles, own + own_row, sums + mamba3_place(s, 0), add);
  mamba3_turn_back(s, at, at->c, f->dc, f->angles, own + own_row + each, sums + mamba3_place(s, 1), add);

  float *dx = OUT(float, MAMBA3_X) + row * s->P, *d_xp = sums + mamba3_place(s, 3);
  for (int e = 0; e < s->P; e += W) {
    int count = s->P - e;
    vf input = load_part(IN(float, MAMBA3_X) + row * s->P + e, count), sum = splat(0.0f);
    for (int r = 0; r < s->R; r++) {
      vf value = load(f->dv + (size_t)r * s->width + e);
      sum = multiply_add(value, mamba3_parameter(IN(float, MAMBA3_X_PROJECTION), s, h, r, e), sum);
      store_part(d_xp + (size_t)r * s->P + e, multiply_add(value, input, load_part(d_xp + (size_t)r * s->P + e, count)), count);
    }
    store_part(dx + e, sum, count);
  }

  float turned = 0.0f, *d_angles = s->shared_angles ? own + own_row + 2 * each : OUT(float, MAMBA3_ANGLES) + row * s->S;
  for (int i = 0; i < s->S; i++) {
    float value = f->angles[i] * 3.14159265f, turn = at->turn[i];
    turned += value * turn;
    value *= at->dt * (1.0f - turn * turn);
    d_angles[i] = s->shared_angles && add ? d_angles[i] + value : value;
  }
  OUT(float, MAMBA3_DT)[row] = d_beta * (1.0f - at->trap) * at->alpha + d_gamma * at->trap + turned;
  OUT(float, MAMBA3_LOG_DECAY)[row] = (d_alpha + d_beta * (1.0f - at->trap) * at->dt) * at->alpha;
  OUT(float, MAMBA3_TRAP)[row] = (d_gamma - d_beta * at->alpha) * at->dt * at->trap * (1.0f - at->trap);
}

static void mamba3_masked_step(const call_t *call, const mamba3_shape *s, int b, int t, int h, float *own, int add) {
  size_t row = ((size_t)b * s->L + t) * s->H + h;
  fill_zero(OUT(float, MAMBA3_X) + row * s->P, s->P);
  if (OUT(float, MAMBA3_Z)) fill_zero(OUT(float, MAMBA3_Z) + row * s->P, s->P);
  OUT(float, MAMBA3_DT)[row] = OUT(float, MAMBA3_LOG_DECAY)[row] = OUT(float, MAMBA3_TRAP)[row] = 0.0f;
  if (!s->shared_angles) fill_zero(OUT(float, MAMBA3_ANGLES) + row * s->S, s->S);
  if (!add) fill_zero(own + (size_t)t * mamba3_own(s), mamba3_own(s));
}

static void mamba3_backward_head(const call_t *call, const mamba3_shape *s, const mamba3_scratch *f, int b, int h, float *sums, float *own, int add) {
  size_t head = (size_t)b * s->H + h;
  fill_zero(sums, mamba3_sums(s));
  mamba3_keep(call, s, f, b, h);
  mamba3_read_memory(s, &f->slope, IN(float, 21), IN(float, 22), IN(float, 23), IN(float, 24), head);
  for (int i = 0; i < s->turns; i++) f->angles[i] = (float)f->slope.angle[i];
  for (int chunk = s->chunks - 1; chunk >= 0; chunk--) {
    int k = mamba3_again(call, s, f, chunk, b, h);
    for (int t = min_int((chunk + 1) * MAX_STEPS, s->L) - 1; t >= chunk * MAX_STEPS; t--) {
      int control = mamba3_control(call, (size_t)b * s->L + t);
      if (control & CONTROL_MASKED) mamba3_masked_step(call, s, b, t, h, own, add);
      else mamba3_backward_step(call, s, f, --k, b, h, sums, own, add);
      if (control & CONTROL_RESET) {
        mamba3_forget(s, &f->slope);
        fill_zero(f->angles, s->turns);
      }
    }
  }
  for (int i = 0; i < s->turns; i++) f->slope.angle[i] = f->angles[i];
  mamba3_write_memory(s, &f->slope, OUT(float, MAMBA3_ANGLE), OUT(float, MAMBA3_STATE), OUT(float, MAMBA3_LAST_B), OUT(float, MAMBA3_LAST_X), head);
}

/* dB and dC of one chunk of one sequence, and the shared angles' gradient: sums over the tasks. */
static void mamba3_sum_steps(const call_t *call, const mamba3_shape *s, const mamba3_partition *p, int task, const float *own) {
  int b = task / s->chunks, start = task % s->chunks * MAX_STEPS, stop = min_int(start + MAX_STEPS, s->L);
  size_t row = mamba3_own(s), each = (size_t)s->R * s->N;
  float *db = OUT(float, MAMBA3_B), *dc = OUT(float, MAMBA3_C), *d_angles = OUT(float, MAMBA3_ANGLES);
  for (int t = start; t < stop; t++) {
    size_t step = (size_t)b * s->L + t;
    for (int i = 0; s->shared_angles && i < s->S; i++) d_angles[step * s->S + i] = 0.0f;
    for (int g = 0; g < s->G; g++)
      for (int block = 0; block < p->blocks; block++) {
        const float *from = own + ((((size_t)b * s->G + g) * p->blocks + block) * s->L + t) * row;
        for (int r = 0; r < s->R; r++) {
          float *to_b = db + ((step * s->R + r) * s->G + g) * s->N, *to_c = dc + ((step * s->R + r) * s->G + g) * s->N;
          for (int n = 0; n < s->N; n++) {
            to_b[n] = block ? to_b[n] + from[(size_t)r * s->N + n] : from[(size_t)r * s->N + n];
            to_c[n] = block ? to_c[n] + from[each + (size_t)r * s->N + n] : from[each + (size_t)r * s->N + n];
          }
        }
        for (int i = 0; s->shared_angles && i < s->S; i++) d_angles[step * s->S + i] += from[2 * each + i];
      }
  }
}

/* What belongs to head h: the sum over the sequences. */
static void mamba3_sum_heads(const call_t *call, const mamba3_shape *s, int h, const float *sums) {
  for (int which = 0; which < 7; which++) {
    int place = which < 2 ? MAMBA3_B_BIAS + which : which == 2 ? MAMBA3_D : which < 6 ? MAMBA3_X_PROJECTION + which - 3 : MAMBA3_NORM;
    float *to = OUT(float, place);
    size_t first = mamba3_place(s, which), count = mamba3_place(s, which + 1) - first;
    for (size_t i = 0; to && i < count; i++) {
      float sum = 0.0f;
      for (int b = 0; b < s->B; b++) sum += sums[((size_t)b * s->H + h) * mamba3_sums(s) + first + i];
      to[(size_t)h * count + i] = sum;
    }
  }
}

static void mamba3_scan_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  mamba3_shape s = mamba3_shape_of(call);
  mamba3_partition p = mamba3_partition_of(&s);
  mamba3_partials partials = take_mamba3_partials(&s, &p, workspace);
  if (phase == 0) {
    arena_t arena = {scratch};
    mamba3_scratch f = take_mamba3_scratch(&s, &arena);
    take_mamba3_rest(&s, &arena, &f);
    fill_zero(f.zeros, mamba3_state_floats(&s) + (size_t)s.R * (s.states + s.width));
    for (int k = 0; k < MAX_STEPS; k++) {
      fill_zero(f.steps[k].b, (size_t)s.R * s.states);
      fill_zero(f.steps[k].c, (size_t)s.R * s.states);
    }
    fill_zero(f.d_out, (size_t)s.R * s.width);
    for (int task = begin; task < end; task++) {
      int block = task % p.blocks, g = task / p.blocks % s.G, b = task / p.blocks / s.G;
      float *own = partials.own + (size_t)task * s.L * mamba3_own(&s);
      for (int index = 0; index < min_int(p.in_block, p.in_group - block * p.in_block); index++) {
        int h = g * p.in_group + block * p.in_block + index;
        mamba3_backward_head(call, &s, &f, b, h, partials.sums + ((size_t)b * s.H + h) * mamba3_sums(&s), own, index > 0);
      }
    }
    return;
  }
  for (int task = begin; task < end; task++) {
    if (phase == 1) mamba3_sum_steps(call, &s, &p, task, partials.own);
    else mamba3_sum_heads(call, &s, task, partials.sums);
  }
}
