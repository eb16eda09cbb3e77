// What ends when a signal does: one listener for however many. EventTarget looks through all of a signal's listeners to add one.

const groups = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `stop` once when the signal aborts, at once if it has; returns how to leave before. */
export function whenAborted(signal: AbortSignal, stop: () => void): () => void {
  if (signal.aborted) {
    stop();
    return () => {};
  }
  let group = groups.get(signal);
  if (group === undefined) {
    const members = new Set<() => void>();
    signal.addEventListener(
      "abort",
      () => {
        for (const member of members) member();
        members.clear();
      },
      { once: true },
    );
    groups.set(signal, members);
    group = members;
  }
  group.add(stop);
  return () => void group.delete(stop);
}
