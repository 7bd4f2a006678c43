/*
 * Vectors of W floats. W is 16 (AVX-512), 8 (AVX2 with FMA) or 4 (SSE, NEON, WebAssembly). Everything is written with compiler vector
 * extensions; intrinsics stand only where the extension has no word for the instruction or NaN would be lost.
 */
#ifndef MAMBA360_SIMD_H
#define MAMBA360_SIMD_H

#include "abi.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define W 16
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define W 8
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define W 4
#elif defined(__SSE2__)
#include <immintrin.h>
#define W 4
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#define W 4
#else
#define W 4
#endif

/* Hints: a line will be used some time later (second-level cache), or next (first level). The address need not exist. */
#define fetch_ahead(p) __builtin_prefetch((p), 0, 2)
#define fetch_soon(p) __builtin_prefetch((p), 0, 3)

typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef float vf_any __attribute__((vector_size(W * 4), may_alias, aligned(4)));
typedef int32_t vi_any __attribute__((vector_size(W * 4), may_alias, aligned(4)));

INLINE vf splat(float x) { return x - (vf){0}; }
INLINE vi splat_int(int32_t x) { return x - (vi){0}; }
INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE void store(float *p, vf x) { *(vf_any *)p = x; }

/* First `count` lanes from memory, zeros after them. */
INLINE vf load_part(const float *p, int count) {
  if (count >= W) return load(p);
  float lanes[W] __attribute__((aligned(64)));
  for (int i = 0; i < W; i++) lanes[i] = 0.0f;
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return load(lanes);
}
INLINE void store_part(float *p, vf x, int count) {
  if (count >= W) { store(p, x); return; }
  float lanes[W] __attribute__((aligned(64)));
  store(lanes, x);
  for (int i = 0; i < count; i++) p[i] = lanes[i];
}

/* a * b + c, with one rounding where the target has the instruction. */
INLINE vf multiply_add(vf a, vf b, vf c) {
#if W == 16
  return _mm512_fmadd_ps(a, b, c);
#elif W == 8
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__wasm_relaxed_simd__)
  return (vf)wasm_f32x4_relaxed_madd((v128_t)a, (v128_t)b, (v128_t)c);
#elif defined(__ARM_NEON)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

INLINE vf select_lanes(vi mask, vf yes, vf no) { return (vf)(((vi)yes & mask) | ((vi)no & ~mask)); }
INLINE vf absolute(vf x) { return (vf)((vi)x & splat_int(0x7fffffff)); }

/* The larger / smaller of x and bound; NaN in x stays NaN. */
INLINE vf at_least(vf x, vf bound) {
#if W == 16
  return _mm512_max_ps(bound, x);
#elif W == 8
  return _mm256_max_ps(bound, x);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_pmax((v128_t)x, (v128_t)bound);
#elif defined(__SSE2__)
  return _mm_max_ps(bound, x);
#else
  return select_lanes(x < bound, bound, x);
#endif
}
INLINE vf at_most(vf x, vf bound) {
#if W == 16
  return _mm512_min_ps(bound, x);
#elif W == 8
  return _mm256_min_ps(bound, x);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_pmin((v128_t)x, (v128_t)bound);
#elif defined(__SSE2__)
  return _mm_min_ps(bound, x);
#else
  return select_lanes(x > bound, bound, x);
#endif
}

INLINE vf square_root(vf x) {
#if W == 16
  return _mm512_sqrt_ps(x);
#elif W == 8
  return _mm256_sqrt_ps(x);
#elif defined(__wasm_simd128__)
  return (vf)wasm_f32x4_sqrt((v128_t)x);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(x);
#else
  vf y = x;
  for (int i = 0; i < W; i++) y[i] = __builtin_sqrtf(x[i]);
  return y;
#endif
}

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define HAS_SHUFFLE 1
#endif
#endif

/* Sum of the lanes, halves added to halves. */
INLINE float sum_lanes(vf x) {
#if HAS_SHUFFLE && W == 16
  x = x + __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  x = x + __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
  x = x + __builtin_shufflevector(x, x, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
  return x[0] + x[1];
#elif HAS_SHUFFLE && W == 8
  x = x + __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3);
  x = x + __builtin_shufflevector(x, x, 2, 3, 0, 1, 2, 3, 0, 1);
  return x[0] + x[1];
#elif HAS_SHUFFLE
  x = x + __builtin_shufflevector(x, x, 2, 3, 0, 1);
  return x[0] + x[1];
#else
  float lanes[W] __attribute__((aligned(64)));
  store(lanes, x);
  for (int half = W / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
#endif
}

/* sums[i] = sum of the lanes of the i-th of four vectors, in the order of sum_lanes. */
INLINE void sum_lanes_of_four(const float *vectors, float *sums) {
#if HAS_SHUFFLE && W == 16
  vf a = load(vectors), b = load(vectors + W), c = load(vectors + 2 * W), d = load(vectors + 3 * W);
  vf ab = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
          __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  vf cd = __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
          __builtin_shufflevector(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  vf all = __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  all = all + __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  all = all + __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  for (int i = 0; i < 4; i++) sums[i] = all[4 * i];
#else
  for (int i = 0; i < 4; i++) sums[i] = sum_lanes(load(vectors + i * W));
#endif
}

/* True when every lane of the mask is set. */
INLINE int all_lanes(vi mask) {
  int32_t lanes[W] __attribute__((aligned(64)));
  *(vi_any *)lanes = mask;
  int32_t all = -1;
  for (int i = 0; i < W; i++) all &= lanes[i];
  return all != 0;
}

#endif
