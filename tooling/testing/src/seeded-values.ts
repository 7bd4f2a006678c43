/** Small repeatable random numbers for tests: mulberry32, normal values by Box and Muller, rounded to float32 so that every precision sees the same input. */
export class SeededValues {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** Normal values of this deviation, exactly representable in float32. */
  normal(length: number, deviation = 1): Float64Array {
    return Float64Array.from({ length }, () =>
      Math.fround(deviation * Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())));
  }

  /** Uniform values in [low, high), exactly representable in float32. */
  between(length: number, low: number, high: number): Float64Array {
    return Float64Array.from({ length }, () => Math.fround(low + (high - low) * this.uniform()));
  }
}
