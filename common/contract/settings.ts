// What the relay may wish of a connection: a desired document, and the agent's report of what became of it.
import { Type, type Static } from "typebox";

const Entity = Type.String({ minLength: 1, maxLength: 100, pattern: "^[a-z][a-z0-9_]*$" });
const Name = Type.String({ minLength: 1, maxLength: 200 });
const closed = { additionalProperties: false } as const;

/**
 * Every member is optional: what is absent is as the plant's own file and pack say. The plant allows each member by name in its
 * file (`cloud_settings`), or not at all; nothing here can name a file, a statement, a login or an address.
 */
export const ConnectionSettingsDocument = Type.Object(
  {
    /** By entity, `*` for all others. Seconds. */
    schedules: Type.Optional(
      Type.Record(
        Entity,
        Type.Object(
          {
            poll_s: Type.Optional(Type.Number({ minimum: 1, maximum: 604_800 })),
            reconcile_s: Type.Optional(Type.Number({ minimum: 60, maximum: 2_592_000 })),
          },
          closed,
        ),
        { maxProperties: 200 },
      ),
    ),
    /** How far back the first reading of documents goes, days; null: all. Master data is never windowed. */
    initial_window_days: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 3_650 }), Type.Null()]),
    ),
    /** Only these are read. */
    entities: Type.Optional(Type.Array(Entity, { maxItems: 200 })),
    /** By entity: columns of the source's table that appear under `custom_fields`. */
    custom_fields: Type.Optional(
      Type.Record(Entity, Type.Array(Name, { maxItems: 500 }), { maxProperties: 200 }),
    ),
    /** Further tables, each as an entity of its own: its columns as they are. */
    custom_entities: Type.Optional(
      Type.Array(
        Type.Object(
          {
            entity: Entity,
            table: Name,
            key: Type.Array(Name, { minItems: 1, maxItems: 10 }),
            columns: Type.Optional(Type.Array(Name, { maxItems: 500 })),
            /** A column that every write sets; without it all rows are compared. */
            changed_column: Type.Optional(Name),
          },
          closed,
        ),
        { maxItems: 50 },
      ),
    ),
    /** By entity and unified field: the column that it comes from instead. */
    remap: Type.Optional(
      Type.Record(Entity, Type.Record(Name, Type.Object({ column: Name }, closed), { maxProperties: 200 }), {
        maxProperties: 200,
      }),
    ),
  },
  closed,
);
export type ConnectionSettingsDocument = Static<typeof ConnectionSettingsDocument>;

/** Down: the whole desired document; the newest revision counts. Sent after the welcome where the agent's report is older. */
export const DesiredSettings = Type.Object({
  type: Type.Literal("desired_settings"),
  connection_id: Type.String({ minLength: 1, maxLength: 100 }),
  revision: Type.Integer({ minimum: 1 }),
  document: Type.Unknown({ description: "ConnectionSettingsDocument; judged member by member at the plant" }),
});
export type DesiredSettings = Static<typeof DesiredSettings>;

/**
 * Up. `applied`: in effect. `refused`: nothing of it is in effect, `problems` say why, the revision before stays.
 * `reverted`: it was in effect and the agent could not reach the relay or the source with it, so the one before is back.
 */
export const ReportedSettings = Type.Object({
  type: Type.Literal("reported_settings"),
  connection_id: Type.String({ minLength: 1, maxLength: 100 }),
  /** The revision that this speaks of. */
  revision: Type.Integer({ minimum: 0 }),
  state: Type.Union([Type.Literal("applied"), Type.Literal("refused"), Type.Literal("reverted")]),
  /** The revision that is in effect; 0: the plant's own file alone. */
  in_effect: Type.Integer({ minimum: 0 }),
  problems: Type.Optional(
    Type.Array(
      Type.Object({
        pointer: Type.String({ maxLength: 500, description: "JSON pointer into the document" }),
        detail: Type.String({ maxLength: 2_000 }),
      }),
      { maxItems: 100 },
    ),
  ),
});
export type ReportedSettings = Static<typeof ReportedSettings>;
