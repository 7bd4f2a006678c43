/*
 * Blocked matrix product with packed operands, for products large enough to leave the caches (matmul.h is for small ones that lie there).
 * c[row][column] = sum over inner, first to last, of a * b, then + bias: one order for any number of rows, blocks and threads, so decoding,
 * prefill and batch give the same bits.
 */
#ifndef MAMBA360_MATRIX_PRODUCT_H
#define MAMBA360_MATRIX_PRODUCT_H

#include "simd.h"

/* A tile of the result is held in registers: PRODUCT_ROWS rows of two vectors. */
#if W == 16
enum { PRODUCT_ROWS = 12 };
#elif W == 8
enum { PRODUCT_ROWS = 6 };
#else
enum { PRODUCT_ROWS = 4 };
#endif
enum { PANEL = 2 * W, INNER_BLOCK = 256, ROW_BLOCK = 96, PANELS_IN_TASK = 8 };

typedef struct {
  int rows, columns, inner;
  const float *a; /* a[row * a_row + i * a_inner] */
  size_t a_row, a_inner;
  const float *b; /* b[i * b_inner + column * b_column] */
  size_t b_inner, b_column;
  float *c;       /* c[row * columns + column] */
  const float *bias;
} product_t;

INLINE int panel_count(const product_t *p) { return divide_up(p->columns, PANEL); }

/* Many rows: all of b is packed once, in a phase of its own, and tasks are blocks of rows. Few: each task packs the panels it needs. */
INLINE int has_many_rows(const product_t *p) { return p->rows > ROW_BLOCK; }
INLINE int product_row_block(const product_t *p) { return min_int(ROW_BLOCK, round_up(divide_up(p->rows, 8), PRODUCT_ROWS)); }
static int product_pack_tasks(const product_t *p) { return has_many_rows(p) ? panel_count(p) : 0; }
static int product_tasks(const product_t *p) {
  if (p->rows == 0 || p->columns == 0) return 0;
  return has_many_rows(p) ? divide_up(p->rows, product_row_block(p)) : divide_up(panel_count(p), PANELS_IN_TASK);
}
static double product_workspace_bytes(const product_t *p) {
  return has_many_rows(p) ? aligned_bytes(4.0 * panel_count(p) * PANEL * p->inner) : 0.0;
}
static double product_scratch_bytes(void) { return aligned_bytes(4.0 * INNER_BLOCK * (ROW_BLOCK + PANEL)); }

typedef float four __attribute__((vector_size(16)));
typedef float four_any __attribute__((vector_size(16), may_alias, aligned(4)));

/* target[i][c] = source[c][i] for `columns` rows of the source, 16 of their values at a time, so that both sides stay in the first-level cache. */
static void transpose_into(float *target, size_t target_stride, const float *source, size_t source_stride, int columns, int count) {
  for (int start = 0; start < count; start += 16) {
    int stop = min_int(count, start + 16), c = 0;
#if HAS_SHUFFLE
    for (; c + 4 <= columns; c += 4) {
      const float *from = source + c * source_stride;
      int i = start;
      for (; i + 4 <= stop; i += 4) {
        four r0 = *(const four_any *)(from + i), r1 = *(const four_any *)(from + source_stride + i);
        four r2 = *(const four_any *)(from + 2 * source_stride + i), r3 = *(const four_any *)(from + 3 * source_stride + i);
        four low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
        four low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
        float *to = target + (size_t)i * target_stride + c;
        *(four_any *)to = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
        *(four_any *)(to + target_stride) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
        *(four_any *)(to + 2 * target_stride) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
        *(four_any *)(to + 3 * target_stride) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
      }
      for (; i < stop; i++)
        for (int k = 0; k < 4; k++) target[(size_t)i * target_stride + c + k] = from[k * source_stride + i];
    }
#endif
    for (; c < columns; c++)
      for (int i = start; i < stop; i++) target[(size_t)i * target_stride + c] = source[c * source_stride + i];
  }
}

/* target[i][PANEL] = rows [begin, end) of the inner axis of one panel of b, of which one stride is 1; columns past the end are zero. */
static void pack_panel(const product_t *p, int panel, int begin, int end, float *target) {
  int column = panel * PANEL, count = min_int(PANEL, p->columns - column);
  if (count < PANEL) fill_zero(target, (size_t)(end - begin) * PANEL);
  if (p->b_column == 1) {
    for (int i = begin; i < end; i++, target += PANEL) {
      const float *source = p->b + i * p->b_inner + column;
      store_part(target, load_part(source, count), count);
      if (count > W) store_part(target + W, load_part(source + W, count - W), count - W);
    }
    return;
  }
  transpose_into(target, PANEL, p->b + column * p->b_column + begin, p->b_column, count, end - begin);
}

