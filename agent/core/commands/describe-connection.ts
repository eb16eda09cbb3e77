// What one connection offers, as the relay and its callers are told: entities, where fields come from, writes, queries.
import type {
  ConnectionDescription,
  EntityDescription,
  QueryDescription,
} from "#common/contract/description.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { mappedRow, type CompiledPack } from "../mapping/mapping.ts";
import type { OpenEntity, OpenSource } from "../room/open-source.ts";
import type { NamedQuery } from "./plant-policy.ts";
import { describeWrites, type WriteFacts } from "./describe-writes.ts";

export interface DescriptionFacts extends WriteFacts {
  readonly connectionId: string;
  readonly connector: string;
  readonly pack: CompiledPack;
  readonly hidden: readonly string[];
}

/** One message on the wire, with room beside it. */
const MAX_DESCRIPTION_BYTES = 512 * 1024;
const MAX_ENTITIES = 500;
const MAX_FIELDS = 2_000;
const MAX_SOURCES = 50;
const MAX_QUERIES = 200;
const MAX_PARAMETERS = 100;

/** Custom fields are told by entity, as `customFieldsOf` has found them. */
export function describeConnection(
  facts: DescriptionFacts,
  source: OpenSource,
  customFields: ReadonlyMap<string, readonly string[]>,
): ConnectionDescription {
  const { connectionId, connector, pack, policy, isWritable } = facts;
  const readOnly = pack.readOnly ?? (isWritable ? undefined : "write.allow is not set in the agent's file");
  const description: ConnectionDescription = {
    type: "connection_description",
    connection_id: connectionId,
    connector: connector.slice(0, 100),
    pack: pack.name.slice(0, 500),
    mapping_version: pack.mappingVersion.slice(0, 100),
    ...(readOnly === undefined ? {} : { read_only: readOnly.slice(0, 500) }),
    entities: [...source.entities]
      .slice(0, MAX_ENTITIES)
      .map(([name, entity]) => describeEntity(name, entity, facts, customFields.get(name) ?? [])),
    queries: Object.entries(policy.queries)
      .slice(0, MAX_QUERIES)
      .map(([name, query]) => describeQuery(name, query)),
    browse: policy.browse && source.connector.browse !== undefined,
    settings_allowed: [...policy.settings],
  };
  return shortened(description);
}

/** By the source's own names; of rows in lists, with the list's: `lines.ACME_COSTCODE`. One row of each entity is read. */
export async function customFieldsOf(
  source: OpenSource,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const [name, entity] of source.entities) {
    const { plan } = entity.compiled;
    const tables = [plan, ...plan.children];
    if (!tables.some(({ columns }) => columns.includes("*"))) continue;
    found.set(name, await customNames(source, name, entity, signal));
    if (signal.aborted) break;
  }
  return found;
}

async function customNames(
  source: OpenSource,
  name: string,
  { target }: OpenEntity,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const request = { entity: name, pass: "snapshot", after: undefined, maxRows: 1, signal } as const;
  try {
    for await (const { rows } of source.load.read(source.connector, request)) {
      const [row] = rows;
      const mapped = row && mappedRow(row, target.map);
      return mapped?.ok === true ? namesIn(JSON.parse(mapped.record) as Record<string, unknown>) : [];
    }
  } catch (error) {
    // Whatever keeps this row from being read is told by the reading of the entity itself.
    if (!(error instanceof MillraceError)) throw error;
  }
  return [];
}

function namesIn(record: Readonly<Record<string, unknown>>): readonly string[] {
  const own = Object.keys(record["custom_fields"] ?? {});
  const listed = Object.entries(record).flatMap(([list, rows]) => {
    if (!Array.isArray(rows)) return [];
    const [first] = rows as readonly ({ readonly custom_fields?: object } | null)[];
    return Object.keys(first?.custom_fields ?? {}).map((name) => `${list}.${name}`);
  });
  return [...own, ...listed];
}

function describeQuery(query: string, { parameters, description }: NamedQuery): QueryDescription {
  return {
    query,
    ...(description === undefined ? {} : { description }),
    parameters: Object.entries(parameters)
      .slice(0, MAX_PARAMETERS)
      .map(([name, { type, isRequired }]) => ({ name, type, required: isRequired })),
  };
}

function describeEntity(
  entity: string,
  { compiled }: OpenEntity,
  facts: DescriptionFacts,
  customFields: readonly string[],
): EntityDescription {
  const { policy, hidden } = facts;
  const { table, key } = compiled.plan;
  const label = table.schema === undefined ? table.name : `${table.schema}.${table.name}`;
  return {
    entity,
    table: label.slice(0, 500),
    key: key.map((column) => column.slice(0, 200)),
    live: policy.liveReads,
    fields: (compiled.describe?.(hidden) ?? []).slice(0, MAX_FIELDS).map(({ name, sources }) => ({
      name: name.slice(0, 200),
      sources: sources.slice(0, MAX_SOURCES).map((one) => one.slice(0, 500)),
    })),
    custom_fields: customFields.slice(0, MAX_FIELDS).map((name) => name.slice(0, 200)),
    writes: describeWrites(compiled, facts),
  };
}

/** What is least needed goes first; what may be written stays. */
function shortened(description: ConnectionDescription): ConnectionDescription {
  const isTooLarge = (candidate: object): boolean =>
    new TextEncoder().encode(JSON.stringify(candidate)).length > MAX_DESCRIPTION_BYTES;
  if (!isTooLarge(description)) return description;
  const without = (cut: Partial<EntityDescription>): ConnectionDescription => ({
    ...description,
    entities: description.entities.map((entity) => Object.assign({}, entity, cut)),
    is_shortened: true,
  });
  const noCustom = without({ custom_fields: [] });
  if (!isTooLarge(noCustom)) return noCustom;
  const noFields = without({ custom_fields: [], fields: [] });
  if (!isTooLarge(noFields)) return noFields;
  return without({ custom_fields: [], fields: [], writes: [] });
}
