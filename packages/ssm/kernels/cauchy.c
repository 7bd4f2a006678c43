/*
 * out[b, m] = sum over n of v[b, n] / (z[m] - w[b, n]), and with `conjugate` also of conj(v) / (z - conj(w)). Lanes are nodes m. The slopes of z
 * are given for each b; the caller adds them up.
 */
#include "double-simd.h"

typedef struct { int B, N, M, conjugate; } cauchy_shape;

INLINE cauchy_shape cauchy_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (cauchy_shape){v[0], v[1], v[2], v[3]};
}

INLINE vd load_doubles_part(const double *p, int count, double filler) {
  double lanes[DW] __attribute__((aligned(64)));
  for (int i = 0; i < DW; i++) lanes[i] = i < count ? p[i] : filler;
  return load_double(lanes);
}

/* 1 / (z - (wRe + i wIm)). */
INLINE void cauchy_term(vd zRe, vd zIm, double wRe, double wIm, vd *re, vd *im) {
  vd x = zRe - splat_double(wRe), y = zIm - splat_double(wIm), square = x * x + y * y;
  *re = x / square;
  *im = -y / square;
}

static void cauchy_plan(const call_t *call, plan_t *plan) {
  cauchy_shape s = cauchy_shape_of(call);
  plan->scratchBytes = aligned_bytes(4.0 * sizeof(vd) * s.N);
  plan->phases = 1;
  plan->tasks[0] = s.B;
}

static void cauchy_forward_run(const call_t *call, int begin, int end) {
  cauchy_shape s = cauchy_shape_of(call);
  const double *vRe = IN(double, 0), *vIm = IN(double, 1), *zRe = IN(double, 2), *zIm = IN(double, 3), *wRe = IN(double, 4), *wIm = IN(double, 5);
  for (int b = begin; b < end; b++)
    for (int m = 0; m < s.M; m += DW) {
      int count = min_int(DW, s.M - m);
      vd x = load_doubles_part(zRe + m, count, 0.0), y = load_doubles_part(zIm + m, count, 0.0), sumRe = splat_double(0.0), sumIm = splat_double(0.0);
      for (int n = 0; n < s.N; n++)
        for (int mirrored = 0; mirrored <= (s.conjugate != 0); mirrored++) {
          size_t at = (size_t)b * s.N + n;
          double sign = mirrored ? -1.0 : 1.0;
          vd re, im, vr = splat_double(vRe[at]), vi = splat_double(sign * vIm[at]);
          cauchy_term(x, y, wRe[at], sign * wIm[at], &re, &im);
          sumRe += vr * re - vi * im;
          sumIm += vr * im + vi * re;
        }
      store_double_as_floats(OUT(float, 0) + (size_t)b * s.M + m, sumRe, count);
      store_double_as_floats(OUT(float, 1) + (size_t)b * s.M + m, sumIm, count);
    }
}

/* With D the cotangent: dv = conj(1/(z-w)) D + conj(conj(1/(z-conj w)) D), dw = conj(v/(z-w)^2) D + ..., dz = -(conj(v/(z-w)^2) + ...) D. */
static void cauchy_backward_run(const call_t *call, int begin, int end, void *scratch) {
  cauchy_shape s = cauchy_shape_of(call);
  const double *vRe = IN(double, 0), *vIm = IN(double, 1), *zRe = IN(double, 2), *zIm = IN(double, 3), *wRe = IN(double, 4), *wIm = IN(double, 5);
  arena_t arena = {scratch};
  vd *sums = take_vectors(&arena, 4 * (size_t)s.N);
  for (int b = begin; b < end; b++) {
    for (int i = 0; i < 4 * s.N; i++) sums[i] = splat_double(0.0);
    for (int m = 0; m < s.M; m += DW) {
      int count = min_int(DW, s.M - m);
      vd x = load_doubles_part(zRe + m, count, 0.0), y = load_doubles_part(zIm + m, count, 0.0), dzRe = splat_double(0.0), dzIm = splat_double(0.0);
      vd dRe = load_floats_as_double(IN(float, 6) + (size_t)b * s.M + m, count), dIm = load_floats_as_double(IN(float, 7) + (size_t)b * s.M + m, count);
      for (int n = 0; n < s.N; n++)
        for (int mirrored = 0; mirrored <= (s.conjugate != 0); mirrored++) {
          size_t at = (size_t)b * s.N + n;
          double sign = mirrored ? -1.0 : 1.0;
          vd re, im, vr = splat_double(vRe[at]), vi = splat_double(sign * vIm[at]);
          cauchy_term(x, y, wRe[at], sign * wIm[at], &re, &im);
          vd slopeRe = re * dRe + im * dIm, slopeIm = re * dIm - im * dRe; /* conj(1/(z-w)) D */
          vd nextRe = re * slopeRe + im * slopeIm, nextIm = re * slopeIm - im * slopeRe; /* conj(1/(z-w)^2) D */
          vd poleRe = vr * nextRe + vi * nextIm, poleIm = vr * nextIm - vi * nextRe; /* conj(v/(z-w)^2) D */
          dzRe -= poleRe;
          dzIm -= poleIm;
          if (count < DW)
            for (int i = count; i < DW; i++) slopeRe[i] = slopeIm[i] = poleRe[i] = poleIm[i] = 0.0;
          sums[4 * n] += slopeRe;
          sums[4 * n + 1] += slopeIm * splat_double(sign);
          sums[4 * n + 2] += poleRe;
          sums[4 * n + 3] += poleIm * splat_double(sign);
        }
      double lanes[DW] __attribute__((aligned(64)));
      for (int part = 0; part < 2; part++) {
        store_double(lanes, part ? dzIm : dzRe);
        for (int i = 0; i < count; i++) OUT(double, 2 + part)[(size_t)b * s.M + m + i] = lanes[i];
      }
    }
    for (int n = 0; n < s.N; n++) {
      size_t at = (size_t)b * s.N + n;
      OUT(double, 0)[at] = sum_lanes_double(sums[4 * n]);
      OUT(double, 1)[at] = sum_lanes_double(sums[4 * n + 1]);
      OUT(double, 4)[at] = sum_lanes_double(sums[4 * n + 2]);
      OUT(double, 5)[at] = sum_lanes_double(sums[4 * n + 3]);
    }
  }
}
