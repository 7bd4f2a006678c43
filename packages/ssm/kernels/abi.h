/* The contract between the callers (TypeScript through WebAssembly or the Node-API addon) and the kernels. See README.md. */
#ifndef MAMBA360_ABI_H
#define MAMBA360_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_INPUTS = 28, MAX_OUTPUTS = 20, MAX_INTEGERS = 16, MAX_SCALARS = 16, MAX_PHASES = 6 };

/* The order equals the order of keys in src/kernels/signatures.ts (a test compares them); ceilings follow from 100. */
enum kernel {
  KERNEL_selectiveScanForward = 0,
  KERNEL_selectiveScanBackward = 1,
  KERNEL_selectiveScanComplexForward = 2,
  KERNEL_selectiveScanComplexBackward = 3,
  KERNEL_causalConv1dForward = 4,
  KERNEL_causalConv1dBackward = 5,
  KERNEL_linearForward = 6,
  KERNEL_linearBackward = 7,
  KERNEL_fftConvolutionForward = 8,
  KERNEL_fftConvolutionBackward = 9,
  KERNEL_rmsNormForward = 10,
  KERNEL_rmsNormBackward = 11,
  KERNEL_nonlinearScanForward = 12,
  KERNEL_nonlinearScanBackward = 13,
  KERNEL_linearScanForward = 14,
  KERNEL_linearScanBackward = 15,
  KERNEL_linearScanComplexForward = 16,
  KERNEL_linearScanComplexBackward = 17,
  KERNEL_linearCrossEntropyForward = 18,
  KERNEL_linearCrossEntropyBackward = 19,
  KERNEL_vandermondeForward = 20,
  KERNEL_vandermondeBackward = 21,
  KERNEL_cauchyForward = 22,
  KERNEL_cauchyBackward = 23,
  KERNEL_dplrKernelForward = 24,
  KERNEL_dplrKernelBackward = 25,
  KERNEL_stateSpaceScanForward = 26,
  KERNEL_stateSpaceScanBackward = 27,
  KERNEL_legsScanForward = 28,
  KERNEL_legsScanBackward = 29,
  KERNEL_gatedLinearAttentionForward = 30,
  KERNEL_gatedLinearAttentionBackward = 31,
  KERNEL_wkv4Forward = 32,
  KERNEL_wkv4Backward = 33,
  KERNEL_attentionForward = 34,
  KERNEL_attentionBackward = 35,
  KERNEL_mixtureOfExpertsForward = 36,
  KERNEL_mixtureOfExpertsBackward = 37,
  KERNEL_sumOfSquares = 38,
  KERNEL_adamW = 39,
  KERNEL_ssdScanForward = 40,
  KERNEL_ssdScanBackward = 41,
  KERNEL_mamba3ScanForward = 42,
  KERNEL_mamba3ScanBackward = 43,
  KERNEL_ceilingExponential = 100,
  KERNEL_ceilingMultiplyAdd = 101,
  KERNEL_ceilingStream = 102,
  KERNEL_ceilingMixedStream = 103,
  KERNEL_ceilingMatmul = 104,
};

/* Buffers, integers and scalars in the order of the kernel's signature. A null pointer is an absent optional buffer. */
typedef struct {
  const void *in[MAX_INPUTS];
  void *out[MAX_OUTPUTS];
  int32_t integers[MAX_INTEGERS];
  double scalars[MAX_SCALARS];
} call_t;

/*
 * What a call needs. `workspaceBytes` is shared by all threads, `scratchBytes` is for each thread. A kernel is a sequence of phases;
 * the tasks of a phase are independent, and their number depends on the shapes only, never on the number of threads.
 */
typedef struct {
  double workspaceBytes;
  double scratchBytes;
  int32_t phases;
  int32_t tasks[MAX_PHASES];
} plan_t;

#define CONTROL_MASKED 1
#define CONTROL_RESET 2

#define IN(type, index) ((const type *)call->in[index])
#define OUT(type, index) ((type *)call->out[index])

#define INLINE static inline __attribute__((always_inline))
#define ALIGNMENT 64

INLINE int min_int(int a, int b) { return a < b ? a : b; }
INLINE int max_int(int a, int b) { return a > b ? a : b; }
INLINE int divide_up(int a, int b) { return (a + b - 1) / b; }
INLINE int round_up(int a, int b) { return divide_up(a, b) * b; }
INLINE double aligned_bytes(double bytes) { return bytes + 2 * ALIGNMENT; }

/* Hands out aligned pieces of one block of memory. The block's size comes from the same sums in the kernel's plan. */
typedef struct { char *next; } arena_t;

INLINE void *take(arena_t *arena, size_t bytes) {
  char *start = (char *)(((uintptr_t)arena->next + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
  arena->next = start + bytes;
  return start;
}
INLINE float *take_floats(arena_t *arena, size_t count) { return (float *)take(arena, count * sizeof(float)); }

INLINE void fill_zero(float *target, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = 0.0f;
}
INLINE void copy_floats(float *target, const float *source, size_t count) {
  for (size_t i = 0; i < count; i++) target[i] = source[i];
}

#endif
