// Quotas of requests: who asks too often is told when to come again, and nobody else notices.

/** One quota: `requests` in a window of `windowMs`, for each key. */
export interface Quota {
  readonly name: string;
  readonly requests: number;
  readonly windowMs: number;
}

/** What holds for one request: a quota, and whose it is. Two quotas never share a key. */
export interface Charge {
  readonly quota: Quota;
  readonly key: string;
}

/** After the request was counted, of the quota that is nearest to its end. */
export interface Standing {
  readonly quota: Quota;
  /** False: the request must be refused; it was not counted. */
  readonly isAllowed: boolean;
  readonly remaining: number;
  /** Until the quota is whole again, ms. */
  readonly resetMs: number;
}

/** What one token's connection and one workspace may ask. */
export interface RequestLimits {
  readonly connectionPerMinute: number;
  readonly workspacePerMinute: number;
  /** Requests of one workspace under way at once, event streams and exports included. */
  readonly workspaceAtOnce: number;
}

interface Window {
  endsMs: number;
  used: number;
}

/** Keys remembered at once; beyond it windows that are over are forgotten, and then the oldest ones. */
const MAX_KEYS = 50_000;

/**
 * Windows of a fixed length that begin with a key's first request, so that what remains and when it is whole again are exact. Around
 * the end of a window twice the quota may pass within a moment; the quota of the workspace bounds that.
 */
export class RateLimits {
  readonly #windows = new Map<string, Window>();

  /** `nowMs` by the monotonic clock. All charges or none are counted. */
  take(charges: readonly Charge[], nowMs: number): Standing | undefined {
    let nearest: Standing | undefined;
    const windows = charges.map((charge) => this.#window(charge, nowMs));
    for (const [at, { quota }] of charges.entries()) {
      const window = windows[at];
      if (window === undefined) continue;
      const remaining = quota.requests - window.used - 1;
      const standing = {
        quota,
        isAllowed: remaining >= 0,
        remaining: Math.max(0, remaining),
        resetMs: window.endsMs - nowMs,
      };
      if (nearest === undefined || isNearer(standing, nearest)) nearest = standing;
    }
    if (nearest?.isAllowed === true) for (const window of windows) window.used += 1;
    return nearest;
  }

  #window({ quota, key: name }: Charge, nowMs: number): Window {
    const known = this.#windows.get(name);
    if (known !== undefined && known.endsMs > nowMs) return known;
    if (known === undefined && this.#windows.size >= MAX_KEYS) this.#forget(nowMs);
    const window = { endsMs: nowMs + quota.windowMs, used: 0 };
    // Again at the end of the map: the oldest windows stand first.
    this.#windows.delete(name);
    this.#windows.set(name, window);
    return window;
  }

  #forget(nowMs: number): void {
    for (const [name, { endsMs }] of this.#windows) if (endsMs <= nowMs) this.#windows.delete(name);
    for (const name of this.#windows.keys()) {
      if (this.#windows.size < MAX_KEYS) return;
      this.#windows.delete(name);
    }
  }
}

/** A refusal counts more than any allowance; of two refusals the longer one; of two allowances the smaller remainder. */
function isNearer(one: Standing, other: Standing): boolean {
  if (one.isAllowed !== other.isAllowed) return !one.isAllowed;
  return one.isAllowed ? one.remaining < other.remaining : one.resetMs > other.resetMs;
}
