// What the relay may ask of an agent, and what comes back. Named operations only; the plant's own file decides each one.
import { Type, type Static } from "typebox";

const Name = Type.String({ minLength: 1, maxLength: 100, pattern: "^[A-Za-z][A-Za-z0-9_.-]*$" });
/** The canonical key of a record (entry.ts). */
const KeyText = Type.String({ minLength: 1, maxLength: 4_000 });
/** JSON object by field; its depth and size are bounded by the frame, its content is judged by the pack. */
const Values = Type.Record(Type.String({ maxLength: 200 }), Type.Unknown());

/** Records as the source has them now. Not journalled; repeated at will. */
export const ReadBody = Type.Object({
  entity: Name,
  keys: Type.Array(KeyText, { minItems: 1, maxItems: 100 }),
  raw: Type.Optional(Type.Boolean()),
});
export type ReadBody = Static<typeof ReadBody>;

/** Records in the order of `keys`; those that the source does not have (any more) are left out. */
export const ReadAnswer = Type.Object({
  records: Type.Array(
    Type.Object({
      key: KeyText,
      /** The unified record, as in an upsert entry. */
      record: Type.Unknown(),
      raw: Type.Optional(Type.Unknown()),
      version: Type.Optional(Type.String({ maxLength: 200 })),
    }),
    { maxItems: 100 },
  ),
});
export type ReadAnswer = Static<typeof ReadAnswer>;

/** A query that the plant's own file names; its statement is never seen outside. */
export const QueryBody = Type.Object({ query: Name, parameters: Values });
export type QueryBody = Static<typeof QueryBody>;

export const QueryAnswer = Type.Object({
  columns: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 1_000 }),
  rows: Type.Array(
    Type.Array(Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]), { maxItems: 1_000 }),
    { maxItems: 10_000 },
  ),
  /** The plant's limit of rows was reached. */
  is_truncated: Type.Boolean(),
});
export type QueryAnswer = Static<typeof QueryAnswer>;

/** One write. Journalled before it starts; a command id is done at most once, however often it comes. */
export const WriteBody = Type.Object({
  entity: Name,
  /** `create`, `update`, `delete`, `adjust`, or an action of the pack's own, such as `change_status`. */
  operation: Name,
  /** Absent for what does not exist yet. */
  key: Type.Optional(KeyText),
  values: Values,
  /** The source's own version of the record, as its caller knows it. */
  if_version: Type.Optional(Type.String({ maxLength: 200 })),
  dry_run: Type.Optional(Type.Boolean()),
  idempotency_key: Type.Optional(Type.String({ maxLength: 255 })),
  /** Who asked, for the plant's audit: the token's id and name. */
  actor: Type.Optional(Type.String({ maxLength: 300 })),
});
export type WriteBody = Static<typeof WriteBody>;

export const WriteAnswer = Type.Object({
  /** Key and content as committed; absent where the record is gone, or is not known (yet). */
  key: Type.Optional(KeyText),
  record: Type.Optional(Type.Unknown()),
  version: Type.Optional(Type.String({ maxLength: 200 })),
  /** What a procedure or method gave back. */
  outputs: Type.Optional(Values),
  /** The command had been done before. */
  is_repeat: Type.Boolean(),
  /** The product has not yet taken it from its interface table. */
  is_pending: Type.Boolean(),
  is_dry: Type.Boolean(),
});
export type WriteAnswer = Static<typeof WriteAnswer>;

/** What an operator at the plant can do too; a pause made at the plant is ended only there. */
export const OperateBody = Type.Object({
  action: Type.Union([
    Type.Literal("sync"),
    Type.Literal("resync"),
    Type.Literal("cancel"),
    Type.Literal("pause"),
    Type.Literal("resume"),
    Type.Literal("confirm_deletes"),
  ]),
  entity: Type.Optional(Name),
});
export type OperateBody = Static<typeof OperateBody>;

/** One level of the source's catalogue, where the plant allows it to be seen. */
export const BrowseBody = Type.Object({
  path: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 10 }),
});
export type BrowseBody = Static<typeof BrowseBody>;

export const BrowseAnswer = Type.Object({
  entries: Type.Array(
    Type.Object({
      path: Type.Array(Type.String(), { maxItems: 10 }),
      name: Type.String(),
      kind: Type.String(),
      detail: Type.Record(Type.String(), Type.Unknown()),
    }),
    { maxItems: 10_000 },
  ),
});
export type BrowseAnswer = Static<typeof BrowseAnswer>;

/** Whether the source answers right now: opens it anew; the result is `{ took_ms }`. */
const TestBody = Type.Object({});

export const COMMAND_BODIES = {
  read: ReadBody,
  query: QueryBody,
  write: WriteBody,
  operate: OperateBody,
  browse: BrowseBody,
  test: TestBody,
} as const;
export type CommandKind = keyof typeof COMMAND_BODIES;

/**
 * Why a command failed; open, but these are the ones that are told apart. With an outcome of `failed` the source is untouched.
 *
 * NOT_ALLOWED          the plant's file does not allow it, or refuses this kind of change
 * HALTED               writes are stopped at the plant
 * RATE_LIMITED         the plant's own limit; `retry_after_ms`
 * EXPIRED              its time to live ended before it began (also while it was held, or waited for a window)
 * REJECTED_AT_PLANT    somebody at the plant said no
 * CANCELLED            by the caller, before it began
 * INVALID_VALUES       `errors` names each field
 * NOT_WRITABLE         the pack has no such operation for this entity, or not this field
 * NOTHING_UNDER_WAY    there is nothing that could be called off
 * NOT_FOUND            the source has no such record
 * VERSION_CONFLICT     the record is not as the caller knew it; `result` is how it stands (WriteAnswer)
 * REFUSED_BY_SOURCE    the source's own rules (constraint, trigger, procedure); `detail` has its words, `source_code` its code
 * SYSTEM_UNREACHABLE   the source, or the room that reads it, is down
 * REAUTHORIZATION_REQUIRED  the source refuses the agent's login
 * TIMEOUT              the source did not answer in time; nothing was written
 * RESULT_TOO_LARGE     the answer is above MAX_RESULT_BYTES
 * UNKNOWN_COMMAND      this agent does not know the kind, or the body does not fit it
 * BUSY                 too many commands wait at the agent
 * INTERNAL             a bug; nothing was written
 */
export const COMMAND_FAILURES = [
  "NOT_ALLOWED",
  "HALTED",
  "RATE_LIMITED",
  "EXPIRED",
  "REJECTED_AT_PLANT",
  "CANCELLED",
  "INVALID_VALUES",
  "NOT_WRITABLE",
  "NOTHING_UNDER_WAY",
  "NOT_FOUND",
  "VERSION_CONFLICT",
  "REFUSED_BY_SOURCE",
  "SYSTEM_UNREACHABLE",
  "REAUTHORIZATION_REQUIRED",
  "TIMEOUT",
  "RESULT_TOO_LARGE",
  "UNKNOWN_COMMAND",
  "BUSY",
  "INTERNAL",
] as const;
export type CommandFailure = (typeof COMMAND_FAILURES)[number];
