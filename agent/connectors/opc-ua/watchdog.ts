// Notices subscriptions that have fallen silent although the session seems alive.
import type { ItemGroup } from "./item-group.ts";

/** A server owes a sign of life every keep-alive interval; half of one more is patience for the network. */
const PATIENCE = 1.5;
/** A first suspicion may be our own process having stood still: what waits in the socket is read within this, ms. */
const SECOND_LOOK_MS = 250;

interface Suspicion {
  readonly lastHeardMs: number;
  readonly sinceMs: number;
}

export class Watchdog {
  readonly #suspicions = new WeakMap<ItemGroup, Suspicion>();

  /** The subscriptions from which nothing was heard for too long, at two looks in a row. */
  silent(groups: Iterable<ItemGroup>, monotonicMs: number): readonly ItemGroup[] {
    return [...groups].filter((group) => {
      if (monotonicMs - group.lastHeardMs <= group.keepAliveMs * PATIENCE) return false;
      const suspicion = this.#suspicions.get(group);
      if (suspicion?.lastHeardMs === group.lastHeardMs)
        return monotonicMs - suspicion.sinceMs >= SECOND_LOOK_MS;
      this.#suspicions.set(group, { lastHeardMs: group.lastHeardMs, sinceMs: monotonicMs });
      return false;
    });
  }

  /** How long until the next look is worth while, ms. */
  nextLookMs(groups: Iterable<ItemGroup>, monotonicMs: number, atMost: number): number {
    let soonest = atMost;
    for (const group of groups) {
      const dueMs = group.lastHeardMs + group.keepAliveMs * PATIENCE - monotonicMs;
      soonest = Math.min(soonest, dueMs > 0 ? dueMs + 1 : SECOND_LOOK_MS);
    }
    return soonest;
  }
}
