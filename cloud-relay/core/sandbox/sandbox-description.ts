// What a sandbox tells of itself, as an agent tells of a plant: entities, where fields come from, writes, queries.
import type {
  ConnectionDescription,
  EntityDescription,
  FieldDescription,
} from "#common/contract/description.ts";
import { ENTITY_NAMES, type Entity } from "#common/contract/model/entities.ts";
import type { Fields, SampleRecord } from "./plant-book.ts";
import { OFFERS } from "./sandbox-offers.ts";
import { columnOf, MAPPING_VERSION, tableOf } from "./sandbox-product.ts";
import { QUERIES } from "./sandbox-queries.ts";

export const CONNECTOR = "sandbox";

export function describeSandbox(
  connectionId: string,
  records: readonly SampleRecord[],
): ConnectionDescription {
  const seen = new Map<Entity, { fields: Set<string>; custom: Set<string> }>();
  for (const { entity, fields } of records) {
    const known = seen.get(entity) ?? { fields: new Set<string>(), custom: new Set<string>() };
    seen.set(entity, known);
    for (const name of namesOf(fields)) known.fields.add(name);
    for (const name of Object.keys(fields["custom_fields"] ?? {})) known.custom.add(name);
  }
  return {
    type: "connection_description",
    connection_id: connectionId,
    connector: CONNECTOR,
    pack: "sandbox-cmms",
    mapping_version: MAPPING_VERSION,
    entities: ENTITY_NAMES.map((entity) => describeEntity(entity, seen.get(entity))),
    queries: [...QUERIES],
    browse: true,
    settings_allowed: ["schedules", "initial_window_days"],
  };
}

function describeEntity(
  entity: Entity,
  seen: { readonly fields: ReadonlySet<string>; readonly custom: ReadonlySet<string> } | undefined,
): EntityDescription {
  const { name: table, key } = tableOf(entity);
  const custom = [...(seen?.custom ?? [])];
  return {
    entity,
    table,
    key: [key],
    live: true,
    fields: [
      ...[...(seen?.fields ?? [])].map((name) => describeField(entity, name)),
      ...custom.map((name) => ({
        name: `custom_fields.${name}`,
        sources: [`${table}.${name}`],
      })),
    ],
    custom_fields: custom,
    writes: [...(OFFERS[entity] ?? [])],
  };
}

function describeField(entity: Entity, name: string): FieldDescription {
  const { name: table } = tableOf(entity);
  const [list, member] = name.split(".");
  if (member === undefined) return { name, sources: [`${table}.${columnOf(entity, name)}`] };
  return { name, sources: [`${table}_${(list ?? "").toUpperCase()}.${member.toUpperCase()}`] };
}

/** `status`, `lines.quantity`; custom fields apart. */
function namesOf(fields: Fields): readonly string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (name === "custom_fields") return [];
    const first: unknown = Array.isArray(value) ? value[0] : undefined;
    if (typeof first !== "object" || first === null) return [name];
    const members = Object.keys(first).filter((member) => member !== "custom_fields");
    return "remote_id" in first ? [name] : members.map((member) => `${name}.${member}`);
  });
}
