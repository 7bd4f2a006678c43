/*
 * Discrete Fourier transform of any length in double precision, for generating convolution kernels from their spectra (a few times a training
 * step, so simple: radix 2, and Bluestein's chirp for other lengths). The convolution itself has its own, fast transform.
 */
#ifndef MAMBA360_DOUBLE_FFT_H
#define MAMBA360_DOUBLE_FFT_H

#include "double-simd.h"

#define TWO_PI 6.283185307179586476925

INLINE int is_power_of_two(int n) { return (n & (n - 1)) == 0; }
INLINE int fft_size(int n) {
  if (is_power_of_two(n)) return n;
  int size = 1;
  while (size < 2 * n - 1) size *= 2;
  return size;
}
/* Doubles of scratch for a transform of length n. */
INLINE double fft_scratch_doubles(int n) { return 7.0 * fft_size(n) + 2.0 * n; }

/* In place, length `size` a power of two, e^(sign 2 pi i k l / size); `twiddle` holds size doubles (cosines, then sines, of half a turn). */
static void fft_power_of_two(int size, double *re, double *im, const double *twiddle, int sign) {
  for (int i = 1, j = 0; i < size; i++) {
    int bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      double x = re[i], y = im[i];
      re[i] = re[j];
      im[i] = im[j];
      re[j] = x;
      im[j] = y;
    }
  }
  const double *cosines = twiddle, *sines = twiddle + size / 2;
  for (int half = 1, stride = size / 2; half < size; half *= 2, stride /= 2)
    for (int start = 0; start < size; start += 2 * half)
      for (int k = 0; k < half; k++) {
        double c = cosines[k * stride], s = sign * sines[k * stride];
        int a = start + k, b = a + half;
        double x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
}

static void fft_twiddles(int size, double *twiddle) {
  for (int k = 0; k < size / 2; k++) sine_cosine_double(TWO_PI * k / size, twiddle + size / 2 + k, twiddle + k);
}

/* In place, any length n: sum over k of x[k] e^(sign 2 pi i k l / n). */
static void fft_double(int n, double *re, double *im, int sign, double *scratch) {
  int size = fft_size(n);
  double *twiddle = scratch;
  fft_twiddles(size, twiddle);
  if (size == n) {
    fft_power_of_two(n, re, im, twiddle, sign);
    return;
  }
  double *aRe = scratch + size, *aIm = aRe + size, *bRe = aIm + size, *bIm = bRe + size, *chirpRe = bIm + size, *chirpIm = chirpRe + n;
  for (int k = 0; k < n; k++) { /* e^(sign pi i k^2 / n), k^2 reduced modulo 2 n as an integer */
    int64_t square = (int64_t)k * k % (2 * (int64_t)n);
    sine_cosine_double(TWO_PI * (double)square / (2.0 * n), chirpIm + k, chirpRe + k);
    chirpIm[k] *= sign;
  }
  for (int k = 0; k < size; k++) aRe[k] = aIm[k] = bRe[k] = bIm[k] = 0.0;
  for (int k = 0; k < n; k++) {
    aRe[k] = re[k] * chirpRe[k] - im[k] * chirpIm[k];
    aIm[k] = re[k] * chirpIm[k] + im[k] * chirpRe[k];
    bRe[k] = chirpRe[k];
    bIm[k] = -chirpIm[k];
    if (k) {
      bRe[size - k] = bRe[k];
      bIm[size - k] = bIm[k];
    }
  }
  fft_power_of_two(size, aRe, aIm, twiddle, -1);
  fft_power_of_two(size, bRe, bIm, twiddle, -1);
  for (int k = 0; k < size; k++) {
    double x = aRe[k] * bRe[k] - aIm[k] * bIm[k];
    aIm[k] = aRe[k] * bIm[k] + aIm[k] * bRe[k];
    aRe[k] = x;
  }
  fft_power_of_two(size, aRe, aIm, twiddle, 1);
  for (int k = 0; k < n; k++) {
    double x = aRe[k] / size, y = aIm[k] / size;
    re[k] = x * chirpRe[k] - y * chirpIm[k];
    im[k] = x * chirpIm[k] + y * chirpRe[k];
  }
}

#endif
