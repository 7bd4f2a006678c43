import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs';
import { backendMatrix, centralDifferences, expectTensorClose, SeededValues } from '@mamba360/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { GAPS } from '../capabilities.ts';
import { loadTensorflowBackend, loadWasmBackend } from '../load-tensorflow-backend.ts';
import { tf } from '../tensorflow.ts';
import { cumprodGradient } from './gradients.ts';
import { fillGaps } from './fill-gaps.ts';

/** Starts a backend without `useBackend`, so that nothing is filled yet. */
async function startBare(name: string): Promise<void> {
  if (name === 'tensorflow') await loadTensorflowBackend();
  if (name === 'wasm') await loadWasmBackend();
  if (!(await tf.setBackend(name))) throw new Error(`${name} did not start`);
  // Keeps tfjs' cpu backend from printing its advert. (Its flag IS_TEST would do so too, and then reports leaks of fused.matMul that are none.)
  Object.assign(tf.backend(), { firstUse: false });
}

const backends = await backendMatrix(startBare);
const random = new SeededValues(360);
const tensor = (shape: number[]): Tensor => tf.tensor(Float32Array.from(random.normal(shape.reduce((a, b) => a * b, 1))), shape, 'float32');
const values = (shape: number[]): { shape: number[]; values: Float32Array } => ({ shape, values: Float32Array.from(random.normal(shape.reduce((a, b) => a * b, 1))) });
const ids = (list: number[], shape: number[] = [list.length]): Tensor => tf.tensor(list, shape, 'int32');

/** Elements start, start + step, ... of one axis, count of them. (tfjs has no gradient of stridedSlice.) */
function every(x: Tensor, axis: number, start: number, step: number, count: number): Tensor {
  const begin = x.shape.map((_, i) => (i === axis ? start : 0));
  const roomy = tf.pad(x, x.shape.map((_, i) => [0, i === axis ? step : 0] as [number, number]));
  const cut = tf.slice(roomy, begin, x.shape.map((size, i) => (i === axis ? count * step : size)));
  const split = tf.reshape(cut, [...x.shape.slice(0, axis), count, step, ...x.shape.slice(axis + 1)]);
  const first = tf.slice(split, split.shape.map(() => 0), split.shape.map((size, i) => (i === axis + 1 ? 1 : size)));
  return tf.squeeze(first, [axis + 1]);
}

/** A convolution written as slices, so that its gradients use no convolution kernel: pad, then one product for each tap. */
function slicedConvolution(x: Tensor, filter: Tensor, stride: [number, number], pad: [number, number][], depthwise: boolean): Tensor {
  const padded = tf.pad(x, [[0, 0], ...pad, [0, 0]]);
  const [batch, height, width, channels] = padded.shape as [number, number, number, number];
  const [tapsY, tapsX, , second] = filter.shape as [number, number, number, number];
  const outHeight = Math.floor((height - tapsY) / stride[0]) + 1;
  const outWidth = Math.floor((width - tapsX) / stride[1]) + 1;
  const terms: Tensor[] = [];
  for (let y = 0; y < tapsY; y++) {
    for (let z = 0; z < tapsX; z++) {
      const window = every(every(padded, 1, y, stride[0], outHeight), 2, z, stride[1], outWidth);
      const tap = tf.reshape(tf.slice(filter, [y, z, 0, 0], [1, 1, channels, second]), [channels, second]);
      terms.push(depthwise
        ? tf.reshape(tf.mul(tf.expandDims(window, 4), tap), [batch, outHeight, outWidth, channels * second])
        : tf.reshape(tf.matMul(tf.reshape(window, [-1, channels]), tap), [batch, outHeight, outWidth, second]));
    }
  }
  return tf.addN(terms);
}

interface Example {
  readonly label: string;
  readonly gap: string;
  readonly inputs: { shape: number[]; values: Float32Array }[];
  /** What needs the fill. */
  readonly subject: (...inputs: Tensor[]) => Tensor;
  /** The same value from ops whose gradients tfjs has right. */
  readonly independent: (...inputs: Tensor[]) => Tensor;
}

const triangle = (length: number, exclusive: boolean, reverse: boolean): Tensor =>
  tf.tensor(Array.from({ length }, (_, to) => Array.from({ length }, (_, from) => {
    const distance = reverse ? from - to : to - from;
    return (exclusive ? distance > 0 : distance >= 0) ? 1 : 0;
  })));

