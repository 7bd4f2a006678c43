/*
 * What the scan of Mamba-3's forward and backward share: shapes, and everything one step of one head computes. The state lies as [N][P], P
 * along the vectors; B and C of a step as [R][N], its input as [R][P]. The angle is carried in double within a call.
 */
#ifndef MAMBA360_MAMBA3_SCAN_H
#define MAMBA360_MAMBA3_SCAN_H

#include "functions.h"
#include "steps.h"

typedef struct {
  int B, L, H, P, G, N, R, S, shared_angles, wrap_angles;
  int width, states; /* P and N, rounded up to whole vectors */
  int turns;         /* S, the same way */
  int chunks;
  float epsilon;
} mamba3_shape;

INLINE mamba3_shape mamba3_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  mamba3_shape s = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], 0, 0, 0, 0, (float)call->scalars[0]};
  s.width = round_up(s.P, W);
  s.states = round_up(s.N, W);
  s.turns = round_up(max_int(s.S, 1), W);
  s.chunks = divide_up(s.L, MAX_STEPS);
  return s;
}

/* The places of the inputs. */
enum {
  MAMBA3_X, MAMBA3_DT, MAMBA3_LOG_DECAY, MAMBA3_TRAP, MAMBA3_B, MAMBA3_C, MAMBA3_ANGLES, MAMBA3_B_BIAS, MAMBA3_C_BIAS, MAMBA3_D, MAMBA3_Z, MAMBA3_X_PROJECTION,
  MAMBA3_Z_PROJECTION, MAMBA3_OUT_PROJECTION, MAMBA3_NORM, MAMBA3_ANGLE, MAMBA3_STATE, MAMBA3_LAST_B, MAMBA3_LAST_X, MAMBA3_CONTROL
};

typedef struct {
  float alpha, beta, gamma, dt, trap;
  float *turn, *sine, *cosine; /* [turns] */
  float *b, *c;                /* [R][states]: with bias, turned */
  float *v;                    /* [R][width]: projected input */
  float *raw, *normed;         /* [R][width]: output of each rank with D; the same behind the norm */
  float *scale;                /* [R]: 1 / root mean square */
} mamba3_step;

INLINE size_t mamba3_step_floats(const mamba3_shape *s) { return (size_t)s->turns * 3 + (size_t)s->R * (2 * s->states + 3 * s->width + W); }

static mamba3_step take_mamba3_step(const mamba3_shape *s, float *memory) {
  mamba3_step step = {0};
  step.turn = memory;
  step.sine = step.turn + s->turns;
  step.cosine = step.sine + s->turns;
  step.b = step.cosine + s->turns;
  step.c = step.b + (size_t)s->R * s->states;
  step.v = step.c + (size_t)s->R * s->states;
  step.raw = step.v + (size_t)s->R * s->width;
  step.normed = step.raw + (size_t)s->R * s->width;
  step.scale = step.normed + (size_t)s->R * s->width;
  return step;
}

/* Sine and cosine for |x| <= pi or a little more: Taylor's series on the quarter turn around the nearest multiple of pi / 2. */
INLINE void mamba3_sine_cosine(vf x, vf *sine, vf *cosine) {
  vf shifted = multiply_add(x, splat(0.636619772f), splat(ROUND_TO_INTEGER));
  vf k = shifted - splat(ROUND_TO_INTEGER);
  vf r = multiply_add(k, splat(-1.57079637f), x);
  r = multiply_add(k, splat(4.37113883e-8f), r);
  vf z = r * r;
  vf s = multiply_add(splat(2.75573192e-6f), z, splat(-1.98412698e-4f));
  s = multiply_add(s, z, splat(8.33333333e-3f));
  s = multiply_add(s, z, splat(-1.66666667e-1f));
  s = multiply_add(s * z, r, r);
  vf c = multiply_add(splat(-2.75573192e-7f), z, splat(2.48015873e-5f));
  c = multiply_add(c, z, splat(-1.38888889e-3f));
  c = multiply_add(c, z, splat(4.16666667e-2f));
  c = multiply_add(c, z, splat(-0.5f));
  c = multiply_add(c, z, splat(1.0f));
  vi quadrant = (vi)shifted;
  vi odd = (quadrant & splat_int(1)) != splat_int(0);
  vi sine_sign = (quadrant & splat_int(2)) << 30, cosine_sign = ((quadrant + splat_int(1)) & splat_int(2)) << 30;
  *sine = (vf)((vi)select_lanes(odd, c, s) ^ sine_sign);
  *cosine = (vf)((vi)select_lanes(odd, s, c) ^ cosine_sign);
}

