import { describe, expect, it } from 'vitest';
import { killTest } from './kill-test.ts';

describe('kill -9 during fit', () => {
  // Twenty moments take about a minute: `run.ts` in this folder does them; three here keep the path from rotting.
  it('leaves readable checkpoints, and the restarted run ends in the same bits', { timeout: 180_000 }, async () => {
    const result = await killTest(3, 7);
    expect(result.kills).toBe(3);
    expect(result.checkpointsRead).toBeGreaterThanOrEqual(3);
    expect(result.equal).toBe(true);
  });
});
