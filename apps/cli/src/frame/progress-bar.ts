import { SingleBar } from 'cli-progress';

/** Shows how far long work is. Does nothing where standard error is no terminal. */
export interface Progress {
  update(done: number, total: number, label?: string): void;
  stop(): void;
}

/** @param title - What is being done, two or three words. */
export function progressBar(title: string): Progress {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const bar = new SingleBar({
    format: `${title} {bar} {value}/{total} {label}`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  let started = false;
  return {
    update(done, total, label = '') {
      if (!started) bar.start(total, 0, { label });
      started = true;
      bar.setTotal(total);
      bar.update(done, { label });
    },
    stop() {
      if (started) bar.stop();
    },
  };
}
