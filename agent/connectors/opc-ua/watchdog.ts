// Notices subscriptions that have fallen silent although the session seems alive.
import type { ItemGroup } from "./item-group.ts";

/** A server owes a sign of life every keep-alive interval; half of one more is patience for the network. */
const PATIENCE = 1.5;

/** The subscriptions from which nothing was heard for too long. */
export function silentGroups(groups: Iterable<ItemGroup>, monotonicMs: number): readonly ItemGroup[] {
  return [...groups].filter((group) => monotonicMs - group.lastHeardMs > group.keepAliveMs * PATIENCE);
}

/** How long until the next subscription could be overdue, ms. */
export function nextCheckMs(groups: Iterable<ItemGroup>, monotonicMs: number, atMost: number): number {
  let soonest = atMost;
  for (const group of groups) {
    soonest = Math.min(soonest, group.lastHeardMs + group.keepAliveMs * PATIENCE - monotonicMs);
  }
  return Math.max(0, soonest);
}
