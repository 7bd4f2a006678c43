import { expect, it } from 'vitest';
import { waves } from '../operations/values.ts';
import { npmFfts } from './npm-fft.ts';

it('the libraries of npm give the convolution', async () => {
  const length = 48, channels = 3, u = waves(channels * length), kernel = waves(channels * length, 3);
  const libraries = await npmFfts(length, 128);
  expect(libraries).toHaveLength(2);
  for (const { name, convolve } of libraries) {
    const y = new Float32Array(channels * length);
    convolve(u, kernel, y);
    for (let e = 0; e < channels; e++) {
      for (let t = 0; t < length; t++) {
        let sum = 0;
        for (let s = 0; s <= t; s++) sum += kernel[e * length + s]! * u[e * length + t - s]!;
        expect(Math.abs(y[e * length + t]! - sum), `${name} channel ${e} step ${t}`).toBeLessThan(1e-4);
      }
    }
  }
});
