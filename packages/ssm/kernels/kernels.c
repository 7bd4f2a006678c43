/*
 * One translation unit with every kernel, and the two functions a target exports: what a call needs, and running some of its tasks.
 * A new kernel needs its C file, a number in abi.h, and a line in each switch below. Switches, not tables of functions: the WebAssembly
 * build must have no data segment, because it runs on memory that belongs to someone else.
 */
#ifdef MAMBA360_SUFFIX
#define JOIN_NAMES(name, suffix) name##_##suffix
#define SUFFIXED(name, suffix) JOIN_NAMES(name, suffix)
#define EXPORTED(name) SUFFIXED(mamba360_##name, MAMBA360_SUFFIX)
#else
#define EXPORTED(name) __attribute__((export_name(#name))) mamba360_##name
#endif

#include "selective-scan-forward.c"
#include "selective-scan-backward.c"
#include "selective-scan-complex.c"
#include "ssd-scan-forward.c"
#include "ssd-scan-backward.c"
#include "mamba3-scan-forward.c"
#include "mamba3-scan-backward.c"
#include "causal-conv1d.c"
#include "linear.c"
#include "fft-convolution-forward.c"
#include "fft-convolution-backward.c"
#include "rms-norm.c"
#include "nonlinear-scan-forward.c"
#include "nonlinear-scan-backward.c"
#include "linear-cross-entropy.c"
#include "vandermonde.c"
#include "cauchy.c"
#include "dplr-kernel.c"
#include "state-space-scan-forward.c"
#include "state-space-scan-backward.c"
#include "legs-scan.c"
#include "gated-linear-attention-forward.c"
#include "gated-linear-attention-backward.c"
#include "wkv4.c"
#include "linear-scan.c"
#include "linear-scan-complex.c"
#include "attention-forward.c"
#include "attention-backward.c"
#include "mixture-of-experts.c"
#include "adam-w.c"
#include "ceilings.c"
#include "ceilings-shaped.c"

/* Returns 0, or 1 when this build does not know the kernel. */
int EXPORTED(plan)(int kernel, const call_t *call, plan_t *plan) {
  plan->workspaceBytes = plan->scratchBytes = 0;
  plan->phases = 0;
  for (int i = 0; i < MAX_PHASES; i++) plan->tasks[i] = 0;
  switch (kernel) {
    case KERNEL_selectiveScanForward: selective_scan_forward_plan(call, plan); return 0;
    case KERNEL_selectiveScanBackward: selective_scan_backward_plan(call, plan); return 0;
    case KERNEL_selectiveScanComplexForward: selective_scan_complex_forward_plan(call, plan); return 0;
    case KERNEL_selectiveScanComplexBackward: selective_scan_complex_backward_plan(call, plan); return 0;
    case KERNEL_ssdScanForward: ssd_scan_forward_plan(call, plan); return 0;
    case KERNEL_ssdScanBackward: ssd_scan_backward_plan(call, plan); return 0;
    case KERNEL_mamba3ScanForward: mamba3_scan_forward_plan(call, plan); return 0;
    case KERNEL_mamba3ScanBackward: mamba3_scan_backward_plan(call, plan); return 0;
    case KERNEL_causalConv1dForward: causal_conv1d_forward_plan(call, plan); return 0;
    case KERNEL_causalConv1dBackward: causal_conv1d_backward_plan(call, plan); return 0;
    case KERNEL_linearForward: linear_forward_plan(call, plan); return 0;
    case KERNEL_linearBackward: linear_backward_plan(call, plan); return 0;
    case KERNEL_fftConvolutionForward: fft_convolution_forward_plan(call, plan); return 0;
    case KERNEL_fftConvolutionBackward: fft_convolution_backward_plan(call, plan); return 0;
    case KERNEL_rmsNormForward: rms_norm_forward_plan(call, plan); return 0;
    case KERNEL_rmsNormBackward: rms_norm_backward_plan(call, plan); return 0;
    case KERNEL_nonlinearScanForward: nonlinear_scan_forward_plan(call, plan); return 0;
    case KERNEL_nonlinearScanBackward: nonlinear_scan_backward_plan(call, plan); return 0;
    case KERNEL_linearCrossEntropyForward: linear_cross_entropy_forward_plan(call, plan); return 0;
    case KERNEL_linearCrossEntropyBackward: linear_cross_entropy_backward_plan(call, plan); return 0;
    case KERNEL_vandermondeForward: vandermonde_forward_plan(call, plan); return 0;
    case KERNEL_vandermondeBackward: vandermonde_backward_plan(call, plan); return 0;
    case KERNEL_cauchyForward:
    case KERNEL_cauchyBackward: cauchy_plan(call, plan); return 0;
    case KERNEL_dplrKernelForward: dplr_kernel_forward_plan(call, plan); return 0;
    case KERNEL_dplrKernelBackward: dplr_kernel_backward_plan(call, plan); return 0;
    case KERNEL_stateSpaceScanForward: state_space_scan_forward_plan(call, plan); return 0;
    case KERNEL_stateSpaceScanBackward: state_space_scan_backward_plan(call, plan); return 0;
    case KERNEL_legsScanForward: legs_scan_forward_plan(call, plan); return 0;
    case KERNEL_legsScanBackward: legs_scan_backward_plan(call, plan); return 0;
    case KERNEL_gatedLinearAttentionForward: gated_linear_attention_forward_plan(call, plan); return 0;
    case KERNEL_gatedLinearAttentionBackward: gated_linear_attention_backward_plan(call, plan); return 0;
    case KERNEL_wkv4Forward: wkv4_forward_plan(call, plan); return 0;
    case KERNEL_wkv4Backward: wkv4_backward_plan(call, plan); return 0;
    case KERNEL_linearScanForward: linear_scan_forward_plan(call, plan); return 0;
    case KERNEL_linearScanBackward: linear_scan_backward_plan(call, plan); return 0;
    case KERNEL_linearScanComplexForward: linear_scan_complex_forward_plan(call, plan); return 0;
    case KERNEL_linearScanComplexBackward: linear_scan_complex_backward_plan(call, plan); return 0;
    case KERNEL_attentionForward: softmax_forward_plan(call, plan); return 0;
    case KERNEL_attentionBackward: softmax_backward_plan(call, plan); return 0;
    case KERNEL_mixtureOfExpertsForward: mixture_of_experts_forward_plan(call, plan); return 0;
    case KERNEL_mixtureOfExpertsBackward: mixture_of_experts_backward_plan(call, plan); return 0;
    case KERNEL_sumOfSquares: sum_of_squares_plan(call, plan); return 0;
    case KERNEL_adamW: adam_w_plan(call, plan); return 0;
    case KERNEL_ceilingExponential:
    case KERNEL_ceilingMultiplyAdd:
    case KERNEL_ceilingStream:
    case KERNEL_ceilingMixedStream:
    case KERNEL_ceilingMatmul: ceiling_plan(plan); return 0;
    default: return 1;
  }
}

