// SQLite's storage classes into exact values: what a column declares decides how its numbers travel.
import type { SourceValue } from "#agent/core/source/plan.ts";

/** `decimal`: declared as an exact number, so always text; `plain`: as stored. */
export type ColumnKind = "decimal" | "plain";

export function columnKind(declared: string | null): ColumnKind {
  return declared !== null && /DEC|NUMERIC|MONEY|CURRENCY/i.test(declared) ? "decimal" : "plain";
}

/** SQLite's affinity rules (sqlite.org/datatype3.html, section 3.1): whether values are converted when compared. */
export function hasNoAffinity(declared: string): boolean {
  const type = declared.toUpperCase();
  if (/INT|CHAR|CLOB|TEXT/.test(type)) return false;
  return type === "" || type.includes("BLOB");
}

/** Converts a row of safe-integer results in place. */
export function exactRow(row: unknown[], kinds: readonly ColumnKind[]): readonly SourceValue[] {
  for (let at = 0; at < row.length; at += 1) {
    const value = row[at];
    if (typeof value === "bigint") row[at] = exactInteger(value, kinds[at]!);
    else if (typeof value === "number" && (kinds[at] === "decimal" || !Number.isFinite(value)))
      row[at] = decimalText(value);
    else if (typeof value === "object" && value !== null) row[at] = plainBytes(value as Buffer);
  }
  return row as SourceValue[];
}

function exactInteger(value: bigint, kind: ColumnKind): string | number {
  if (kind === "decimal") return value.toString();
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Without Buffer's own methods: they would show in JSON. */
function plainBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The shortest decimal that reads back as the same double, without exponent: what was written into the column. */
export function decimalText(value: number): string {
  const text = String(value);
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text;
  const [, sign, whole, fraction = "", exponentText] = match;
  const exponent = Number(exponentText);
  const digits = `${whole}${fraction}`;
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  return `${sign}${digits.padEnd(exponent + 1, "0")}`;
}
