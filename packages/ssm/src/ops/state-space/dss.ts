import { complexZeros } from '../../math/index.ts';
import type { Complex, ComplexArray } from '../../math/index.ts';
import { add, complexExp, complexExpm1, conjugate, multiply } from '../../math/complex.ts';
import { boundedReciprocal, softmaxFactor } from './softmax-factor.ts';
import { fromPairs, toPairs } from './system.ts';
import type { Modes, Raw, RawSlopes, ScanSystem } from './system.ts';

export type DssVersion = 'softmax' | 'exp' | 'exp-no-scale' | 'clip' | 'clip-no-scale';

/**
 * DSS. Tensors: logDt [H] or [H, 2] (a step for the real, one for the imaginary part), Lambda [N, 2] (softmax, clip) or logNegRe, lambdaIm [N] (exp),
 * W [channels, H, N, 2].
 */
export interface DssOptions {
  readonly version: DssVersion;
  readonly heads: number;
  readonly modes: number;
  readonly channels: number;
  /** 1 or 2. */
  readonly steps: number;
  readonly epsilon: number;
  /** clip: the real parts are at most minus this. */
  readonly maxRealLambda: number;
}

/** The eigenvalues that the parameters stand for, [N]. */
export function dssEigenvalues(raw: Raw, { version, maxRealLambda }: DssOptions): ComplexArray {
  if (version.startsWith('exp')) return { re: raw['logNegRe'].map((p) => -Math.exp(p)), im: raw['lambdaIm'].slice() };
  const lambda = fromPairs(raw['Lambda']);
  return version.startsWith('clip') ? { re: lambda.re.map((value) => Math.min(value, -maxRealLambda)), im: lambda.im } : lambda;
}

function eigenvalueSlopes(raw: Raw, { version, maxRealLambda }: DssOptions, d: ComplexArray): RawSlopes {
  if (version.startsWith('exp')) return { logNegRe: raw['logNegRe'].map((p, n) => -Math.exp(p) * d.re[n]), lambdaIm: d.im };
  const lambda = fromPairs(raw['Lambda']);
  return { Lambda: toPairs({ re: version.startsWith('clip') ? d.re.map((slope, n) => (lambda.re[n] <= -maxRealLambda ? slope : 0)) : d.re, im: d.im }) };
}

interface Mode { readonly z: Complex; readonly factor: Complex; back(dz: Complex, dFactor: Complex): { z: Complex; lambda: Complex } }

function modeOf(z: Complex, lambda: Complex, o: DssOptions, length: number): Mode {
  if (o.version === 'softmax') {
    const { value, back } = softmaxFactor(z, lambda, length, o.epsilon);
    return { z, factor: value, back: (dz, d) => { const slopes = back(d); return { z: add(dz, slopes.z), lambda: slopes.lambda }; } };
  }
  if (o.version.endsWith('no-scale')) return { z, factor: { re: 1, im: 0 }, back: (dz) => ({ z: dz, lambda: { re: 0, im: 0 } }) };
  const grown = complexExpm1(z), reciprocal = boundedReciprocal(lambda, o.epsilon, true);
  return {
    z, factor: multiply(grown, reciprocal.value),
    back: (dz, d) => ({
      z: add(dz, multiply(conjugate(multiply(complexExp(z), reciprocal.value)), d)), lambda: reciprocal.back(multiply(conjugate(grown), d)),
    }),
  };
}

function allModes(raw: Raw, o: DssOptions, length: number): { modes: Mode[]; back(dz: ComplexArray, dFactor: ComplexArray): RawSlopes } {
  const lambda = dssEigenvalues(raw, o), dt = raw['logDt'].map(Math.exp), { heads, modes: N, steps } = o;
  const modes = Array.from({ length: heads * N }, (_, i) => {
    const h = Math.floor(i / N), n = i % N;
    return modeOf({ re: dt[h * steps] * lambda.re[n], im: dt[h * steps + steps - 1] * lambda.im[n] }, { re: lambda.re[n], im: lambda.im[n] }, o, length);
  });
  return {
    modes,
    back: (dz, dFactor) => {
      const dLambda = complexZeros(N), dLog = new Float64Array(dt.length);
      modes.forEach((mode, i) => {
        const slopes = mode.back({ re: dz.re[i], im: dz.im[i] }, { re: dFactor.re[i], im: dFactor.im[i] }), h = Math.floor(i / N), n = i % N;
        dLambda.re[n] += slopes.lambda.re + dt[h * steps] * slopes.z.re;
        dLambda.im[n] += slopes.lambda.im + dt[h * steps + steps - 1] * slopes.z.im;
        dLog[h * steps] += slopes.z.re * mode.z.re;
        dLog[h * steps + steps - 1] += slopes.z.im * mode.z.im;
      });
      return { logDt: dLog, ...eigenvalueSlopes(raw, o, dLambda) };
    },
  };
}

/** K = Re sum of W factor e^(l z): no conjugate pairs, no factor of 2. */
export function dssModes(raw: Raw, o: DssOptions, length: number): Modes {
  const { modes, back } = allModes(raw, o, length), W = fromPairs(raw['W']), count = modes.length, v = complexZeros(W.re.length);
  for (let j = 0; j < v.re.length; j++) {
    const value = multiply(modes[j % count].factor, { re: W.re[j], im: W.im[j] });
    v.re[j] = value.re;
    v.im[j] = value.im;
  }
  return {
    x: { re: Float64Array.from(modes, ({ z }) => z.re), im: Float64Array.from(modes, ({ z }) => z.im) }, v,
    pullback: (dx, dv) => {
      const dFactor = complexZeros(count), dW = complexZeros(W.re.length);
      for (let j = 0; j < v.re.length; j++) {
        const slope = { re: dv.re[j], im: dv.im[j] }, own = multiply(conjugate(modes[j % count].factor), slope), other = multiply({ re: W.re[j], im: -W.im[j] }, slope);
        dW.re[j] = own.re;
        dW.im[j] = own.im;
        dFactor.re[j % count] += other.re;
        dFactor.im[j % count] += other.im;
      }
      return { ...back(dx, dFactor), W: toPairs(dW) };
    },
  };
}

/**
 * The recurrence of the same system: a = e^z, b = 1, c = W factor. With `softmax` the factor belongs to one length (the kernel's), so the recurrence of a
 * sequence of another length needs that length too.
 */
export function dssSystem(raw: Raw, o: DssOptions, length: number): ScanSystem {
  const { x, v, pullback } = dssModes(raw, o, length), count = x.re.length, a = complexZeros(count);
  for (let i = 0; i < count; i++) {
    const value = complexExp({ re: x.re[i], im: x.im[i] });
    a.re[i] = value.re;
    a.im[i] = value.im;
  }
  return {
    a, b: { re: new Float64Array(count).fill(1), im: new Float64Array(count) }, c: v, f: complexZeros(0), g: complexZeros(0),
    pullback: (slopes) => {
      const dx = complexZeros(count);
      for (let i = 0; i < count; i++) {
        dx.re[i] = a.re[i] * slopes.a.re[i] + a.im[i] * slopes.a.im[i];
        dx.im[i] = a.re[i] * slopes.a.im[i] - a.im[i] * slopes.a.re[i];
      }
      return pullback(dx, slopes.c);
    },
  };
}
