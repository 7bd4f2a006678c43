/*
 * S4's convolution kernel from a diagonal plus low-rank system at `nodes` points of the unit circle. With w = e^(-2 pi i k / nodes),
 * s = (1 + w) / 2 and d_n = (1 - w) - s a_n (a scaled by the step), r_ij = sum over conjugate pairs of rows_i,n columns_j,n / d_n, the spectrum is
 *   K(k) = r_BC - s r_BQ (I + s r_PQ)^-1 r_PC,
 * Woodbury's identity with the factor 2 / (1 + w) of the bilinear transform multiplied in, so that w = -1 is no special case.
 * Row 0 is B, rows 1.. are P; columns 0..C-1 are the outputs, columns C.. are Q. Lanes are frequencies.
 */
#include "double-fft.h"

enum { DPLR_MAX_RANK = 4, DPLR_FREQUENCIES = 64 };

typedef struct { int H, N, C, R, nodes, L; } dplr_shape;
typedef struct { vd re, im; } complex_vector;

INLINE dplr_shape dplr_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (dplr_shape){v[0], v[1], v[2], v[3], v[4], v[5]};
}
INLINE int dplr_spectrum(const dplr_shape *s) { return s->nodes / 2 + 1; }

INLINE complex_vector vector_multiply(complex_vector a, complex_vector b) { return (complex_vector){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
INLINE complex_vector vector_add(complex_vector a, complex_vector b) { return (complex_vector){a.re + b.re, a.im + b.im}; }
INLINE complex_vector vector_subtract(complex_vector a, complex_vector b) { return (complex_vector){a.re - b.re, a.im - b.im}; }
INLINE complex_vector vector_conjugate(complex_vector a) { return (complex_vector){a.re, -a.im}; }
INLINE complex_vector vector_negate(complex_vector a) { return (complex_vector){-a.re, -a.im}; }
INLINE complex_vector vector_inverse(complex_vector a) {
  vd square = a.re * a.re + a.im * a.im;
  return (complex_vector){a.re / square, -a.im / square};
}
INLINE complex_vector vector_of(double re, double im) { return (complex_vector){splat_double(re), splat_double(im)}; }

/* s and 1 - w at frequencies k0, k0 + 1, ... (the last one repeated in unused lanes). */
static void dplr_nodes(const dplr_shape *s, int k0, complex_vector *half, complex_vector *rest) {
  for (int i = 0; i < DW; i++) {
    double sine, cosine;
    sine_cosine_double(0.5 * TWO_PI * min_int(k0 + i, s->nodes / 2) / s->nodes, &sine, &cosine);
    half->re[i] = cosine * cosine;
    half->im[i] = -sine * cosine;
    rest->re[i] = 2.0 * sine * sine;
    rest->im[i] = 2.0 * sine * cosine;
  }
}

/* 1 / d of an eigenvalue and of its conjugate. */
INLINE void dplr_resolvents(double re, double im, complex_vector half, complex_vector rest, complex_vector *own, complex_vector *other) {
  *own = vector_inverse(vector_subtract(rest, vector_multiply(half, vector_of(re, im))));
  *other = vector_inverse(vector_subtract(rest, vector_multiply(half, vector_of(re, -im))));
}

/*
 * Everything of one vector of frequencies: r [1+R][C+R]; T [p][q], the inverse of M [q][p] = I + s r_PQ[p][q]; u [p] = sum over q of r_BQ[q] T[p][q];
 * w [q][c] = sum over p of T[p][q] r_PC[p][c].
 */
typedef struct { complex_vector half, rest, *r, T[DPLR_MAX_RANK * DPLR_MAX_RANK], u[DPLR_MAX_RANK], *w; } dplr_point;

#define DPLR_R(p, i, j) ((p)->r[(i) * (s->C + s->R) + (j)])

/* T = M^-1 by Gauss and Jordan without pivots: M is the identity plus a matrix with positive real part where the system is stable. */
static void dplr_invert(const dplr_shape *s, dplr_point *p) {
  int R = s->R;
  complex_vector m[DPLR_MAX_RANK * DPLR_MAX_RANK], *T = p->T;
  for (int q = 0; q < R; q++)
    for (int j = 0; j < R; j++) {
      m[q * R + j] = vector_multiply(p->half, DPLR_R(p, 1 + j, s->C + q)); /* row q, column p */
      if (q == j) m[q * R + j].re += 1.0;
      T[q * R + j] = vector_of(q == j, 0);
    }
  for (int k = 0; k < R; k++) {
    complex_vector pivot = vector_inverse(m[k * R + k]);
    for (int j = 0; j < R; j++) {
      m[k * R + j] = vector_multiply(m[k * R + j], pivot);
      T[k * R + j] = vector_multiply(T[k * R + j], pivot);
    }
    for (int i = 0; i < R; i++) {
      if (i == k) continue;
      complex_vector factor = m[i * R + k];
      for (int j = 0; j < R; j++) {
        m[i * R + j] = vector_subtract(m[i * R + j], vector_multiply(factor, m[k * R + j]));
        T[i * R + j] = vector_subtract(T[i * R + j], vector_multiply(factor, T[k * R + j]));
      }
    }
  }
}

static void dplr_evaluate(const call_t *call, const dplr_shape *s, int h, int k0, dplr_point *p) {
  const double *aRe = IN(double, 0), *aIm = IN(double, 1), *rowsRe = IN(double, 2), *rowsIm = IN(double, 3), *columnsRe = IN(double, 4), *columnsIm = IN(double, 5);
  int rows = 1 + s->R, columns = s->C + s->R, R = s->R;
  dplr_nodes(s, k0, &p->half, &p->rest);
  for (int i = 0; i < rows * columns; i++) p->r[i] = vector_of(0, 0);
  for (int n = 0; n < s->N; n++) {
    complex_vector own, other;
    dplr_resolvents(aRe[(size_t)h * s->N + n], aIm[(size_t)h * s->N + n], p->half, p->rest, &own, &other);
    vd sumRe = own.re + other.re, sumIm = own.im + other.im, differenceRe = own.re - other.re, differenceIm = other.im - own.im;
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < columns; j++) {
        size_t row = ((size_t)i * s->H + h) * s->N + n, column = ((size_t)j * s->H + h) * s->N + n;
        vd re = splat_double(rowsRe[row] * columnsRe[column] - rowsIm[row] * columnsIm[column]);
        vd im = splat_double(rowsRe[row] * columnsIm[column] + rowsIm[row] * columnsRe[column]);
        complex_vector *r = &DPLR_R(p, i, j);
        r->re += re * sumRe + im * differenceIm;
        r->im += re * sumIm + im * differenceRe;
      }
  }
  dplr_invert(s, p);
  for (int i = 0; i < R; i++) {
    p->u[i] = vector_of(0, 0);
    for (int q = 0; q < R; q++) p->u[i] = vector_add(p->u[i], vector_multiply(DPLR_R(p, 0, s->C + q), p->T[i * R + q]));
    for (int c = 0; c < s->C; c++) {
      complex_vector sum = vector_of(0, 0);
      for (int j = 0; j < R; j++) sum = vector_add(sum, vector_multiply(p->T[j * R + i], DPLR_R(p, 1 + j, c)));
      p->w[i * s->C + c] = sum;
    }
  }
}

INLINE double dplr_point_vectors(const dplr_shape *s) { return 2.0 * ((1.0 + s->R) * (s->C + s->R) + s->R * s->C); }
INLINE dplr_point dplr_take_point(arena_t *arena, const dplr_shape *s) {
  dplr_point p;
  p.r = take(arena, sizeof(complex_vector) * (1 + s->R) * (s->C + s->R));
  p.w = take(arena, sizeof(complex_vector) * s->R * s->C);
  return p;
}

/* Workspace: the spectrum of every (c, h), re and im of the frequencies up to nodes / 2. */
static void dplr_kernel_forward_plan(const call_t *call, plan_t *plan) {
  dplr_shape s = dplr_shape_of(call);
  plan->workspaceBytes = aligned_bytes(16.0 * s.C * s.H * dplr_spectrum(&s));
  double points = sizeof(vd) * dplr_point_vectors(&s), transform = 8.0 * (2.0 * s.nodes + fft_scratch_doubles(s.nodes));
  plan->scratchBytes = aligned_bytes((points > transform ? points : transform) + 8 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.C ? s.H * divide_up(dplr_spectrum(&s), DPLR_FREQUENCIES) : 0;
  plan->tasks[1] = s.C * s.H;
}

static void dplr_spectrum_task(const call_t *call, const dplr_shape *s, int h, int from, double *spectrum, void *scratch) {
  int F = dplr_spectrum(s), to = min_int(from + DPLR_FREQUENCIES, F);
  arena_t arena = {scratch};
  dplr_point point = dplr_take_point(&arena, s), *p = &point;
  for (int k = from; k < to; k += DW) {
    dplr_evaluate(call, s, h, k, p);
    for (int c = 0; c < s->C; c++) {
      complex_vector value = vector_of(0, 0);
      for (int i = 0; i < s->R; i++) value = vector_add(value, vector_multiply(p->u[i], DPLR_R(p, 1 + i, c)));
      value = vector_subtract(DPLR_R(p, 0, c), vector_multiply(p->half, value));
      double *target = spectrum + ((size_t)c * s->H + h) * F * 2;
      for (int i = 0; i < DW && k + i < to; i++) {
        target[2 * (k + i)] = value.re[i];
        target[2 * (k + i) + 1] = value.im[i];
      }
    }
  }
}

static void dplr_transform_task(const dplr_shape *s, const double *spectrum, float *kernel, void *scratch) {
  int n = s->nodes;
  arena_t arena = {scratch};
  double *re = take_doubles(&arena, n), *im = take_doubles(&arena, n), *rest = take_doubles(&arena, (size_t)fft_scratch_doubles(n));
  for (int k = 0; k <= n / 2; k++) {
    re[k] = re[(n - k) % n] = spectrum[2 * k];
    im[k] = spectrum[2 * k + 1];
    im[(n - k) % n] = -im[k];
    if (2 * k % n == 0) im[k] = 0.0;
  }
  fft_double(n, re, im, 1, rest);
  for (int l = 0; l < s->L; l++) kernel[l] = (float)(re[l] / n);
}

static void dplr_kernel_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  dplr_shape s = dplr_shape_of(call);
  arena_t arena = {workspace};
  double *spectrum = take_doubles(&arena, 2 * (size_t)s.C * s.H * dplr_spectrum(&s));
  int blocks = divide_up(dplr_spectrum(&s), DPLR_FREQUENCIES);
  for (int task = begin; task < end; task++) {
    if (phase == 0) dplr_spectrum_task(call, &s, task / blocks, task % blocks * DPLR_FREQUENCIES, spectrum, scratch);
    else dplr_transform_task(&s, spectrum + (size_t)task * dplr_spectrum(&s) * 2, OUT(float, 0) + (size_t)task * s.L, scratch);
  }
}

/* Sums of the slopes of a [N], rows [1+R][N], columns [C+R][N] of one channel. */
INLINE double dplr_slope_vectors(const dplr_shape *s) { return 2.0 * s->N * (2.0 + 2.0 * s->R + s->C) + 2.0 * (1.0 + s->R) * (s->C + s->R); }

static void dplr_kernel_backward_plan(const call_t *call, plan_t *plan) {
  dplr_shape s = dplr_shape_of(call);
  plan->workspaceBytes = aligned_bytes(16.0 * s.C * s.H * dplr_spectrum(&s));
  double points = sizeof(vd) * (dplr_point_vectors(&s) + dplr_slope_vectors(&s)), transform = 8.0 * (2.0 * s.nodes + fft_scratch_doubles(s.nodes));
  plan->scratchBytes = aligned_bytes((points > transform ? points : transform) + 12 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.C * s.H;
  plan->tasks[1] = s.C ? s.H : 0;
}

/* Slope of the spectrum: K = (1/nodes) sum of weight Re(spectrum e^(+...)), so weight / nodes times the transform of dK. */
static void dplr_slope_transform_task(const dplr_shape *s, const float *dk, double *spectrum, void *scratch) {
  int n = s->nodes;
  arena_t arena = {scratch};
  double *re = take_doubles(&arena, n), *im = take_doubles(&arena, n), *rest = take_doubles(&arena, (size_t)fft_scratch_doubles(n));
  for (int l = 0; l < n; l++) {
    re[l] = l < s->L ? (double)dk[l] : 0.0;
    im[l] = 0.0;
  }
  fft_double(n, re, im, -1, rest);
  for (int k = 0; k <= n / 2; k++) {
    double weight = (2 * k % n == 0 ? 1.0 : 2.0) / n;
    spectrum[2 * k] = re[k] * weight;
    spectrum[2 * k + 1] = 2 * k % n == 0 ? 0.0 : im[k] * weight;
  }
}

/* Slopes of r from those of the spectrum. */
static void dplr_slopes_of_products(const dplr_shape *s, const dplr_point *p, const double *spectrum, int h, int k, complex_vector *slopes) {
  int F = dplr_spectrum(s), R = s->R, columns = s->C + R;
  for (int i = 0; i < (1 + R) * columns; i++) slopes[i] = vector_of(0, 0);
  for (int c = 0; c < s->C; c++) {
    const double *source = spectrum + ((size_t)c * s->H + h) * F * 2;
    complex_vector d = vector_of(0, 0);
    for (int i = 0; i < DW && k + i < F; i++) {
      d.re[i] = source[2 * (k + i)];
      d.im[i] = source[2 * (k + i) + 1];
    }
    slopes[c] = d;
    for (int i = 0; i < R; i++) {
      complex_vector su = vector_multiply(p->half, p->u[i]), sw = vector_multiply(p->half, p->w[i * s->C + c]);
      slopes[(1 + i) * columns + c] = vector_negate(vector_multiply(vector_conjugate(su), d));
      slopes[s->C + i] = vector_subtract(slopes[s->C + i], vector_multiply(vector_conjugate(sw), d));
      for (int q = 0; q < R; q++) {
        complex_vector both = vector_multiply(su, vector_multiply(p->half, p->w[q * s->C + c]));
        slopes[(1 + i) * columns + s->C + q] = vector_add(slopes[(1 + i) * columns + s->C + q], vector_multiply(vector_conjugate(both), d));
      }
    }
  }
}

static void dplr_slope_task(const call_t *call, const dplr_shape *s, int h, const double *spectrum, void *scratch) {
  const double *aRe = IN(double, 0), *aIm = IN(double, 1), *rowsRe = IN(double, 2), *rowsIm = IN(double, 3), *columnsRe = IN(double, 4), *columnsIm = IN(double, 5);
  int rows = 1 + s->R, columns = s->C + s->R;
  arena_t arena = {scratch};
  dplr_point point = dplr_take_point(&arena, s), *p = &point;
  complex_vector *slopes = take(&arena, sizeof(complex_vector) * rows * columns), *sums = take(&arena, sizeof(complex_vector) * s->N * (1 + rows + columns));
  for (int i = 0; i < s->N * (1 + rows + columns); i++) sums[i] = vector_of(0, 0);
  for (int k = 0; k < dplr_spectrum(s); k += DW) {
    dplr_evaluate(call, s, h, k, p);
    dplr_slopes_of_products(s, p, spectrum, h, k, slopes);
    for (int n = 0; n < s->N; n++) {
      complex_vector own, other, *sum = sums + n * (1 + rows + columns);
      dplr_resolvents(aRe[(size_t)h * s->N + n], aIm[(size_t)h * s->N + n], p->half, p->rest, &own, &other);
      complex_vector ownSlope = vector_conjugate(vector_multiply(p->half, vector_multiply(own, own))), otherSlope = vector_multiply(p->half, vector_multiply(other, other));
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
          size_t row = ((size_t)i * s->H + h) * s->N + n, column = ((size_t)j * s->H + h) * s->N + n;
          complex_vector d = slopes[i * columns + j], back = vector_conjugate(d);
          complex_vector z = vector_add(vector_multiply(vector_conjugate(own), d), vector_multiply(other, back));
          complex_vector left = vector_of(rowsRe[row], -rowsIm[row]), right = vector_of(columnsRe[column], -columnsIm[column]);
          sum[1 + i] = vector_add(sum[1 + i], vector_multiply(right, z));
          sum[1 + rows + j] = vector_add(sum[1 + rows + j], vector_multiply(left, z));
          complex_vector y = vector_add(vector_multiply(ownSlope, d), vector_multiply(otherSlope, back));
          sum[0] = vector_add(sum[0], vector_multiply(vector_multiply(left, right), y));
        }
    }
  }
  for (int n = 0; n < s->N; n++) {
    const complex_vector *sum = sums + n * (1 + rows + columns);
    for (int i = 0; i < 1 + rows + columns; i++) {
      int side = i == 0 ? 0 : i <= rows ? 1 : 2, index = i == 0 ? 0 : i <= rows ? i - 1 : i - 1 - rows;
      size_t at = ((size_t)index * s->H + h) * s->N + n;
      OUT(double, 2 * side)[at] = sum_lanes_double(sum[i].re);
      OUT(double, 2 * side + 1)[at] = sum_lanes_double(sum[i].im);
    }
  }
}

static void dplr_kernel_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  dplr_shape s = dplr_shape_of(call);
  arena_t arena = {workspace};
  double *spectrum = take_doubles(&arena, 2 * (size_t)s.C * s.H * dplr_spectrum(&s));
  for (int task = begin; task < end; task++) {
    if (phase == 0) dplr_slope_transform_task(&s, IN(float, 6) + (size_t)task * s.L, spectrum + (size_t)task * dplr_spectrum(&s) * 2, scratch);
    else dplr_slope_task(call, &s, task, spectrum, scratch);
  }
}
