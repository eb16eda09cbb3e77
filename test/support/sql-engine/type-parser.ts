// Type names of both dialects into types.
import type { DbType } from "./session.ts";
import { TokenCursor } from "./token-cursor.ts";
import type { EngineDialect } from "./tokens.ts";

/** A type as it would stand in CREATE TABLE. @throws DatabaseError */
export function typeNamed(text: string, dialect: EngineDialect): DbType {
  const cursor = new TokenCursor(text, dialect);
  const type = parseType(cursor);
  if (!cursor.isAtEnd) cursor.refuse("something stands behind the type");
  return type;
}

/** `bareLength`: of a character or binary type without one (1 in a declaration, 30 in CAST and CONVERT). */
export function parseType(cursor: TokenCursor, bareLength = 1): DbType {
  const name = cursor.path().at(-1)!.toUpperCase();
  const type = cursor.isOracle ? oracleType(cursor, name) : tsqlType(cursor, name, bareLength);
  if (type === undefined) cursor.refuse(`unknown type ${name}`);
  if (cursor.take("COLLATE")) {
    const collation = cursor.name();
    return type.kind === "char" ||
      type.kind === "varchar" ||
      type.kind === "nchar" ||
      type.kind === "nvarchar"
      ? { ...type, collation }
      : type;
  }
  return type;
}

function size(cursor: TokenCursor): readonly (number | "max")[] {
  if (!cursor.take("(")) return [];
  const sizes = cursor.list(() => {
    const token = cursor.next();
    if (token.key === "MAX") return "max";
    if (token.key === "*") return 38;
    const sign = token.key === "-" ? -Number(cursor.next().text) : Number(token.text);
    if (!cursor.take("CHAR")) cursor.take("BYTE");
    return sign;
  });
  cursor.expect(")");
  return sizes;
}

const BITS: Readonly<Record<string, 8 | 16 | 32 | 64>> = {
  TINYINT: 8,
  SMALLINT: 16,
  INT: 32,
  INTEGER: 32,
  BIGINT: 64,
};

function tsqlType(cursor: TokenCursor, name: string, bareLength: number): DbType | undefined {
  const bits = BITS[name];
  if (bits !== undefined) return { kind: "int", bits };
  const [first, second] = size(cursor);
  const number = (value: number | "max" | undefined, fallback: number): number =>
    typeof value === "number" ? value : fallback;
  switch (name) {
    case "BIT":
    case "DATE":
    case "DATETIME":
    case "SMALLDATETIME":
    case "UNIQUEIDENTIFIER":
    case "XML":
    case "ROWVERSION":
      return { kind: name.toLowerCase() as "bit" };
    case "TIMESTAMP":
      return { kind: "rowversion" };
    case "FLOAT":
    case "DOUBLE":
      cursor.take("PRECISION");
      return { kind: "float", bits: number(first, 53) <= 24 ? 32 : 64 };
    case "REAL":
      return { kind: "float", bits: 32 };
    case "MONEY":
      return { kind: "money", bits: 64 };
    case "SMALLMONEY":
      return { kind: "money", bits: 32 };
    case "DECIMAL":
    case "NUMERIC":
    case "DEC":
      return { kind: "decimal", precision: number(first, 18), scale: number(second, 0) };
    case "TIME":
    case "DATETIME2":
    case "DATETIMEOFFSET":
      return { kind: name.toLowerCase() as "time", scale: number(first, 7) };
    case "CHAR":
    case "VARCHAR":
    case "NCHAR":
    case "NVARCHAR":
      return { kind: name.toLowerCase() as "char", length: first ?? bareLength };
    case "SYSNAME":
      return { kind: "nvarchar", length: 128 };
    case "TEXT":
      return { kind: "varchar", length: "max" };
    case "NTEXT":
      return { kind: "nvarchar", length: "max" };
    case "BINARY":
    case "VARBINARY":
      return { kind: name.toLowerCase() as "binary", length: first ?? bareLength };
    case "IMAGE":
      return { kind: "varbinary", length: "max" };
    case "SQL_VARIANT":
      return { kind: "sql_variant" };
    default:
      return undefined;
  }
}

function oracleType(cursor: TokenCursor, name: string): DbType | undefined {
  if (name === "LONG" && cursor.take("RAW")) return { kind: "long_raw" };
  if (name === "DOUBLE") cursor.take("PRECISION");
  const [first, second] = size(cursor).map(Number);
  switch (name) {
    case "NUMBER":
    case "NUMERIC":
    case "DECIMAL":
      if (first === undefined) return { kind: "number" };
      return { kind: "number", precision: first, scale: second ?? 0 };
    case "INTEGER":
    case "INT":
    case "SMALLINT":
      return { kind: "number", precision: 38, scale: 0 };
    case "FLOAT":
    case "DOUBLE":
    case "REAL":
      return { kind: "number" };
    case "BINARY_FLOAT":
      return { kind: "float", bits: 32 };
    case "BINARY_DOUBLE":
      return { kind: "float", bits: 64 };
    case "VARCHAR2":
    case "VARCHAR":
      return { kind: "varchar", length: first ?? 4000 };
    case "NVARCHAR2":
      return { kind: "nvarchar", length: first ?? 2000 };
    case "CHAR":
      return { kind: "char", length: first ?? 1 };
    case "NCHAR":
      return { kind: "nchar", length: first ?? 1 };
    case "DATE":
      return { kind: "oracle_date" };
    case "TIMESTAMP":
      return { kind: "timestamp", scale: first ?? 6, zone: zoneOf(cursor) };
    case "RAW":
      return { kind: "raw", length: first ?? 2000 };
    case "CLOB":
    case "NCLOB":
    case "BLOB":
    case "LONG":
    case "ROWID":
      return { kind: name.toLowerCase() as "clob" };
    case "UROWID":
      return { kind: "rowid" };
    default:
      return undefined;
  }
}

function zoneOf(cursor: TokenCursor): "none" | "offset" | "local" {
  if (!cursor.take("WITH")) return "none";
  const zone = cursor.take("LOCAL") ? "local" : "offset";
  cursor.expect("TIME", "ZONE");
  return zone;
}