const cumulative = (shape: number[], axis: number, exclusive: boolean, reverse: boolean): Example => ({
  label: `cumsum of [${shape.join(', ')}] along ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', reverse' : ''}`,
  gap: 'gradient Cumsum',
  inputs: [values(shape)],
  subject: (x) => tf.cumsum(x, axis, exclusive, reverse),
  independent: (x) => {
    const own = axis < 0 ? axis + shape.length : axis;
    const order = [...shape.keys()].filter((i) => i !== own).concat(own);
    const last = tf.reshape(tf.transpose(x, order), [-1, shape[own]!]);
    const sums = tf.reshape(tf.matMul(last, triangle(shape[own]!, exclusive, reverse), false, true), order.map((i) => shape[i]!));
    return tf.transpose(sums, order.map((_, i) => order.indexOf(i)));
  },
});

const product = (a: number[], b: number[], transposeA: boolean, transposeB: boolean): Example => ({
  label: `matMul of [${a.join(', ')}]${transposeA ? '^T' : ''} and [${b.join(', ')}]${transposeB ? '^T' : ''}`,
  gap: 'gradient BatchMatMul',
  inputs: [values(a), values(b)],
  subject: (x, y) => tf.matMul(x, y, transposeA, transposeB),
  independent: (x, y) => {
    const swap = (t: Tensor): Tensor => tf.transpose(t, [...t.shape.keys()].slice(0, -2).concat(t.rank - 1, t.rank - 2));
    const left = transposeA ? swap(x) : x;
    const right = transposeB ? swap(y) : y;
    return tf.sum(tf.mul(tf.expandDims(left, -1), tf.expandDims(right, -3)), -2);
  },
});

const summation = (equation: string, ...shapes: number[][]): Example => ({
  label: `einsum ${equation}`,
  gap: 'gradient Einsum',
  inputs: shapes.map(values),
  subject: (...inputs) => tf.einsum(equation, ...inputs),
  independent: (...inputs) => {
    const [left, result] = equation.split('->') as [string, string];
    const operands = left.split(',');
    const all = [...new Set(result + left.replace(',', ''))].join('');
    const spread = inputs.map((input, i) => {
      const labels = operands[i]!;
      const order = [...all].filter((label) => labels.includes(label));
      const arranged = tf.transpose(input, order.map((label) => labels.indexOf(label)));
      return tf.reshape(arranged, [...all].map((label) => (labels.includes(label) ? input.shape[labels.indexOf(label)]! : 1)));
    });
    const whole = spread.length === 2 ? tf.mul(spread[0]!, spread[1]!) : spread[0]!;
    const axes = [...all].flatMap((label, axis) => (result.includes(label) ? [] : [axis]));
    return axes.length > 0 ? tf.sum(whole, axes) : whole;
  },
});

const fused = ([rows, inner, columns]: number[], transposeA: boolean, transposeB: boolean, activation: string): Example => ({
  label: `fused matMul ${rows} x ${inner} x ${columns}, ${transposeA ? 'a' : ''}${transposeB ? 'b' : ''} transposed, bias, ${activation}`,
  gap: 'forward _FusedMatMul',
  inputs: [values(transposeA ? [inner!, rows!] : [rows!, inner!]), values(transposeB ? [columns!, inner!] : [inner!, columns!]), values([columns!])],
  subject: (x, y, bias) => tf.fused.matMul({ a: x as Tensor2D, b: y as Tensor2D, bias, transposeA, transposeB, activation: activation as 'relu' }),
  independent: (x, y, bias) => {
    const left = transposeA ? tf.transpose(x) : x;
    const right = transposeB ? tf.transpose(y) : y;
    const sum = tf.add(tf.matMul(left, right), bias!);
    return activation === 'relu' ? tf.relu(sum) : sum;
  },
});

