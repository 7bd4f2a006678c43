/*
 * Short depthwise causal convolution. The window is a list of row pointers (oldest first) into x, the carried tail, or a row of zeros; a
 * masked step does not enter it and a reset points all of it at the zeros. The backward pass keeps a second list with the rows' gradients.
 */
#include "functions.h"

enum { CONV_CHANNELS = 64, CONV_PERIOD = 64 };

typedef struct { int B, L, E, K, silu; } conv_shape;

INLINE conv_shape conv_shape_of(const call_t *call) {
  const int32_t *v = call->integers;
  return (conv_shape){v[0], v[1], v[2], v[3], v[4]};
}

INLINE int conv_blocks(const conv_shape *s) { return divide_up(s->E, CONV_CHANNELS); }

typedef struct {
  float *weight, *bias, *zeros; /* [K][CONV_CHANNELS], [CONV_CHANNELS] */
  const float **window;         /* [K] */
  float **slopes;               /* [K]: gradient rows of the window (backward) */
  float *sink;                  /* gradient row of the zeros */
  float *dweight, *dbias, *total_weight, *total_bias;
} conv_scratch;

static double conv_scratch_bytes(const conv_shape *s) {
  return aligned_bytes(4.0 * CONV_CHANNELS * (3.0 * s->K + 5) + 2.0 * sizeof(void *) * s->K + 12 * ALIGNMENT);
}

static conv_scratch take_conv_scratch(const call_t *call, const conv_shape *s, int first, int width, void *memory) {
  arena_t arena = {memory};
  conv_scratch f;
  f.weight = take_floats(&arena, (size_t)s->K * CONV_CHANNELS);
  f.bias = take_floats(&arena, CONV_CHANNELS);
  f.zeros = take_floats(&arena, CONV_CHANNELS);
  f.window = take(&arena, sizeof(void *) * s->K);
  f.slopes = take(&arena, sizeof(void *) * s->K);
  f.sink = take_floats(&arena, CONV_CHANNELS);
  f.dweight = take_floats(&arena, (size_t)s->K * CONV_CHANNELS);
  f.dbias = take_floats(&arena, CONV_CHANNELS);
  f.total_weight = take_floats(&arena, (size_t)s->K * CONV_CHANNELS);
  f.total_bias = take_floats(&arena, CONV_CHANNELS);
  const float *weight = IN(float, 1), *bias = IN(float, 2);
  for (int w = 0; w < s->K; w++)
    for (int e = 0; e < CONV_CHANNELS; e++) f.weight[w * CONV_CHANNELS + e] = e < width ? weight[(size_t)(first + e) * s->K + w] : 0.0f;
  for (int e = 0; e < CONV_CHANNELS; e++) f.bias[e] = bias && e < width ? bias[first + e] : 0.0f;
  fill_zero(f.zeros, CONV_CHANNELS);
  fill_zero(f.sink, CONV_CHANNELS);
  return f;
}

static void conv_start_window(const call_t *call, const conv_shape *s, const conv_scratch *f, int b, int first) {
  const float *tail = IN(float, 3);
  for (int w = 0; w < s->K; w++)
    f->window[w] = tail && w ? tail + ((size_t)b * (s->K - 1) + w - 1) * s->E + first : f->zeros;
}

INLINE void conv_push(const float **window, int K, const float *row) {
  for (int w = 0; w + 1 < K; w++) window[w] = window[w + 1];
  window[K - 1] = row;
}

/* The value before the activation of one vector of channels. */
INLINE vf conv_value(const conv_shape *s, const conv_scratch *f, int e, int count) {
  vf sum = load(f->bias + e);
  for (int w = 0; w < s->K; w++) sum = multiply_add(load(f->weight + w * CONV_CHANNELS + e), load_part(f->window[w] + e, count), sum);
  return sum;
}

static void causal_conv1d_forward_plan(const call_t *call, plan_t *plan) {
  conv_shape s = conv_shape_of(call);
  plan->scratchBytes = conv_scratch_bytes(&s);
  plan->phases = 1;
  plan->tasks[0] = s.B * conv_blocks(&s);
}

static void causal_conv1d_forward_run(const call_t *call, int begin, int end, void *scratch) {
  conv_shape s = conv_shape_of(call);
  for (int task = begin; task < end; task++) {
    int b = task / conv_blocks(&s), first = task % conv_blocks(&s) * CONV_CHANNELS, width = min_int(CONV_CHANNELS, s.E - first);
    const uint8_t *control = IN(uint8_t, 4) ? IN(uint8_t, 4) + (size_t)b * s.L : 0;
    conv_scratch f = take_conv_scratch(call, &s, first, width, scratch);
    conv_start_window(call, &s, &f, b, first);
    for (int t = 0; t < s.L; t++) {
      size_t at = ((size_t)b * s.L + t) * s.E + first;
      float *y = OUT(float, 0) + at;
      if (control && control[t] & CONTROL_RESET)
        for (int w = 0; w < s.K; w++) f.window[w] = f.zeros;
      if (control && control[t] & CONTROL_MASKED) {
        fill_zero(y, width);
        continue;
      }
      conv_push(f.window, s.K, IN(float, 0) + at);
      for (int e = 0; e < width; e += W) {
        vf value = conv_value(&s, &f, e, width - e);
        store_part(y + e, s.silu ? silu_of(value) : value, width - e);
      }
    }
    for (int w = 0; w + 1 < s.K; w++) copy_floats(OUT(float, 1) + ((size_t)b * (s.K - 1) + w) * s.E + first, f.window[w + 1], width);
  }
}

