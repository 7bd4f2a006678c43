/*
 * Two more loops to measure against. ceilingMixedStream is frozen like those of ceilings.c: it reads 1 to 4 arrays and writes 1 or 2, the
 * mix of the op it stands beside. ceilingMatmul is no loop of its own but the kernels' matrix product on whole matrices, so that what it
 * reaches of the multiply-adds, and what a scan reaches of it, can be said.
 */
#include "matmul.h"

INLINE void mixed_stream(const call_t *call, size_t begin, size_t end, int reads, int writes) {
  for (size_t i = begin; i < end; i += W) {
    vf sum = load(IN(float, 0) + i);
    for (int r = 1; r < reads; r++) sum = sum + load(IN(float, r) + i);
    for (int w = 0; w < writes; w++) store(OUT(float, w) + i, sum);
  }
}

/* in: 1 to 4 arrays [n]; out: 1 or 2 arrays [n], each the sum of the inputs. integers: n (a multiple of CEILING_TASKS * W), reads, writes. */
static void ceiling_mixed_stream_run(const call_t *call, int begin, int end) {
  size_t part = (size_t)call->integers[0] / CEILING_TASKS, from = begin * part, to = end * part;
  int reads = call->integers[1], one = call->integers[2] == 1;
  if (reads == 1) one ? mixed_stream(call, from, to, 1, 1) : mixed_stream(call, from, to, 1, 2);
  else if (reads == 2) one ? mixed_stream(call, from, to, 2, 1) : mixed_stream(call, from, to, 2, 2);
  else if (reads == 3) one ? mixed_stream(call, from, to, 3, 1) : mixed_stream(call, from, to, 3, 2);
  else one ? mixed_stream(call, from, to, 4, 1) : mixed_stream(call, from, to, 4, 2);
}

/* in: a [m, k], b [k, n]; out: c [m, n] = a b. integers: m, n (a multiple of W), k. A task is a block of rows. */
static void ceiling_matmul_run(const call_t *call, int begin, int end) {
  int m = call->integers[0], n = call->integers[1], k = call->integers[2], rows = round_up(divide_up(m, CEILING_TASKS), TILE_ROWS);
  for (int task = begin; task < end; task++) {
    int first = min_int(m, task * rows), last = min_int(m, first + rows);
    matmul_t product = { 0 };
    product.a = IN(float, 0) + (size_t)first * k;
    product.a_row = k;
    product.a_inner = 1;
    product.b = IN(float, 1);
    product.b_stride = n;
    product.c = OUT(float, 0) + (size_t)first * n;
    product.c_stride = n;
    product.rows = last - first;
    product.columns = n;
    product.inner = k;
    if (product.rows > 0) matmul(&product);
  }
}
