import { describe, expect, it } from 'vitest';
import { tf } from '../../backend/index.ts';
import { controlBytes } from './control.ts';

const rows = (control: Uint8Array | null, length: number): string[] =>
  (control ? Array.from({ length: control.length / length }, (_, b) => [...control.subarray(b * length, (b + 1) * length)].join('')) : []);

describe('controlBytes', () => {
  it('is nothing where every step counts', () => {
    expect(controlBytes('op', 2, 3, {})).toBeNull();
    expect(controlBytes('op', 2, 3, { lengths: [3, 3], mask: [[true, true, true], [true, true, true]], segments: [[7, 7, 7], [0, 0, 0]] })).toBeNull();
  });

  it('masks what lies beyond a length, and what a mask leaves out', () => {
    expect(rows(controlBytes('op', 2, 3, { lengths: Int32Array.of(1, 0) }), 3)).toEqual(['011', '111']);
    expect(rows(controlBytes('op', 2, 3, { mask: [[false, true, false], [true, true, true]] }), 3)).toEqual(['101', '000']);
    expect(rows(controlBytes('op', 1, 3, { lengths: [2], mask: [[false, true, true]] }), 3)).toEqual(['101']);
  });

  it('takes masks as tensors of any dtype', () => {
    expect(rows(controlBytes('op', 1, 3, { mask: tf.tensor2d([[0, 1, 2]], [1, 3], 'int32') }), 3)).toEqual(['100']);
    expect(rows(controlBytes('op', 1, 3, { mask: tf.tensor2d([[true, false, true]], [1, 3], 'bool') }), 3)).toEqual(['010']);
    expect(rows(controlBytes('op', 1, 3, { segments: tf.tensor2d([[0, 1, 1]], [1, 3], 'int32') }), 3)).toEqual(['020']);
  });

  it('resets where the segment differs from that of the last counted step', () => {
    expect(rows(controlBytes('op', 2, 5, { segments: [[0, 0, 1, 1, 2], [3, 3, 3, 0, 3]] }), 5)).toEqual(['00202', '00022']);
    expect(rows(controlBytes('op', 1, 5, { segments: [[0, 9, 0, 9, 1]], mask: [[true, false, true, false, true]] }), 5)).toEqual(['01012']);
    expect(rows(controlBytes('op', 1, 3, { segments: [[5, 1, 1]], mask: [[false, true, true]] }), 3)).toEqual(['100']);
  });

  it('knows the segment before, so that a packed sequence can be cut anywhere', () => {
    expect(rows(controlBytes('op', 2, 2, { segments: [[1, 1], [1, 2]], previousSegments: [0, 1] }), 2)).toEqual(['20', '02']);
  });

  it('takes an empty batch', () => {
    expect(controlBytes('op', 0, 3, { lengths: [], mask: [], segments: [] })).toBeNull();
  });

  it('refuses ragged rows and lengths that are none', () => {
    expect(() => controlBytes('op', 2, 2, { mask: [[true, true], [true]] })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: op: mask has shape [2, 1], expected [2, 2] ([B, L]). Give one entry for each step of each sequence.]`);
    expect(() => controlBytes('op', 1, 2, { lengths: [1.5] })).toThrowErrorMatchingInlineSnapshot(`[ConfigError: op: lengths[0] is 1.5, expected an integer between 0 and 2 (L). Cut or pad the sequences to one length first.]`);
    expect(() => controlBytes('op', 1, 2, { segments: [[1, 2]], previousSegments: [1, 2] })).toThrowErrorMatchingInlineSnapshot(`[ShapeError: op: previousSegments has 2 entries, expected 1 ([B]). Give one entry for each sequence.]`);
  });
});
