const STRING_FUNCTIONS = ['CreateTFE_TensorHandleFromStringArray(', 'CopyTFE_TensorHandleDataToStringArray('];
const STRING_HEADER = '#include "tensorflow/core/platform/ctstring_internal.h"\n';
const STRING_DISPOSAL = '  TFE_TensorHandle *tensor_handle = tensor_entry->second;\n  if (TFE_TensorHandleDataType(tensor_handle) == TF_STRING)';
const DISPOSAL = '  TFE_DeleteTensorHandle(tensor_entry->second);';

/**
 * The current `tfjs_backend.cc` made fit for libtensorflow 1.15, whose string tensors have another layout: the two string functions are taken from
 * the older binding, and the disposal of string buffers, which 1.15 owns itself, is left out.
 *
 * @throws Error if a piece is not where it is expected, so that a changed source is never half merged.
 */
export function mergeBindingSources(current: string, older: string): string {
  let merged = current;
  for (const name of STRING_FUNCTIONS) {
    const [start, end] = functionRange(merged, name);
    const [olderStart, olderEnd] = functionRange(older, name);
    merged = merged.slice(0, start) + older.slice(olderStart, olderEnd) + merged.slice(end);
  }
  const disposal = indexOf(merged, STRING_DISPOSAL, 0);
  merged = merged.slice(0, disposal) + merged.slice(indexOf(merged, DISPOSAL, disposal));
  indexOf(merged, STRING_HEADER, 0);
  return merged.replace(STRING_HEADER, '');
}

/** From the blank line before the definition to the brace that closes it at the start of a line. */
function functionRange(source: string, name: string): [number, number] {
  const start = source.lastIndexOf('\n\n', indexOf(source, name, 0)) + 2;
  return [start, indexOf(source, '\n}\n', start) + 3];
}

function indexOf(source: string, piece: string, from: number): number {
  const index = source.indexOf(piece, from);
  if (index < 0) throw new Error(`the binding's source has no ${JSON.stringify(piece.trim().slice(0, 60))}`);
  return index;
}