/* a - 2 pi floor(a / 2 pi), and a itself where it is no finite number. */
INLINE double mamba3_wrap(double angle) {
  double turns = angle * 0.15915494309189533577;
  if (!(turns < 4e15 && turns > -4e15)) return angle;
  double whole = (turns + 6755399441055744.0) - 6755399441055744.0;
  if (whole > turns) whole -= 1.0;
  return angle - whole * 6.28318530717958647693;
}

/* The angle brought to [-pi, pi] for the series. */
INLINE float mamba3_reduced(double angle) {
  double turns = angle * 0.15915494309189533577;
  if (!(turns < 4e15 && turns > -4e15)) return (float)(angle - angle); /* NaN */
  return (float)(angle - ((turns + 6755399441055744.0) - 6755399441055744.0) * 6.28318530717958647693);
}

/* rows [R][states] = source of one step + bias, their first pairs turned. */
static void mamba3_turn_rows(const mamba3_shape *s, const float *source, const float *bias, size_t step, int h, const mamba3_step *at, float *rows) {
  int g = h / (s->H / s->G);
  for (int r = 0; r < s->R; r++) {
    const float *from = source + ((step * s->R + r) * s->G + g) * s->N, *add = bias ? bias + ((size_t)h * s->R + r) * s->N : 0;
    float *row = rows + (size_t)r * s->states;
    for (int n = 0; n < s->N; n += W) {
      vf value = load_part(from + n, s->N - n);
      store(row + n, add ? value + load_part(add + n, s->N - n) : value);
    }
    for (int i = 0; i < s->S; i++) {
      float first = row[2 * i], second = row[2 * i + 1];
      row[2 * i] = first * at->cosine[i] - second * at->sine[i];
      row[2 * i + 1] = first * at->sine[i] + second * at->cosine[i];
    }
  }
}

/* Everything of step (b L + t) of head h that does not depend on the state; advances the angle. */
static void mamba3_prepare(const call_t *call, const mamba3_shape *s, size_t step, int h, double *angle, mamba3_step *at) {
  size_t row = step * s->H + h;
  const float *angles = IN(float, MAMBA3_ANGLES) + (s->shared_angles ? step : row) * s->S, *projection = IN(float, MAMBA3_X_PROJECTION);
  at->dt = IN(float, MAMBA3_DT)[row];
  at->alpha = exp2_of(splat(IN(float, MAMBA3_LOG_DECAY)[row] * LOG2_E), 0)[0];
  at->trap = sigmoid_of(splat(IN(float, MAMBA3_TRAP)[row]))[0];
  at->beta = (1.0f - at->trap) * at->dt * at->alpha;
  at->gamma = at->trap * at->dt;
  for (int i = 0; i < s->S; i += W) store(at->turn + i, tanh_of(load_part(angles + i, s->S - i)));
  for (int i = 0; i < s->S; i++) {
    angle[i] += (double)at->turn[i] * at->dt * 3.14159265358979323846;
    if (s->wrap_angles) angle[i] = mamba3_wrap(angle[i]);
    at->cosine[i] = mamba3_reduced(angle[i]);
  }
  for (int i = 0; i < s->S; i += W) {
    vf sine, cosine;
    mamba3_sine_cosine(load_part(at->cosine + i, s->S - i), &sine, &cosine);
    store(at->sine + i, sine);
    store(at->cosine + i, cosine);
  }
  mamba3_turn_rows(s, IN(float, MAMBA3_B), IN(float, MAMBA3_B_BIAS), step, h, at, at->b);
  mamba3_turn_rows(s, IN(float, MAMBA3_C), IN(float, MAMBA3_C_BIAS), step, h, at, at->c);
  for (int r = 0; r < s->R; r++)
    for (int e = 0; e < s->width; e += W) {
      vf value = load_part(IN(float, MAMBA3_X) + row * s->P + e, s->P - e);
      if (projection) value = value * load_part(projection + ((size_t)h * s->R + r) * s->P + e, s->P - e);
      store(at->v + (size_t)r * s->width + e, value);
    }
}

