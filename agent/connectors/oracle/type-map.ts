// Each type's exact value: which expression the server writes out, how a comparison is bound, what the driver hands over.
import type { Lob, Metadata, FetchTypeResponse } from "oracledb";
import oracledb from "oracledb";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import type { SourceValue } from "#agent/core/source/plan.ts";
import type { ColumnFacts } from "#agent/core/sql/dialect.ts";
import { MAX_RECORD_BYTES } from "#common/contract/limits.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import { nationalPlaceholder, ORACLE_DIALECT } from "./dialect.ts";

/** One row of ALL_TAB_COLUMNS. */
export interface DictionaryColumn {
  readonly name: string;
  /** `TIMESTAMP(6) WITH TIME ZONE`, `NUMBER`, `NVARCHAR2`. */
  readonly dataType: string;
  readonly precision: number | undefined;
  readonly scale: number | undefined;
  readonly nullable: boolean;
  /** From 12.2: `USING_NLS_COMP`, `BINARY_CI`, `BINARY_AI`, … */
  readonly collation: string | undefined;
}

/** What a plan does with a column. */
export interface ColumnUse {
  readonly isMarker: boolean;
  /** Key, join or filter: its text comes back as a parameter. */
  readonly isCompared: boolean;
  readonly isOrdered: boolean;
}

/** Characters or bytes of one value, as many as any record may hold. A longer LOB arrives as too long and never whole; a row with a longer LONG is not read. */
export const MAX_LONG_TEXT = MAX_RECORD_BYTES;

/** Wall clock without zone; SYYYY keeps years before Christ apart, its blank goes. */
const DATE_FORMAT = "SYYYY-MM-DD HH24:MI:SS";

/** Types that may stand in no condition and no order (ORA-00932, ORA-00997). */
const INCOMPARABLE = /^(?:LONG|LONG RAW|CLOB|NCLOB|BLOB|XMLTYPE|JSON)$/;

/** Undefined for types that cannot be read (objects, collections, BFILE), and for LOBs where they would be compared. */
export function columnFacts(column: DictionaryColumn, use: ColumnUse): ColumnFacts | undefined {
  const { name, nullable } = column;
  const type = column.dataType.toUpperCase();
  const quoted = ORACLE_DIALECT.quoteIdentifier(name);
  const shared = { name, nullable, type: typeLabel(column), rule: ruleOf(type, column.collation) };
  const base = type.replace(/\(\d+\)/g, "");
  if (isIncomparable(type) && (use.isCompared || use.isMarker || use.isOrdered)) return undefined;
  switch (base) {
    case "VARCHAR2":
    case "ROWID":
    case "UROWID":
      return shared;
    case "LONG":
    case "LONG RAW":
      return { ...shared, isLong: true };
    case "BINARY_FLOAT":
    case "BINARY_DOUBLE":
    case "BOOLEAN":
      return { ...shared, parameter: (placeholder) => `TO_${base}(${placeholder})` };
    case "NVARCHAR2":
      return { ...shared, parameter: nationalPlaceholder };
    // Compared with VARCHAR2, blanks would count; compared with CHAR they do not.
    case "CHAR":
      return { ...shared, parameter: (placeholder) => `CAST(${placeholder} AS CHAR(2000))` };
    case "NCHAR":
      return {
        ...shared,
        parameter: (placeholder) => `CAST(${nationalPlaceholder(placeholder)} AS NCHAR(1000))`,
      };
    case "NUMBER":
    case "FLOAT":
      return {
        ...shared,
        sum: `SUM(${quoted})`,
        parameter: (placeholder) => `TO_NUMBER(${placeholder})`,
      };
    case "DATE":
      return { ...shared, ...dateFacts(quoted, use) };
    case "TIMESTAMP":
      return { ...shared, ...timestampFacts(quoted, fractionOf(type)) };
    case "TIMESTAMP WITH TIME ZONE":
    case "TIMESTAMP WITH LOCAL TIME ZONE":
      return { ...shared, ...zonedFacts(quoted, type, use) };
    case "INTERVAL YEAR TO MONTH":
      return { ...shared, ...intervalFacts(quoted, "TO_YMINTERVAL") };
    case "INTERVAL DAY TO SECOND":
      return { ...shared, ...intervalFacts(quoted, "TO_DSINTERVAL") };
    case "RAW":
      // A key must come back as it was given: bytes as text in both directions.
      return use.isCompared
        ? {
            ...shared,
            select: `RAWTOHEX(${quoted})`,
            parameter: (placeholder) => `HEXTORAW(${placeholder})`,
          }
        : shared;
    case "CLOB":
    case "NCLOB":
      return { ...shared, select: longText(quoted) };
    case "BLOB":
      return shared;
    case "XMLTYPE":
      return { ...shared, select: longText(`XMLSERIALIZE(CONTENT ${quoted} AS CLOB)`) };
    case "JSON":
      return { ...shared, select: longText(`JSON_SERIALIZE(${quoted} RETURNING CLOB)`) };
    default:
      return undefined;
  }
}

