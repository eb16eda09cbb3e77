// Lays what the relay has set over a pack's document: other columns for fields, and further columns as custom fields.
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import type { PackObject } from "../mapping/pack-reader.ts";

export type Overlay = ConnectionSettingsDocument;

/** How a pack says where a value comes from; all of it gives way to the one column. */
const SOURCE_KEYS: ReadonlySet<string> = new Set([
  "column",
  "columns",
  "join",
  "from",
  "match",
  "first_of",
  "over",
  "each",
  "value",
  "sum",
  "plus",
  "minus",
  "time",
  "native",
  "key",
  "display",
]);

/** The document as the pack's parser takes it; custom entities are not in it. */
export function overlaid(document: PackObject, overlay: Overlay): PackObject {
  const written = asObject(document["entities"]);
  if (written === undefined) return document;
  const entities: Record<string, unknown> = { ...written };
  for (const [name, fields] of Object.entries(overlay.remap ?? {})) {
    const entity = own(entities, name);
    if (entity !== undefined) entities[name] = { ...entity, fields: remapped(entity["fields"], fields) };
  }
  for (const [name, columns] of Object.entries(overlay.custom_fields ?? {})) {
    const entity = own(entities, name);
    if (entity === undefined || columns.length === 0) continue;
    entities[name] = { ...entity, custom_fields: [...asList(entity["custom_fields"]), ...columns] };
  }
  return { ...document, entities };
}

/** What the overlay changes about one entity's records, or about any; undefined: nothing. */
export function overlayPart(
  { remap = {}, custom_fields = {}, custom_entities = [] }: Overlay,
  entity: string | undefined,
): unknown {
  const remaps = Object.entries(remap).filter(([name]) => entity === undefined || name === entity);
  const fields = Object.entries(custom_fields).filter(([name]) => entity === undefined || name === entity);
  const customs = custom_entities.filter((one) => entity === undefined || one.entity === entity);
  if (remaps.length + fields.length + customs.length === 0) return undefined;
  return { remap: remaps, custom_fields: fields, custom_entities: customs };
}

function remapped(written: unknown, fields: Readonly<Record<string, { readonly column: string }>>): unknown {
  let result = asObject(written) ?? {};
  for (const [path, { column }] of Object.entries(fields)) result = placed(result, path.split("."), column);
  return result;
}

function placed(object: PackObject, [name = "", ...rest]: readonly string[], column: string): PackObject {
  const there = Object.hasOwn(object, name) ? object[name] : undefined;
  const value = rest.length === 0 ? fromColumn(there, column) : placed(asObject(there) ?? {}, rest, column);
  return { ...object, [name]: value };
}

/** How the value is read (its codes, its format) stays. */
function fromColumn(written: unknown, column: string): unknown {
  const object = asObject(written);
  if (object === undefined) return column;
  const kept = Object.fromEntries(Object.entries(object).filter(([key]) => !SOURCE_KEYS.has(key)));
  if (kept["ref"] !== undefined) return { ...kept, key: column };
  return Object.keys(kept).length === 0 ? column : { ...kept, column };
}

function asList(written: unknown): readonly unknown[] {
  if (written === undefined || written === "") return [];
  return Array.isArray(written) ? (written as unknown[]) : [written];
}

function own(entities: PackObject, name: string): PackObject | undefined {
  return Object.hasOwn(entities, name) ? asObject(entities[name]) : undefined;
}

function asObject(value: unknown): PackObject | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as PackObject) : undefined;
}
