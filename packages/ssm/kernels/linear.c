/* Affine map of rows, y = x weight^T + bias, and its gradients, each as one blocked product. */
#include "matrix-product.h"

static product_t linear_product(const call_t *call) {
  int R = call->integers[0], D = call->integers[1], M = call->integers[2];
  return (product_t){.rows = R, .columns = M, .inner = D, .a = IN(float, 0), .a_row = D, .a_inner = 1, .b = IN(float, 1), .b_inner = 1, .b_column = D,
                     .c = OUT(float, 0), .bias = IN(float, 2)};
}

static void linear_forward_plan(const call_t *call, plan_t *plan) {
  product_t p = linear_product(call);
  plan->workspaceBytes = product_workspace_bytes(&p);
  plan->scratchBytes = product_scratch_bytes();
  plan->phases = 2;
  plan->tasks[0] = max_int(1, product_pack_tasks(&p)); /* a call whose first phase is empty counts as having nothing to do */
  plan->tasks[1] = product_tasks(&p);
}

static void linear_forward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  product_t p = linear_product(call);
  if (phase == 1) product_run(&p, begin, end, workspace, scratch);
  else product_pack(&p, begin, min_int(end, product_pack_tasks(&p)), workspace);
}

/* dx = dy weight: rows R, inner M. */
static product_t linear_dx_product(const call_t *call) {
  int R = call->integers[0], D = call->integers[1], M = call->integers[2];
  return (product_t){.rows = R, .columns = D, .inner = M, .a = IN(float, 2), .a_row = M, .a_inner = 1, .b = IN(float, 1), .b_inner = D, .b_column = 1, .c = OUT(float, 0)};
}

/* dWeight = dy^T x: rows M, inner R. */
static product_t linear_dweight_product(const call_t *call) {
  int R = call->integers[0], D = call->integers[1], M = call->integers[2];
  return (product_t){.rows = M, .columns = D, .inner = R, .a = IN(float, 2), .a_row = 1, .a_inner = M, .b = IN(float, 0), .b_inner = D, .b_column = 1, .c = OUT(float, 1)};
}

/* Both products' panels lie one behind the other in the workspace; the gradient of the bias is one more task of the second phase. */
static void linear_backward_plan(const call_t *call, plan_t *plan) {
  product_t dx = linear_dx_product(call), dw = linear_dweight_product(call);
  plan->workspaceBytes = (dx.c ? product_workspace_bytes(&dx) : 0.0) + (dw.c ? product_workspace_bytes(&dw) : 0.0);
  plan->scratchBytes = product_scratch_bytes();
  plan->phases = 3;
  plan->tasks[0] = 1 + (dx.c ? product_pack_tasks(&dx) : 0) + (dw.c ? product_pack_tasks(&dw) : 0);
  plan->tasks[1] = dx.c ? product_tasks(&dx) : 0;
  plan->tasks[2] = dw.c ? product_tasks(&dw) : 0;
}

static void linear_bias_gradient(const call_t *call) {
  int R = call->integers[0], M = call->integers[2];
  float *sums = OUT(float, 2);
  const float *dy = IN(float, 2);
  fill_zero(sums, M);
  for (int row = 0; row < R; row++, dy += M)
    for (int i = 0; i < M; i += W) store_part(sums + i, load_part(sums + i, M - i) + load_part(dy + i, M - i), M - i);
}

static void linear_backward_run(const call_t *call, int phase, int begin, int end, void *workspace, void *scratch) {
  product_t dx = linear_dx_product(call), dw = linear_dweight_product(call);
  int dx_panels = dx.c ? product_pack_tasks(&dx) : 0, dw_panels = dw.c ? product_pack_tasks(&dw) : 0;
  char *dw_workspace = (char *)workspace + (size_t)(dx.c ? product_workspace_bytes(&dx) : 0.0);
  if (phase == 1) product_run(&dx, begin, end, workspace, scratch);
  else if (phase == 2) product_run(&dw, begin, end, dw_workspace, scratch);
  else
    for (int task = begin; task < end; task++) {
      if (task < dx_panels) product_pack(&dx, task, task + 1, workspace);
      else if (task < dx_panels + dw_panels) product_pack(&dw, task - dx_panels, task - dx_panels + 1, dw_workspace);
      else if (OUT(float, 2)) linear_bias_gradient(call);
    }
}
