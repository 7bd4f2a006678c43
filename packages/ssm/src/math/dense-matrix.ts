import { ConfigError } from '../errors/index.ts';

/** A real matrix in float64, row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

export function matrix(rows: number, columns: number, entry: (row: number, column: number) => number): Matrix {
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) values[i * columns + j] = entry(i, j);
  return { rows, columns, values };
}

export const identity = (size: number): Matrix => matrix(size, size, (i, j) => (i === j ? 1 : 0));

export const transpose = (a: Matrix): Matrix => matrix(a.columns, a.rows, (i, j) => a.values[j * a.columns + i]);

/** a * alpha + b * beta, of one shape. */
export function combine(a: Matrix, alpha: number, b: Matrix, beta: number): Matrix {
  sameShape('combine', a, b);
  return { ...a, values: a.values.map((value, i) => alpha * value + beta * b.values[i]) };
}

export function product(a: Matrix, b: Matrix): Matrix {
  if (a.columns !== b.rows) throw new ConfigError(`product: a is ${shown(a)} and b is ${shown(b)}, expected as many rows of b as columns of a. Transpose one of them.`);
  const values = new Float64Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.columns; k++) {
      const factor = a.values[i * a.columns + k];
      if (factor === 0) continue;
      for (let j = 0; j < b.columns; j++) values[i * b.columns + j] += factor * b.values[k * b.columns + j];
    }
  }
  return { rows: a.rows, columns: b.columns, values };
}

/**
 * x with a x = b, by Gaussian elimination with partial pivoting.
 *
 * @param a - Square and regular.
 * @throws ConfigError where a is singular or the shapes do not fit.
 */
export function solve(a: Matrix, b: Matrix): Matrix {
  const size = a.rows, width = b.columns;
  if (a.columns !== size || b.rows !== size) throw new ConfigError(`solve: a is ${shown(a)} and b is ${shown(b)}, expected a square matrix and as many rows of b. Transpose one of them.`);
  const left = a.values.slice(), right = b.values.slice();
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) if (Math.abs(left[row * size + column]) > Math.abs(left[pivot * size + column])) pivot = row;
    const largest = left[pivot * size + column];
    if (!(Math.abs(largest) > 0)) throw new ConfigError(`solve: the ${shown(a)} matrix is singular in column ${column}, expected a regular one. Check the step size and the matrix it belongs to.`);
    if (pivot !== column) {
      swapRows(left, size, pivot, column);
      swapRows(right, width, pivot, column);
    }
    for (let row = column + 1; row < size; row++) {
      const factor = left[row * size + column] / largest;
      if (factor === 0) continue;
      for (let k = column; k < size; k++) left[row * size + k] -= factor * left[column * size + k];
      for (let k = 0; k < width; k++) right[row * width + k] -= factor * right[column * width + k];
    }
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let k = 0; k < width; k++) {
      let sum = right[row * width + k];
      for (let j = row + 1; j < size; j++) sum -= left[row * size + j] * right[j * width + k];
      right[row * width + k] = sum / left[row * size + row];
    }
  }
  return { rows: size, columns: width, values: right };
}

export const inverse = (a: Matrix): Matrix => solve(a, identity(a.rows));

/** a multiplied with itself `exponent` times, by repeated squaring. */
export function power(a: Matrix, exponent: number): Matrix {
  if (!Number.isSafeInteger(exponent) || exponent < 0) throw new ConfigError(`power: exponent is ${exponent}, expected a whole number of at least 0. Invert the matrix first for a negative one.`);
  let result = identity(a.rows), square = a;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = product(result, square);
    if (rest > 1) square = product(square, square);
  }
  return result;
}

/** Coefficients of the diagonal Pade approximation of e^x of degree 13. */
const PADE = [64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1];

/**
 * e^a by scaling, the diagonal Pade approximation of degree 13 and squaring.
 *
 * @see Higham 2005, The scaling and squaring method for the matrix exponential revisited.
 */
export function matrixExponential(a: Matrix): Matrix {
  const size = a.rows;
  let norm = 0;
  for (let j = 0; j < size; j++) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += Math.abs(a.values[i * size + j]);
    norm = Math.max(norm, sum);
  }
  const squarings = norm > 5.371920351148152 ? Math.max(0, Math.ceil(Math.log2(norm / 5.371920351148152))) : 0;
  const scaled: Matrix = { ...a, values: a.values.map((value) => value / 2 ** squarings) };
  const square = product(scaled, scaled);
  let even = identity(size), odd = identity(size), term = identity(size);
  even = { ...even, values: even.values.map((value) => value * PADE[0]) };
  odd = { ...odd, values: odd.values.map((value) => value * PADE[1]) };
  for (let k = 2; k < PADE.length; k += 2) {
    term = product(term, square);
    even = combine(even, 1, term, PADE[k]);
    odd = combine(odd, 1, term, PADE[k + 1]);
  }
  const numerator = product(scaled, odd);
  let result = solve(combine(even, 1, numerator, -1), combine(even, 1, numerator, 1));
  for (let k = 0; k < squarings; k++) result = product(result, result);
  return result;
}

const shown = (a: Matrix): string => `${a.rows} x ${a.columns}`;

function sameShape(what: string, a: Matrix, b: Matrix): void {
  if (a.rows !== b.rows || a.columns !== b.columns) throw new ConfigError(`${what}: a is ${shown(a)} and b is ${shown(b)}, expected one shape. Check the sizes.`);
}

function swapRows(values: Float64Array, width: number, one: number, other: number): void {
  for (let k = 0; k < width; k++) {
    const kept = values[one * width + k];
    values[one * width + k] = values[other * width + k];
    values[other * width + k] = kept;
  }
}
