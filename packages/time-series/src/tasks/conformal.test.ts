import { describe, expect, it } from 'vitest';
import { Random } from '@mamba360/ssm/random';
import { CalibrationBuilder, canCalibrate, conformalWidth } from './conformal.ts';

function calibration(scores: readonly number[]): NonNullable<ReturnType<CalibrationBuilder['build']>> {
  const builder = new CalibrationBuilder(1, 1);
  for (const score of scores) builder.add(0, 0, score);
  return builder.build()!;
}

describe('conformal intervals', () => {
  it('are the ceil((n + 1) level)-th smallest score', () => {
    const nine = calibration([9, 1, 8, 2, 7, 3, 6, 4, 5]);
    expect(conformalWidth(nine, 0, 0, 80)).toBe(8);
    expect(conformalWidth(nine, 0, 0, 50)).toBe(5);
    expect(conformalWidth(nine, 0, 0, 90)).toBe(9);
  });

  it('refuse a level that n scores cannot give', () => {
    const nine = calibration([9, 1, 8, 2, 7, 3, 6, 4, 5]);
    expect(canCalibrate(nine, 90)).toBe(true);
    expect(canCalibrate(nine, 91)).toBe(false);
    expect(() => conformalWidth(nine, 0, 0, 95)).toThrowErrorMatchingInlineSnapshot(`[ConfigError: level: got 95, but only 9 held-out forecasts calibrate it, expected at least 19. Ask for a lower level, or give a longer series.]`);
    expect(new CalibrationBuilder(1, 1).build()).toBeUndefined();
  });

  it('cover new values at the level, on average over calibration sets', () => {
    const random = Random.fromSeed(5);
    let covered = 0;
    const runs = 400, each = 50;
    for (let run = 0; run < runs; run++) {
      const width = conformalWidth(calibration(Array.from({ length: 99 }, () => Math.abs(random.nextNormal()))), 0, 0, 90);
      for (let one = 0; one < each; one++) if (Math.abs(random.nextNormal()) <= width) covered++;
    }
    // Expected exactly .90 (99 scores); the standard error of the mean is about .002.
    expect(covered / runs / each).toBeGreaterThan(0.893);
    expect(covered / runs / each).toBeLessThan(0.91);
  });

  it('widen with the square root beyond the calibrated horizon', () => {
    const one = calibration([1, 1, 1, 1]);
    expect(conformalWidth(one, 0, 3, 50)).toBe(2);
  });
});
