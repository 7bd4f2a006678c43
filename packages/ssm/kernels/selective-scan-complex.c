/*
 * Selective scan with a complex A, in scalars: y = 2 Re(C . h) + D u. Exponentials and gradients are taken in double, the state is rounded to
 * float after each step, so a sequence cut anywhere gives the same bits. Gradients are dL/dRe + i dL/dIm. Partial sums as in the real scan.
 */
#include "selective-scan.h"
#include "scalar-functions.h"

enum { COMPLEX_CHUNK = 64, COMPLEX_BLOCKS = 8 };

typedef struct { double re, im; } complex_t;

INLINE complex_t complex_product(complex_t a, complex_t b) { return (complex_t){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
INLINE complex_t conjugate(complex_t a) { return (complex_t){a.re, -a.im}; }
INLINE complex_t complex_exp(double re, double im) {
  double size = exp_double(re), sine, cosine;
  sine_cosine_double(im, &sine, &cosine);
  return (complex_t){size * cosine, size * sine};
}

typedef struct {
  const call_t *call;
  scan_shape s;
  int b, e;
  const uint8_t *control;
  size_t group_b, group_c; /* offset of the channel's first row of B and C, and the distance to the next step's row */
  size_t stride_b, stride_c;
} complex_channel;

static complex_channel complex_channel_at(const call_t *call, int b, int e) {
  complex_channel c = {.call = call, .s = scan_shape_of(call), .b = b, .e = e};
  const scan_shape *s = &c.s;
  c.control = IN(uint8_t, 13) ? IN(uint8_t, 13) + (size_t)b * s->L : 0;
  c.stride_b = (size_t)s->groups_b * s->N;
  c.stride_c = (size_t)s->groups_c * s->N;
  c.group_b = s->groups_b ? (size_t)b * s->L * c.stride_b + (size_t)(e / (s->E / s->groups_b)) * s->N : (size_t)e * s->N;
  c.group_c = s->groups_c ? (size_t)b * s->L * c.stride_c + (size_t)(e / (s->E / s->groups_c)) * s->N : (size_t)e * s->N;
  return c;
}

INLINE complex_t complex_at(const void *re, const void *im, size_t index) {
  return (complex_t){((const float *)re)[index], im ? ((const float *)im)[index] : 0.0};
}

/* Step size at t, and the slope d dt / d delta. */
INLINE double complex_step_size(const complex_channel *c, int t, double *slope) {
  const call_t *call = c->call;
  double x = IN(float, 1)[((size_t)c->b * c->s.L + t) * c->s.E + c->e] + (IN(float, 10) ? IN(float, 10)[c->e] : 0.0f);
  if (slope) *slope = c->s.softplus ? sigmoid_double(x) : 1.0;
  return c->s.softplus ? softplus_double(x) : x;
}

INLINE complex_t complex_decay(const complex_channel *c, int n, double dt) {
  const call_t *call = c->call;
  size_t at = (size_t)c->e * c->s.N + n;
  return complex_exp(dt * IN(float, 2)[at], dt * IN(float, 3)[at]);
}

/* One step of one channel's states h [N] (re, im); returns sum of Re(C h) when `project`. */
static double complex_step(const complex_channel *c, int t, float *h, int project) {
  const call_t *call = c->call;
  double dt = complex_step_size(c, t, 0), input = dt * IN(float, 0)[((size_t)c->b * c->s.L + t) * c->s.E + c->e], sum = 0;
  for (int n = 0; n < c->s.N; n++) {
    complex_t state = complex_product(complex_decay(c, n, dt), (complex_t){h[2 * n], h[2 * n + 1]});
    complex_t b = complex_at(call->in[4], call->in[5], c->group_b + t * c->stride_b + n);
    h[2 * n] = (float)(state.re + input * b.re);
    h[2 * n + 1] = (float)(state.im + input * b.im);
    if (project) {
      complex_t w = complex_at(call->in[6], call->in[7], c->group_c + t * c->stride_c + n);
      sum += w.re * h[2 * n] - w.im * h[2 * n + 1];
    }
  }
  return sum;
}

static void complex_initial_state(const complex_channel *c, float *h) {
  const call_t *call = c->call;
  size_t at = ((size_t)c->b * c->s.E + c->e) * c->s.N;
  for (int n = 0; n < c->s.N; n++) {
    h[2 * n] = IN(float, 11) ? IN(float, 11)[at + n] : 0.0f;
    h[2 * n + 1] = IN(float, 12) ? IN(float, 12)[at + n] : 0.0f;
  }
}

INLINE int control_at(const uint8_t *control, int t) { return control ? control[t] : 0; }

static void selective_scan_complex_forward_plan(const call_t *call, plan_t *plan) {
  scan_shape s = scan_shape_of(call);
  plan->scratchBytes = aligned_bytes(8.0 * s.N);
  plan->phases = 1;
  plan->tasks[0] = s.B * s.E;
}

static void selective_scan_complex_forward_run(const call_t *call, int begin, int end, void *scratch) {
  arena_t arena = {scratch};
  scan_shape s = scan_shape_of(call);
  float *h = take_floats(&arena, 2 * (size_t)s.N);
  int every = OUT(float, 3) ? s.state_every : 0;
  for (int task = begin; task < end; task++) {
    complex_channel c = complex_channel_at(call, task / s.E, task % s.E);
    complex_initial_state(&c, h);
    for (int t = 0; t < s.L; t++) {
      size_t at = ((size_t)c.b * s.L + t) * s.E + c.e;
      int bits = control_at(c.control, t);
      if (bits & CONTROL_RESET) fill_zero(h, 2 * (size_t)s.N);
      double y = 0;
      if (!(bits & CONTROL_MASKED)) {
        y = 2 * complex_step(&c, t, h, 1) + (IN(float, 8) ? (double)IN(float, 8)[c.e] * IN(float, 0)[at] : 0.0);
        if (IN(float, 9)) y *= IN(float, 9)[at] * sigmoid_double(IN(float, 9)[at]);
      }
      OUT(float, 0)[at] = (float)y;
      if (every && ((t + 1) % every == 0 || t + 1 == s.L))
        for (int n = 0; n < s.N; n++) {
          size_t place = (((size_t)c.b * divide_up(s.L, every) + t / every) * s.E + c.e) * s.N + n;
          OUT(float, 3)[place] = h[2 * n];
          OUT(float, 4)[place] = h[2 * n + 1];
        }
    }
    for (int n = 0; n < s.N; n++) {
      size_t place = ((size_t)c.b * s.E + c.e) * s.N + n;
      OUT(float, 1)[place] = h[2 * n];
      OUT(float, 2)[place] = h[2 * n + 1];
    }
  }
}

typedef struct {
  scan_shape s;
  int blocks, block_width, chunks;
  double *rows_b, *rows_c;           /* partial dB, dC of each block: [B][blocks][L][groups][N][2], where B, C vary */
  double *sum_a, *sum_b, *sum_c;     /* [B][E][N][2] */
  double *sum_skip, *sum_bias;       /* [B][E] */
} complex_job;

static complex_job complex_job_of(const call_t *call, void *workspace, double *bytes) {
  complex_job j = {.s = scan_shape_of(call)};
  const scan_shape *s = &j.s;
  j.block_width = divide_up(s->E, COMPLEX_BLOCKS);
  j.blocks = divide_up(s->E, j.block_width);
  j.chunks = divide_up(s->L, COMPLEX_CHUNK);
  double rows = (double)s->B * j.blocks * s->L * 2 * s->N, matrix = (double)s->B * s->E * s->N * 2, vector = (double)s->B * s->E;
  double sizes[7] = {rows * s->groups_b, rows * s->groups_c, matrix, s->groups_b ? 0 : matrix, s->groups_c ? 0 : matrix, vector, vector};
  if (bytes) {
    *bytes = aligned_bytes(7 * ALIGNMENT);
    for (int i = 0; i < 7; i++) *bytes += 8 * sizes[i];
    return j;
  }
  arena_t arena = {workspace};
  double **pieces[7] = {&j.rows_b, &j.rows_c, &j.sum_a, &j.sum_b, &j.sum_c, &j.sum_skip, &j.sum_bias};
  for (int i = 0; i < 7; i++) *pieces[i] = (double *)take(&arena, (size_t)sizes[i] * sizeof(double));
  return j;
}

static void selective_scan_complex_backward_plan(const call_t *call, plan_t *plan) {
  complex_job j = complex_job_of(call, 0, &plan->workspaceBytes);
  double state = 2.0 * j.s.N;
  plan->scratchBytes = aligned_bytes(4 * state * (j.chunks + 1 + 2.0 * COMPLEX_CHUNK) + 8 * state + 4 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = j.s.B * j.blocks;
  plan->tasks[1] = 1;
}

/* Adds v to a complex sum kept as pairs. */
INLINE void add_complex(double *sum, complex_t v) {
  sum[0] += v.re;
  sum[1] += v.im;
}

/* One channel, all of time. `rows_b`, `rows_c`: this block's partial sums [L][groups][N][2], or null. */
static void complex_backward_channel(const call_t *call, const complex_job *j, int b, int e, double *rows_b, double *rows_c, void *scratch) {
  const scan_shape *s = &j->s;
  int N = s->N;
  size_t pair = 2 * (size_t)N;
  arena_t arena = {scratch};
  float *checkpoints = take_floats(&arena, pair * j->chunks), *h = take_floats(&arena, pair);
  float *before = take_floats(&arena, pair * COMPLEX_CHUNK), *after = take_floats(&arena, pair * COMPLEX_CHUNK);
  double *carry = (double *)take(&arena, pair * sizeof(double));
  complex_channel c = complex_channel_at(call, b, e);
  const float *d_states_re = IN(float, 17), *d_states_im = IN(float, 18);
  int every = d_states_re || d_states_im ? s->state_every : 0;
  size_t channel = (size_t)b * s->E + e;
  double *sum_a = j->sum_a + channel * pair, *sum_b = s->groups_b ? 0 : j->sum_b + channel * pair, *sum_c = s->groups_c ? 0 : j->sum_c + channel * pair;
  double sum_skip = 0, sum_bias = 0;
  for (size_t i = 0; i < pair; i++) {
    sum_a[i] = 0;
    if (sum_b) sum_b[i] = 0;
    if (sum_c) sum_c[i] = 0;
  }
  complex_initial_state(&c, h);
  for (int t = 0; t < s->L; t++) {
    if (t % COMPLEX_CHUNK == 0) copy_floats(checkpoints + t / COMPLEX_CHUNK * pair, h, pair);
    int bits = control_at(c.control, t);
    if (bits & CONTROL_RESET) fill_zero(h, pair);
    if (!(bits & CONTROL_MASKED)) complex_step(&c, t, h, 0);
  }
  for (int n = 0; n < N; n++) {
    carry[2 * n] = IN(float, 15) ? IN(float, 15)[channel * N + n] : 0.0;
    carry[2 * n + 1] = IN(float, 16) ? IN(float, 16)[channel * N + n] : 0.0;
  }
  for (int chunk = j->chunks - 1; chunk >= 0; chunk--) {
    int start = chunk * COMPLEX_CHUNK, stop = min_int(start + COMPLEX_CHUNK, s->L);
    copy_floats(h, checkpoints + chunk * pair, pair);
    for (int t = start; t < stop; t++) {
      int bits = control_at(c.control, t);
      if (bits & CONTROL_RESET) fill_zero(h, pair);
      copy_floats(before + (t - start) * pair, h, pair);
      if (!(bits & CONTROL_MASKED)) complex_step(&c, t, h, 0);
      copy_floats(after + (t - start) * pair, h, pair);
    }
    for (int t = stop - 1; t >= start; t--) {
      size_t at = ((size_t)b * s->L + t) * s->E + e;
      int bits = control_at(c.control, t);
      if (every && ((t + 1) % every == 0 || t + 1 == s->L)) {
        size_t place = (((size_t)b * divide_up(s->L, every) + t / every) * s->E + e) * N;
        for (int n = 0; n < N; n++) {
          if (d_states_re) carry[2 * n] += d_states_re[place + n];
          if (d_states_im) carry[2 * n + 1] += d_states_im[place + n];
        }
      }
      double du = 0, d_delta = 0, dz = 0;
      if (!(bits & CONTROL_MASKED)) {
        double slope, dt = complex_step_size(&c, t, &slope), u = IN(float, 0)[at], dy = IN(float, 14)[at], skip = IN(float, 8) ? IN(float, 8)[e] : 0.0;
        const float *was = before + (t - start) * pair, *is = after + (t - start) * pair;
        if (IN(float, 9)) {
          double z = IN(float, 9)[at], gate = sigmoid_double(z), y = 0;
          for (int n = 0; n < N; n++) {
            complex_t w = complex_at(call->in[6], call->in[7], c.group_c + t * c.stride_c + n);
            y += w.re * is[2 * n] - w.im * is[2 * n + 1];
          }
          dz = dy * (2 * y + skip * u) * (gate + z * gate * (1 - gate));
          dy *= z * gate;
        }
        double through_b = 0, through_a = 0;
        for (int n = 0; n < N; n++) {
          complex_t decay = complex_decay(&c, n, dt), w = complex_at(call->in[6], call->in[7], c.group_c + t * c.stride_c + n);
          complex_t in = complex_at(call->in[4], call->in[5], c.group_b + t * c.stride_b + n);
          complex_t g = {carry[2 * n] + 2 * dy * w.re, carry[2 * n + 1] - 2 * dy * w.im};
          double *row_b = rows_b ? rows_b + 2 * ((size_t)t * c.stride_b + (size_t)(e / (s->E / s->groups_b)) * N + n) : sum_b + 2 * n;
          double *row_c = rows_c ? rows_c + 2 * ((size_t)t * c.stride_c + (size_t)(e / (s->E / s->groups_c)) * N + n) : sum_c + 2 * n;
          add_complex(row_c, (complex_t){2 * dy * is[2 * n], -2 * dy * is[2 * n + 1]});
          add_complex(row_b, (complex_t){g.re * dt * u, g.im * dt * u});
          through_b += g.re * in.re + g.im * in.im;
          complex_t flow = complex_product(conjugate(decay), g);
          complex_t q = complex_product(conjugate((complex_t){was[2 * n], was[2 * n + 1]}), flow);
          add_complex(sum_a + 2 * n, (complex_t){q.re * dt, q.im * dt});
          through_a += q.re * IN(float, 2)[(size_t)e * N + n] + q.im * IN(float, 3)[(size_t)e * N + n];
          carry[2 * n] = flow.re;
          carry[2 * n + 1] = flow.im;
        }
        du = dt * through_b + dy * skip;
        d_delta = (u * through_b + through_a) * slope;
        sum_skip += dy * u;
        sum_bias += d_delta;
      }
      OUT(float, 0)[at] = (float)du;
      OUT(float, 1)[at] = (float)d_delta;
      if (IN(float, 9) && OUT(float, 9)) OUT(float, 9)[at] = (float)dz;
      if (bits & CONTROL_RESET)
        for (size_t i = 0; i < pair; i++) carry[i] = 0;
    }
  }
  j->sum_skip[channel] = sum_skip;
  j->sum_bias[channel] = sum_bias;
  for (int n = 0; n < N; n++) {
    if (OUT(float, 11)) OUT(float, 11)[channel * N + n] = (float)carry[2 * n];
    if (OUT(float, 12)) OUT(float, 12)[channel * N + n] = (float)carry[2 * n + 1];
  }
}

static void complex_backward_task(const call_t *call, const complex_job *j, int task, void *scratch) {
  const scan_shape *s = &j->s;
  int b = task / j->blocks, block = task % j->blocks;
  size_t size_b = (size_t)s->L * s->groups_b * s->N * 2, size_c = (size_t)s->L * s->groups_c * s->N * 2;
  double *rows_b = s->groups_b ? j->rows_b + task * size_b : 0, *rows_c = s->groups_c ? j->rows_c + task * size_c : 0;
  for (size_t i = 0; i < size_b; i++) rows_b[i] = 0;
  for (size_t i = 0; i < size_c; i++) rows_c[i] = 0;
  for (int e = block * j->block_width; e < min_int((block + 1) * j->block_width, s->E); e++)
    complex_backward_channel(call, j, b, e, rows_b, rows_c, scratch);
}

/* out = sum of `parts` arrays of `count` pairs, `distance` doubles apart, split into re and im. */
static void complex_reduce(float *re, float *im, const double *parts, size_t count, int number, size_t distance) {
  for (size_t i = 0; i < count; i++) {
    double sum_re = 0, sum_im = 0;
    for (int k = 0; k < number; k++) {
      sum_re += parts[k * distance + 2 * i];
      sum_im += parts[k * distance + 2 * i + 1];
    }
    if (re) re[i] = (float)sum_re;
    if (im) im[i] = (float)sum_im;
  }
}

static void complex_backward_reduce(const call_t *call, const complex_job *j) {
  const scan_shape *s = &j->s;
  size_t matrix = (size_t)s->E * s->N, rows_b = (size_t)s->L * s->groups_b * s->N, rows_c = (size_t)s->L * s->groups_c * s->N;
  complex_reduce(OUT(float, 2), OUT(float, 3), j->sum_a, matrix, s->B, 2 * matrix);
  if (!s->groups_b) complex_reduce(OUT(float, 4), OUT(float, 5), j->sum_b, matrix, s->B, 2 * matrix);
  if (!s->groups_c) complex_reduce(OUT(float, 6), OUT(float, 7), j->sum_c, matrix, s->B, 2 * matrix);
  for (int b = 0; b < s->B; b++) {
    if (s->groups_b)
      complex_reduce(OUT(float, 4) + b * rows_b, OUT(float, 5) ? OUT(float, 5) + b * rows_b : 0, j->rows_b + 2 * rows_b * b * j->blocks, rows_b, j->blocks, 2 * rows_b);
    if (s->groups_c)
      complex_reduce(OUT(float, 6) + b * rows_c, OUT(float, 7) ? OUT(float, 7) + b * rows_c : 0, j->rows_c + 2 * rows_c * b * j->blocks, rows_c, j->blocks, 2 * rows_c);
  }
  for (int e = 0; e < s->E; e++) {
    double skip = 0, bias = 0;
    for (int b = 0; b < s->B; b++) {
      skip += j->sum_skip[(size_t)b * s->E + e];
      bias += j->sum_bias[(size_t)b * s->E + e];
    }
    if (OUT(float, 8)) OUT(float, 8)[e] = (float)skip;
    if (OUT(float, 10)) OUT(float, 10)[e] = (float)bias;
  }
}

static void selective_scan_complex_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  complex_job j = complex_job_of(call, workspace, 0);
  for (int task = begin; task < end; task++) {
    if (phase == 0) complex_backward_task(call, &j, task, scratch);
    else complex_backward_reduce(call, &j);
  }
}