/* Runs tasks [begin, end) of a phase. `scratch` belongs to the calling thread; `workspace` is shared by all threads and phases. */
void EXPORTED(run)(int kernel, int phase, int begin, int end, const call_t *call, void *workspace, void *scratch) {
  switch (kernel) {
    case KERNEL_selectiveScanForward: selective_scan_forward_run(call, begin, end, scratch); return;
    case KERNEL_selectiveScanBackward: selective_scan_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_selectiveScanComplexForward: selective_scan_complex_forward_run(call, begin, end, scratch); return;
    case KERNEL_selectiveScanComplexBackward: selective_scan_complex_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_ssdScanForward: ssd_scan_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_ssdScanBackward: ssd_scan_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_mamba3ScanForward: mamba3_scan_forward_run(call, begin, end, scratch); return;
    case KERNEL_mamba3ScanBackward: mamba3_scan_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_causalConv1dForward: causal_conv1d_forward_run(call, begin, end, scratch); return;
    case KERNEL_causalConv1dBackward: causal_conv1d_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_linearForward: linear_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_linearBackward: linear_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_fftConvolutionForward: fft_convolution_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_fftConvolutionBackward: fft_convolution_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_rmsNormForward: rms_norm_forward_run(call, begin, end); return;
    case KERNEL_rmsNormBackward: rms_norm_backward_run(call, phase, begin, end, workspace); return;
    case KERNEL_nonlinearScanForward: nonlinear_scan_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_nonlinearScanBackward: nonlinear_scan_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_linearCrossEntropyForward: linear_cross_entropy_forward_run(call, begin, end, scratch); return;
    case KERNEL_linearCrossEntropyBackward: linear_cross_entropy_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_vandermondeForward: vandermonde_forward_run(call, begin, end, scratch); return;
    case KERNEL_vandermondeBackward: vandermonde_backward_run(call, begin, end, scratch); return;
    case KERNEL_cauchyForward: cauchy_forward_run(call, begin, end); return;
    case KERNEL_cauchyBackward: cauchy_backward_run(call, begin, end, scratch); return;
    case KERNEL_dplrKernelForward: dplr_kernel_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_dplrKernelBackward: dplr_kernel_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_stateSpaceScanForward: state_space_scan_forward_run(call, begin, end, scratch); return;
    case KERNEL_stateSpaceScanBackward: state_space_scan_backward_run(call, begin, end, scratch); return;
    case KERNEL_legsScanForward: legs_scan_forward_run(call, begin, end, scratch); return;
    case KERNEL_legsScanBackward: legs_scan_backward_run(call, begin, end, scratch); return;
    case KERNEL_gatedLinearAttentionForward: gated_linear_attention_forward_run(call, begin, end, scratch); return;
    case KERNEL_gatedLinearAttentionBackward: gated_linear_attention_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_wkv4Forward: wkv4_forward_run(call, begin, end, scratch); return;
    case KERNEL_wkv4Backward: wkv4_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_linearScanForward: linear_scan_forward_run(call, begin, end, scratch); return;
    case KERNEL_linearScanBackward: linear_scan_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_linearScanComplexForward: linear_scan_complex_forward_run(call, begin, end, scratch); return;
    case KERNEL_linearScanComplexBackward: linear_scan_complex_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_attentionForward: softmax_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_attentionBackward: softmax_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_mixtureOfExpertsForward: mixture_of_experts_forward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_mixtureOfExpertsBackward: mixture_of_experts_backward_run(call, phase, begin, end, workspace, scratch); return;
    case KERNEL_sumOfSquares: sum_of_squares_run(call, phase, begin, end, workspace); return;
    case KERNEL_adamW: adam_w_run(call, begin, end); return;
    case KERNEL_ceilingExponential: ceiling_exponential_run(call, begin, end); return;
    case KERNEL_ceilingMultiplyAdd: ceiling_multiply_add_run(call, begin, end); return;
    case KERNEL_ceilingStream: ceiling_stream_run(call, begin, end); return;
    case KERNEL_ceilingMixedStream: ceiling_mixed_stream_run(call, begin, end); return;
    case KERNEL_ceilingMatmul: ceiling_matmul_run(call, begin, end); return;
    default: return;
  }
}
