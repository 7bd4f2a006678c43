/*
 * Products of polynomials modulo x^n - i by a complex FFT of n points. Two real sequences of together at most 2n values, packed as
 * p[t] + i p[t + n], give their acyclic product back in the same packing: a real transform of 2n values at the price of one complex
 * transform of n, with no pass that splits the spectrum.
 *
 * x^n - c splits into x^(n/8) - c_m, where c_m are the eighth roots of c; so a block of any level needs one set of twiddles only, the
 * powers of c^(1/8), whatever its length. Spectra are left in the order of the blocks: products need no other. One channel is one lane; a
 * value is two vectors, re and im. The recursion goes depth first, so that everything below the size of a cache stays in it.
 */
#ifndef MAMBA360_FFT_H
#define MAMBA360_FFT_H

#include "scalar-functions.h"
#include "simd.h"

enum { FFT_SMALLEST = 3, FFT_LEVELS = 9, FFT_TABLE_BLOCKS = 256 };
enum { FFT_DOWN = 1, FFT_PRODUCT = 2, FFT_UP = 4 };

typedef struct { vf re, im; } cv;

INLINE vf product_from(vf c, vf a, vf b) { /* c - a * b */
#if W == 16
  return _mm512_fnmadd_ps(a, b, c);
#elif W == 8
  return _mm256_fnmadd_ps(a, b, c);
#elif defined(__wasm_relaxed_simd__)
  return (vf)wasm_f32x4_relaxed_nmadd((v128_t)a, (v128_t)b, (v128_t)c);
#elif defined(__ARM_NEON)
  return vfmsq_f32(c, a, b);
#else
  return c - a * b;
#endif
}

INLINE cv cv_load(const float *p) { return (cv){load(p), load(p + W)}; }
INLINE void cv_store(float *p, cv x) {
  store(p, x.re);
  store(p + W, x.im);
}
INLINE cv cv_add(cv a, cv b) { return (cv){a.re + b.re, a.im + b.im}; }
INLINE cv cv_subtract(cv a, cv b) { return (cv){a.re - b.re, a.im - b.im}; }
INLINE cv cv_multiply(cv a, cv b) {
  return (cv){product_from(a.re * b.re, a.im, b.im), multiply_add(a.re, b.im, a.im * b.re)};
}
INLINE cv cv_turn(cv x, int sign) { return sign > 0 ? (cv){-x.im, x.re} : (cv){x.im, -x.re}; } /* times i or -i */
INLINE cv cv_twiddle(cv x, const float *w, int sign) {                                           /* times w, or its conjugate */
  vf re = splat(w[0]), im = splat(w[1]);
  if (sign > 0) return (cv){product_from(x.re * re, x.im, im), multiply_add(x.re, im, x.im * re)};
  return (cv){multiply_add(x.im, im, x.re * re), product_from(x.im * re, x.re, im)};
}

/* x[m] = sum over r of x[r] exp(sign 2 pi i m r / radix). */
INLINE void dft2(cv *x) {
  cv sum = cv_add(x[0], x[1]);
  x[1] = cv_subtract(x[0], x[1]);
  x[0] = sum;
}
INLINE void dft4(cv *x, int sign) {
  cv s0 = cv_add(x[0], x[2]), d0 = cv_subtract(x[0], x[2]), s1 = cv_add(x[1], x[3]), d1 = cv_turn(cv_subtract(x[1], x[3]), sign);
  x[0] = cv_add(s0, s1);
  x[1] = cv_add(d0, d1);
  x[2] = cv_subtract(s0, s1);
  x[3] = cv_subtract(d0, d1);
}
INLINE void dft8(cv *x, int sign) {
  vf half = splat(0.70710678118654752f);
  cv even[4] = {cv_add(x[0], x[4]), cv_add(x[1], x[5]), cv_add(x[2], x[6]), cv_add(x[3], x[7])};
  cv d1 = cv_subtract(x[1], x[5]), d3 = cv_subtract(x[3], x[7]), t1 = cv_turn(d1, sign), t3 = cv_turn(d3, sign);
  cv odd[4] = {cv_subtract(x[0], x[4]), {half * (d1.re + t1.re), half * (d1.im + t1.im)},
               cv_turn(cv_subtract(x[2], x[6]), sign), {half * (t3.re - d3.re), half * (t3.im - d3.im)}};
  dft4(even, sign);
  dft4(odd, sign);
  for (int m = 0; m < 4; m++) {
    x[2 * m] = even[m];
    x[2 * m + 1] = odd[m];
  }
}