/* `vectors` vectors of channels at e through the step: next = alpha state + beta lastB lastX^T + gamma b v^T, raw = next C + D v. `rank` = R, a constant where it is 1. */
INLINE void mamba3_advance_block(const mamba3_shape *s, const mamba3_step *at, const float *last_b, const float *last_x, float skip, const float *state, float *next, int e, int rank, int vectors) {
  vf now[2], last[2], sum[2], alpha = splat(at->alpha);
  for (int r = 0; r < rank; r++) {
    for (int v = 0; v < vectors; v++) {
      vf input = load(at->v + (size_t)r * s->width + e + v * W);
      now[v] = input * splat(at->gamma);
      last[v] = load(last_x + (size_t)r * s->width + e + v * W) * splat(at->beta);
      sum[v] = input * splat(skip);
    }
    const float *b = at->b + (size_t)r * s->states, *before = last_b + (size_t)r * s->states, *c = at->c;
    for (int n = 0; n < s->N; n++)
      for (int v = 0; v < vectors; v++) {
        size_t place = (size_t)n * s->width + e + v * W;
        vf value = r == 0 ? load(state + place) * alpha : load(next + place);
        value = multiply_add(splat(before[n]), last[v], value);
        value = multiply_add(splat(b[n]), now[v], value);
        store(next + place, value);
        if (rank == 1) sum[v] = multiply_add(splat(c[n]), value, sum[v]);
      }
    for (int v = 0; v < vectors; v++) store(at->raw + (size_t)r * s->width + e + v * W, sum[v]);
  }
  for (int r = 0; rank > 1 && r < rank; r++) {
    const float *c = at->c + (size_t)r * s->states;
    for (int v = 0; v < vectors; v++) sum[v] = load(at->raw + (size_t)r * s->width + e + v * W);
    for (int n = 0; n < s->N; n++)
      for (int v = 0; v < vectors; v++) sum[v] = multiply_add(splat(c[n]), load(next + (size_t)n * s->width + e + v * W), sum[v]);
    for (int v = 0; v < vectors; v++) store(at->raw + (size_t)r * s->width + e + v * W, sum[v]);
  }
}

/* `next` may be `state`. */
static void mamba3_advance(const call_t *call, const mamba3_shape *s, const mamba3_step *at, int h, const float *last_b, const float *last_x, const float *state, float *next) {
  float skip = IN(float, MAMBA3_D) ? IN(float, MAMBA3_D)[h] : 0.0f;
  int e = 0;
  for (; e + 2 * W <= s->width; e += 2 * W) {
    if (s->R == 1) mamba3_advance_block(s, at, last_b, last_x, skip, state, next, e, 1, 2);
    else mamba3_advance_block(s, at, last_b, last_x, skip, state, next, e, s->R, 2);
  }
  if (e < s->width) {
    if (s->R == 1) mamba3_advance_block(s, at, last_b, last_x, skip, state, next, e, 1, 1);
    else mamba3_advance_block(s, at, last_b, last_x, skip, state, next, e, s->R, 1);
  }
}

/* normed = raw / root mean square * weight, or raw. */
static void mamba3_normalise(const call_t *call, const mamba3_shape *s, const mamba3_step *at, int h) {
  const float *weight = IN(float, MAMBA3_NORM);
  for (int r = 0; r < s->R; r++) {
    float *raw = at->raw + (size_t)r * s->width, *normed = at->normed + (size_t)r * s->width;
    if (!weight) {
      copy_floats(normed, raw, s->width);
      continue;
    }
    vf squares = splat(0.0f);
    for (int e = 0; e < s->width; e += W) squares = multiply_add(load(raw + e), load(raw + e), squares);
    float scale = (splat(1.0f) / square_root(splat(sum_lanes(squares) / s->P + s->epsilon)))[0];
    at->scale[r] = scale;
    for (int e = 0; e < s->width; e += W) store(normed + e, load(raw + e) * splat(scale) * load_part(weight + (size_t)h * s->P + e, s->P - e));
  }
}

