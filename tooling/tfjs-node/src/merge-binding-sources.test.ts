import { expect, test } from 'vitest';
import { mergeBindingSources } from './merge-binding-sources.ts';

const current = `#include "a.h"
#include "tensorflow/core/platform/ctstring_internal.h"

int CreateTFE_TensorHandleFromStringArray(int x) {
  new layout;
}

int CopyTFE_TensorHandleDataToStringArray(int x) {
  new layout;
}

void Dispose() {
  TFE_TensorHandle *tensor_handle = tensor_entry->second;
  if (TFE_TensorHandleDataType(tensor_handle) == TF_STRING) {
    free strings;
  }
  TFE_DeleteTensorHandle(tensor_entry->second);
}
`;
const older = current.replaceAll('new layout', 'old layout');

test('takes the string functions of the older binding and leaves out the disposal of string buffers', () => {
  const merged = mergeBindingSources(current, older);
  expect(merged.match(/old layout/g)).toHaveLength(2);
  expect(merged).not.toContain('new layout');
  expect(merged).not.toContain('free strings');
  expect(merged).not.toContain('ctstring_internal');
  expect(merged).toContain('TFE_DeleteTensorHandle(tensor_entry->second);');
});

test('refuses a source in which a piece is missing', () => {
  expect(() => mergeBindingSources(current.replace('CopyTFE', 'Renamed'), older)).toThrow(/no "CopyTFE_TensorHandleDataToStringArray\("/);
});
