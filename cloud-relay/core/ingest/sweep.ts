// Ends what a new epoch's snapshot did not confirm, unless it is so much that an operator must be asked.
import type { IngestTx } from "../store.ts";

export interface SweepContext {
  readonly tx: IngestTx;
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly entity: string;
  /** Records that an older epoch confirmed last are swept. */
  readonly epochNo: number;
  readonly nowMs: number;
  /** `out_of_scope` where the snapshot left older documents out, so that nobody knows whether they are gone; otherwise `deleted`. */
  readonly presence: "deleted" | "out_of_scope";
  /** Ids of the events, in order. */
  readonly eventId: (position: number) => string;
}

export type SweepVerdict =
  | { readonly kind: "nothing" }
  | { readonly kind: "sweep"; readonly count: number }
  | { readonly kind: "held"; readonly count: number; readonly present: number };

/** A sweep of at least this many records, and of more than the fraction, is a mass delete. */
export const MASS_SWEEP_FROM = 100;
const PAGE = 500;

export async function judgeSweep(context: SweepContext, massDeleteFraction: number): Promise<SweepVerdict> {
  const { tx, connectionId, entity, epochNo } = context;
  const count = await tx.countUnconfirmed(connectionId, entity, epochNo);
  if (count === 0) return { kind: "nothing" };
  const present = await tx.countPresent(connectionId, entity);
  const isMass = count >= MASS_SWEEP_FROM && count > present * massDeleteFraction;
  return isMass ? { kind: "held", count, present } : { kind: "sweep", count };
}

/** Page by page; returns how many records and events that were. */
export async function sweep(context: SweepContext): Promise<number> {
  const { tx, workspaceId, connectionId, entity, epochNo, nowMs, presence, eventId } = context;
  const what = presence === "deleted" ? "deleted" : "updated";
  let swept = 0;
  for (;;) {
    const ids = await tx.unconfirmed(connectionId, entity, epochNo, PAGE);
    if (ids.length === 0) return swept;
    const first = await tx.revisions(ids.length, nowMs);
    await tx.deleteRecords(
      ids.map((id, index) => {
        const revision = first + index;
        return {
          id,
          revision,
          presence,
          reason: "reconcile",
          origin: "reconcile",
          atMs: nowMs,
          epochNo,
        };
      }),
    );
    await tx.appendEvents(
      ids.map((recordId, index) => ({
        id: eventId(first + index),
        position: first + index,
        type: `${entity}.${what}`,
        workspaceId,
        connectionId,
        entity,
        recordId,
        origin: "reconcile",
        atMs: nowMs,
        data: `{"presence":"${presence}"}`,
      })),
    );
    swept += ids.length;
  }
}