/* One vector of a parameter [H][R][P], or ones. */
INLINE vf mamba3_parameter(const float *parameter, const mamba3_shape *s, int h, int r, int e) {
  return parameter ? load_part(parameter + ((size_t)h * s->R + r) * s->P + e, s->P - e) : splat(1.0f);
}

/* What a head remembers: [S] in double, [N][width], [R][states], [R][width]. */
typedef struct { double *angle; float *state, *b, *x; } mamba3_memory;

INLINE size_t mamba3_state_floats(const mamba3_shape *s) { return (size_t)s->N * s->width; }
INLINE double mamba3_memory_bytes(const mamba3_shape *s) {
  return 8.0 * s->turns + 4.0 * ((double)s->N * s->width + (double)s->R * (s->states + s->width)) + 4 * ALIGNMENT;
}

static mamba3_memory take_mamba3_memory(const mamba3_shape *s, arena_t *arena) {
  mamba3_memory m;
  m.angle = take(arena, sizeof(double) * s->turns);
  m.state = take_floats(arena, mamba3_state_floats(s));
  m.b = take_floats(arena, (size_t)s->R * s->states);
  m.x = take_floats(arena, (size_t)s->R * s->width);
  return m;
}

static void mamba3_forget(const mamba3_shape *s, const mamba3_memory *m) {
  for (int i = 0; i < s->turns; i++) m->angle[i] = 0.0;
  fill_zero(m->state, mamba3_state_floats(s));
  fill_zero(m->b, (size_t)s->R * s->states);
  fill_zero(m->x, (size_t)s->R * s->width);
}

/* Reads a memory from four tensors (null: zeros) at one head of one sequence, and writes one. */
static void mamba3_read_memory(const mamba3_shape *s, const mamba3_memory *m, const float *angle, const float *state, const float *b, const float *x, size_t row) {
  mamba3_forget(s, m);
  for (int i = 0; angle && i < s->S; i++) m->angle[i] = angle[row * s->S + i];
  for (int p = 0; state && p < s->P; p++)
    for (int n = 0; n < s->N; n++) m->state[(size_t)n * s->width + p] = state[(row * s->P + p) * s->N + n];
  for (int r = 0; r < s->R; r++) {
    if (b) copy_floats(m->b + (size_t)r * s->states, b + (row * s->R + r) * s->N, s->N);
    if (x) copy_floats(m->x + (size_t)r * s->width, x + (row * s->R + r) * s->P, s->P);
  }
}

static void mamba3_write_memory(const mamba3_shape *s, const mamba3_memory *m, float *angle, float *state, float *b, float *x, size_t row) {
  for (int i = 0; angle && i < s->S; i++) angle[row * s->S + i] = (float)m->angle[i];
  for (int p = 0; state && p < s->P; p++)
    for (int n = 0; n < s->N; n++) state[(row * s->P + p) * s->N + n] = m->state[(size_t)n * s->width + p];
  for (int r = 0; r < s->R; r++) {
    if (b) copy_floats(b + (row * s->R + r) * s->N, m->b + (size_t)r * s->states, s->N);
    if (x) copy_floats(x + (row * s->R + r) * s->P, m->x + (size_t)r * s->width, s->P);
  }
}

static void mamba3_copy_memory(const mamba3_shape *s, const mamba3_memory *to, const mamba3_memory *from) {
  for (int i = 0; i < s->turns; i++) to->angle[i] = from->angle[i];
  copy_floats(to->state, from->state, mamba3_state_floats(s));
  copy_floats(to->b, from->b, (size_t)s->R * s->states);
  copy_floats(to->x, from->x, (size_t)s->R * s->width);
}

INLINE int mamba3_control(const call_t *call, size_t step) { return IN(uint8_t, MAMBA3_CONTROL) ? IN(uint8_t, MAMBA3_CONTROL)[step] : 0; }

#endif
