/*
 * Root-mean-square norm over each of `groups` equal parts of a row, with an optional gate z. Rows are cut into blocks by shape; the
 * gradients of weight and bias are summed per block and then over the blocks, in order.
 */
#include "functions.h"

enum { NORM_BLOCKS = 32, NORM_COLUMNS = 256, NORM_NARROW = 2 };

typedef struct { int R, D, groups, gate_first, width; float epsilon; int rows_in_block, blocks; } norm_shape;

static norm_shape norm_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  norm_shape s = {.R = v[0], .D = v[1], .groups = v[2], .gate_first = v[3], .width = v[1] / v[2], .epsilon = (float)call->scalars[0]};
  s.rows_in_block = max_int(4, divide_up(s.R, NORM_BLOCKS));
  s.blocks = divide_up(s.R, s.rows_in_block);
  return s;
}

/* One vector of the values that are normalised: x, or x * silu(z) where the gate comes first. */
INLINE vf norm_input(const norm_shape *s, const float *x, const float *z, int count) {
  vf value = load_part(x, count);
  return z && s->gate_first ? value * silu_of(load_part(z, count)) : value;
}

/* 1 / sqrt(mean of squares + epsilon). Lanes past the end are zero. */
static float norm_scale(const norm_shape *s, const float *x, const float *z) {
  vf sum = splat(0.0f);
  for (int i = 0; i < s->width; i += W) {
    vf value = norm_input(s, x + i, z ? z + i : 0, s->width - i);
    sum = multiply_add(value, value, sum);
  }
  return 1.0f / __builtin_sqrtf(sum_lanes(sum) / (float)s->width + s->epsilon);
}

static void rms_norm_forward_plan(const call_t *call, plan_t *plan) {
  norm_shape s = norm_shape_of(call);
  plan->phases = 1;
  plan->tasks[0] = s.blocks;
}

static void rms_norm_forward_run(const call_t *call, int begin, int end) {
  norm_shape s = norm_shape_of(call);
  const float *weight = IN(float, 1), *bias = IN(float, 3);
  for (int row = begin * s.rows_in_block; row < min_int(end * s.rows_in_block, s.R); row++)
    for (int g = 0; g < s.groups; g++) {
      size_t at = (size_t)row * s.D + g * s.width;
      const float *x = IN(float, 0) + at, *z = IN(float, 2) ? IN(float, 2) + at : 0;
      float *y = OUT(float, 0) + at;
      vf scale = splat(norm_scale(&s, x, z));
      for (int i = 0; i < s.width; i += W) {
        int count = s.width - i, column = g * s.width + i;
        vf value = norm_input(&s, x + i, z ? z + i : 0, count) * scale;
        if (weight) value = value * load_part(weight + column, count);
        if (bias) value = value + load_part(bias + column, count);
        if (z && !s.gate_first) value = value * silu_of(load_part(z + i, count));
        store_part(y + i, value, count);
      }
    }
}

static void rms_norm_backward_plan(const call_t *call, plan_t *plan) {
  norm_shape s = norm_shape_of(call);
  plan->workspaceBytes = aligned_bytes(8.0 * s.blocks * s.D + 2 * ALIGNMENT);
  plan->phases = 2;
  plan->tasks[0] = s.blocks;
  plan->tasks[1] = divide_up(s.D, NORM_COLUMNS);
}

/*
 * w slope - n mean(w slope n) in double precision, for groups so narrow that the two terms nearly cancel: in a group of one they differ by
 * epsilon / (x x + epsilon) only.
 */
static void norm_inner_narrow(const norm_shape *s, const float *input, const float *slope, float *inner) {
  double squares = 0.0, dot = 0.0;
  for (int i = 0; i < s->width; i++) {
    squares += (double)input[i] * input[i];
    dot += (double)slope[i] * input[i];
  }
  double mean = squares / s->width + s->epsilon, scale = 1.0 / __builtin_sqrt(mean);
  for (int i = 0; i < s->width; i++) inner[i] = (float)(scale * (slope[i] - input[i] * (dot / (s->width * mean))));
}