static void product_pack(const product_t *p, int begin, int end, void *workspace) {
  arena_t arena = {workspace};
  float *packed = take_floats(&arena, 0);
  for (int panel = begin; panel < end; panel++) pack_panel(p, panel, 0, p->inner, packed + (size_t)panel * PANEL * p->inner);
}

/* target[tile][i][PRODUCT_ROWS] = a block of rows of a, of which one stride is 1; rows past the end are left out of the last tile by `multiply_tile`. */
static void pack_rows(const product_t *p, int row, int rows, int begin, int end, float *target) {
  for (int tile = 0; tile < rows; tile += PRODUCT_ROWS) {
    int count = min_int(PRODUCT_ROWS, rows - tile);
    const float *source = p->a + (size_t)(row + tile) * p->a_row + (size_t)begin * p->a_inner;
    if (p->a_inner == 1) transpose_into(target, PRODUCT_ROWS, source, p->a_row, count, end - begin);
    else
      for (int i = 0; i < end - begin; i++)
        for (int r = 0; r < count; r++) target[(size_t)i * PRODUCT_ROWS + r] = source[i * p->a_inner + r];
    target += (size_t)(end - begin) * PRODUCT_ROWS;
  }
}

/* `rows` is a constant at every call. */
INLINE void multiply_tile(const product_t *p, const float *a, const float *b, int inner, int row, int column, int first, int last, int rows) {
  vf sum[PRODUCT_ROWS][2];
  int left = p->columns - column, right = left - W;
  float *c = p->c + (size_t)row * p->columns + column;
  for (int r = 0; r < rows; r++) {
    sum[r][0] = first ? splat(0.0f) : load_part(c + (size_t)r * p->columns, left);
    sum[r][1] = first || right <= 0 ? splat(0.0f) : load_part(c + (size_t)r * p->columns + W, right);
  }
  for (int i = 0; i < inner; i++, a += PRODUCT_ROWS, b += PANEL) {
    vf b0 = load(b), b1 = load(b + W);
    for (int r = 0; r < rows; r++) {
      vf value = splat(a[r]);
      sum[r][0] = multiply_add(value, b0, sum[r][0]);
      sum[r][1] = multiply_add(value, b1, sum[r][1]);
    }
  }
  vf bias0 = splat(0.0f), bias1 = splat(0.0f);
  int biased = last && p->bias;
  if (biased) bias0 = load_part(p->bias + column, left);
  if (biased && right > 0) bias1 = load_part(p->bias + column + W, right);
  for (int r = 0; r < rows; r++) {
    store_part(c + (size_t)r * p->columns, biased ? sum[r][0] + bias0 : sum[r][0], left);
    if (right > 0) store_part(c + (size_t)r * p->columns + W, biased ? sum[r][1] + bias1 : sum[r][1], right);
  }
}

static void multiply_block(const product_t *p, const float *a, const float *b, int inner, int row, int rows, int column, int first, int last) {
  for (int tile = 0; tile < rows; tile += PRODUCT_ROWS, a += (size_t)inner * PRODUCT_ROWS) {
    switch (min_int(PRODUCT_ROWS, rows - tile)) {
#define TILE(count) case count: multiply_tile(p, a, b, inner, row + tile, column, first, last, count); break;
      TILE(1) TILE(2) TILE(3) TILE(4)
#if W >= 8
      TILE(5) TILE(6)
#endif
#if W == 16
      TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
#endif
#undef TILE
      default: break;
    }
  }
}

static void product_run(const product_t *p, int begin, int end, const void *workspace, void *scratch) {
  arena_t arena = {scratch}, shared = {(char *)workspace};
  float *a = take_floats(&arena, (size_t)INNER_BLOCK * ROW_BLOCK), *own = take_floats(&arena, (size_t)INNER_BLOCK * PANEL);
  const float *packed = take_floats(&shared, 0);
  int many = has_many_rows(p), block = many ? product_row_block(p) : p->rows, panels = panel_count(p);
  for (int task = begin; task < end; task++) {
    int row = many ? task * block : 0, rows = min_int(block, p->rows - row);
    int panel = many ? 0 : task * PANELS_IN_TASK, stop = many ? panels : min_int(panels, panel + PANELS_IN_TASK);
    /* An empty inner axis still has its one block: the result is the bias, or zeros. */
    for (int i = 0; i == 0 || i < p->inner; i += INNER_BLOCK) {
      int inner_end = min_int(p->inner, i + INNER_BLOCK);
      pack_rows(p, row, rows, i, inner_end, a);
      for (int q = panel; q < stop; q++) {
        const float *b = packed + ((size_t)q * p->inner + i) * PANEL;
        if (!many) {
          pack_panel(p, q, i, inner_end, own);
          b = own;
        }
        multiply_block(p, a, b, inner_end - i, row, rows, q * PANEL, i == 0, inner_end == p->inner);
      }
    }
  }
}

#endif
