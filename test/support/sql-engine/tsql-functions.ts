// T-SQL's built-in functions on texts, numbers and the session.
import { createHash, randomUUID } from "node:crypto";
import { collationOf } from "./collation.ts";
import { textOf } from "./convert-text.ts";
import { BIGINT, type FunctionTable, INT, lenient, strict, SYSNAME } from "./function-kit.ts";
import type { Run } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import type { SqlServerDatabase } from "./sql-server.ts";
import { coalesce, like, TEXT_FUNCTIONS, toWhole } from "./text-functions.ts";
import type { TsqlSession } from "./tsql-session.ts";
import { sqlTypeName } from "./type-names.ts";

export function databaseOf(run: Run): SqlServerDatabase {
  return run.host as SqlServerDatabase;
}

export function sessionOf(run: Run): TsqlSession {
  return run.session as TsqlSession;
}

export function rowversionBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

const BINARY_8: DbType = { kind: "binary", length: 8 };

function quoted(name: string, sign: string): string {
  if (sign === "'" || sign === '"') return sign + name.replaceAll(sign, sign + sign) + sign;
  return `[${name.replaceAll("]", "]]")}]`;
}

function byteLength(value: DbValue, type: DbType): number {
  if (value instanceof Uint8Array) return value.length;
  switch (type.kind) {
    case "nchar":
    case "nvarchar":
    case "xml":
      return String(value).length * 2;
    case "int":
      return type.bits / 8;
    case "bit":
      return 1;
    case "uniqueidentifier":
      return 16;
    case "date":
      return 3;
    case "datetime":
    case "rowversion":
      return 8;
    default:
      return String(value).length;
  }
}

/** Of a value in a sql_variant: what its representation says. */
function baseTypeOf(value: DbValue, type: DbType): string {
  if (type.kind !== "sql_variant") return sqlTypeName(type);
  if (type.base !== undefined) return sqlTypeName(type.base);
  if (typeof value === "boolean") return "bit";
  if (typeof value === "bigint") return "bigint";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  return value instanceof Uint8Array ? "varbinary" : "nvarchar";
}

