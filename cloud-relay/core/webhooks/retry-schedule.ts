// When a delivery that failed is tried again: 30 s, doubling up to 4 h, and a last time exactly 24 h after the first.

const FIRST_RETRY_MS = 30_000;
const RETRY_CAP_MS = 4 * 3_600_000;
/** From the first attempt of a round to its last. */
export const RETRY_HORIZON_MS = 24 * 3_600_000;
/** Each delay is moved by up to this share, so that what failed together does not come back together. */
const JITTER = 0.2;
/** How long a delivery waits that failed by the relay's own fault. */
const LOCAL_RETRY_MS = 30_000;

export interface RetryQuestion {
  /** Of this round. */
  readonly firstAttemptAtMs: number;
  /** When the attempt that failed was made. */
  readonly atMs: number;
  /** What the receiver asked for (Retry-After); undefined: nothing. */
  readonly atLeastMs: number | undefined;
  /** Uniform in [0, 1). */
  readonly random: number;
}

/**
 * When the next attempt is due, ms since the epoch; undefined: the one that failed was the last.
 *
 * The delay follows from the time that has passed since the first attempt, `elapsed + 30 s`: after a schedule's own steps that
 * is the doubling, and where attempts came late (a paused endpoint) it does not catch up by hurrying.
 */
export function nextAttemptAtMs(question: RetryQuestion): number | undefined {
  const { firstAttemptAtMs, atMs, atLeastMs = 0, random } = question;
  const lastAtMs = firstAttemptAtMs + RETRY_HORIZON_MS;
  if (atMs >= lastAtMs) return undefined;
  const elapsedMs = Math.max(0, atMs - firstAttemptAtMs);
  const delayMs = Math.min(RETRY_CAP_MS, elapsedMs + FIRST_RETRY_MS) * jitter(random);
  return Math.min(lastAtMs, Math.round(atMs + Math.max(delayMs, Math.min(atLeastMs, RETRY_CAP_MS))));
}

/** After a fault of the relay's own: the receiver has missed nothing, so the round's time moves on with it. */
export function localRetry(
  firstAttemptAtMs: number,
  atMs: number,
  random: number,
): { readonly nextAtMs: number; readonly firstAttemptAtMs: number } {
  const delayMs = Math.round(LOCAL_RETRY_MS * jitter(random));
  return { nextAtMs: atMs + delayMs, firstAttemptAtMs: Math.min(atMs, firstAttemptAtMs) + delayMs };
}

const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Of a Retry-After header (RFC 9110, 10.2.3), seconds or a date; undefined when it is neither. Not more than the cap. */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  const waitMs = /^\d{1,9}$/.test(text)
    ? Number(text) * 1_000
    : HTTP_DATE.test(text)
      ? Date.parse(text) - nowMs
      : Number.NaN;
  return Number.isNaN(waitMs) ? undefined : Math.min(RETRY_CAP_MS, Math.max(0, waitMs));
}

function jitter(random: number): number {
  return 1 - JITTER + 2 * JITTER * random;
}
