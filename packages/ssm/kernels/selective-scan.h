/* What the real selective scan's forward and backward share: shapes, the partition of channels, loading of a block of channels. */
#ifndef MAMBA360_SELECTIVE_SCAN_H
#define MAMBA360_SELECTIVE_SCAN_H

#include "functions.h"
#include "steps.h"

/* How many states (n) one pass over a block of steps carries in registers. */
#if W == 16
enum { STATES_AT_ONCE = 8 };
#else
enum { STATES_AT_ONCE = 4 };
#endif

enum { WIDEST_BLOCK = 256 };

typedef struct {
  int B, L, E, N, groups_b, groups_c, softplus, state_every;
} scan_shape;

INLINE scan_shape scan_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (scan_shape){v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

/*
 * Lines of memory to ask for while a loop over steps computes: at step k the ones at first + k * stride and second + k * stride. Rows lie
 * pages apart, so the processor does not guess the next one by itself. Stride 0: nothing, the pointers are some place in the cache.
 */
typedef struct {
  const float *first, *second;
  size_t stride;
} fetch_t;

INLINE void fetch_step(const fetch_t *fetch, int k) {
  fetch_ahead(fetch->first + k * fetch->stride);
  fetch_ahead(fetch->second + k * fetch->stride);
}

/* The lines at channel e of pair `pass` of `rows` (two pairs); nothing where there is no such pair, or e does not begin a line. */
INLINE fetch_t fetch_pair(const float *const *rows, int pass, int e, size_t stride, const float *idle) {
  if (!rows || pass > 1 || e % 16) return (fetch_t){idle, idle, 0};
  return (fetch_t){rows[2 * pass] + e, rows[2 * pass + 1] + e, stride};
}

/* Distance in floats from row t to the row that pre- and post-passes bring into the first-level cache. JavaScript's arrays begin 16 bytes
 * into a line, so each vector touches two lines, and waiting for both costs a tenth of the kernel's time. */
INLINE size_t soon_distance(const scan_shape *s, int t) { return t + 4 < s->L ? (size_t)4 * s->E : 0; }

/* A block of channels that lies in one group of B and in one group of C. */
typedef struct { int first, width; } channel_block;

typedef struct { int regions, blocks_in_region, region_width, block_width; } channel_partition;

INLINE int greatest_common_divisor(int a, int b) {
  while (b) { int r = a % b; a = b; b = r; }
  return a;
}

/*
 * Cuts E channels into equal blocks, never across a group border. Wide blocks read long pieces of each row (rows lie pages apart, so
 * narrow ones miss the address cache at every step); but there should be eight blocks for threads, and no block below a cache line or so.
 */
INLINE channel_partition partition_channels(const scan_shape *s) {
  int gb = max_int(s->groups_b, 1), gc = max_int(s->groups_c, 1);
  channel_partition p;
  p.regions = gb / greatest_common_divisor(gb, gc) * gc;
  p.region_width = s->E / p.regions;
  int wanted = max_int(divide_up(s->E, WIDEST_BLOCK), min_int(8, divide_up(s->E, 64)));
  p.block_width = round_up(divide_up(p.region_width, divide_up(wanted, p.regions)), 16);
  p.blocks_in_region = divide_up(p.region_width, p.block_width);
  return p;
}
INLINE int block_count(const channel_partition *p) { return p->regions * p->blocks_in_region; }
INLINE channel_block block_at(const channel_partition *p, int index) {
  int region = index / p->blocks_in_region, offset = index % p->blocks_in_region * p->block_width;
  return (channel_block){region * p->region_width + offset, min_int(p->block_width, p->region_width - offset)};
}

/* target[n][width] = factor * source[e][n] for the block's channels; lanes past the block are zero. Null source: all zero. */
static void gather_channels(float *target, const float *source, channel_block block, int N, int width, float factor) {
  for (int n = 0; n < N; n++)
    for (int e = 0; e < width; e++)
      target[(size_t)n * width + e] = source && e < block.width ? factor * source[(size_t)(block.first + e) * N + n] : 0.0f;
}

/* The inverse of the above, without a factor. */
static void scatter_channels(float *target, const float *source, channel_block block, int N, int width) {
  for (int e = 0; e < block.width; e++)
    for (int n = 0; n < N; n++) target[(size_t)(block.first + e) * N + n] = source[(size_t)n * width + e];
}

#endif