const EXAMPLES: Example[] = [
  ...[[5], [3, 4], [2, 3, 4]].flatMap((shape) => shape.map((_, axis) => cumulative(shape, axis, false, false))),
  cumulative([3, 4, 2], -1, false, false), cumulative([3, 4, 2], -2, true, true),
  ...[0, 1, 2].flatMap((axis) => [cumulative([3, 4, 2], axis, true, false), cumulative([3, 4, 2], axis, false, true), cumulative([3, 4, 2], axis, true, true)]),
  product([2, 4, 6], [6, 3], false, false), product([4, 6], [2, 6, 3], false, false), product([2, 4, 6], [1, 6, 3], false, false),
  product([2, 6, 4], [6, 3], true, false), product([2, 4, 6], [3, 6], false, true), product([1, 6, 4], [2, 3, 6], true, true),
  product([4, 6], [5, 2, 6, 3], false, false), product([5, 1, 6, 4], [1, 2, 3, 6], true, true), product([3, 2, 2, 4], [3, 1, 4, 2], false, false),
  summation('bij,bjk->bik', [2, 3, 4], [2, 4, 5]), summation('ij,jk->ki', [3, 4], [4, 2]), summation('bln,bn->bl', [2, 3, 4], [2, 4]),
  summation('ij->j', [3, 4]), summation('ij->ji', [3, 4]), summation('ijk->', [2, 3, 4]), summation('i,j->ij', [3], [4]),
  summation('ijk,j->i', [2, 3, 4], [3]), summation('bhld,bhmd->bhlm', [2, 2, 3, 4], [2, 2, 5, 4]), summation('ij,ij->', [3, 4], [3, 4]),
  ...[[3, 5, 4], [20, 70, 50]].flatMap((sizes) => [[false, true], [true, false], [true, true]].flatMap(([a, b]) => ['linear', 'relu'].map((activation) => fused(sizes, a!, b!, activation)))),
  {
    label: 'gather along 0', gap: 'kernel UnsortedSegmentSum', inputs: [values([4, 3])],
    subject: (x) => tf.gather(x, ids([0, 2, 1, 2])), independent: (x) => tf.matMul(tf.cast(tf.oneHot(ids([0, 2, 1, 2]), 4), 'float32'), x),
  },
  {
    label: 'gather along 1', gap: 'kernel UnsortedSegmentSum', inputs: [values([3, 4])],
    subject: (x) => tf.gather(x, ids([3, 3]), 1), independent: (x) => tf.matMul(x, tf.cast(tf.oneHot(ids([3, 3]), 4), 'float32'), false, true),
  },
  {
    label: 'gather by a matrix of ids', gap: 'kernel UnsortedSegmentSum', inputs: [values([4, 3])],
    subject: (x) => tf.gather(x, ids([0, 2, 1, 2, 3, 0], [2, 3])),
    independent: (x) => tf.reshape(tf.matMul(tf.cast(tf.oneHot(ids([0, 2, 1, 2, 3, 0]), 4), 'float32'), x), [2, 3, 3]),
  },
  {
    label: 'depthwise convolution in x', gap: 'kernel DepthwiseConv2dNativeBackpropInput', inputs: [values([2, 5, 6, 3])],
    subject: (x) => tf.depthwiseConv2d(x as Tensor4D, FILTER_DEPTHWISE() as Tensor4D, [2, 2], 'valid'),
    independent: (x) => slicedConvolution(x, FILTER_DEPTHWISE(), [2, 2], [[0, 0], [0, 0]], true),
  },
  {
    label: 'depthwise convolution in its filter', gap: 'kernel DepthwiseConv2dNativeBackpropFilter', inputs: [values([3, 2, 3, 2])],
    subject: (w) => tf.depthwiseConv2d(IMAGE() as Tensor4D, w as Tensor4D, 1, 'same'),
    independent: (w) => slicedConvolution(IMAGE(), w, [1, 1], [[1, 1], [0, 1]], true),
  },
  {
    label: 'convolution in its filter', gap: 'kernel Conv2DBackpropFilter', inputs: [values([3, 2, 3, 4])],
    subject: (w) => tf.conv2d(IMAGE() as Tensor4D, w as Tensor4D, [1, 2], 'same'),
    independent: (w) => slicedConvolution(IMAGE(), w, [1, 2], [[1, 1], [0, 0]], false),
  },
];

const imageValues = values([2, 5, 6, 3]);
const filterValues = values([3, 2, 3, 2]);
function IMAGE(): Tensor { return tf.tensor(imageValues.values, imageValues.shape); }
function FILTER_DEPTHWISE(): Tensor { return tf.tensor(filterValues.values, filterValues.shape); }

/** Value and gradients of sum(f^2), which has a different slope at every element. */
function outcome(f: Example['subject'], inputs: Example['inputs']): Float32Array[] {
  return tf.tidy(() => {
    const tensors = inputs.map((input) => tf.tensor(input.values, input.shape, 'float32'));
    const value = f(...tensors).dataSync() as Float32Array;
    const gradients = tf.grads((...xs: Tensor[]) => tf.sum(tf.square(f(...xs))))(tensors);
    return [value, ...gradients.map((gradient) => gradient.dataSync() as Float32Array)];
  });
}

