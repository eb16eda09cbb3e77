// A table of the source as an entity of its own: key, and every column under `custom_fields`.
import type { EntityDefinition } from "../mapping/entity-parser.ts";
import type { PackDefaults } from "../mapping/pack-schema.ts";
import type { TableName } from "../source/plan.ts";
import type { Overlay } from "./overlay.ts";

export type CustomEntity = NonNullable<Overlay["custom_entities"]>[number];

/** Read again from so far back at each poll: clocks and long transactions; ms. */
const OVERLAP_MS = 5 * 60_000;

export function customEntity(one: CustomEntity, defaults: PackDefaults): EntityDefinition {
  const { entity, key, columns, changed_column: marker } = one;
  return {
    entity,
    table: tableOf(one, defaults.schema),
    key,
    filters: [],
    change:
      marker === undefined
        ? { kind: "full_scan" }
        : { kind: "timestamp", column: marker, format: defaults.timestamps, overlapMs: OVERLAP_MS },
    pollMs: defaults.pollMs,
    reconcileMs: defaults.reconcileMs,
    versionColumn: undefined,
    vanished: "deleted",
    deletedWhen: undefined,
    createdAt: undefined,
    updatedAt: undefined,
    members: [],
    custom: { rest: columns === undefined, columns: columns ?? [], patterns: [] },
    companions: [],
    optionalColumns: [],
    related: [],
    writes: [],
  };
}

/** `schema.table`, or a table where the pack's are. */
export function tableOf({ table }: CustomEntity, schema: string | undefined): TableName {
  const dot = table.indexOf(".");
  if (dot > 0) return { schema: table.slice(0, dot), name: table.slice(dot + 1) };
  return { ...(schema === undefined ? {} : { schema }), name: table };
}