export const TSQL_FUNCTIONS: FunctionTable = {
  ...TEXT_FUNCTIONS,
  "NEXT VALUE FOR": lenient(BIGINT, ([name], run) => databaseOf(run).nextValue(String(name))),
  ISNULL: coalesce(true),
  CEILING: strict("first", ([value]) => like(value!, toWhole(value!, "ceil"))),
  LEN: strict(INT, ([text]) => String(text).replace(/ +$/, "").length),
  DATALENGTH: strict(INT, ([value], _run, [type]) => byteLength(value!, type!)),
  LEFT: strict("text", ([text, count]) => String(text).slice(0, Number(count))),
  RIGHT: strict("text", ([text, count]) =>
    String(text).slice(Math.max(0, String(text).length - Number(count))),
  ),
  SUBSTRING: strict("first", ([text, from, count]) => {
    const start = Math.max(0, Number(from) - 1);
    const end = Number(from) - 1 + Number(count);
    return text instanceof Uint8Array
      ? text.slice(start, end)
      : String(text).slice(start, Math.max(start, end));
  }),
  CHARINDEX: strict(INT, ([part, text, from]) => {
    const at = Math.max(0, Number(from ?? 1) - 1);
    return String(text).toLowerCase().indexOf(String(part).toLowerCase(), at) + 1;
  }),
  LTRIM: strict("text", ([text]) => String(text).replace(/^ +/, "")),
  RTRIM: strict("text", ([text]) => String(text).replace(/ +$/, "")),
  TRIM: strict("text", ([text]) => String(text).replaceAll(/^ +| +$/g, "")),
  REPLICATE: strict("text", ([text, count]) => String(text).repeat(Math.max(0, Number(count)))),
  REVERSE: strict("text", ([text]) => Array.from(String(text)).toReversed().join("")),
  STUFF: lenient("text", ([text, from, count, into]) => {
    if (text === null || from === null || count === null) return null;
    const at = Number(from) - 1;
    return String(text).slice(0, at) + String(into ?? "") + String(text).slice(at + Number(count));
  }),
  CHAR: strict({ kind: "char", length: 1 }, ([code]) => String.fromCharCode(Number(code))),
  NCHAR: strict({ kind: "nchar", length: 1 }, ([code]) => String.fromCharCode(Number(code))),
  UNICODE: strict(INT, ([text]) => String(text).charCodeAt(0)),
  ISNUMERIC: lenient(INT, ([value]) =>
    value !== null && value !== "" && Number.isFinite(Number(value)) ? 1 : 0,
  ),
  QUOTENAME: lenient({ kind: "nvarchar", length: 258 }, ([name, sign]) =>
    name === null || name === undefined ? null : quoted(String(name), String(sign ?? "[")),
  ),
  NEWID: lenient({ kind: "uniqueidentifier" }, () => randomUUID().toUpperCase()),
  HASHBYTES: strict({ kind: "varbinary", length: 64 }, ([kind, value], _run, types) => {
    const name = String(kind).toUpperCase().replace("SHA2_", "sha").replace("SHA1", "sha1").toLowerCase();
    const isNational = types[1]!.kind === "nvarchar" || types[1]!.kind === "nchar";
    const bytes =
      value instanceof Uint8Array ? value : Buffer.from(String(value), isNational ? "utf16le" : "latin1");
    return new Uint8Array(createHash(name).update(bytes).digest());
  }),
  SQL_VARIANT_PROPERTY: (args, _run, _scope) => ({
    type: { kind: "sql_variant", base: SYSNAME },
    isNullable: true,
    collationRank: 0,
    eval: (env) => {
      const value = args[0]!.eval(env);
      if (value === null) return null;
      const property = String(args[1]!.eval(env)).toUpperCase();
      if (property === "BASETYPE") return baseTypeOf(value, args[0]!.type);
      throw new DatabaseError(174, `The test engine does not know SQL_VARIANT_PROPERTY ${property}.`);
    },
  }),
  COLLATIONPROPERTY: strict({ kind: "sql_variant", base: INT }, ([name, property]) => {
    const collation = collationOf(String(name));
    switch (String(property).toUpperCase()) {
      case "CODEPAGE":
        return collation.codePage;
      case "LCID":
        return 1033;
      case "COMPARISONSTYLE":
        return collation.isBinary
          ? 0
          : (collation.ignoreCase ? 1 : 0) + (collation.ignoreAccents ? 2 : 0) + 196_608;
      default:
        return null;
    }
  }),
  "@@VERSION": lenient(
    { kind: "nvarchar", length: 300 },
    (_, run) => `Microsoft SQL Server ${databaseOf(run).version} (test engine)`,
  ),
  "@@SPID": lenient({ kind: "int", bits: 16 }, (_, run) => sessionOf(run).spid),
  "@@SERVERNAME": lenient(SYSNAME, (_, run) => databaseOf(run).serverName),
  "@@TRANCOUNT": lenient(INT, (_, run) => sessionOf(run).tranCount),
  "@@ROWCOUNT": lenient(INT, (_, run) => run.rowCount),
  ROWCOUNT_BIG: lenient(BIGINT, (_, run) => BigInt(run.rowCount)),
  "@@ERROR": lenient(INT, (_, run) => run.error?.number ?? 0),
  "@@IDENTITY": lenient({ kind: "decimal", precision: 38, scale: 0 }, (_, run) =>
    identityText(run.lastIdentity),
  ),
  SCOPE_IDENTITY: lenient({ kind: "decimal", precision: 38, scale: 0 }, (_, run) =>
    identityText(run.lastIdentity),
  ),
  "@@LOCK_TIMEOUT": lenient(INT, (_, run) => Number(run.session.settings.get("LOCK_TIMEOUT") ?? -1)),
  "@@DBTS": lenient({ kind: "varbinary", length: 8 }, (_, run) =>
    rowversionBytes(run.host.storage.lastRowversion),
  ),
  MIN_ACTIVE_ROWVERSION: lenient(BINARY_8, (_, run) =>
    rowversionBytes(run.host.storage.minActiveRowversion()),
  ),
  XACT_STATE: lenient({ kind: "int", bits: 16 }, (_, run) => (sessionOf(run).tranCount > 0 ? 1 : 0)),
  ERROR_NUMBER: lenient(INT, (_, run) => run.error?.number ?? null),
  ERROR_MESSAGE: lenient({ kind: "nvarchar", length: 4000 }, (_, run) => run.error?.message ?? null),
  ERROR_STATE: lenient(INT, (_, run) => (run.error === undefined ? null : 1)),
  ERROR_SEVERITY: lenient(INT, (_, run) => (run.error === undefined ? null : 16)),
  CONCAT: lenient("text", (args, _run, types) =>
    args
      .map((value, at) =>
        value === null ? "" : textOf(value, types[at]!, { dialect: "tsql", mayCut: true }),
      )
      .join(""),
  ),
};

function identityText(value: DbValue): DbValue {
  return value === null ? null : String(value);
}