typedef struct {
  int n, leaf;                      /* points; radix of the last level, 8, 4 or 2 */
  const float *level[FFT_LEVELS];   /* twiddles of radix 8: [8^level][7] pairs */
  const float *last;                /* twiddles of the last level: [n / leaf][leaf - 1] pairs */
} fft_t;

INLINE int fft_leaf(int log) { return log % 3 == 0 ? 8 : log % 3 == 2 ? 4 : 2; }
INLINE int fft_blocks(int level) { return 1 << (3 * level); }

/*
 * Tables lie one after the other: radix 8 for the levels of the largest size, then the last levels of the sizes that have one of radix 4 or
 * 2, smallest first (only the largest where `all` is 0). Walks through them; returns floats, or fills `fft` for the size 2^log.
 */
static size_t fft_tables(int largest, int all, int log, const float *memory, fft_t *fft) {
  size_t floats = 0;
  for (int level = 0; level < largest / 3; level++) {
    if (fft) fft->level[level] = memory + floats;
    floats += 14u * (size_t)fft_blocks(level);
  }
  if (fft) {
    fft->n = 1 << log;
    fft->leaf = fft_leaf(log);
    if (fft->leaf == 8) fft->last = fft->level[log / 3 - 1];
  }
  for (int size = all ? FFT_SMALLEST : largest; size <= largest; size++) {
    int leaf = fft_leaf(size);
    if (leaf == 8) continue;
    if (fft && size == log) fft->last = memory + floats;
    floats += 2u * (size_t)(leaf - 1) * fft_blocks(size / 3);
  }
  return floats;
}

/* Number of blocks of all tables; with `memory`, writes the twiddles of blocks [begin, end). */
static int fft_fill_tables(int largest, int all, float *memory, int begin, int end) {
  int first = 0;
  for (int table = 0; table < largest / 3 + largest + 1; table++) {
    int is_level = table < largest / 3, size = table - largest / 3;
    if (!is_level && (size < FFT_SMALLEST || fft_leaf(size) == 8 || (!all && size != largest))) continue;
    int level = is_level ? table : size / 3, radix = is_level ? 8 : fft_leaf(size), blocks = fft_blocks(level);
    for (int at = begin > first ? begin : first; at < end && at < first + blocks; at++) {
      double angle = 0.25, re, im, wr = 1.0, wi = 0.0; /* in turns: the block divides by x^m - exp(2 pi i angle) */
      for (int shift = level - 1; shift >= 0; shift--) angle = (angle + ((at - first) >> (3 * shift) & 7)) / 8.0;
      sine_cosine_double(6.283185307179586 * angle / radix, &im, &re);
      float *w = memory + 2 * (radix - 1) * (size_t)(at - first);
      for (int r = 1; r < radix; r++) {
        double next = wr * re - wi * im;
        wi = wr * im + wi * re;
        wr = next;
        w[2 * r - 2] = (float)wr;
        w[2 * r - 1] = (float)wi;
      }
    }
    if (memory) memory += 2 * (radix - 1) * (size_t)blocks;
    first += blocks;
  }
  return first;
}