/** The first example of each gap is enough to show that the fill is needed. */
const firstOf = (gap: string): Example | undefined => EXAMPLES.find((example) => example.gap === gap && (gap !== 'gradient Cumsum' || example.label.includes('[3, 4] along 0')));

const CUMPROD = 'gradient Cumprod';
const NAMED_LATER: Readonly<Record<string, string>> = { 'kernel Einsum': 'gradient Einsum' };

describe.each(backends)('before the fill: %s', (backend) => {
  beforeAll(async () => { await tf.setBackend(backend); });

  it.each(GAPS.filter((gap) => gap.filled && gap.kind !== 'forward' && gap.backends.includes(backend)).map((gap) => `${gap.kind} ${gap.name}`))('%s is missing or wrong', (gap) => {
    const example = firstOf(NAMED_LATER[gap] ?? gap);
    const attempt = (): unknown => (gap === CUMPROD
      ? tf.tidy(() => tf.grad((x: Tensor) => tf.sum(tf.cumprod(x, 0)))(tensor([3])).dataSync())
      : outcome(example!.subject, example!.inputs));
    expect(attempt).toThrow(/not registered|not found|does not match the shape/);
  });
});

describe.each(backends.filter((backend) => backend !== 'tensorflow'))('before the fill, forward: %s', (backend) => {
  beforeAll(async () => { await tf.setBackend(backend); });

  // On wasm a negative axis writes beyond the output, so it is tried on cpu only: the damage would outlast the test.
  it.runIf(backend === 'cpu')('cumsum and cumprod along a negative axis have a wrong shape', () => {
    for (const f of [tf.cumsum, tf.cumprod]) expect(tf.tidy(() => f(tf.ones([2, 3, 4]), -1).shape)).not.toEqual([2, 3, 4]);
  });

  it.runIf(backend === 'wasm')('fused matMul with a bias and a transposed operand is wrong', () => {
    const { subject, independent, inputs } = fused([3, 5, 4], false, true, 'linear');
    const [actual, expected] = [subject, independent].map((f) => tf.tidy(() => f(...inputs.map((input) => tf.tensor(input.values, input.shape))).dataSync()));
    expect(() => expectTensorClose(actual!, expected!, { kind: 'output' })).toThrow('error');
  });

  it.runIf(backend === 'wasm')('slice and split read a copy of their whole input', () => {
    expect(wholeReads(() => tf.slice(tensor([4, 3]), [1, 0], [1, 3]))).toBe(1);
    expect(wholeReads(() => tf.split(tensor([4, 3]), 2, 0))).toBe(2);
  });

  it('matMul with both batches broadcast is wrong', () => {
    const { subject, independent, inputs } = product([3, 2, 2, 4], [3, 1, 4, 2], false, false);
    const [actual, expected] = [subject, independent].map((f) => tf.tidy(() => f(...inputs.map((input) => tf.tensor(input.values, input.shape))).dataSync()));
    expect(() => expectTensorClose(actual!, expected!, { kind: 'output' })).toThrow('error');
  });
});

