// When a sample was taken, and in which pieces a range of samples is read.

export interface Timed {
  readonly source_timestamp: string | null;
  readonly server_timestamp: string | null;
}

/** By the source's clock, as the API orders samples; else by its server's. */
export function instantOfSample(sample: Timed): number | undefined {
  const text = sample.source_timestamp ?? sample.server_timestamp;
  const ms = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Newest intervals first, each twice the one before: how a range is read when not all of it may fit. */
export function windowsOf(
  fromMs: number,
  toMs: number,
): readonly (readonly [fromMs: number, toMs: number])[] {
  const smallest = (toMs - fromMs) / 2 ** 8;
  const windows: [number, number][] = [];
  let end = toMs;
  let span = smallest;
  while (end > fromMs) {
    const begin = end - span <= fromMs + smallest ? fromMs : end - span;
    windows.push([begin, end]);
    end = begin;
    span *= 2;
  }
  return windows;
}
