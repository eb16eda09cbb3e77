// What one connection offers, as its agent tells the relay: entities, fields and where they come from, what may be written.
import { Type, type Static } from "typebox";

const Name = Type.String({ minLength: 1, maxLength: 200 });
const Words = Type.String({ maxLength: 500 });

/** A field that a write takes. `type` of the unified model's kind; readers must accept others. */
export const WritableField = Type.Object({
  name: Name,
  type: Type.Optional(
    Type.String({
      maxLength: 50,
      examples: [
        "text",
        "decimal",
        "integer",
        "number",
        "boolean",
        "date",
        "instant",
        "enum",
        "reference",
        "any",
      ],
    }),
  ),
  required: Type.Boolean(),
  /** Values that the source takes. */
  values: Type.Optional(Type.Array(Type.String({ maxLength: 4_000 }), { maxItems: 1_000 })),
  max_length: Type.Optional(Type.Integer({ minimum: 0 })),
  minimum: Type.Optional(Type.String({ maxLength: 60 })),
  maximum: Type.Optional(Type.String({ maxLength: 60 })),
  description: Type.Optional(Words),
});
export type WritableField = Static<typeof WritableField>;

/**
 * One operation of an entity. `policy` is what the plant does with it: `apply` at once, `hold` until somebody there approves,
 * `window` in stated hours, `refuse` (with the reason).
 */
export const WriteDescription = Type.Object({
  operation: Name,
  form: Type.String({ maxLength: 50 }),
  policy: Type.Union([
    Type.Literal("apply"),
    Type.Literal("hold"),
    Type.Literal("window"),
    Type.Literal("refuse"),
  ]),
  reason: Type.Optional(Words),
  windows: Type.Optional(Type.Array(Type.String({ maxLength: 100 }), { maxItems: 50 })),
  /** Whether a command log makes it exactly-once. */
  exactly_once: Type.Boolean(),
  fields: Type.Array(WritableField, { maxItems: 1_000 }),
  /** By the field that holds them, `lines`. */
  children: Type.Optional(
    Type.Array(Type.Object({ name: Name, fields: Type.Array(WritableField, { maxItems: 1_000 }) }), {
      maxItems: 20,
    }),
  ),
});
export type WriteDescription = Static<typeof WriteDescription>;

export const FieldDescription = Type.Object({
  /** Of the unified record; `lines.quantity` for a child's. */
  name: Name,
  /** Where its value comes from: `PO.TOTALCOST`, several where it is put together. */
  sources: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 50 }),
  /** Masked or pseudonymised by the plant's own file. */
  protection: Type.Optional(Type.String({ maxLength: 50 })),
});
export type FieldDescription = Static<typeof FieldDescription>;

export const EntityDescription = Type.Object({
  entity: Type.String({ minLength: 1, maxLength: 100 }),
  table: Type.String({ maxLength: 500 }),
  /** Columns of the key, in order. */
  key: Type.Array(Name, { maxItems: 50 }),
  /** Whether `source=live` works. */
  live: Type.Boolean(),
  fields: Type.Array(FieldDescription, { maxItems: 2_000 }),
  /** Found by themselves, by the source's own names. */
  custom_fields: Type.Array(Name, { maxItems: 2_000 }),
  writes: Type.Array(WriteDescription, { maxItems: 50 }),
});
export type EntityDescription = Static<typeof EntityDescription>;

export const QueryDescription = Type.Object({
  query: Name,
  description: Type.Optional(Words),
  parameters: Type.Array(
    Type.Object({
      name: Name,
      type: Type.Union([
        Type.Literal("text"),
        Type.Literal("decimal"),
        Type.Literal("integer"),
        Type.Literal("boolean"),
      ]),
      required: Type.Boolean(),
    }),
    { maxItems: 100 },
  ),
});
export type QueryDescription = Static<typeof QueryDescription>;

/** Sent when the connection's source is open, and again when it changed. */
export const ConnectionDescription = Type.Object({
  type: Type.Literal("connection_description"),
  connection_id: Type.String({ minLength: 1, maxLength: 100 }),
  connector: Type.String({ maxLength: 100 }),
  pack: Type.Optional(Type.String({ maxLength: 500 })),
  mapping_version: Type.String({ maxLength: 100 }),
  /** Why nothing is written, where that is so for all of it. */
  read_only: Type.Optional(Words),
  entities: Type.Array(EntityDescription, { maxItems: 500 }),
  queries: Type.Array(QueryDescription, { maxItems: 200 }),
  /** Whether the relay may look at the source's catalogue. */
  browse: Type.Boolean(),
  /** What of `ConnectionSettings` the plant lets the relay set. */
  /** It was too large to be told whole: custom fields, or where fields come from, are left out. */
  is_shortened: Type.Optional(Type.Boolean()),
  settings_allowed: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 50 }),
});
export type ConnectionDescription = Static<typeof ConnectionDescription>;