export function isIncomparable(dataType: string): boolean {
  return INCOMPARABLE.test(dataType);
}

function longText(expression: string): string {
  const longest = MAX_LONG_TEXT;
  return `CASE WHEN LENGTH(${expression}) > ${longest} THEN SUBSTR(${expression}, 1, ${longest + 1}) ELSE ${expression} END`;
}

/** A marker at midnight stands for its whole day: a DATE column that only ever holds days cannot be told by its type. */
function dateFacts(quoted: string, { isMarker }: ColumnUse): Partial<ColumnFacts> {
  const text = `LTRIM(TO_CHAR(${quoted}, '${DATE_FORMAT}'))`;
  return {
    select: isMarker ? `REPLACE(${text}, ' 00:00:00')` : text,
    parameter: (placeholder) => `TO_DATE(${placeholder}, '${DATE_FORMAT}')`,
  };
}

function timestampFacts(quoted: string, fraction: number): Partial<ColumnFacts> {
  const format = fraction === 0 ? DATE_FORMAT : `${DATE_FORMAT}.FF${fraction}`;
  return {
    select: `LTRIM(TO_CHAR(${quoted}, '${format}'))`,
    parameter: (placeholder) => `TO_TIMESTAMP(${placeholder}, '${DATE_FORMAT}.FF')`,
  };
}

/** As UTC where it is compared, for one instant has many writings; otherwise with the offset that was stored. */
function zonedFacts(quoted: string, type: string, use: ColumnUse): Partial<ColumnFacts> {
  const isLocal = type.endsWith("LOCAL TIME ZONE");
  const fraction = fractionOf(type);
  const format = fraction === 0 ? DATE_FORMAT : `${DATE_FORMAT}.FF${fraction}`;
  const isUtc = isLocal || use.isMarker || use.isCompared;
  const select = isUtc
    ? `LTRIM(TO_CHAR(SYS_EXTRACT_UTC(${quoted}), '${format}"Z"'))`
    : `LTRIM(TO_CHAR(${quoted}, '${format}TZH:TZM'))`;
  const instant = (placeholder: string): string =>
    `FROM_TZ(TO_TIMESTAMP(RTRIM(${placeholder}, 'Z'), '${DATE_FORMAT}.FF'), '+00:00')`;
  return {
    select,
    // Of the column's own type, so that its index is used.
    parameter: isLocal
      ? (placeholder) => `CAST(${instant(placeholder)} AS TIMESTAMP(9) WITH LOCAL TIME ZONE)`
      : instant,
  };
}

/** `+01-06` and `+02 10:20:30.500000`, as the server writes them and reads them again. */
function intervalFacts(quoted: string, reader: string): Partial<ColumnFacts> {
  return { select: `TO_CHAR(${quoted})`, parameter: (placeholder) => `${reader}(${placeholder})` };
}

function fractionOf(type: string): number {
  return Number(/TIMESTAMP\((\d)\)/.exec(type)?.[1] ?? 6);
}

function typeLabel({ dataType, precision, scale }: DictionaryColumn): string {
  if (dataType !== "NUMBER" || precision === undefined) return dataType;
  return scale === undefined || scale === 0 ? `NUMBER(${precision})` : `NUMBER(${precision},${scale})`;
}

