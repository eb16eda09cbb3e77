// SQL Server's types: how a column is selected so that its value comes exactly, and how a value is compared with it.
import type { ColumnFacts } from "#agent/core/sql/dialect.ts";
import type { SourceValue } from "#agent/core/source/plan.ts";

/** A column's type as the catalogue has it. */
export interface ColumnType {
  /** The built-in type under an alias type; `timestamp` is what people call rowversion. */
  readonly base: string;
  /** Bytes; -1 for `(max)`. */
  readonly maxLength: number;
  readonly precision: number;
  readonly scale: number;
  readonly collation: string | null;
  /** A type made in .NET, such as geography. */
  readonly isAssembly: boolean;
}

type Reading = Pick<ColumnFacts, "select" | "sum" | "parameter" | "keyText">;

const castTo =
  (type: string) =>
  (placeholder: string): string =>
    `CAST(${placeholder} AS ${type})`;

/**
 * `column` is quoted; `isCompared` for keys and markers, whose texts must be equal when the source holds the values equal. Decimals and money as text, for the driver would make floats of them; times as ISO 8601 text (style 126),
 * for the driver would cut them to milliseconds and drop the offset.
 */
export function readingOf(column: string, type: ColumnType, isCompared = false): Reading {
  if (type.isAssembly) return { select: `${column}.ToString()`, keyText: `${column}.ToString()` };
  const { base, precision, scale } = type;
  switch (base) {
    case "decimal":
    case "numeric":
      return {
        select: `CONVERT(varchar(50), ${column})`,
        sum: `CONVERT(varchar(50), SUM(${column}))`,
        parameter: castTo(`decimal(${precision}, ${scale})`),
      };
    case "money":
    case "smallmoney":
      return { select: `CONVERT(varchar(30), ${column}, 2)`, parameter: castTo(base) };
    case "date":
      return { select: `CONVERT(varchar(10), ${column}, 126)`, parameter: castTo("date") };
    case "time":
      return { select: `CONVERT(varchar(16), ${column}, 121)`, parameter: castTo(`time(${scale})`) };
    case "datetime":
      return { select: `CONVERT(varchar(30), ${column}, 126)`, parameter: castTo("datetime") };
    case "smalldatetime":
      // Compared as datetime: a cast to whole minutes would round a lower bound up.
      return { select: `CONVERT(varchar(30), ${column}, 126)`, parameter: castTo("datetime") };
    case "datetime2":
      return { select: `CONVERT(varchar(30), ${column}, 126)`, parameter: castTo(`datetime2(${scale})`) };
    case "datetimeoffset":
      return {
        select: `CONVERT(varchar(40), ${isCompared ? `SWITCHOFFSET(${column}, '+00:00')` : column}, 126)`,
        parameter: castTo(`datetimeoffset(${scale})`),
      };
    case "timestamp":
      return {
        select: `CONVERT(varchar(18), ${column}, 1)`,
        parameter: (placeholder) => `CONVERT(binary(8), ${placeholder}, 1)`,
      };
    case "uniqueidentifier":
      return { parameter: castTo("uniqueidentifier") };
    case "char":
    case "varchar":
      return { parameter: (placeholder) => castText(placeholder, type) };
    case "nchar":
    case "nvarchar":
      return { parameter: castTo("nvarchar(4000)") };
    case "binary":
    case "varbinary":
      return { keyText: `'\\x' + LOWER(CONVERT(varchar(max), ${column}, 2))` };
    case "text":
    case "ntext":
      return { select: `CONVERT(nvarchar(max), ${column})` };
    case "image":
      return { select: `CONVERT(varbinary(max), ${column})` };
    case "sql_variant":
      return { select: variantText(column), keyText: variantText(column) };
    default:
      return KNOWN_BARE.has(base) ? {} : { select: `CONVERT(nvarchar(max), ${column})` };
  }
}

/** As a variable of this type is declared. */
export function declarationOf({ base, maxLength, precision, scale }: ColumnType): string {
  switch (base) {
    case "decimal":
    case "numeric":
      return `${base}(${precision}, ${scale})`;
    case "time":
    case "datetime2":
    case "datetimeoffset":
      return `${base}(${scale})`;
    case "char":
    case "varchar":
    case "binary":
    case "varbinary":
      return `${base}(${maxLength === -1 ? "max" : maxLength})`;
    case "nchar":
    case "nvarchar":
      return `${base}(${maxLength === -1 ? "max" : maxLength / 2})`;
    default:
      return base;
  }
}

/** Types that the driver gives out exactly by itself; any other, newer one is read as its text. */
const KNOWN_BARE: ReadonlySet<string> = new Set([
  "bit",
  "tinyint",
  "smallint",
  "int",
  "bigint",
  "real",
  "float",
  "xml",
]);

/**
 * In the column's own code page: a comparison with nvarchar would convert every row of the column and use no index. First as
 * nvarchar, for a pack's filter may be a number.
 */
function castText(placeholder: string, { maxLength, collation }: ColumnType): string {
  const length = maxLength === -1 ? "max" : String(maxLength);
  const own = collation === null ? "" : ` COLLATE ${collation}`;
  return `CAST(CAST(${placeholder} AS nvarchar(4000))${own} AS varchar(${length}))`;
}

/** By the type of the value itself: bytes as hex, floating point with all its digits, everything else in its exact text. */
function variantText(column: string): string {
  const type = `CONVERT(nvarchar(128), SQL_VARIANT_PROPERTY(${column}, 'BaseType'))`;
  return (
    `CASE WHEN ${type} IN (N'binary', N'varbinary') THEN CONVERT(nvarchar(max), CONVERT(varbinary(8000), ${column}), 1) ` +
    `WHEN ${type} IN (N'float', N'real') THEN CONVERT(nvarchar(max), CONVERT(float, ${column}), 2) ` +
    `ELSE CONVERT(nvarchar(4000), ${column}, 126) END`
  );
}

/** What the driver gives: text, numbers, booleans and bytes are exact already. */
export function exactValue(value: unknown): SourceValue {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object") return JSON.stringify(value);
  return value as SourceValue;
}
