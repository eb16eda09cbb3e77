// What the room remembers of one entity between steps; kept in cursor slots, so it changes together with the data.
import type { Origin } from "#common/contract/entry.ts";
import type { Cursor } from "../source/connector.ts";
import type { RoomCommit, RoomStore } from "./room-store.ts";

/**
 * snapshot   first reading, or after a changed mapping: every row, told to the relay between begin and end marks
 * reconcile  every row again, compared by hash: proof that nothing was missed
 * keys       keys only: finds deletes and missed inserts of large tables
 */
export type PassKind = "snapshot" | "reconcile" | "keys";

/** A pass in progress: it goes on from here after any stop. */
export interface PassState {
  readonly kind: PassKind;
  readonly run: string;
  readonly origin: Origin;
  readonly generation: number;
  /** An operator asked for it: it waits for no window. */
  readonly asked?: boolean;
  /** Trace context of who asked for it, where there is one. */
  readonly traceparent?: string;
  /** Of a snapshot: `EntityMeta.snapshotOf` to be. Another one begins it anew. */
  readonly mapping?: string;
  /** It leaves documents before this day out. */
  readonly documentsFromMs?: number;
  /** The window has become smaller: known documents that are there and outside of it leave the relay's sight. */
  readonly narrows?: boolean;
  readonly startedMs: number;
  /** `look`: so much was not seen that it is first asked what of it is there all the same. */
  readonly phase: "read" | "look" | "sweep";
  /** Connector's cursor while reading. */
  readonly after: Cursor | null;
  /** Last key looked at while looking or sweeping. */
  readonly sweptTo: string | null;
  readonly read: number;
  readonly changed: number;
  readonly deleted: number;
  readonly rejected: number;
}

export interface EntityMeta {
  /** Grows with every pass. */
  readonly generation: number;
  /** Fingerprint of mapping and policy that the known records were made with; another one asks for a new snapshot. */
  readonly snapshotOf: string | null;
  /** What the last snapshot left out; absent: nothing. */
  readonly documentsFromMs?: number;
  readonly lastPassMs: number | null;
  readonly lastFullMs: number | null;
  /** An operator confirmed that the next sweep may delete beyond the guard. */
  readonly deletesConfirmed: boolean;
  /** An operator asked for a pass over everything, and none has begun since. */
  readonly passAsked: boolean;
  /** Trace context of who asked for it, where there is one. */
  readonly traceparent?: string;
}

/** What an operator may ask of one entity. */
export type EntityWish = "confirm_deletes" | "sync" | "resync";

export const INITIAL_META: EntityMeta = {
  generation: 0,
  snapshotOf: null,
  lastPassMs: null,
  lastFullMs: null,
  deletesConfirmed: false,
  passAsked: false,
};

type CursorWrite = NonNullable<RoomCommit["cursors"]>[number];

/** The slots of one entity, typed. */
export class EntitySlots {
  readonly #store: Pick<RoomStore, "cursor">;
  readonly #entity: string;

  constructor(store: Pick<RoomStore, "cursor">, entity: string) {
    this.#store = store;
    this.#entity = entity;
  }

  meta(): EntityMeta {
    return (this.#store.cursor(`${this.#entity}/meta`) as unknown as EntityMeta | undefined) ?? INITIAL_META;
  }

  pass(): PassState | undefined {
    return this.#store.cursor(`${this.#entity}/pass`) as unknown as PassState | undefined;
  }

  incremental(): Cursor | undefined {
    return this.#store.cursor(`${this.#entity}/incremental`);
  }

  writeMeta(meta: EntityMeta): CursorWrite {
    return { slot: `${this.#entity}/meta`, cursor: { ...meta } };
  }

  writePass(pass: PassState | undefined): CursorWrite {
    return { slot: `${this.#entity}/pass`, cursor: pass === undefined ? undefined : { ...pass } };
  }

  /** What writes a wish down: it holds for the pass under way or the next one, whenever the source is there for it. */
  writeWish(
    meta: EntityMeta,
    wish: EntityWish,
    traceparent?: string,
  ): { readonly meta: EntityMeta; readonly writes: CursorWrite[] } {
    const { traceparent: _, ...before } = meta;
    // Who asks last is who the pass speaks of.
    const of = { ...before, ...(traceparent === undefined ? {} : { traceparent }) };
    if (wish === "resync") {
      const anew = { ...of, snapshotOf: null, passAsked: true };
      return { meta: anew, writes: [this.writeMeta(anew), this.writePass(undefined)] };
    }
    const deletesConfirmed = meta.deletesConfirmed || wish === "confirm_deletes";
    const asked = { ...of, deletesConfirmed, passAsked: true };
    return { meta: asked, writes: [this.writeMeta(asked)] };
  }

  writeIncremental(cursor: Cursor | undefined): CursorWrite {
    return { slot: `${this.#entity}/incremental`, cursor };
  }
}
