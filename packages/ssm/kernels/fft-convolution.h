/*
 * What both directions of the long convolution share. An image is one long sequence: its rows lie `stride` = columns + kernelColumns - 1
 * apart with zeros between, so that no product reaches into the next row, and its kernel lies in the same way. A sequence has one row.
 *
 * y = post * (k * v + D v), v = pre * u. Steps that are masked are not listed; a reset begins a new piece, which sees nothing of the one
 * before. The first piece begins with the history, the K - 1 values of v before the sequence, if there is one.
 */
#ifndef MAMBA360_FFT_CONVOLUTION_H
#define MAMBA360_FFT_CONVOLUTION_H

#include "fft.h"

enum { FC_AUTO = 0, FC_DIRECT = 1, FC_FFT = 2 };

typedef struct {
  int B, L, E, K, kernels, columns, kernel_columns, centre_row, centre_column, method, has_history;
  int rows, kernel_rows, stride, blocks, image;
  const uint8_t *control;
} fc_shape;

/* A run of counted steps with the sizes of its convolution. Positions count from the first value of the history. */
typedef struct {
  const int32_t *steps; /* null: all steps */
  int count, history, last;
  int span;   /* positions of its own items, without history */
  int inputs; /* history + span */
  int offset; /* position of the output of item 0 */
  int taps;   /* positions of the kernel that reach anything */
  int direct, log;
} fc_piece;

INLINE fc_shape fc_shape_of(const call_t *call, const void *history, const void *control) {
  const int32_t *v = call->integers;
  fc_shape s = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], history != 0, 0, 0, 0, 0, 0, control};
  s.rows = s.columns ? s.L / s.columns : 0;
  s.kernel_rows = s.kernel_columns ? s.K / s.kernel_columns : 0;
  s.stride = s.columns + s.kernel_columns - 1;
  s.blocks = divide_up(s.E, W);
  s.image = s.rows > 1 || s.kernel_rows > 1;
  return s;
}

INLINE int fc_position(const fc_shape *s, int item) { return s->rows == 1 ? item : item / s->columns * s->stride + item % s->columns; }
INLINE int fc_tap(const fc_shape *s, int tap) { return s->kernel_rows == 1 ? tap : tap / s->kernel_columns * s->stride + tap % s->kernel_columns; }
/* Where a position lies in the packing of 2 * half values, or as it is where half is 0. */
INLINE size_t fc_slot(int position, int half) {
  return half == 0 ? (size_t)position : position < half ? 2 * (size_t)position : 2 * (size_t)(position - half) + 1;
}

static void fc_measure(const fc_shape *s, fc_piece *p) {
  p->span = !s->image ? p->count : (s->rows - 1) * s->stride + s->columns;
  p->inputs = p->history + p->span;
  p->offset = p->history + (!s->image ? s->centre_column : s->centre_row * s->stride + s->centre_column);
  p->taps = !s->image ? min_int(s->K, p->offset + p->count) : (s->kernel_rows - 1) * s->stride + s->kernel_columns;
  int size = max_int(max_int(p->offset + p->span, p->inputs + p->taps - 1 - p->offset), max_int(p->inputs, p->taps));
  p->log = FFT_SMALLEST;
  while ((2LL << p->log) < size) p->log++;
  double sums = (double)p->count * (!s->image ? p->taps : s->K);
  p->direct = s->method == FC_DIRECT || (s->method == FC_AUTO && sums <= 8.0 * (1 << p->log) * p->log);
}

INLINE fc_piece fc_whole(const fc_shape *s) {
  fc_piece p = {0};
  p.count = s->L;
  p.history = s->has_history ? s->K - 1 : 0;
  p.last = 1;
  fc_measure(s, &p);
  return p;
}

/* The piece that begins at *t, its steps listed in `steps`; *t moves behind it. */
static fc_piece fc_next_piece(const fc_shape *s, int b, int *t, int32_t *steps) {
  if (!s->control) {
    *t = s->L;
    return fc_whole(s);
  }
  const uint8_t *control = s->control + (size_t)b * s->L;
  fc_piece p = {0};
  int start = *t;
  p.steps = steps;
  p.history = s->has_history && start == 0 && !(control[0] & CONTROL_RESET) ? s->K - 1 : 0;
  for (; *t < s->L && (*t == start || !(control[*t] & CONTROL_RESET)); ++*t)
    if (!(control[*t] & CONTROL_MASKED)) steps[p.count++] = *t;
  p.last = *t >= s->L;
  fc_measure(s, &p);
  return p;
}

INLINE int fc_step(const fc_piece *p, int item) { return p->steps ? p->steps[item] : item; }

/* One block of channels of one sequence. */
typedef struct { const float *u, *pre, *history; int E, width; } fc_rows;

INLINE fc_rows fc_rows_of(const fc_shape *s, const float *u, const float *pre, const float *history, int b, int block) {
  size_t at = (size_t)b * s->L * s->E + (size_t)block * W;
  return (fc_rows){u + at, pre ? pre + at : 0, history ? history + (size_t)b * (s->K - 1) * s->E + (size_t)block * W : 0, s->E, min_int(W, s->E - block * W)};
}
INLINE vf fc_value(const fc_rows *r, int t) {
  vf v = load_part(r->u + (size_t)t * r->E, r->width);
  return r->pre ? v * load_part(r->pre + (size_t)t * r->E, r->width) : v;
}

/* Zeros wherever a piece leaves room. */
static void fc_clear(float *data, int used, int half) {
  int all = half ? 2 * half : used;
  for (int p = used; p < all; p++) store(data + fc_slot(p, half) * W, splat(0.0f));
}

