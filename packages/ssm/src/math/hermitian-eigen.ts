import type { ComplexArray } from './complex.ts';

/** Eigenvalues ascending; `vectors` [N, N] row-major, column j belongs to eigenvalue j; unitary, also where eigenvalues coincide. */
export interface HermitianEigen {
  readonly values: Float64Array;
  readonly vectors: ComplexArray;
}

const SWEEPS = 60;

/**
 * Eigenvalues and eigenvectors of a Hermitian matrix by cyclic complex Jacobi rotations.
 *
 * @param size - N.
 * @param source - [N, N] row-major; only read. Entries (i, j) and (j, i) must be conjugates.
 * @remarks Time O(N^3) for each of about ten sweeps. Chosen over the QR algorithm because its vectors are orthogonal to rounding in every case, which
 * a decomposition of a normal matrix with conjugate pairs needs.
 * @see Golub and Van Loan, Matrix Computations, section 8.5.
 */
export function hermitianEigen(size: number, source: ComplexArray): HermitianEigen {
  const re = source.re.slice(), im = source.im.slice();
  const vectorRe = new Float64Array(size * size), vectorIm = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectorRe[i * size + i] = 1;
  const total = Math.sqrt(re.reduce((sum, value, i) => sum + value * value + im[i] * im[i], 0));
  for (let sweep = 0; sweep < SWEEPS && offDiagonal(size, re, im) > 1e-17 * total; sweep++) {
    for (let p = 0; p < size - 1; p++) for (let q = p + 1; q < size; q++) rotate(size, re, im, vectorRe, vectorIm, p, q);
  }
  const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => re[a * size + a] - re[b * size + b]);
  const vectors: ComplexArray = { re: new Float64Array(size * size), im: new Float64Array(size * size) };
  order.forEach((from, to) => {
    for (let i = 0; i < size; i++) {
      vectors.re[i * size + to] = vectorRe[i * size + from];
      vectors.im[i * size + to] = vectorIm[i * size + from];
    }
  });
  return { values: Float64Array.from(order, (i) => re[i * size + i]), vectors };
}

function offDiagonal(size: number, re: Float64Array, im: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < size; i++) for (let j = i + 1; j < size; j++) sum += re[i * size + j] ** 2 + im[i * size + j] ** 2;
  return Math.sqrt(2 * sum);
}

/** One rotation that makes entry (p, q) zero: columns p, q of the matrix and of the vectors, then rows p, q of the matrix. */
function rotate(size: number, re: Float64Array, im: Float64Array, vectorRe: Float64Array, vectorIm: Float64Array, p: number, q: number): void {
  const x = re[p * size + q], y = im[p * size + q], length = Math.hypot(x, y);
  if (length === 0) return;
  const difference = (re[q * size + q] - re[p * size + p]) / (2 * length);
  const tangent = (difference >= 0 ? 1 : -1) / (Math.abs(difference) + Math.sqrt(difference * difference + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1), sine = tangent * cosine;
  const phaseRe = x / length, phaseIm = y / length; // a_pq = length * phase
  const columns = (matrixRe: Float64Array, matrixIm: Float64Array): void => {
    for (let i = 0; i < size; i++) {
      const a = i * size + p, b = i * size + q;
      const aRe = matrixRe[a], aIm = matrixIm[a];
      // column p: c a_p - s conj(phase) a_q ; column q: s phase a_p + c a_q
      const bRe = matrixRe[b] * phaseRe + matrixIm[b] * phaseIm, bIm = matrixIm[b] * phaseRe - matrixRe[b] * phaseIm;
      const keptRe = matrixRe[b], keptIm = matrixIm[b];
      matrixRe[a] = cosine * aRe - sine * bRe;
      matrixIm[a] = cosine * aIm - sine * bIm;
      matrixRe[b] = sine * (aRe * phaseRe - aIm * phaseIm) + cosine * keptRe;
      matrixIm[b] = sine * (aIm * phaseRe + aRe * phaseIm) + cosine * keptIm;
    }
  };
  columns(re, im);
  for (let j = 0; j < size; j++) {
    const a = p * size + j, b = q * size + j;
    const aRe = re[a], aIm = im[a], keptRe = re[b], keptIm = im[b];
    const bRe = keptRe * phaseRe - keptIm * phaseIm, bIm = keptIm * phaseRe + keptRe * phaseIm;
    re[a] = cosine * aRe - sine * bRe;
    im[a] = cosine * aIm - sine * bIm;
    re[b] = sine * (aRe * phaseRe + aIm * phaseIm) + cosine * keptRe;
    im[b] = sine * (aIm * phaseRe - aRe * phaseIm) + cosine * keptIm;
  }
  re[p * size + q] = im[p * size + q] = re[q * size + p] = im[q * size + p] = 0;
  im[p * size + p] = im[q * size + q] = 0;
  columns(vectorRe, vectorIm);
}
