/** What long work tells its caller; libraries print nothing. */
export type Progress =
  | { type: 'download-progress'; file: string; loadedBytes: number; totalBytes: number | undefined }
  | { type: 'epoch-start'; epoch: number; epochs: number }
  | { type: 'batch-end'; epoch: number; batch: number; batches: number; loss: number; learningRate: number; stepsPerSecond: number }
  | { type: 'epoch-end'; epoch: number; loss: number; validation?: Record<string, number>; secondsLeft: number }
  | { type: 'predict-progress'; done: number; total: number }
  | { type: 'checkpoint-saved'; path: string }
  | { type: 'warning'; code: string; message: string };

export type OnProgress = (event: Progress) => void;