/** Sessions run with NLS_COMP=BINARY; only a collation of the column's own says otherwise (12.2 and later). */
function ruleOf(type: string, collation: string | undefined): KeyRule {
  const isText = /CHAR|CLOB/.test(type);
  if (!isText) return EXACT_KEY;
  const isAi = collation?.endsWith("_AI") ?? false;
  return {
    ignoreCase: isAi || (collation?.endsWith("_CI") ?? false),
    ignoreAccents: isAi,
    ignoreTrailingBlanks: type === "CHAR" || type === "NCHAR",
    emptyIsNull: true,
  };
}

/** Up to nine digits a NUMBER is a whole number to everyone. */
const SMALL_DIGITS = 9;

/** What the driver fetches each column as; everything that it would round or shift comes as the server's text. */
export function fetchType(metadata: Metadata<unknown>): FetchTypeResponse | undefined {
  switch (metadata.dbType) {
    case oracledb.DB_TYPE_NUMBER:
      return { type: oracledb.STRING, converter: isSmall(metadata) ? numberOrNull : plainOrNull };
    case oracledb.DB_TYPE_CLOB:
    case oracledb.DB_TYPE_NCLOB:
      return { type: oracledb.STRING };
    default:
      return undefined;
  }
}

function isSmall({ precision, scale }: Metadata<unknown>): boolean {
  return scale === 0 && precision !== undefined && precision > 0 && precision <= SMALL_DIGITS;
}

function numberOrNull(text: unknown): unknown {
  return typeof text === "string" ? Number(text) : text;
}

function plainOrNull(text: unknown): unknown {
  return typeof text === "string" ? plainNumber(text) : text;
}

/** `.5`, `-.5`, `1E-130` and `-1e126` as plain decimals, nothing rounded. */
export function plainNumber(text: string): string {
  const match = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const padded = point <= 0 ? "0".repeat(1 - point) + digits : digits.padEnd(point, "0");
  const at = Math.max(1, point);
  const head = padded.slice(0, at).replace(/^0+(?=\d)/, "");
  const tail = padded.slice(at).replace(/0+$/, "");
  const plain = tail === "" ? head : `${head}.${tail}`;
  return sign === "-" && /[1-9]/.test(plain) ? `-${plain}` : plain;
}

/** The driver's value as an exact one. @throws what reading a LOB throws */
export async function exactValue(value: unknown): Promise<SourceValue> {
  if (isLob(value)) return await lobBytes(value);
  return plainValue(value);
}

export function isLob(value: unknown): value is Lob {
  return typeof value === "object" && value !== null && typeof (value as Lob).getData === "function";
}

/** Without a LOB in it. @throws ConnectorError bad_data */
export function plainValue(value: unknown): SourceValue {
  if (value === null || value === undefined) return null;
  // JSON has no number for these.
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (Buffer.isBuffer(value)) return new Uint8Array(value);
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  throw new ConnectorError(
    "bad_data",
    "The driver gave a value of a kind that cannot be carried exactly. Leave its column out of the pack, and report it.",
  );
}

type LongColumn = Pick<Metadata<unknown>, "dbType" | "name">;

/** @throws ConnectorError bad_data for a LONG that no record can hold */
export function checkLongs(row: readonly unknown[], columns: readonly LongColumn[]): void {
  for (const [at, { dbType, name }] of columns.entries()) {
    if (dbType !== oracledb.DB_TYPE_LONG && dbType !== oracledb.DB_TYPE_LONG_RAW) continue;
    const value = row[at] as string | Buffer | null;
    if (value === null || value.length <= MAX_LONG_TEXT) continue;
    const unit = typeof value === "string" ? "characters" : "bytes";
    throw tooLong(`The LONG column ${name}`, `${value.length} ${unit}`);
  }
}

export function tooLong(what: string, length: string): ConnectorError {
  return new ConnectorError(
    "bad_data",
    `${what} holds ${length}, and at most ${MAX_LONG_TEXT} are read. Shorten the value in the source, or leave its column out.`,
  );
}

interface BoundedLob {
  getData(offset: number, amount: number): Promise<string | Buffer | null>;
}

async function lobBytes(lob: Lob): Promise<SourceValue> {
  if (lob.length === 0) return new Uint8Array();
  const data = await (lob as unknown as BoundedLob).getData(1, Math.min(lob.length, MAX_LONG_TEXT + 1));
  return plainValue(data);
}
