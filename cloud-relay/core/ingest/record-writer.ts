// Turns a run of checked changes into record writes and feed events. Order within a record and a connection is kept.
import type { DeleteEntry, RejectEntry, UpsertEntry } from "#common/contract/entry.ts";
import type { IngestTx, NewEvent, NewRecord, RecordDelete, RecordState } from "../store.ts";

export interface WriterContext {
  readonly tx: IngestTx;
  readonly workspaceId: string;
  readonly connectionId: string;
  readonly epochNo: number;
  readonly nowMs: number;
  readonly recordId: (connectionId: string, entity: string, key: string) => string;
}

export interface CheckedUpsert {
  readonly kind: "upsert";
  readonly header: UpsertEntry;
  readonly record: string;
  readonly raw: string | undefined;
  readonly remoteId: string;
  readonly mappingVersion: string;
}

export type CheckedChange =
  | CheckedUpsert
  | { readonly kind: "delete"; readonly header: DeleteEntry }
  | { readonly kind: "reject"; readonly header: RejectEntry };

/** An event that stands between changes: a gap, the end of a sync. */
export interface PlainEvent {
  readonly kind: "event";
  readonly event: Pick<NewEvent, "type" | "entity" | "data">;
}

/** What happened, in the order of the stream, with the id that its event gets if it makes one. */
export type Happening = { readonly eventId: string } & (CheckedChange | PlainEvent);

interface Draft {
  state: RecordState | undefined;
  write: Omit<NewRecord, "revision"> | undefined;
  remove: Omit<RecordDelete, "revision"> | undefined;
  /** Index of the record's last event: its revision is that event's position. */
  lastEvent: number;
  isConfirmed: boolean;
}

type DraftEvent = Omit<NewEvent, "position">;

/** Applies the happenings; returns how many events the feed got. */
export async function writeHappenings(
  context: WriterContext,
  happenings: readonly Happening[],
): Promise<number> {
  const run = new WriterRun(context);
  await run.load(happenings);
  for (const happening of happenings) run.take(happening);
  return run.flush();
}

class WriterRun {
  readonly #context: WriterContext;
  readonly #drafts = new Map<string, Draft>();
  readonly #events: DraftEvent[] = [];

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /** Looks up the states of all records at once. */
  async load(happenings: readonly Happening[]): Promise<void> {
    const ids = happenings.flatMap((happening) =>
      happening.kind === "event" ? [] : [this.#idOf(happening)],
    );
    const unique = [...new Set(ids)];
    const states =
      unique.length === 0
        ? undefined
        : await this.#context.tx.recordStates(this.#context.connectionId, unique);
    for (const id of unique) {
      this.#drafts.set(id, {
        state: states?.get(id),
        write: undefined,
        remove: undefined,
        lastEvent: -1,
        isConfirmed: false,
      });
    }
  }

  take(happening: Happening): void {
    if (happening.kind === "event") {
      this.#push(happening.eventId, { ...happening.event, recordId: undefined, origin: undefined });
      return;
    }
    const id = this.#idOf(happening);
    const draft = this.#drafts.get(id);
    if (draft === undefined) return;
    if (happening.kind === "upsert") this.#upsert(id, draft, happening, happening.eventId);
    else if (happening.kind === "delete") this.#delete(id, draft, happening.header, happening.eventId);
    // Dead-lettered: the record stays as it is, and its row is known to exist.
    else draft.isConfirmed = draft.state !== undefined;
  }

  /** Gives every event its position and writes each record once, with the revision of its last event. */
  async flush(): Promise<number> {
    const { tx, epochNo, nowMs } = this.#context;
    const count = this.#events.length;
    const first = count === 0 ? 0 : await tx.revisions(count, nowMs);
    const writes: NewRecord[] = [];
    const removes: RecordDelete[] = [];
    const confirms: string[] = [];
    for (const [id, { write, remove, lastEvent, isConfirmed }] of this.#drafts) {
      const revision = first + lastEvent;
      if (write !== undefined) writes.push({ ...write, revision });
      else if (remove !== undefined) removes.push({ ...remove, revision });
      else if (isConfirmed) confirms.push(id);
    }
    if (writes.length > 0) await tx.putRecords(writes);
    if (removes.length > 0) await tx.deleteRecords(removes);
    if (confirms.length > 0) await tx.confirmRecords(confirms, epochNo);
    if (count > 0)
      await tx.appendEvents(this.#events.map((event, index) => ({ ...event, position: first + index })));
    return count;
  }

  #idOf(change: CheckedChange): string {
    const { recordId, connectionId } = this.#context;
    return recordId(connectionId, change.header.entity, change.header.key);
  }

  #upsert(id: string, draft: Draft, change: CheckedUpsert, eventId: string): void {
    const { connectionId, epochNo, nowMs } = this.#context;
    const { header, record, raw, remoteId, mappingVersion } = change;
    const { state } = draft;
    const isPresent = state?.presence === "present";
    if (isPresent && state.hash === header.hash) {
      draft.isConfirmed = true;
      return;
    }
    // A number that comes back after a delete is another thing under the same name.
    const incarnation = state === undefined ? 1 : isPresent ? state.incarnation : state.incarnation + 1;
    const createdAtMs = isPresent ? state.createdAtMs : nowMs;
    const { entity, key, hash, version, origin } = header;
    draft.remove = undefined;
    draft.write = {
      id,
      connectionId,
      entity,
      key,
      text: record,
      raw,
      hash,
      version,
      createdAtMs,
      updatedAtMs: nowMs,
      deletedAtMs: undefined,
      presence: "present",
      deleteReason: undefined,
      incarnation,
      origin,
      mappingVersion,
      epochNo,
    };
    draft.state = { id, hash, presence: "present", incarnation, createdAtMs, epochNo };
    draft.lastEvent = this.#events.length;
    const data = `{"remote_id":${JSON.stringify(remoteId)}}`;
    this.#push(eventId, {
      type: `${entity}.${isPresent ? "updated" : "created"}`,
      entity,
      recordId: id,
      origin,
      data,
    });
  }

  #delete(id: string, draft: Draft, header: DeleteEntry, eventId: string): void {
    const { epochNo, nowMs } = this.#context;
    const { state } = draft;
    if (state === undefined || state.presence !== "present") return;
    const { entity, presence, reason, origin } = header;
    if (draft.write === undefined) draft.remove = { id, presence, reason, origin, atMs: nowMs, epochNo };
    else draft.write = { ...draft.write, presence, deleteReason: reason, deletedAtMs: nowMs, origin };
    draft.state = { ...state, presence };
    draft.lastEvent = this.#events.length;
    // Vanished is not deleted: only a real end is called so.
    const what = presence === "deleted" ? "deleted" : "updated";
    this.#push(eventId, {
      type: `${entity}.${what}`,
      entity,
      recordId: id,
      origin,
      data: `{"presence":"${presence}"}`,
    });
  }

  #push(id: string, event: Omit<DraftEvent, "id" | "workspaceId" | "connectionId" | "atMs">): void {
    const { workspaceId, connectionId, nowMs } = this.#context;
    this.#events.push({ ...event, id, workspaceId, connectionId, atMs: nowMs });
  }
}