/* One row and group; adds to the block's sums. n = x' scale, y = (n weight + bias) gate: dx' = scale (dn - n mean(dn n)). */
static void norm_backward_group(const call_t *call, const norm_shape *s, int row, int g, float *sum_weight, float *sum_bias) {
  size_t at = (size_t)row * s->D + g * s->width;
  const float *x = IN(float, 0) + at, *z = IN(float, 2) ? IN(float, 2) + at : 0, *dy = IN(float, 4) + at;
  const float *weight = IN(float, 1) ? IN(float, 1) + g * s->width : 0, *bias = IN(float, 3) ? IN(float, 3) + g * s->width : 0;
  float *dx = OUT(float, 0) + at, *dz = OUT(float, 2) ? OUT(float, 2) + at : 0;
  sum_weight += g * s->width;
  sum_bias += g * s->width;
  float factor = norm_scale(s, x, z);
  vf scale = splat(factor), dot = splat(0.0f);
  for (int i = 0; i < s->width; i += W) {
    int count = s->width - i;
    vf n = norm_input(s, x + i, z ? z + i : 0, count) * scale, slope = load_part(dy + i, count);
    vf w = weight ? load_part(weight + i, count) : splat(1.0f);
    if (z && !s->gate_first) {
      vf gate = load_part(z + i, count), open = sigmoid_of(gate);
      vf value = bias ? multiply_add(n, w, load_part(bias + i, count)) : n * w;
      if (dz) store_part(dz + i, slope * value * silu_slope(gate, open), count);
      slope = slope * gate * open;
    }
    store_part(sum_weight + i, multiply_add(slope, n, load_part(sum_weight + i, count)), count);
    store_part(sum_bias + i, load_part(sum_bias + i, count) + slope, count);
    dot = multiply_add(slope * w, n, dot);
  }
  vf mean = splat(sum_lanes(dot) / (float)s->width);
  for (int i = 0; i < s->width; i += W) {
    int count = s->width - i;
    vf value = load_part(x + i, count), slope = load_part(dy + i, count);
    vf w = weight ? load_part(weight + i, count) : splat(1.0f), gate = splat(0.0f), open = gate, input = value;
    if (z) {
      gate = load_part(z + i, count);
      open = sigmoid_of(gate);
      if (s->gate_first) input = value * gate * open;
      else slope = slope * gate * open;
    }
    vf inner = scale * (slope * w - input * scale * mean);
    if (s->width <= NORM_NARROW) {
      float inputs[W], slopes[W], inners[W];
      store_part(inputs, input, W);
      store_part(slopes, slope * w, W);
      norm_inner_narrow(s, inputs, slopes, inners);
      inner = load_part(inners, count);
    }
    if (z && s->gate_first) {
      if (dz) store_part(dz + i, inner * value * silu_slope(gate, open), count);
      inner = inner * gate * open;
    }
    store_part(dx + i, inner, count);
  }
}

static void rms_norm_backward_run(const call_t *call, int phase, int begin, int end, void *workspace) {
  norm_shape s = norm_shape_of(call);
  arena_t arena = {workspace};
  float *sum_weight = take_floats(&arena, (size_t)s.blocks * s.D), *sum_bias = take_floats(&arena, (size_t)s.blocks * s.D);
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      size_t block = (size_t)task * s.D;
      fill_zero(sum_weight + block, s.D);
      fill_zero(sum_bias + block, s.D);
      for (int row = task * s.rows_in_block; row < min_int((task + 1) * s.rows_in_block, s.R); row++)
        for (int g = 0; g < s.groups; g++) norm_backward_group(call, &s, row, g, sum_weight + block, sum_bias + block);
      continue;
    }
    for (int i = task * NORM_COLUMNS; i < min_int((task + 1) * NORM_COLUMNS, s.D); i++) {
      float weight = 0.0f, bias = 0.0f;
      for (int block = 0; block < s.blocks; block++) {
        weight += sum_weight[(size_t)block * s.D + i];
        bias += sum_bias[(size_t)block * s.D + i];
      }
      if (OUT(float, 1)) OUT(float, 1)[i] = weight;
      if (OUT(float, 3)) OUT(float, 3)[i] = bias;
    }
  }
}
