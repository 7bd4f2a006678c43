/*
 * K[c, h, l] = sum over n of v[c, h, n] e^(l x[h, n]) (its real part, and the imaginary one where wanted). Powers are multiplied up from an
 * exact start, e^(l0 x) with the phase reduced in double precision, every VANDERMONDE_BLOCK steps.
 */
#include "double-simd.h"

enum { VANDERMONDE_BLOCK = 256 };

typedef struct { int C, H, N, L; } vandermonde_shape;

INLINE vandermonde_shape vandermonde_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (vandermonde_shape){v[0], v[1], v[2], v[3]};
}

/* The powers of one x from step l0: DW lanes l0, l0 + 1, ..., and the factor to the next DW. */
typedef struct { vd re, im; double stepRe, stepIm; } powers_t;

INLINE powers_t start_powers(double x, double y, int l0) {
  powers_t p;
  double re[DW] __attribute__((aligned(64))), im[DW] __attribute__((aligned(64)));
  for (int i = 0; i < DW; i++) exp_complex(x * (l0 + i), y * (l0 + i), re + i, im + i);
  p.re = load_double(re);
  p.im = load_double(im);
  exp_complex(x * DW, y * DW, &p.stepRe, &p.stepIm);
  return p;
}
INLINE void next_powers(powers_t *p) {
  vd re = p->re * splat_double(p->stepRe) - p->im * splat_double(p->stepIm);
  p->im = p->re * splat_double(p->stepIm) + p->im * splat_double(p->stepRe);
  p->re = re;
}

static void vandermonde_forward_plan(const call_t *call, plan_t *plan) {
  vandermonde_shape s = vandermonde_shape_of(call);
  plan->scratchBytes = aligned_bytes(2.0 * 8 * s.C * VANDERMONDE_BLOCK);
  plan->phases = 1;
  plan->tasks[0] = s.C ? s.H * divide_up(s.L, VANDERMONDE_BLOCK) : 0;
}

static void vandermonde_forward_run(const call_t *call, int begin, int end, void *scratch) {
  vandermonde_shape s = vandermonde_shape_of(call);
  const double *vRe = IN(double, 0), *vIm = IN(double, 1), *xRe = IN(double, 2), *xIm = IN(double, 3);
  float *kRe = OUT(float, 0), *kIm = OUT(float, 1);
  int blocks = divide_up(s.L, VANDERMONDE_BLOCK);
  arena_t arena = {scratch};
  double *sumRe = take_doubles(&arena, 2 * (size_t)s.C * VANDERMONDE_BLOCK), *sumIm = sumRe + (size_t)s.C * VANDERMONDE_BLOCK;
  for (int task = begin; task < end; task++) {
    int h = task / blocks, l0 = task % blocks * VANDERMONDE_BLOCK, count = min_int(VANDERMONDE_BLOCK, s.L - l0);
    for (int i = 0; i < 2 * s.C * VANDERMONDE_BLOCK; i++) sumRe[i] = 0.0;
    for (int n = 0; n < s.N; n++) {
      powers_t p = start_powers(xRe[(size_t)h * s.N + n], xIm[(size_t)h * s.N + n], l0);
      for (int l = 0; l < count; l += DW, next_powers(&p))
        for (int c = 0; c < s.C; c++) {
          size_t at = ((size_t)c * s.H + h) * s.N + n;
          double *re = sumRe + c * VANDERMONDE_BLOCK + l, *im = sumIm + c * VANDERMONDE_BLOCK + l;
          store_double(re, load_double(re) + (splat_double(vRe[at]) * p.re - splat_double(vIm[at]) * p.im));
          if (kIm) store_double(im, load_double(im) + (splat_double(vRe[at]) * p.im + splat_double(vIm[at]) * p.re));
        }
    }
    for (int c = 0; c < s.C; c++)
      for (int l = 0; l < count; l++) {
        size_t at = ((size_t)c * s.H + h) * s.L + l0 + l;
        kRe[at] = (float)sumRe[c * VANDERMONDE_BLOCK + l];
        if (kIm) kIm[at] = (float)sumIm[c * VANDERMONDE_BLOCK + l];
      }
  }
}

static void vandermonde_backward_plan(const call_t *call, plan_t *plan) {
  vandermonde_shape s = vandermonde_shape_of(call);
  plan->scratchBytes = aligned_bytes(4.0 * sizeof(vd) * s.C);
  plan->phases = 1;
  plan->tasks[0] = s.C ? s.H : 0;
}

/* With D the cotangent of K (real parts only: D is real): dv = sum conj(e) D, dx = sum over c of conj(v) sum l conj(e) D. */
static void vandermonde_backward_run(const call_t *call, int begin, int end, void *scratch) {
  vandermonde_shape s = vandermonde_shape_of(call);
  const double *vRe = IN(double, 0), *vIm = IN(double, 1), *xRe = IN(double, 2), *xIm = IN(double, 3);
  const float *dRe = IN(float, 4), *dIm = IN(float, 5);
  double *dvRe = OUT(double, 0), *dvIm = OUT(double, 1), *dxRe = OUT(double, 2), *dxIm = OUT(double, 3);
  arena_t arena = {scratch};
  vd *sums = take_vectors(&arena, 4 * (size_t)s.C);
  for (int h = begin; h < end; h++)
    for (int n = 0; n < s.N; n++) {
      for (int i = 0; i < 4 * s.C; i++) sums[i] = splat_double(0.0);
      for (int l0 = 0; l0 < s.L; l0 += VANDERMONDE_BLOCK) {
        int count = min_int(VANDERMONDE_BLOCK, s.L - l0);
        powers_t p = start_powers(xRe[(size_t)h * s.N + n], xIm[(size_t)h * s.N + n], l0);
        for (int l = 0; l < count; l += DW, next_powers(&p)) {
          vd step;
          for (int i = 0; i < DW; i++) step[i] = l0 + l + i;
          for (int c = 0; c < s.C; c++) {
            size_t at = ((size_t)c * s.H + h) * s.L + l0 + l;
            vd d = load_floats_as_double(dRe + at, count - l), re = p.re * d, im = -(p.im * d);
            if (dIm) {
              vd e = load_floats_as_double(dIm + at, count - l);
              re = re + p.im * e;
              im = im + p.re * e;
            }
            if (count - l < DW) /* powers beyond the end may be infinite */
              for (int i = count - l; i < DW; i++) re[i] = im[i] = 0.0;
            sums[4 * c] += re;
            sums[4 * c + 1] += im;
            sums[4 * c + 2] += step * re;
            sums[4 * c + 3] += step * im;
          }
        }
      }
      double re = 0.0, im = 0.0;
      for (int c = 0; c < s.C; c++) {
        size_t at = ((size_t)c * s.H + h) * s.N + n;
        dvRe[at] = sum_lanes_double(sums[4 * c]);
        dvIm[at] = sum_lanes_double(sums[4 * c + 1]);
        double x = sum_lanes_double(sums[4 * c + 2]), y = sum_lanes_double(sums[4 * c + 3]);
        re += vRe[at] * x + vIm[at] * y;
        im += vRe[at] * y - vIm[at] * x;
      }
      dxRe[(size_t)h * s.N + n] = re;
      dxIm[(size_t)h * s.N + n] = im;
    }
}
