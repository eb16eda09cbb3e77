// Entries of a records batch: changes, rejects, gaps and marks. NDJSON: a header line; an upsert is followed by its
// record line and, where `raw` is set, its raw line. The record line is hashed, stored and served as it came.
import { Type, type Static } from "typebox";
import { Presence } from "./model/entities.ts";

const EntityName = Type.String({ minLength: 1, maxLength: 100, pattern: "^[a-z][a-z0-9_]*$" });
/** The canonical key: JSON array text of the key values after the source's own rules (case, padding, null). */
const KeyText = Type.String({ minLength: 1, maxLength: 4_000 });
const Millis = Type.Number({ description: "ms since the Unix epoch" });
/** W3C Trace Context of the API request that this comes from, as the relay sent it. */
const Traceparent = Type.String({ maxLength: 100 });

/** Why a change exists. Endpoints get `change` only, unless they ask. */
export const Origin = Type.Union([
  Type.Literal("change"),
  Type.Literal("snapshot"),
  Type.Literal("reconcile"),
  Type.Literal("remap"),
  Type.Literal("backfill"),
]);
export type Origin = Static<typeof Origin>;

/** The write of the relay's that left this state at the source. */
export const Cause = Type.Object({
  command_id: Type.String({ minLength: 1, maxLength: 100 }),
  /** The API caller's own. */
  idempotency_key: Type.Optional(Type.String({ maxLength: 255 })),
  traceparent: Type.Optional(Traceparent),
});
export type Cause = Static<typeof Cause>;

export const UpsertEntry = Type.Object({
  op: Type.Literal("upsert"),
  entity: EntityName,
  key: KeyText,
  hash: Type.String({
    minLength: 22,
    maxLength: 22,
    description: "First 128 bits of SHA-256 over the lines that follow, base64url",
  }),
  version: Type.Optional(Type.String({ maxLength: 200, description: "The source's own version of the row" })),
  origin: Origin,
  cause: Type.Optional(Cause),
  read_ms: Millis,
  raw: Type.Optional(Type.Boolean()),
});
export type UpsertEntry = Static<typeof UpsertEntry>;

export const DeleteEntry = Type.Object({
  op: Type.Literal("delete"),
  entity: EntityName,
  key: KeyText,
  presence: Presence,
  reason: Type.Union([Type.Literal("tombstone"), Type.Literal("flag"), Type.Literal("reconcile")]),
  origin: Origin,
  cause: Type.Optional(Cause),
  read_ms: Millis,
});
export type DeleteEntry = Static<typeof DeleteEntry>;

/** A row that could not become a record: told to the relay, so that its absence is not taken for a delete. */
export const RejectEntry = Type.Object({
  op: Type.Literal("reject"),
  entity: EntityName,
  key: KeyText,
  code: Type.String({ maxLength: 100 }),
  detail: Type.String({ maxLength: 2_000 }),
  read_ms: Millis,
});
export type RejectEntry = Static<typeof RejectEntry>;

export const GAP_REASONS = [
  "queue_overflow",
  "reconnect",
  "no_history",
  "backfilled",
  "dropped_by_quota",
  "corruption",
  "agent_restored",
  "relay_rewound",
  "source_restored",
  "cursor_lost",
  "undecodable_batch",
  "reset",
] as const;
export type GapReason = (typeof GAP_REASONS)[number];

/** Something was or may have been lost in an interval. Without `entity`, the whole connection is meant. */
export const GapEntry = Type.Object({
  op: Type.Literal("gap"),
  reason: Type.String({ maxLength: 100, examples: [...GAP_REASONS] }),
  entity: Type.Optional(EntityName),
  key: Type.Optional(KeyText),
  from_ms: Type.Optional(Millis),
  to_ms: Millis,
  detail: Type.String({ maxLength: 2_000 }),
});
export type GapEntry = Static<typeof GapEntry>;

/** Begin and end of one pass over one entity. `snapshot_end` with outcome `ok` lets the relay sweep what it did not confirm. */
export const MarkEntry = Type.Object({
  op: Type.Literal("mark"),
  mark: Type.Union([Type.Literal("snapshot_begin"), Type.Literal("snapshot_end"), Type.Literal("sync")]),
  run: Type.String({ maxLength: 64 }),
  entity: EntityName,
  pass: Type.Union([Type.Literal("snapshot"), Type.Literal("incremental"), Type.Literal("reconcile")]),
  started_ms: Millis,
  ended_ms: Type.Optional(Millis),
  outcome: Type.Optional(Type.Union([Type.Literal("ok"), Type.Literal("failed"), Type.Literal("held")])),
  read: Type.Optional(Type.Number()),
  changed: Type.Optional(Type.Number()),
  deleted: Type.Optional(Type.Number()),
  rejected: Type.Optional(Type.Number()),
  documents_from_ms: Type.Optional(
    Type.Number({
      description:
        "ms since the Unix epoch: the pass left documents dated before this day out, so that what it did not confirm need not be gone",
    }),
  ),
  error: Type.Optional(Type.String({ maxLength: 2_000 })),
  /** Of a pass that was asked for over the API. */
  traceparent: Type.Optional(Traceparent),
});
export type MarkEntry = Static<typeof MarkEntry>;

/**
 * From here on, what is sent confirms records for the stream's new epoch: first entry of a first epoch, and the one that
 * follows the batches that a new epoch took over from the last. Those speak of the past and must not confirm anything.
 */
export const EpochEntry = Type.Object({
  op: Type.Literal("epoch"),
  reason: Type.String({ maxLength: 100 }),
  at_ms: Millis,
});
export type EpochEntry = Static<typeof EpochEntry>;

export const EntryHeader = Type.Union([
  UpsertEntry,
  DeleteEntry,
  RejectEntry,
  GapEntry,
  MarkEntry,
  EpochEntry,
]);
export type EntryHeader = Static<typeof EntryHeader>;

/** One entry with the lines that belong to it, as the relay takes it apart and the agent builds it. */
export interface Entry {
  readonly header: EntryHeader;
  /** JSON text of the unified record (upserts only). */
  readonly record?: string;
  /** JSON text of the source's own row (upserts with `raw` only). */
  readonly raw?: string;
}

/** The entry's lines, each ended by a newline. */
export function entryText(entry: Entry): string {
  const { record, raw } = entry;
  const head = JSON.stringify(entry.header);
  if (record === undefined) return `${head}\n`;
  return raw === undefined ? `${head}\n${record}\n` : `${head}\n${record}\n${raw}\n`;
}

/**
 * Takes a body apart without judging its entries: headers are parsed JSON, unchecked; record and raw stay text.
 * @throws SyntaxError when a header line is not JSON (the batch is then undecodable)
 */
export function* parseEntries(body: string): Generator<{ header: unknown; record?: string; raw?: string }> {
  let at = 0;
  const line = (): string => {
    const end = body.indexOf("\n", at);
    if (end < 0) throw new SyntaxError("records body does not end with a newline");
    const text = body.slice(at, end);
    at = end + 1;
    return text;
  };
  while (at < body.length) {
    const header: unknown = JSON.parse(line());
    const { op, raw } = (header ?? {}) as { op?: unknown; raw?: unknown };
    if (op !== "upsert") yield { header };
    else if (raw === true) yield { header, record: line(), raw: line() };
    else yield { header, record: line() };
  }
}