/* The piece's values in their places; returns x - x of all of them together: NaN in every lane that holds something not finite. */
static vf fc_load(const fc_shape *s, const fc_piece *p, const fc_rows *r, float *data, int half) {
  vf check = splat(0.0f);
  if (s->image) fc_clear(data, 0, half);
  else fc_clear(data, p->inputs, half);
  if (s->image && !half) fill_zero(data, (size_t)p->inputs * W);
  for (int i = 0; i < p->history; i++) {
    vf v = load_part(r->history + (size_t)i * r->E, r->width);
    check = check + (v - v);
    store(data + fc_slot(i, half) * W, v);
  }
  for (int i = 0; i < p->count; i++) {
    vf v = fc_value(r, fc_step(p, i));
    check = check + (v - v);
    store(data + fc_slot(p->history + fc_position(s, i), half) * W, v);
  }
  return check;
}

/* Taps of one kernel for a block of channels, times `scale`; natural order of taps where half is 0. */
static void fc_load_kernel(const fc_shape *s, const fc_piece *p, const float *kernel, int m, int block, float *data, int half, float scale) {
  int width = min_int(W, s->E - block * W), taps = s->image ? s->K : p->taps;
  fill_zero(data, (half ? 2 * (size_t)half : (size_t)taps) * W);
  const float *source = kernel + ((size_t)m * s->E + (size_t)block * W) * s->K;
  for (int first = 0; first < taps; first += 16)
    for (int e = 0; e < width; e++)
      for (int j = first; j < min_int(first + 16, taps); j++)
        data[fc_slot(half ? fc_tap(s, j) : j, half) * W + e] = source[(size_t)e * s->K + j] * scale;
}

/* Taps first .. last of one kernel row that meet an input at output position `at` (0 = the first input); returns their number. */
INLINE int fc_reach(const fc_shape *s, const fc_piece *p, int at, int row, int *first) {
  int base = at - row * s->stride, most = s->image ? s->kernel_columns : p->taps;
  *first = max_int(0, base - p->inputs + 1);
  return min_int(most - 1, base) - *first + 1;
}

/* sum over taps of k[tap] x[at - tap], four sums side by side, added in a fixed order. */
INLINE vf fc_direct_sum(const fc_shape *s, const fc_piece *p, const float *x, const float *k, int at) {
  vf sum[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
  for (int row = 0; row < s->kernel_rows; row++) {
    int first, reach = fc_reach(s, p, at, row, &first);
    if (reach <= 0) continue;
    const float *tap = k + ((size_t)row * s->kernel_columns + first) * W, *value = x + (size_t)(at - row * s->stride - first) * W;
    int i = 0;
    for (; i + 4 <= reach; i += 4, tap += 4 * W, value -= 4 * W)
      for (int j = 0; j < 4; j++) sum[j] = multiply_add(load(tap + j * W), load(value - j * W), sum[j]);
    for (; i < reach; i++, tap += W, value -= W) sum[0] = multiply_add(load(tap), load(value), sum[0]);
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Workspace both directions begin with: twiddles, then the spectra of all kernels at the size of the whole sequence. */
typedef struct { int log, all; float *tables, *spectra; size_t table_floats, spectrum_floats; } fc_shared;

INLINE fc_shared fc_shared_of(const fc_shape *s, const fc_piece *whole) {
  fc_shared f = {whole->log, s->control != 0, 0, 0, 0, 0};
  f.table_floats = fft_tables(f.log, f.all, f.log, 0, 0);
  f.spectrum_floats = (size_t)2 * W << f.log;
  return f;
}
INLINE double fc_shared_bytes(const fc_shape *s, const fc_shared *f) {
  return 4.0 * f->table_floats + 4.0 * f->spectrum_floats * s->blocks * s->kernels + 4 * ALIGNMENT;
}
INLINE void fc_take_shared(const fc_shape *s, fc_shared *f, arena_t *arena) {
  f->tables = take_floats(arena, f->table_floats);
  f->spectra = take_floats(arena, f->spectrum_floats * s->blocks * s->kernels);
}
INLINE fft_t fc_fft(const fc_shared *f, int log) {
  fft_t fft;
  fft_tables(f->log, f->all, log, f->tables, &fft);
  return fft;
}
INLINE int fc_table_tasks(const fc_shared *f) { return divide_up(fft_fill_tables(f->log, f->all, 0, 0, 0), FFT_TABLE_BLOCKS); }

static void fc_kernel_spectrum(const fc_shape *s, const fc_shared *f, const fc_piece *p, const float *kernel, int m, int block, float *data) {
  fft_t fft = fc_fft(f, p->log);
  fc_load_kernel(s, p, kernel, m, block, data, fft.n, 1.0f / (float)fft.n);
  fft_walk(&fft, data, 0, FFT_DOWN);
}

/* Phases 0 and 1 of both directions. */
static void fc_prepare(const fc_shape *s, const fc_shared *f, const fc_piece *whole, const float *kernel, int phase, int begin, int end) {
  for (int task = begin; task < end; task++) {
    if (phase == 0) fft_fill_tables(f->log, f->all, f->tables, task * FFT_TABLE_BLOCKS, (task + 1) * FFT_TABLE_BLOCKS);
    else fc_kernel_spectrum(s, f, whole, kernel, task / s->blocks, task % s->blocks, f->spectra + (size_t)task * f->spectrum_floats);
  }
}

/* The spectrum for a piece: the shared one where the sizes are the same, else its own, made in `own`. */
static const float *fc_spectrum_for(const fc_shape *s, const fc_shared *f, const fc_piece *p, const float *kernel, int m, int block, float *own) {
  if (p->log == f->log) return f->spectra + ((size_t)m * s->blocks + block) * f->spectrum_floats;
  fc_kernel_spectrum(s, f, p, kernel, m, block, own);
  return own;
}

#endif
