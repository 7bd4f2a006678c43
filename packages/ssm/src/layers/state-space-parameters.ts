import { ConfigError } from '../errors/index.ts';
import { DIAGONAL_INITIALISATIONS, diagonalInitialisation, normalPlusLowRank } from '../math/index.ts';
import type { ComplexArray, DiagonalInitialisation, HippoMeasure } from '../math/index.ts';
import { inversePositive } from '../ops/index.ts';
import type { PositiveTransform } from '../ops/index.ts';
import type { Initialiser } from '../random/index.ts';

/** One copy of A, B and, for diagonal plus low-rank systems, P. */
export interface FirstSystem { readonly A: ComplexArray; readonly B: ComplexArray; readonly P?: ComplexArray | undefined }

/** Named combinations: the copies are shared out in equal parts, in order. */
const COMBINATIONS: Readonly<Record<string, readonly string[]>> = { hippo: ['legs', 'fout'], diag: ['diag-inv', 'diag-lin'], all: ['legs', 'fout', 'diag-inv', 'diag-lin'] };
const MEASURES: readonly string[] = ['legs', 'legt', 'lagt', 'fout', 'legsd', 'foud'];
const memory = new Map<string, FirstSystem>();

function oneSystem(what: string, init: string, stateSize: number, rank: number): FirstSystem {
  const key = `${init} ${stateSize} ${rank}`, known = memory.get(key);
  if (known) return known;
  const diagonal = init.startsWith('diag-') ? init.slice(5) : undefined;
  let made: FirstSystem;
  if (diagonal !== undefined && (DIAGONAL_INITIALISATIONS as readonly string[]).includes(diagonal)) made = diagonalInitialisation(diagonal as DiagonalInitialisation, stateSize);
  else if (MEASURES.includes(init)) {
    const { eigenvalues, B, P } = normalPlusLowRank(init as HippoMeasure, stateSize, { rank, clipB: 2 });
    made = { A: eigenvalues, B, P };
  } else throw new ConfigError(`${what}: init is ${JSON.stringify(init)}, expected ${[...MEASURES, ...DIAGONAL_INITIALISATIONS.map((name) => `diag-${name}`), ...Object.keys(COMBINATIONS)].join(', ')}.`);
  memory.set(key, made);
  return made;
}

/** First systems of all copies, [copies], by the name of an initialisation or of a combination of them. */
export function firstSystems(what: string, init: string, stateSize: number, copies: number, rank: number): FirstSystem[] {
  const parts = COMBINATIONS[init] ?? [init];
  if (copies % parts.length) throw new ConfigError(`${what}: ${copies} copies of init "${init}", expected a multiple of its ${parts.length} parts (${parts.join(', ')}). Change nSsm.`);
  return Array.from({ length: copies }, (_, i) => oneSystem(what, parts[Math.floor((i * parts.length) / copies)]!, stateSize, rank));
}

const flat = (systems: readonly FirstSystem[], pick: (system: FirstSystem) => ArrayLike<number>): Float32Array => Float32Array.from(systems.flatMap((system) => Array.from(pick(system))));
const pairs = ({ re, im }: ComplexArray): number[] => Array.from(re, (value, i) => [value, im[i]!]).flat();

/** A_real and A_imag [S, N], B [1, S, N, 2], P [R, S, N, 2] as parameters: minus the parts of A through the inverse transforms. */
export function systemInitialisers(systems: readonly FirstSystem[], transforms: { realTransform: PositiveTransform; imagTransform: PositiveTransform }, rank: number) {
  const values = (array: Float32Array): Initialiser => () => array.slice();
  return {
    real: values(flat(systems, ({ A }) => A.re.map((value) => inversePositive(transforms.realTransform, -value)))),
    imag: values(flat(systems, ({ A }) => A.im.map((value) => inversePositive(transforms.imagTransform, -value)))),
    B: values(flat(systems, ({ B }) => pairs(B))),
    P: values(Float32Array.from(Array.from({ length: rank }, (_, r) => systems.flatMap(({ A, P }) => {
      const modes = A.re.length;
      return P ? pairs({ re: P.re.slice(r * modes, (r + 1) * modes), im: P.im.slice(r * modes, (r + 1) * modes) }) : Array.from({ length: 2 * modes }, () => 0);
    })).flat())),
  };
}

/** Steps log-uniform in [low, high], through the inverse of their transform. */
export const logUniformSteps = (low: number, high: number, transform: PositiveTransform): Initialiser => (shape, random) =>
  Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => {
    const logarithm = Math.log(low) + random.next() * (Math.log(high) - Math.log(low));
    return transform === 'exp' ? logarithm : inversePositive(transform, Math.exp(logarithm));
  });

/** Complex standard normal values, re and im side by side: each part with variance 1/2. */
export const complexNormal: Initialiser = (shape, random) => random.normal(shape.reduce((product, size) => product * size, 1), { deviation: Math.SQRT1_2 });
