// What narrows a list of records beside its bounds: conditions on their fields, as data that every store understands.
import type { StoredRecord } from "../store.ts";

/** Path of members in the record's JSON, joined by dots; none of the names has a dot or a quote. */
export type FieldPath = string;

/** Any of the values stands at any of the paths. Text compares exactly, case included. */
export interface FieldIn {
  readonly test: "in";
  readonly paths: readonly FieldPath[];
  readonly values: readonly (string | boolean)[];
}

/**
 * A date or an instant after or before a bound, both exclusive. Compared as text without the `Z`: an `after` bound of an
 * instant has all nine digits of its fraction, a `before` bound has no zeros at the end of it (see `instantBound`).
 */
export interface FieldRange {
  readonly test: "after" | "before";
  readonly path: FieldPath;
  readonly bound: string;
}

export type FieldCondition = FieldIn | FieldRange;

/** All of it must hold. */
export interface RecordFilter {
  readonly ids: readonly string[] | undefined;
  /** When the relay saw the record first; both exclusive. */
  readonly createdAfterMs: number | undefined;
  readonly createdBeforeMs: number | undefined;
  readonly conditions: readonly FieldCondition[];
}

/** For stores that have no query language of their own. */
export function matchesFilter(
  record: Pick<StoredRecord, "id" | "createdAtMs" | "text">,
  filter: RecordFilter,
): boolean {
  const { ids, createdAfterMs, createdBeforeMs, conditions } = filter;
  if (ids !== undefined && !ids.includes(record.id)) return false;
  if (createdAfterMs !== undefined && record.createdAtMs <= createdAfterMs) return false;
  if (createdBeforeMs !== undefined && record.createdAtMs >= createdBeforeMs) return false;
  if (conditions.length === 0) return true;
  const fields: unknown = JSON.parse(record.text);
  return conditions.every((condition) => holds(fields, condition));
}

/** The bound of a condition on an instant, from ISO 8601 text in UTC with a `Z`. */
export function instantBound(test: FieldRange["test"], instant: string): string {
  const [whole = "", fraction = ""] = instant.replace("Z", "").split(".");
  if (test === "after") return `${whole}.${fraction.padEnd(9, "0")}`;
  const digits = fraction.replace(/0+$/, "");
  return digits === "" ? whole : `${whole}.${digits}`;
}

function holds(fields: unknown, condition: FieldCondition): boolean {
  if (condition.test === "in") {
    return condition.paths.some((path) => {
      const value = valueAt(fields, path);
      return (typeof value === "string" || typeof value === "boolean") && condition.values.includes(value);
    });
  }
  const value = valueAt(fields, condition.path);
  if (typeof value !== "string") return false;
  const text = value.replace(/Z+$/, "");
  return condition.test === "after" ? text > condition.bound : text < condition.bound;
}

function valueAt(fields: unknown, path: FieldPath): unknown {
  let value = fields;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}