describe.each(backends)('after the fill: %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
    fillGaps(backend);
    fillGaps(backend);
  });

  it.each(EXAMPLES)('$label', ({ subject, independent, inputs }) => {
    const actual = outcome(subject, inputs);
    const expected = outcome(independent, inputs);
    actual.forEach((result, i) => expectTensorClose(result, expected[i]!, { kind: i === 0 ? 'output' : 'gradient', name: i === 0 ? 'value' : `gradient ${i}` }));
  });

  it.each([[0, false, false], [1, false, false], [2, false, true], [1, true, false], [0, true, true], [-1, true, false]] as const)('cumprod along %i, exclusive %s, reverse %s, with zeros', (axis, exclusive, reverse) => {
    const shape = [2, 4, 3];
    const x = random.normal(24);
    x[4] = 0;
    x[13] = 0;
    x[16] = 0;
    const weights = random.normal(24);
    const gradient = tf.tidy(() => tf.grad((input: Tensor) => tf.sum(tf.mul(tf.cumprod(input, axis, exclusive, reverse), tf.tensor(Float32Array.from(weights), shape))))(
      tf.tensor(Float32Array.from(x), shape),
    ).dataSync() as Float32Array);
    expectTensorClose(gradient, cumprodSlopes(x, weights, shape, axis < 0 ? axis + 3 : axis, exclusive, reverse), { kind: 'gradient' });
  });

  it.runIf(backend === 'wasm')('slice and split copy what they return and nothing else', () => {
    expect(wholeReads(() => tf.slice(tensor([4, 3]), [1, 0], [1, 3]))).toBe(0);
    expect(wholeReads(() => tf.split(tensor([4, 3]), 2, 0))).toBe(0);
  });

  it.each(['float32', 'int32', 'bool'] as const)('slices and splits of %s, along every axis, also empty and whole', (dtype) => {
    const shape = [3, 4, 2, 5];
    const numbers = Array.from({ length: 120 }, (_, i) => (dtype === 'bool' ? (i * 7) % 3 % 2 : i));
    const at = (place: number[]): number => numbers[place.reduce((index, p, axis) => index * shape[axis]! + p, 0)]!;
    tf.tidy(() => {
      const x = tf.tensor(numbers, shape, dtype);
      for (const [begin, size] of [[[0, 0, 0, 0], [3, 4, 2, 5]], [[1, 0, 0, 0], [2, 4, 2, 5]], [[0, 1, 0, 2], [3, 2, 2, 3]], [[2, 3, 1, 4], [1, 1, 1, 1]], [[0, 0, 1, 0], [3, 4, 1, 5]], [[1, 2, 0, 0], [0, 2, 2, 5]]]) {
        const expected: number[] = [];
        for (let i = 0; i < size![0]!; i++) for (let j = 0; j < size![1]!; j++) for (let k = 0; k < size![2]!; k++) for (let l = 0; l < size![3]!; l++) expected.push(at([i, j, k, l].map((p, axis) => p + begin![axis]!)));
        const result = tf.slice(x, begin!, size);
        expect(result.dtype).toBe(dtype);
        expect(result.shape).toEqual(size);
        expect([...result.dataSync()]).toEqual(expected);
      }
      const [first, second] = tf.split(x, [1, 3], -3);
      expect([...first!.dataSync()]).toEqual([...tf.slice(x, [0, 0, 0, 0], [3, 1, 2, 5]).dataSync()]);
      expect([...second!.dataSync()]).toEqual(Array.from({ length: 90 }, (_, i) => at([Math.floor(i / 30), 1 + Math.floor(i / 10) % 3, Math.floor(i / 5) % 2, i % 5])));
      expect(tf.slice(tf.tensor1d(['a', 'b', 'c']), 1, 2).dataSync()).toEqual(['b', 'c']);
    });
  });

  it('leaves no tensors behind and takes rows with ids that no row has', () => {
    const before = tf.memory().numTensors;
    const sums = tf.tidy(() => tf.unsortedSegmentSum(tf.tensor2d([[1, 2], [3, 4], [5, 6]]), tf.tensor1d([2, -1, 2], 'int32'), 4).arraySync());
    expect(sums).toEqual([[0, 0], [0, 0], [6, 8], [0, 0]]);
    EXAMPLES.forEach(({ subject, inputs }) => outcome(subject, inputs));
    expect(tf.memory().numTensors).toBe(before);
  });
});

/** How often the backend is asked for a copy of a tensor's numbers while `run` runs. */
function wholeReads(run: () => unknown): number {
  const backend = tf.backend() as { readSync: (...rest: unknown[]) => unknown };
  const { readSync } = backend;
  let reads = 0;
  backend.readSync = (...rest) => {
    reads++;
    return readSync.apply(backend, rest);
  };
  try {
    tf.tidy(() => { run(); });
  } finally {
    backend.readSync = readSync;
  }
  return reads;
}

/** Central differences of sum(weights * cumprod(x)) in float64. */
function cumprodSlopes(x: Float64Array, weights: Float64Array, shape: number[], axis: number, exclusive: boolean, reverse: boolean): Float64Array {
  const stride = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const loss = (): number => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      const own = Math.floor(i / stride) % shape[axis]!;
      let running = 1;
      for (let k = 0; k < shape[axis]!; k++) {
        const distance = reverse ? k - own : own - k;
        if (exclusive ? distance > 0 : distance >= 0) running *= x[i + (k - own) * stride]!;
      }
      sum += weights[i]! * running;
    }
    return sum;
  };
  return centralDifferences(loss, x);
}

it('cumprodGradient of an empty tensor is empty', () => {
  expect(cumprodGradient([], [], [0, 3], { axis: 0, exclusive: false, reverse: false })).toHaveLength(0);
});
