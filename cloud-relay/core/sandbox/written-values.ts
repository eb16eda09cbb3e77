// Values of a write as the sandbox's source would keep them: references looked up, lists merged row by row.
import type { WriteDescription } from "#common/contract/description.ts";
import type { Entity } from "#common/contract/model/entities.ts";
import { invalid, refused } from "./command-failure.ts";
import { referenceTo, rowsOf, type Fields } from "./plant-book.ts";
import type { SandboxSource } from "./sandbox-source.ts";

const TARGETS: Readonly<Record<string, Entity>> = {
  vendor: "vendor",
  suggested_vendor: "vendor",
  preferred_vendor: "vendor",
  item: "inventory_item",
  asset: "asset",
  location: "location",
  storeroom: "location",
  work_order: "work_order",
  purchase_order: "purchase_order",
  meter: "meter",
};
/** How rows of a list are told apart. */
const ROW_KEY = "line_number";

/** @throws SandboxFailure INVALID_VALUES for what is not there, REFUSED_BY_SOURCE for vendors that nothing is bought from */
export async function lookedUp(
  source: SandboxSource,
  { fields, children = [] }: WriteDescription,
  values: Fields,
): Promise<Fields> {
  const written: Record<string, unknown> = { ...values };
  for (const { name, type } of fields) {
    const value = values[name];
    if (type === "reference" && value !== undefined && value !== null) {
      written[name] = await reference(source, name, name, value);
    }
  }
  checkCustomFields(
    fields.map(({ name }) => name),
    values["custom_fields"],
  );
  for (const { name, fields: rowFields } of children) {
    const rows = values[name];
    if (!Array.isArray(rows)) continue;
    const looked: Fields[] = [];
    for (const [at, row] of (rows as readonly Fields[]).entries()) {
      const own: Record<string, unknown> = { ...row };
      for (const { name: member, type } of rowFields) {
        const value = row[member];
        if (type !== "reference" || value === undefined || value === null) continue;
        own[member] = await reference(source, member, `${name}.${at}.${member}`, value);
      }
      looked.push(own);
    }
    written[name] = looked;
  }
  return written;
}

async function reference(
  source: SandboxSource,
  field: string,
  place: string,
  value: unknown,
): Promise<object> {
  const number = numberOf(value);
  const entity = TARGETS[field];
  if (entity === undefined) throw invalid(place, "is not a reference that this source knows");
  const found = number === undefined ? undefined : await source.byNumber(entity, number);
  if (number === undefined || found === undefined) {
    throw invalid(place, `the source has no ${entity} ${JSON.stringify(number ?? value)}`);
  }
  const { status } = found.record;
  if (entity === "vendor" && status !== "active") {
    throw refused("SB-1102", `nothing can be bought from vendor ${number}: it is ${String(status)}`);
  }
  const { id: connectionId } = source.connection;
  const { name, number: own } = found.record;
  const display = typeof name === "string" ? name : typeof own === "string" ? own : number;
  return referenceTo({ connectionId, recordId: source.recordId }, entity, number, display);
}

/** `{remote_id}`, `{remote_key: [value]}` as the relay sends them, or a reference of the model. */
export function numberOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { remote_id: remoteId, remote_key: remoteKey } = value as Fields;
  const [key] = Array.isArray(remoteKey) ? (remoteKey as readonly unknown[]) : Object.values(remoteKey ?? {});
  if (typeof key === "string") return key;
  return typeof remoteId === "string" ? remoteId : undefined;
}

function checkCustomFields(known: readonly string[], given: unknown): void {
  if (typeof given !== "object" || given === null) return;
  for (const name of Object.keys(given)) {
    if (known.includes(`custom_fields.${name}`)) continue;
    throw invalid(`custom_fields.${name}`, "is no column that can be written here");
  }
}

/** The record as it would be: a merge patch, with lists merged by the keys of their rows. */
export function merged(record: Fields, values: Fields, lists: readonly string[]): Fields {
  const next: Record<string, unknown> = { ...record, ...values };
  const custom = values["custom_fields"];
  if (typeof custom === "object" && custom !== null) {
    next["custom_fields"] = { ...((record["custom_fields"] ?? {}) as Fields), ...custom };
  }
  for (const list of lists) {
    if (Array.isArray(values[list])) next[list] = mergedRows(record[list], values[list] as readonly Fields[]);
  }
  return next;
}

function mergedRows(before: unknown, rows: readonly Fields[]): readonly Fields[] {
  const kept = new Map<string, Fields>();
  for (const row of rowsOf(before)) kept.set(String(row[ROW_KEY]), row);
  let highest = Math.max(0, ...[...kept.keys()].map(Number).filter(Number.isFinite));
  for (const row of rows) {
    const { is_deleted: isDeleted, ...values } = row;
    const own = row[ROW_KEY];
    highest += own === undefined ? 1 : 0;
    const number = typeof own === "string" ? own : String(highest);
    if (isDeleted === true) kept.delete(number);
    else kept.set(number, { ...kept.get(number), ...values, [ROW_KEY]: number });
  }
  return [...kept.values()];
}
