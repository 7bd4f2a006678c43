import { AbortedError } from '../errors/index.ts';

/** Lets timers, input and output have their turn, then stops if the signal says so. */
export async function yieldToEventLoop(signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    // setImmediate costs microseconds where a timer of 0 costs at least a millisecond; browsers only have the timer.
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
  throwIfAborted(signal);
}

/** @throws AbortedError with the signal's reason as cause. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new AbortedError(undefined, { cause: signal.reason });
}