/* Workspace of the backward pass: partial dWeight [B][E][K] and dBias [B][E], where B > 1. */
static void causal_conv1d_backward_plan(const call_t *call, plan_t *plan) {
  conv_shape s = conv_shape_of(call);
  plan->scratchBytes = conv_scratch_bytes(&s);
  plan->workspaceBytes = s.B > 1 ? aligned_bytes(4.0 * s.B * s.E * (s.K + 1.0) + 2 * ALIGNMENT) : 0;
  plan->phases = 2;
  plan->tasks[0] = s.B * conv_blocks(&s);
  plan->tasks[1] = s.B > 1 ? conv_blocks(&s) : 0;
}

static void conv_add_totals(const conv_shape *s, const conv_scratch *f) {
  for (int i = 0; i < s->K * CONV_CHANNELS; i++) {
    f->total_weight[i] += f->dweight[i];
    f->dweight[i] = 0.0f;
  }
  for (int i = 0; i < CONV_CHANNELS; i++) {
    f->total_bias[i] += f->dbias[i];
    f->dbias[i] = 0.0f;
  }
}

static void conv_backward_task(const call_t *call, const conv_shape *s, int task, float *sum_weight, float *sum_bias, void *scratch) {
  int b = task / conv_blocks(s), first = task % conv_blocks(s) * CONV_CHANNELS, width = min_int(CONV_CHANNELS, s->E - first);
  const uint8_t *control = IN(uint8_t, 4) ? IN(uint8_t, 4) + (size_t)b * s->L : 0;
  const float *d_final = IN(float, 6);
  float *d_tail = OUT(float, 3);
  conv_scratch f = take_conv_scratch(call, s, first, width, scratch);
  fill_zero(f.dweight, (size_t)s->K * CONV_CHANNELS);
  fill_zero(f.dbias, CONV_CHANNELS);
  fill_zero(f.total_weight, (size_t)s->K * CONV_CHANNELS);
  fill_zero(f.total_bias, CONV_CHANNELS);
  conv_start_window(call, s, &f, b, first);
  for (int w = 0; w < s->K; w++) {
    float *row = d_tail && w ? d_tail + ((size_t)b * (s->K - 1) + w - 1) * s->E + first : f.sink;
    fill_zero(row, width);
    f.slopes[w] = row;
  }
  for (int t = 0; t < s->L; t++) {
    size_t at = ((size_t)b * s->L + t) * s->E + first;
    float *dx = OUT(float, 0) + at;
    fill_zero(dx, width);
    if (control && control[t] & CONTROL_RESET)
      for (int w = 0; w < s->K; w++) {
        f.window[w] = f.zeros;
        f.slopes[w] = f.sink;
      }
    if (control && control[t] & CONTROL_MASKED) continue;
    conv_push(f.window, s->K, IN(float, 0) + at);
    conv_push((const float **)f.slopes, s->K, dx);
    for (int e = 0; e < width; e += W) {
      int count = width - e;
      vf slope = load_part(IN(float, 5) + at + e, count);
      if (s->silu) {
        vf value = conv_value(s, &f, e, count);
        slope = slope * silu_slope(value, sigmoid_of(value));
      }
      store(f.dbias + e, load(f.dbias + e) + slope);
      for (int w = 0; w < s->K; w++) {
        float *dweight = f.dweight + w * CONV_CHANNELS + e, *row = f.slopes[w] + e;
        store(dweight, multiply_add(slope, load_part(f.window[w] + e, count), load(dweight)));
        store_part(row, multiply_add(slope, load(f.weight + w * CONV_CHANNELS + e), load_part(row, count)), count);
      }
    }
    if (t % CONV_PERIOD == CONV_PERIOD - 1) conv_add_totals(s, &f);
  }
  conv_add_totals(s, &f);
  if (d_final)
    for (int w = 0; w + 1 < s->K; w++)
      for (int e = 0; e < width; e++) f.slopes[w + 1][e] += d_final[((size_t)b * (s->K - 1) + w) * s->E + first + e];
  for (int e = 0; e < width; e++) {
    for (int w = 0; w < s->K; w++) sum_weight[((size_t)b * s->E + first + e) * s->K + w] = f.total_weight[w * CONV_CHANNELS + e];
    if (sum_bias) sum_bias[(size_t)b * s->E + first + e] = f.total_bias[e];
  }
}

static void causal_conv1d_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  conv_shape s = conv_shape_of(call);
  float *dweight = OUT(float, 1), *dbias = OUT(float, 2), *sum_weight = dweight, *sum_bias = dbias;
  if (s.B > 1) {
    arena_t arena = {workspace};
    sum_weight = take_floats(&arena, (size_t)s.B * s.E * s.K);
    sum_bias = take_floats(&arena, (size_t)s.B * s.E);
  }
  for (int task = begin; task < end; task++) {
    if (phase == 0) {
      conv_backward_task(call, &s, task, sum_weight, sum_bias, scratch);
      continue;
    }
    int first = task * CONV_CHANNELS, last = min_int(first + CONV_CHANNELS, s.E);
    for (int i = first * s.K; i < last * s.K; i++) {
      float sum = sum_weight[i];
      for (int b = 1; b < s.B; b++) sum += sum_weight[(size_t)b * s.E * s.K + i];
      dweight[i] = sum;
    }
    for (int i = first; dbias && i < last; i++) {
      float sum = sum_bias[i];
      for (int b = 1; b < s.B; b++) sum += sum_bias[(size_t)b * s.E + i];
      dbias[i] = sum;
    }
  }
}
