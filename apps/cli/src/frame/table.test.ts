import { expect, test } from 'vitest';
import { table } from './table.ts';

test('aligns words to the left and numbers to the right', () => {
  expect(
    table(
      ['model', 'MASE'],
      [
        ['mamba', '0.91'],
        ['naive', '12.10'],
      ],
    ),
  ).toBe(['model   MASE', 'mamba   0.91', 'naive  12.10'].join('\n'));
});
