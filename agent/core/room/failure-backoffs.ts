// How long to leave a source in peace after each kind of failure.
import { Backoff } from "#common/runtime/backoff.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { ConnectorFailure } from "#common/runtime/errors.ts";

const BACKOFF: Record<ConnectorFailure, { firstMs: number; capMs: number }> = {
  unavailable: { firstMs: 1_000, capMs: 60_000 },
  unauthorized: { firstMs: 60_000, capMs: 900_000 },
  misconfigured: { firstMs: 60_000, capMs: 300_000 },
  cursor_lost: { firstMs: 1_000, capMs: 60_000 },
  bad_data: { firstMs: 10_000, capMs: 300_000 },
};

export class FailureBackoffs {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #byKind = new Map<ConnectorFailure, Backoff>();

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** ms until the next attempt. */
  failed(kind: ConnectorFailure): number {
    let backoff = this.#byKind.get(kind);
    if (backoff === undefined) {
      backoff = new Backoff({ ...BACKOFF[kind], healthyAfterMs: 60_000 }, this.#clock, this.#random);
      this.#byKind.set(kind, backoff);
    }
    return backoff.failed();
  }

  /** The source is open. */
  succeeded(): void {
    for (const backoff of this.#byKind.values()) backoff.succeeded();
  }
}
