/*
 * Loops a kernel is measured against, in the same binary. Frozen: a change here changes the meaning of every published ratio.
 *
 * ceilingExponential: n exponentials of values in [-87, 0] (at most 2 ulp; tested), read from a small buffer in the first-level cache and
 * summed so that they are not removed. ceilingMultiplyAdd: n multiply-adds in registers. ceilingStream: reads two arrays, writes one.
 */
#include "functions.h"

enum { CEILING_TASKS = 16, CEILING_LANES = 8 };

/* e^x for x in [-87, 0], at most 2 ulp: no clamps, no upper half. The faster of two forms on each target, by measurement. */
INLINE vf ceiling_exp(vf x) {
#if W == 16
  vf k = _mm512_roundscale_ps(x * splat(LOG2_E), 8);
#else
  vf shifted = multiply_add(x, splat(LOG2_E), splat(ROUND_TO_INTEGER));
  vf k = shifted - splat(ROUND_TO_INTEGER);
#endif
  vf r = multiply_add(k, splat(-0.693359375f), x);
  r = multiply_add(k, splat(2.12194440e-4f), r);
  vf p = multiply_add(splat(0.00138198235f), r, splat(0.0083686877f));
  p = multiply_add(p, r, splat(0.0416682772f));
  p = multiply_add(p, r, splat(0.166665211f));
  p = multiply_add(p, r, splat(0.49999994f));
  p = multiply_add(p, r, splat(1.0f));
  p = multiply_add(p, r, splat(1.0f));
#if W == 16
  return _mm512_scalef_ps(p, k);
#else
  return (vf)((vi)p + ((vi)shifted << 23));
#endif
}

static void ceiling_plan(plan_t *plan) {
  plan->workspaceBytes = 0;
  plan->phases = 1;
  plan->tasks[0] = CEILING_TASKS;
}

/* in: values [m]; out: sums [CEILING_TASKS], and the exponentials of `values` [m] where not null. integers: m, repetitions. */
static void ceiling_exponential_run(const call_t *call, int begin, int end) {
  const float *values = IN(float, 0);
  int m = call->integers[0];
  for (int task = begin; task < end; task++) {
    vf sum[CEILING_LANES];
    for (int k = 0; k < CEILING_LANES; k++) sum[k] = splat(0.0f);
    for (int r = task; r < call->integers[1]; r += CEILING_TASKS)
      for (int i = 0; i < m; i += CEILING_LANES * W)
        for (int k = 0; k < CEILING_LANES; k++) sum[k] = sum[k] + ceiling_exp(load(values + i + k * W));
    for (int k = 1; k < CEILING_LANES; k++) sum[0] = sum[0] + sum[k];
    OUT(float, 0)[task] = sum_lanes(sum[0]);
    if (OUT(float, 1) && task == 0)
      for (int i = 0; i < m; i += W) store(OUT(float, 1) + i, ceiling_exp(load(values + i)));
  }
}

/* out: sums [CEILING_TASKS]. integers: repetitions; each is CEILING_LANES + 4 vectors of multiply-adds. scalars: factor, summand. */
static void ceiling_multiply_add_run(const call_t *call, int begin, int end) {
  enum { CHAINS = CEILING_LANES + 4 };
  vf factor = splat((float)call->scalars[0]), summand = splat((float)call->scalars[1]);
  for (int task = begin; task < end; task++) {
    vf sum[CHAINS];
    for (int k = 0; k < CHAINS; k++) sum[k] = splat((float)(task + k));
    for (int r = task; r < call->integers[0]; r += CEILING_TASKS)
      for (int k = 0; k < CHAINS; k++) sum[k] = multiply_add(sum[k], factor, summand);
    for (int k = 1; k < CHAINS; k++) sum[0] = sum[0] + sum[k];
    OUT(float, 0)[task] = sum_lanes(sum[0]);
  }
}

/* in: a [n], b [n]; out: c [n] = a + b. integers: n (a multiple of CEILING_TASKS * W). */
static void ceiling_stream_run(const call_t *call, int begin, int end) {
  size_t part = (size_t)call->integers[0] / CEILING_TASKS;
  for (size_t i = begin * part; i < end * part; i += W) store(OUT(float, 0) + i, load(IN(float, 0) + i) + load(IN(float, 1) + i));
}
