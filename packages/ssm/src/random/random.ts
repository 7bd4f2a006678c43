import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import { StateError } from '../errors/index.ts';
import { hashWords } from './hash-words.ts';

/** A generator written down as JSON; `Random.fromState` continues the very same stream. */
export interface RandomState {
  readonly algorithm: 'xoroshiro128plus';
  readonly version: 1;
  /** Identity used by `split`; drawing numbers does not change it. */
  readonly key: readonly number[];
  /** Position in the stream. */
  readonly words: readonly number[];
  /** Second value of the last normal pair, not yet handed out. */
  readonly spareNormal: number | null;
}

/**
 * Seeded random numbers whose state can be saved and whose stream can be split by name.
 *
 * @remarks `split(label)` depends on the seed and the label alone, not on how many numbers were drawn before: dropout of layer 3 in step 17 is
 * the same whether or not the run was resumed. Bits come from pure-rand's xoroshiro128+; uniform values have 53 random bits.
 * @see Blackman and Vigna 2018, arXiv 1805.01407.
 * @example
 * const random = Random.fromSeed(7);
 * random.split('weights').normal(3);
 */
export class Random {
  readonly #key: readonly number[];
  #generator: ReturnType<typeof xoroshiro128plusFromState>;
  #spareNormal: number | null;

  private constructor(key: readonly number[], words: readonly number[], spareNormal: number | null) {
    this.#key = key;
    this.#generator = xoroshiro128plusFromState(words);
    this.#spareNormal = spareNormal;
  }

  /** @param seed - Any number or text; equal seeds give equal streams. */
  static fromSeed(seed: number | string): Random {
    const key = hashWords([0, 0, 0, 0], seed);
    return new Random(key, hashWords(key, 'stream'), null);
  }

  /** @throws StateError if the value was not made by `state()`. */
  static fromState(state: RandomState): Random {
    const words = (value: unknown): boolean => Array.isArray(value) && value.length === 4 && value.every((word) => Number.isInteger(word));
    if (state?.algorithm !== 'xoroshiro128plus' || state.version !== 1 || !words(state.key) || !words(state.words)) {
      throw new StateError(
        `Random.fromState: got ${JSON.stringify(state)?.slice(0, 120)}, expected the object that random.state() returned (xoroshiro128plus, version 1). Save it as JSON and pass it back unchanged.`,
      );
    }
    return new Random([...state.key], [...state.words], state.spareNormal);
  }

  /** The current position, as plain JSON. */
  state(): RandomState {
    return { algorithm: 'xoroshiro128plus', version: 1, key: [...this.#key], words: this.#generator.getState().slice(), spareNormal: this.#spareNormal };
  }

  /** An independent generator named by `label`; this one's position is not changed. */
  split(label: string | number): Random {
    const key = hashWords(this.#key, label);
    return new Random(key, hashWords(key, 'stream'), null);
  }

  /** One value in [0, 1). */
  next(): number {
    const high = this.#generator.next() >>> 5;
    const low = this.#generator.next() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** One whole number in [0, end). Unbiased by rejection. `end` is at most 2^32. */
  integer(end: number): number {
    const limit = 4294967296 - (4294967296 % end);
    for (;;) {
      const word = this.#generator.next() >>> 0;
      if (word < limit) return word % end;
    }
  }

  /** One standard normal value. */
  nextNormal(): number {
    if (this.#spareNormal !== null) {
      const value = this.#spareNormal;
      this.#spareNormal = null;
      return value;
    }
    // Box and Muller's polar form by Marsaglia: no trigonometry, so no engine differs in the last bit of a sine.
    for (;;) {
      const x = 2 * this.next() - 1;
      const y = 2 * this.next() - 1;
      const square = x * x + y * y;
      if (square > 0 && square < 1) {
        const scale = Math.sqrt((-2 * Math.log(square)) / square);
        this.#spareNormal = y * scale;
        return x * scale;
      }
    }
  }

  /** `count` values in [low, high). */
  uniform(count: number, options: { low?: number; high?: number } = {}): Float32Array {
    const { low = 0, high = 1 } = options;
    return Float32Array.from({ length: count }, () => low + (high - low) * this.next());
  }

  /** `count` normal values. */
  normal(count: number, options: { mean?: number; deviation?: number } = {}): Float32Array {
    const { mean = 0, deviation = 1 } = options;
    return Float32Array.from({ length: count }, () => mean + deviation * this.nextNormal());
  }

  /** 0 ... count - 1 in random order (Fisher and Yates). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, index) => index);
    for (let last = count - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      const swap = order[last];
      order[last] = order[other];
      order[other] = swap;
    }
    return order;
  }
}
