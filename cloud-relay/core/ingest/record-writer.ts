// Turns a run of checked changes into record writes and feed events. Order within a record and a connection is kept.
import type { Cause, DeleteEntry, RejectEntry, UpsertEntry } from "#common/contract/entry.ts";
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

/** Revisions and positions are given when all is known: until then they are 0. */
type Draftable<Row, Late extends keyof Row> = Omit<Row, Late> & { -readonly [name in Late]: Row[name] };
type DraftEvent = Draftable<NewEvent, "position">;

interface Draft {
  state: RecordState | undefined;
  write: Draftable<NewRecord, "revision"> | undefined;
  remove: Draftable<RecordDelete, "revision"> | undefined;
  /** Index of the record's last event: its revision is that event's position. */
  lastEvent: number;
  isConfirmed: boolean;
}

/** Applies the happenings; returns how many events the feed got. */
export async function writeHappenings(
  context: WriterContext,
  happenings: readonly Happening[],
): Promise<number> {
  const run = new WriterRun(context);
  const ids = happenings.map((happening) =>
    happening.kind === "event" ? undefined : idOf(context, happening),
  );
  await run.load(ids);
  for (const [index, happening] of happenings.entries()) run.take(happening, ids[index]);
  return run.flush();
}

function idOf({ recordId, connectionId }: WriterContext, { header }: CheckedChange): string {
  return recordId(connectionId, header.entity, header.key);
}

class WriterRun {
  readonly #context: WriterContext;
  readonly #drafts = new Map<string, Draft>();
  readonly #events: DraftEvent[] = [];

  constructor(context: WriterContext) {
    this.#context = context;
  }

  /** Looks up the states of all records at once. */
  async load(ids: readonly (string | undefined)[]): Promise<void> {
    const unique = [...new Set(ids)].filter((id) => id !== undefined);
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

  take(happening: Happening, id: string | undefined): void {
    if (happening.kind === "event") {
      const { type, entity, data } = happening.event;
      this.#push(happening.eventId, type, entity, undefined, undefined, data);
      return;
    }
    const draft = this.#drafts.get(id ?? "");
    if (id === undefined || draft === undefined) return;
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
      if (write !== undefined) {
        write.revision = revision;
        writes.push(write);
      } else if (remove !== undefined) {
        remove.revision = revision;
        removes.push(remove);
      } else if (isConfirmed) confirms.push(id);
    }
    if (writes.length > 0) await tx.putRecords(writes);
    if (removes.length > 0) await tx.deleteRecords(removes);
    if (confirms.length > 0) await tx.confirmRecords(confirms, epochNo);
    for (const [index, event] of this.#events.entries()) event.position = first + index;
    if (count > 0) await tx.appendEvents(this.#events);
    return count;
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
    // A number that comes back after a delete is another thing under the same name; one that was only out of sight is the same.
    const isSame = isPresent || state?.presence === "out_of_scope";
    const incarnation = state === undefined ? 1 : isSame ? state.incarnation : state.incarnation + 1;
    const createdAtMs = isSame ? state.createdAtMs : nowMs;
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
      revision: 0,
      createdAtMs,
      updatedAtMs: nowMs,
      deletedAtMs: undefined,
      presence: "present",
      deleteReason: undefined,
      incarnation,
      origin,
      mappingVersion,
      readAtMs: header.read_ms,
      epochNo,
    };
    draft.state = { id, hash, presence: "present", incarnation, createdAtMs, epochNo };
    draft.lastEvent = this.#events.length;
    const type = `${entity}.${isSame ? "updated" : "created"}`;
    const data = `{"remote_id":${JSON.stringify(remoteId)}${causePart(header.cause)}}`;
    this.#push(eventId, type, entity, id, origin, data);
  }

  #delete(id: string, draft: Draft, header: DeleteEntry, eventId: string): void {
    const { epochNo, nowMs } = this.#context;
    const { state } = draft;
    if (state === undefined || state.presence !== "present") return;
    const { entity, presence, reason, origin } = header;
    if (draft.write === undefined)
      draft.remove = {
        id,
        revision: 0,
        presence,
        reason,
        origin,
        atMs: nowMs,
        epochNo,
        readAtMs: header.read_ms,
      };
    else
      draft.write = {
        ...draft.write,
        presence,
        deleteReason: reason,
        deletedAtMs: nowMs,
        origin,
        readAtMs: header.read_ms,
      };
    draft.state = { ...state, presence };
    draft.lastEvent = this.#events.length;
    // Vanished is not deleted: only a real end is called so.
    const what = presence === "deleted" ? "deleted" : "updated";
    const data = `{"presence":"${presence}"${causePart(header.cause)}}`;
    this.#push(eventId, `${entity}.${what}`, entity, id, origin, data);
  }

  #push(
    id: string,
    type: string,
    entity: string | undefined,
    recordId: string | undefined,
    origin: NewEvent["origin"],
    data: string,
  ): void {
    const { workspaceId, connectionId, nowMs: atMs } = this.#context;
    this.#events.push({
      position: 0,
      id,
      type,
      workspaceId,
      connectionId,
      entity,
      recordId,
      origin,
      atMs,
      data,
    });
  }
}

function causePart(cause: Cause | undefined): string {
  if (cause === undefined) return "";
  const { command_id, idempotency_key, traceparent } = cause;
  return `,"cause":${JSON.stringify({ command_id, idempotency_key, traceparent })}`;
}