INLINE void fft_last(float *data, const float *spectrum, const float *w, int radix, int mode) {
  cv x[8];
  for (int r = 0; r < radix; r++) x[r] = cv_load(data + r * 2 * W);
  if (mode & FFT_DOWN) {
    for (int r = 1; r < radix; r++) x[r] = cv_twiddle(x[r], w + 2 * r - 2, 1);
    if (radix == 8) dft8(x, 1);
    if (radix == 4) dft4(x, 1);
    if (radix == 2) dft2(x);
  }
  if (mode & FFT_PRODUCT)
    for (int r = 0; r < radix; r++) x[r] = cv_multiply(x[r], cv_load(spectrum + r * 2 * W));
  if (mode & FFT_UP) {
    if (radix == 8) dft8(x, -1);
    if (radix == 4) dft4(x, -1);
    if (radix == 2) dft2(x);
    for (int r = 1; r < radix; r++) x[r] = cv_twiddle(x[r], w + 2 * r - 2, -1);
  }
  for (int r = 0; r < radix; r++) cv_store(data + r * 2 * W, x[r]);
}

INLINE void fft_last_run(float *data, const float *spectrum, const float *w, int radix, int blocks, int mode) {
  for (int block = 0; block < blocks; block++, data += radix * 2 * W, spectrum += radix * 2 * W, w += 2 * radix - 2)
    fft_last(data, spectrum, w, radix, mode);
}

/* `blocks` neighbouring blocks of the last level. */
INLINE void fft_last_blocks(const fft_t *f, float *data, const float *spectrum, int block, int blocks, int mode) {
  const float *w = f->last + (size_t)block * (2 * f->leaf - 2);
  if (f->leaf == 8) fft_last_run(data, spectrum, w, 8, blocks, mode);
  else if (f->leaf == 4) fft_last_run(data, spectrum, w, 4, blocks, mode);
  else fft_last_run(data, spectrum, w, 2, blocks, mode);
}

static void fft_down8(float *data, int step, const float *w) {
  size_t s = (size_t)step * 2 * W;
  for (int k = 0; k < step; k++, data += 2 * W) {
    cv x[8];
    x[0] = cv_load(data);
    for (int r = 1; r < 8; r++) x[r] = cv_twiddle(cv_load(data + r * s), w + 2 * r - 2, 1);
    dft8(x, 1);
    for (int r = 0; r < 8; r++) cv_store(data + r * s, x[r]);
  }
}

static void fft_up8(float *data, int step, const float *w) {
  size_t s = (size_t)step * 2 * W;
  for (int k = 0; k < step; k++, data += 2 * W) {
    cv x[8];
    for (int r = 0; r < 8; r++) x[r] = cv_load(data + r * s);
    dft8(x, -1);
    cv_store(data, x[0]);
    for (int r = 1; r < 8; r++) cv_store(data + r * s, cv_twiddle(x[r], w + 2 * r - 2, -1));
  }
}

/*
 * data: n values. FFT_DOWN: to the spectrum; FFT_PRODUCT: times another one; FFT_UP: back, n times too large. Together they are one walk, in
 * which a block that fits a cache goes down and up again before the next is touched.
 */
static void fft_walk_block(const fft_t *f, float *data, const float *spectrum, int n, int level, int block, int mode) {
  int part = n / 8;
  if (mode & FFT_DOWN) fft_down8(data, part, f->level[level] + 14 * (size_t)block);
  if (part > f->leaf) {
    for (int m = 0; m < 8; m++) {
      size_t at = (size_t)m * part * 2 * W;
      fft_walk_block(f, data + at, spectrum + at, part, level + 1, 8 * block + m, mode);
    }
  } else {
    if (mode == FFT_DOWN) fft_last_blocks(f, data, spectrum, 8 * block, 8, FFT_DOWN);
    else if (mode == FFT_UP) fft_last_blocks(f, data, spectrum, 8 * block, 8, FFT_UP);
    else fft_last_blocks(f, data, spectrum, 8 * block, 8, FFT_DOWN | FFT_PRODUCT | FFT_UP);
  }
  if (mode & FFT_UP) fft_up8(data, part, f->level[level] + 14 * (size_t)block);
}

static void fft_walk(const fft_t *f, float *data, const float *spectrum, int mode) {
  if (!spectrum) spectrum = data;
  if (f->n == f->leaf) fft_last_blocks(f, data, spectrum, 0, 1, mode);
  else fft_walk_block(f, data, spectrum, f->n, 0, 0, mode);
}

#endif
