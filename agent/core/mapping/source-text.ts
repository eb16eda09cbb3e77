// Source values as text and as JSON text; the same value always gives the same text.
import type { Columns } from "../source/connector.ts";
import type { SourceValue } from "../source/plan.ts";
import { BadValue, badValue } from "./bad-value.ts";
import { plainDecimal } from "./decimal.ts";

/** The unified model's limit for texts and custom fields, characters. */
const MAX_TEXT = 262_144;

/** Text as fields carry it: padding removed, null for empty. */
export function textOf(value: SourceValue | undefined, column: string): string | null | undefined {
  if (typeof value === "string") {
    const text = value.endsWith(" ") ? value.trimEnd() : value;
    return text === "" ? null : text;
  }
  if (value === undefined || value === null) return value;
  if (typeof value === "number") return plainDecimal(value) ?? String(value);
  if (typeof value === "object") throw badValue("BAD_TEXT", column, value, "text");
  return String(value);
}

/** Text of a key value, exactly as a connector gives it in `SourceRow.key`. */
export function keyText(value: SourceValue): string | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString("hex")}`;
  return String(value);
}

/** Whether two columns of the source hold the same value, whatever types they declare. */
export function isSameValue(one: SourceValue | undefined, other: SourceValue | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && String(one) === String(other));
}

/** JSON text of a custom field: scalars as they are, 64-bit integers and binary (base64) as text. */
export function customJson(value: SourceValue, column: string): string {
  switch (typeof value) {
    case "string":
      if (value.length > MAX_TEXT)
        throw new BadValue(
          "TEXT_TOO_LONG",
          `column ${column} holds ${value.length} characters; most is ${MAX_TEXT}`,
        );
      return JSON.stringify(value);
    case "number":
      return Number.isFinite(value) ? String(value) : "null";
    case "bigint":
      return `"${value}"`;
    case "boolean":
      return value ? "true" : "false";
    default:
      return value === null
        ? "null"
        : JSON.stringify(Buffer.from(value).toString("base64").slice(0, MAX_TEXT));
  }
}

/** JSON text of a value in `raw`: nothing is lost, binary as `{"$base64": …}`. */
function rawJson(value: SourceValue): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return Number.isFinite(value) ? String(value) : "null";
    case "bigint":
      return `"${value}"`;
    case "boolean":
      return value ? "true" : "false";
    default:
      return value === null ? "null" : `{"$base64":"${Buffer.from(value).toString("base64")}"}`;
  }
}

/** A column to write, with its name as the start of a JSON member. */
export interface NamedColumn {
  readonly name: string;
  readonly token: string;
}

/**
 * The columns of a row that pass a test, sorted by name, so that the order in which a query names them does not matter.
 * Rows of one query have the same columns: the list is worked out once and kept while they do.
 */
export class SortedColumns {
  readonly #isWanted: (column: string) => boolean;
  #names: readonly string[] = [];
  #wanted: readonly NamedColumn[] = [];

  constructor(isWanted: (column: string) => boolean) {
    this.#isWanted = isWanted;
  }

  of(row: Columns): readonly NamedColumn[] {
    let at = 0;
    let isSame = true;
    for (const name in row) {
      if (this.#names[at] !== name) {
        isSame = false;
        break;
      }
      at += 1;
    }
    if (!isSame || at !== this.#names.length) this.#learn(row);
    return this.#wanted;
  }

  #learn(row: Columns): void {
    this.#names = Object.keys(row);
    this.#wanted = this.#names
      .filter((name) => this.#isWanted(name))
      .sort()
      .map((name) => ({ name, token: `${JSON.stringify(name)}:` }));
  }
}

/** JSON text of a source row's columns. */
export function rawRowText(row: Columns, columns: SortedColumns): string {
  let text = "{";
  for (const { name, token } of columns.of(row)) {
    const value = row[name];
    if (value === undefined) continue;
    text += (text.length > 1 ? "," : "") + token + rawJson(value);
  }
  return `${text}}`;
}
