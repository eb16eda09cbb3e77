// Puts events that come of delivering on the feed; for every store's `settle` and `publish`.
import type { IngestTx } from "../store.ts";
import type { FeedNews } from "./webhook-store.ts";

/** Position and id are given here. */
export async function appendNewEvents(tx: IngestTx, events: FeedNews): Promise<void> {
  if (events.length === 0) return;
  let position = await tx.revisions(events.length, Math.max(...events.map(({ atMs }) => atMs)));
  const placed = [];
  for (const event of events) {
    placed.push({ ...event, position, id: `evt_r_${position}` });
    position += 1;
  }
  await tx.appendEvents(placed);
}
