import type { KernelConfig, KernelFunc, NamedAttrMap, NamedTensorInfoMap, Tensor, TensorInfo } from '@tensorflow/tfjs';
import { BackendError } from '../../errors/index.ts';
import type { WasmBackend } from '../tensor-access.ts';
import { tf } from '../tensorflow.ts';
import { contract } from './contract.ts';

type Body = (context: { inputs: NamedTensorInfoMap; attrs: NamedAttrMap; backend: WasmBackend }) => TensorInfo;

const kernel = (kernelName: string, body: Body): KernelConfig => ({
  kernelName, backendName: 'wasm',
  kernelFunc: (({ inputs, attrs, backend }) => body({ inputs, attrs: attrs as NamedAttrMap, backend: backend as WasmBackend })) satisfies KernelFunc,
});

/** Output first (it may grow the heap), then views of everything. */
function views(backend: WasmBackend, shape: number[], inputs: readonly TensorInfo[]): { output: TensorInfo; target: Float32Array; sources: Float32Array[] } {
  const output = backend.makeOutput(shape, 'float32');
  const target = backend.typedArrayFromHeap(output).fill(0);
  return { output, target, sources: inputs.map((input) => backend.typedArrayFromHeap(input)) };
}

function requireFloat(name: string, tensor: TensorInfo): void {
  if (tensor.dtype !== 'float32') throw new BackendError(`${name}: dtype ${tensor.dtype} is not supported on the backend 'wasm', expected float32. Cast it, or use 'cpu' or 'tensorflow'.`);
}

/** Row i of x is added to row ids[i] of the output; negative ids are dropped. Gradient of gather, and so of every embedding. */
const unsortedSegmentSum = kernel('UnsortedSegmentSum', ({ inputs, attrs, backend }) => {
  const x = inputs['x']!;
  const segmentIds = inputs['segmentIds']!;
  requireFloat('UnsortedSegmentSum', x);
  const segments = attrs['numSegments'] as number;
  const inner = x.shape.slice(segmentIds.shape.length);
  const width = inner.reduce((product, size) => product * size, 1);
  const { output, target, sources } = views(backend, [segments, ...inner], [x]);
  const ids = backend.typedArrayFromHeap(segmentIds);
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row]!;
    if (id < 0) continue;
    for (let i = 0; i < width; i++) target[id * width + i]! += sources[0]![row * width + i]!;
  }
  return output;
});

interface ConvolutionSizes {
  readonly batchSize: number; readonly inHeight: number; readonly inWidth: number; readonly inChannels: number;
  readonly outHeight: number; readonly outWidth: number; readonly outChannels: number;
  readonly filterHeight: number; readonly filterWidth: number; readonly strideHeight: number; readonly strideWidth: number;
  readonly dilationHeight: number; readonly dilationWidth: number; readonly padInfo: { readonly top: number; readonly left: number };
}

function sizes(inputShape: number[], filterShape: number[], attrs: NamedAttrMap, depthwise: boolean): ConvolutionSizes {
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number], filterShape as [number, number, number, number], attrs['strides'] as number,
    (attrs['dilations'] ?? 1) as number, attrs['pad'] as 'same', attrs['dimRoundingMode'] as 'floor', depthwise,
  );
}

/** Calls `visit` for each pair of an input pixel and an output pixel that a filter tap joins; pixels and taps as flat places without channels. */
function eachTap(s: ConvolutionSizes, visit: (input: number, output: number, tap: number) => void): void {
  for (let b = 0; b < s.batchSize; b++) {
    for (let outY = 0; outY < s.outHeight; outY++) {
      for (let outX = 0; outX < s.outWidth; outX++) {
        const output = (b * s.outHeight + outY) * s.outWidth + outX;
        for (let tapY = 0; tapY < s.filterHeight; tapY++) {
          const y = outY * s.strideHeight - s.padInfo.top + tapY * s.dilationHeight;
          if (y < 0 || y >= s.inHeight) continue;
          for (let tapX = 0; tapX < s.filterWidth; tapX++) {
            const x = outX * s.strideWidth - s.padInfo.left + tapX * s.dilationWidth;
            if (x < 0 || x >= s.inWidth) continue;
            visit((b * s.inHeight + y) * s.inWidth + x, output, tapY * s.filterWidth + tapX);
          }
        }
      }
    }
  }
}

const depthwiseInput = kernel('DepthwiseConv2dNativeBackpropInput', ({ inputs, attrs, backend }) => {
  const inputShape = attrs['inputShape'] as number[];
  const s = sizes(inputShape, inputs['filter']!.shape, attrs, true);
  const multiplier = s.outChannels / s.inChannels;
  const { output, target, sources: [dy, filter] } = views(backend, inputShape, [inputs['dy']!, inputs['filter']!]);
  eachTap(s, (input, out, tap) => {
    for (let c = 0; c < s.outChannels; c++) {
      target[input * s.inChannels + Math.floor(c / multiplier)]! += dy![out * s.outChannels + c]! * filter![tap * s.outChannels + c]!;
    }
  });
  return output;
});

const depthwiseFilter = kernel('DepthwiseConv2dNativeBackpropFilter', ({ inputs, attrs, backend }) => {
  const filterShape = attrs['filterShape'] as number[];
  const s = sizes(inputs['x']!.shape, filterShape, attrs, true);
  const multiplier = s.outChannels / s.inChannels;
  const { output, target, sources: [x, dy] } = views(backend, filterShape, [inputs['x']!, inputs['dy']!]);
  eachTap(s, (input, out, tap) => {
    for (let c = 0; c < s.outChannels; c++) {
      target[tap * s.outChannels + c]! += x![input * s.inChannels + Math.floor(c / multiplier)]! * dy![out * s.outChannels + c]!;
    }
  });
  return output;
});

const convolutionFilter = kernel('Conv2DBackpropFilter', ({ inputs, attrs, backend }) => {
  if (attrs['dataFormat'] === 'NCHW') throw new BackendError("Conv2DBackpropFilter: the backend 'wasm' has no channels-first convolution, expected dataFormat NHWC. Transpose, or use 'tensorflow'.");
  const filterShape = attrs['filterShape'] as number[];
  const s = sizes(inputs['x']!.shape, filterShape, attrs, false);
  const { output, target, sources: [x, dy] } = views(backend, filterShape, [inputs['x']!, inputs['dy']!]);
  eachTap(s, (input, out, tap) => {
    for (let from = 0; from < s.inChannels; from++) {
      const value = x![input * s.inChannels + from]!;
      const row = (tap * s.inChannels + from) * s.outChannels;
      for (let to = 0; to < s.outChannels; to++) target[row + to]! += value * dy![out * s.outChannels + to]!;
    }
  });
  return output;
});

const einsum = kernel('Einsum', ({ inputs, attrs }) => {
  // tfjs passes the operands as an array; within a kernel they are tensors.
  const tensors = Object.values(inputs) as unknown as Tensor[];
  return contract(attrs['equation'] as string, tensors);
});

/** Kernels that the wasm backend of tfjs 4.22 lacks and training needs. */
export const WASM_KERNELS: readonly KernelConfig[] = [unsortedSegmentSum, depthwiseInput, depthwiseFilter, convolutionFilter, einsum];
