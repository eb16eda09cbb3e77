// The format of a pack: from a parsed document to checked definitions, every problem noted with its place.
import { ENTITY_NAMES, isEntity } from "#common/contract/model/entities.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { parseEntity, type EntityDefinition } from "./entity-parser.ts";
import { TIMESTAMP_FORMATS, type FoundReference } from "./field-parser.ts";
import { show, type PackObject, type PackReader } from "./pack-reader.ts";

const PACK_KEYS = ["name", "system", "description", "read_only", "defaults", "codes", "entities"];
const DEFAULT_KEYS = ["schema", "company", "timestamps", "no_dates", "poll", "reconcile"];
/** Dates that products write for "none". */
const NO_DATES = ["0001-01-01", "1753-01-01", "1900-01-01", "9999-12-31"];
const DEFAULT_POLL_MS = 30_000;
const DEFAULT_RECONCILE_MS = 30 * 60_000;

export interface PackDefinition {
  readonly name: string;
  readonly system: string;
  readonly noDates: ReadonlySet<string>;
  readonly readOnly: string | undefined;
  readonly defaults: PackDefaults;
  readonly entities: readonly EntityDefinition[];
}

/** What holds for every entity that does not say otherwise. */
export interface PackDefaults {
  readonly schema: string | undefined;
  /** Of tables that exist once for each company; undefined: the only company there is. */
  readonly company: string | undefined;
  readonly timestamps: (typeof TIMESTAMP_FORMATS)[number];
  readonly pollMs: number;
  readonly reconcileMs: number;
}

/** Undefined only if the document is no mapping at all; otherwise look at `reader.issues`. */
export function parsePack(reader: PackReader, document: unknown): PackDefinition | undefined {
  const pack = reader.object(document, [], PACK_KEYS);
  if (pack === undefined) return undefined;
  const name = reader.text(pack["name"], ["name"], "the pack's name") ?? "";
  if (name !== "" && !/^[a-z][a-z0-9-]{0,62}$/.test(name))
    reader.problem(["name"], `expected lower-case letters, digits and dashes, not ${show(name)}`);
  const system = reader.text(pack["system"], ["system"], "the product's name") ?? "";
  if (system.length > 200) reader.problem(["system"], "expected at most 200 characters");
  const written = reader.object(pack["defaults"] ?? {}, ["defaults"], DEFAULT_KEYS) ?? {};
  const defaults = parseDefaults(reader, written);
  const readOnly = pack["read_only"];
  const references: FoundReference[] = [];
  const entities = parseEntities(reader, pack, defaults, references);
  checkReferences(reader, entities, references);
  if (readOnly !== undefined && entities.some(({ writes }) => writes.length > 0))
    reader.problem(["read_only"], "a pack that says why nothing may be written has no writes", "key");
  return {
    name,
    system,
    noDates: parseNoDates(reader, written["no_dates"]),
    readOnly: readOnly === undefined ? undefined : reader.text(readOnly, ["read_only"], "the reason"),
    defaults,
    entities,
  };
}

function parseDefaults(reader: PackReader, written: PackObject): PackDefaults {
  const { schema, company = "", timestamps, poll, reconcile } = written;
  return {
    schema: schema === undefined ? undefined : reader.text(schema, ["defaults", "schema"], "a schema's name"),
    company: company === "" ? undefined : reader.text(company, ["defaults", "company"], "a company's name"),
    timestamps:
      timestamps === undefined
        ? "local"
        : (reader.oneOf(timestamps, ["defaults", "timestamps"], TIMESTAMP_FORMATS) ?? "local"),
    pollMs: reader.duration(poll, ["defaults", "poll"], DEFAULT_POLL_MS),
    reconcileMs: reader.duration(reconcile, ["defaults", "reconcile"], DEFAULT_RECONCILE_MS),
  };
}

function parseNoDates(reader: PackReader, value: unknown): ReadonlySet<string> {
  const path = ["defaults", "no_dates"];
  if (value === undefined) return new Set(NO_DATES);
  if (Array.isArray(value) && value.length === 0) return new Set();
  const dates = reader.texts(value, path, "a date");
  for (const date of dates)
    if (!/^\d{4}-\d{2}-\d{2}$/.test(date))
      reader.problem(path, `expected dates as 1900-01-01, not ${show(date)}`);
  return new Set(dates);
}

function parseEntities(
  reader: PackReader,
  pack: PackObject,
  defaults: PackDefaults,
  references: FoundReference[],
): readonly EntityDefinition[] {
  const lists = reader.mapping(pack["codes"] ?? {}, ["codes"]) ?? {};
  const codeLists = new Map(
    Object.entries(lists).flatMap(([name, table]) => {
      const object = reader.mapping(table, ["codes", name]);
      return object === undefined ? [] : [[name, object] as const];
    }),
  );
  const written = reader.mapping(pack["entities"] ?? {}, ["entities"]) ?? {};
  if (Object.keys(written).length === 0)
    reader.problem(["entities"], `expected at least one of ${ENTITY_NAMES.join(", ")}`);
  return Object.entries(written).flatMap(([name, value]) => {
    const path = ["entities", name];
    if (!isEntity(name)) {
      const hint = didYouMean(name, ENTITY_NAMES) || `; known: ${ENTITY_NAMES.join(", ")}`;
      reader.problem(path, `the unified model has no such entity${hint}`, "key");
      return [];
    }
    const object = reader.mapping(value, path);
    if (object === undefined) return [];
    return parseEntity({ reader, codeLists, defaults, references, entity: name }, object, path) ?? [];
  });
}

/** A reference must give as many key values as its target's key has columns, or its id would meet no record. */
function checkReferences(
  reader: PackReader,
  entities: readonly EntityDefinition[],
  references: readonly FoundReference[],
): void {
  const keys = new Map<string, readonly string[]>(entities.map(({ entity, key }) => [entity, key]));
  for (const { entity, parts, path } of references) {
    const key = keys.get(entity);
    if (key === undefined || key.length === 0 || key.length === parts) continue;
    reader.problem(
      path,
      `gives ${parts} key value${parts === 1 ? "" : "s"}, but ${entity} has the key ${key.join(", ")}`,
    );
  }
}
