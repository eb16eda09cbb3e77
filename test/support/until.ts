// Waits for a condition by looking again and again; says what was waited for when it never comes.
const LOOK_EVERY_MS = 20;
/** What is dear to look at is looked at less often: at most this share of the time. */
const LOOKING_SHARE = 0.2;

/** Resolves with the first value that is neither undefined nor false. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const startMs = performance.now();
    const found = await look();
    if (found !== undefined && found !== false) return found;
    const nowMs = performance.now();
    if (nowMs > endMs) throw new TypeError(`waited ${timeoutMs} ms in vain: ${what}`);
    const restMs = Math.max(LOOK_EVERY_MS, (nowMs - startMs) / LOOKING_SHARE);
    await new Promise((resolve) => {
      setTimeout(resolve, restMs);
    });
  }
}
