// An attempt's phases as bars: where each begins and how long it is, as shares of the longest attempt.

export interface Timings {
  readonly dns_ms: number | null;
  readonly connect_ms: number | null;
  readonly tls_ms: number | null;
  readonly first_byte_ms: number | null;
  readonly total_ms: number;
}

export interface PhaseBar {
  readonly phase: "dns" | "connect" | "tls" | "wait" | "answer";
  readonly title: string;
  readonly ms: number;
  /** Percent of the scale. */
  readonly left: number;
  readonly width: number;
}

/**
 * DNS, connecting and TLS last as long as they say, one after the other; the first byte is measured from when the
 * request was sent, the total from the beginning. What is null was not reached, or its connection was open already.
 */
export function phaseBars(timings: Timings, scaleMs: number): readonly PhaseBar[] {
  const {
    dns_ms: dns,
    connect_ms: connect,
    tls_ms: tls,
    first_byte_ms: firstByte,
    total_ms: total,
  } = timings;
  const opened = (dns ?? 0) + (connect ?? 0) + (tls ?? 0);
  const rest = Math.max(0, total - opened);
  const wait = firstByte === null ? rest : Math.min(firstByte, rest);
  const phases = [
    ["dns", "DNS", dns],
    ["connect", "Connect", connect],
    ["tls", "TLS", tls],
    ["wait", firstByte === null ? "No answer" : "First byte", wait],
    ["answer", "Answer", firstByte === null ? null : rest - wait],
  ] as const;
  const bars: PhaseBar[] = [];
  let at = 0;
  for (const [phase, title, ms] of phases) {
    if (ms === null) continue;
    bars.push({ phase, title, ms, left: share(at, scaleMs), width: share(ms, scaleMs) });
    at += ms;
  }
  return bars;
}

/** The longest of them, so that attempts can be compared. */
export function scaleOf(all: readonly Timings[]): number {
  return Math.max(1, ...all.map(({ total_ms: total }) => total));
}

function share(ms: number, scaleMs: number): number {
  return Math.round(Math.min(100, (ms / scaleMs) * 100) * 100) / 100;
}
