/* The optimiser's two kernels: the sum of squares for the global norm, and the decoupled AdamW update. */
#include "functions.h"

enum { SQUARES_IN_TASK = 32768, UPDATES_IN_TASK = 16384, SQUARE_LANES = 8 };

static void sum_of_squares_plan(const call_t *call, plan_t *plan) {
  int parts = divide_up(call->integers[0], SQUARES_IN_TASK);
  plan->workspaceBytes = aligned_bytes(8.0 * parts);
  plan->phases = 2;
  plan->tasks[0] = parts;
  plan->tasks[1] = 1;
}

static void sum_of_squares_run(const call_t *call, int phase, int begin, int end, void *workspace) {
  arena_t arena = {workspace};
  int n = call->integers[0], parts = divide_up(n, SQUARES_IN_TASK);
  double *partial = (double *)take(&arena, sizeof(double) * parts);
  const float *x = IN(float, 0);
  if (phase == 1) {
    double sum = 0;
    for (int i = 0; i < parts; i++) sum += partial[i];
    OUT(double, 0)[0] = sum;
    return;
  }
  for (int task = begin; task < end; task++) {
    double lanes[SQUARE_LANES] = {0};
    int i = task * SQUARES_IN_TASK, stop = min_int(n, i + SQUARES_IN_TASK);
    for (; i + SQUARE_LANES <= stop; i += SQUARE_LANES)
      for (int k = 0; k < SQUARE_LANES; k++) lanes[k] += (double)x[i + k] * x[i + k];
    for (int k = 0; i < stop; i++, k++) lanes[k] += (double)x[i] * x[i];
    double sum = 0;
    for (int k = 0; k < SQUARE_LANES; k++) sum += lanes[k];
    partial[task] = sum;
  }
}

static void adam_w_plan(const call_t *call, plan_t *plan) {
  plan->phases = 1;
  plan->tasks[0] = divide_up(call->integers[0], UPDATES_IN_TASK);
}

static void adam_w_run(const call_t *call, int begin, int end) {
  const double *v = call->scalars;
  double rate = v[0], beta1 = v[1], beta2 = v[2], epsilon = v[3], decay = v[4], correction1 = v[5], correction2 = v[6], clip = v[7];
  vf keep1 = splat((float)beta1), add1 = splat((float)(1 - beta1)), keep2 = splat((float)beta2), add2 = splat((float)(1 - beta2));
  vf shrink = splat((float)(1 - rate * decay)), step = splat((float)(-rate / correction1)), correct2 = splat((float)(1 / correction2));
  vf floor = splat((float)epsilon), scale = splat((float)clip);
  int stop = min_int(call->integers[0], end * UPDATES_IN_TASK);
  for (int i = begin * UPDATES_IN_TASK; i < stop; i += W) {
    int count = stop - i;
    vf g = load_part(IN(float, 1) + i, count) * scale;
    vf first = multiply_add(keep1, load_part(IN(float, 2) + i, count), add1 * g);
    vf second = multiply_add(keep2, load_part(IN(float, 3) + i, count), add2 * g * g);
    vf p = multiply_add(step, first / (square_root(second * correct2) + floor), load_part(IN(float, 0) + i, count) * shrink);
    store_part(OUT(float, 0) + i, p, count);
    store_part(OUT(float, 1) + i, first, count);
    store_part(OUT(float, 2) + i, second, count);
  }
}
