/** Holds text back as long as it may become a stop string. */
export interface StopWatch {
  /** Text that is certain not to belong to a stop string; `stopped` once one occurred (what follows it is dropped, it itself too). */
  push(text: string): { text: string; stopped: boolean };
  /** What was held back, at the end. */
  end(): string;
}

export function watchFor(stops: readonly string[]): StopWatch {
  const wanted = stops.filter((stop) => stop !== '');
  let held = '';
  return {
    push(text) {
      held += text;
      const hits = wanted.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
      if (hits.length > 0) {
        const before = held.slice(0, Math.min(...hits));
        held = '';
        return { text: before, stopped: true };
      }
      let keep = 0;
      for (const stop of wanted) {
        for (let length = Math.min(stop.length - 1, held.length); length > keep; length--) {
          if (held.endsWith(stop.slice(0, length))) { keep = length; break; }
        }
      }
      const certain = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: certain, stopped: false };
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}
