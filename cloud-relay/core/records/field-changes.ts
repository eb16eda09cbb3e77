// What differs between two versions of a record, field by field.

export interface FieldChange {
  /** Path in the record; a list or an object that differs inside is named by its differing members, up to a depth. */
  readonly field: string;
  /** Absent: the field was not there. */
  readonly from?: unknown;
  readonly to?: unknown;
}

/** Differences beyond this many are counted, not listed. */
const MAX_CHANGES = 200;
/** Deeper differences are told by the member at this depth. */
const MAX_DEPTH = 4;

export interface FieldChanges {
  readonly changes: readonly FieldChange[];
  /** Whether there are more than are listed. */
  readonly isCut: boolean;
}

/** From one record's JSON text to the next one's. */
export function fieldChanges(from: string, to: string): FieldChanges {
  const found: FieldChange[] = [];
  compare(JSON.parse(from), JSON.parse(to), [], found);
  return { changes: found.slice(0, MAX_CHANGES), isCut: found.length > MAX_CHANGES };
}

function compare(from: unknown, to: unknown, path: readonly string[], found: FieldChange[]): void {
  if (Object.is(from, to) || found.length > MAX_CHANGES) return;
  if (isParts(from) && isParts(to) && path.length < MAX_DEPTH && Array.isArray(from) === Array.isArray(to)) {
    for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
      compare(memberOf(from, name), memberOf(to, name), [...path, name], found);
    }
    return;
  }
  if (JSON.stringify(from) === JSON.stringify(to)) return;
  const field = path.join(".");
  found.push({
    field,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
  });
}

function isParts(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function memberOf(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
