/*
 * Register-blocked float matrix product. Every element of the result is one sum along the inner axis, first to last, whatever the number of
 * rows: so one row (decoding) and many (prefill, a batch) give the same bits.
 */
#ifndef MAMBA360_MATMUL_H
#define MAMBA360_MATMUL_H

#include "simd.h"

#if W == 4
enum { TILE_ROWS = 4 };
#else
enum { TILE_ROWS = 6 };
#endif

typedef struct {
  const float *a; /* a[row * a_row + inner * a_inner]: either matrix order */
  size_t a_row, a_inner;
  const float *b; /* b[inner * b_stride + column] */
  size_t b_stride;
  float *c;       /* c[row * c_stride + column] */
  size_t c_stride;
  int rows, columns, inner; /* columns: a multiple of W */
  int add;                  /* c += product, else c = product */
} matmul_t;

INLINE void matmul_tile(const matmul_t *m, int row, int column, int rows, int vectors) {
  vf sum[TILE_ROWS][2];
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = splat(0.0f);
  const float *a = m->a + row * m->a_row, *b = m->b + column;
  for (int i = 0; i < m->inner; i++, a += m->a_inner, b += m->b_stride) {
    vf right[2];
    for (int v = 0; v < vectors; v++) right[v] = load(b + v * W);
    for (int r = 0; r < rows; r++) {
      vf left = splat(a[r * m->a_row]);
      for (int v = 0; v < vectors; v++) sum[r][v] = multiply_add(left, right[v], sum[r][v]);
    }
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) {
      float *c = m->c + (row + r) * m->c_stride + column + v * W;
      store(c, m->add ? load(c) + sum[r][v] : sum[r][v]);
    }
}

INLINE void matmul_columns(const matmul_t *m, int row, int rows) {
  int column = 0;
  for (; column + 2 * W <= m->columns; column += 2 * W) matmul_tile(m, row, column, rows, 2);
  if (column < m->columns) matmul_tile(m, row, column, rows, 1);
}

static void matmul(const matmul_t *m) {
  int row = 0;
  for (; row + TILE_ROWS <= m->rows; row += TILE_ROWS) matmul_columns(m, row, TILE_ROWS);
  switch (m->rows - row) {
    case 1: matmul_columns(m, row, 1); break;
    case 2: matmul_columns(m, row, 2); break;
    case 3: matmul_columns(m, row, 3); break;
#if W != 4
    case 4: matmul_columns(m, row, 4); break;
    case 5: matmul_columns(m, row, 5); break;
#endif
    default: break;
  }
}

#endif
