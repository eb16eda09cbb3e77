// Oracle's built-in functions.
import { createHash, randomBytes } from "node:crypto";
import { comparableBy, ruleFor } from "./compare-compiled.ts";
import { type Comparable, compare } from "./comparison.ts";
import { convertTo, unify } from "./compile-expression.ts";
import { decimalOf } from "./convert.ts";
import { textOf } from "./convert-text.ts";
import { formatDecimal, trimmed, truncate } from "./decimal.ts";
import { type FunctionTable, lenient, NUMBER, strict } from "./function-kit.ts";
import { formatDate, formatNumber } from "./oracle-format.ts";
import type { OracleDatabase } from "./oracle.ts";
import type { OracleSession } from "./oracle-session.ts";
import type { Run, ScalarFunction } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import { coalesce, extremeOf, TEXT_FUNCTIONS, toWhole } from "./text-functions.ts";

export function oracleOf(run: Run): OracleDatabase {
  return run.host as OracleDatabase;
}

export function oracleSessionOf(run: Run): OracleSession {
  return run.session as OracleSession;
}

export const VARCHAR2: DbType = { kind: "varchar", length: 4000 };

function emptyIsNull(text: string): string | null {
  return text === "" ? null : text;
}

/** Text of any value, dates by the session's settings. */
function written(value: DbValue, type: DbType, run: Run): string {
  if (type.kind === "number") return formatNumber(String(value), undefined);
  return textOf(value, type, {
    dialect: "oracle",
    mayCut: true,
    writeDate: (text, dateType) => run.host.writeDate!(text, dateType, run),
  });
}

const toChar: ScalarFunction = lenient(VARCHAR2, ([value, format], run, [type]) => {
  if (value === null || value === undefined || format === null) return null;
  if (type!.kind === "oracle_date" || type!.kind === "timestamp") {
    const shown = run.host.writeDate === undefined ? String(value) : zoned(String(value), type, run);
    return format === undefined ? written(value, type, run) : emptyIsNull(formatDate(shown, String(format)));
  }
  if (type!.kind === "number" || type!.kind === "float") {
    return formatNumber(String(value), format === undefined ? undefined : String(format));
  }
  return emptyIsNull(written(value, type!, run));
});

/** TIMESTAMP WITH LOCAL TIME ZONE shows in the session's zone. */
function zoned(value: string, type: DbType, run: Run): string {
  return type.kind === "timestamp" && type.zone === "local"
    ? oracleSessionOf(run).inSessionZone(value)
    : value;
}

function found(text: string, part: string, from: number, nth: number): number {
  if (from < 0) {
    const at = text.lastIndexOf(part, text.length + from);
    return at + 1;
  }
  let at = from - 2;
  for (let count = 0; count < nth; count += 1) {
    at = text.indexOf(part, at + 1);
    if (at < 0) return 0;
  }
  return at + 1;
}

function substring(text: string, from: number, count: number | undefined): string | null {
  const start = from > 0 ? from - 1 : from === 0 ? 0 : text.length + from;
  if (start < 0 || (count !== undefined && count < 1)) return null;
  return emptyIsNull(count === undefined ? text.slice(start) : text.slice(start, start + count));
}

function trimmedBy(text: string, characters: string, side: "start" | "end" | "both"): string | null {
  let from = 0;
  let to = text.length;
  if (side !== "end") while (from < to && characters.includes(text[from]!)) from += 1;
  if (side !== "start") while (to > from && characters.includes(text[to - 1]!)) to -= 1;
  return emptyIsNull(text.slice(from, to));
}

function padded(text: string, width: number, filler: string, atStart: boolean): string | null {
  const cut = text.slice(0, Math.max(0, width));
  return emptyIsNull(atStart ? cut.padStart(width, filler) : cut.padEnd(width, filler));
}

/** DECODE(value, a, x, b, y, …, otherwise): nulls are equal here. */
const decode: ScalarFunction = (args, run, scope) => {
  const [subject, ...rest] = args;
  const pairs = Math.floor(rest.length / 2);
  const results = unify(
    [
      ...Array.from({ length: pairs }, (_, at) => rest[at * 2 + 1]!),
      ...(rest.length % 2 === 1 ? [rest.at(-1)!] : []),
    ],
    scope,
  );
  const matches = Array.from({ length: pairs }, (_, at) => {
    const rule = ruleFor(subject!, rest[at * 2]!, run);
    return [comparableBy(subject!, rule, run), comparableBy(rest[at * 2]!, rule, run)] as const;
  });
  return {
    type: results[0]?.type ?? VARCHAR2,
    isNullable: true,
    collationRank: 0,
    eval: (env) => {
      for (const [at, [own, other]] of matches.entries()) {
        const [a, b]: readonly Comparable[] = [own(env), other(env)];
        if (a === null || b === null ? a === b : compare(a!, b!) === 0) return results[at]!.eval(env);
      }
      return rest.length % 2 === 1 ? results.at(-1)!.eval(env) : null;
    },
  };
};

const nvl2: ScalarFunction = (args, _run, scope) => {
  const [subject, present, missing] = args;
  const other = convertTo(missing!, present!.type, scope);
  return {
    type: present!.type,
    isNullable: true,
    collationRank: 0,
    eval: (env) => (subject!.eval(env) === null ? other.eval(env) : present!.eval(env)),
  };
};

function numberText(value: DbValue): string {
  const decimal = decimalOf(value);
  if (decimal === undefined) throw new DatabaseError(1722, "ORA-01722: invalid number");
  return formatDecimal(trimmed(decimal));
}

function byteLength(value: DbValue): string {
  return String(value instanceof Uint8Array ? value.length : Buffer.byteLength(String(value)));
}

function userEnv(name: string, run: Run): string | null {
  const database = oracleOf(run);
  const session = oracleSessionOf(run);
  switch (name.toUpperCase()) {
    case "DB_NAME":
      return database.name;
    case "DB_UNIQUE_NAME":
    case "SERVICE_NAME":
      return database.serviceName;
    case "CON_NAME":
      return database.containerName;
    case "INSTANCE_NAME":
      return database.name.toLowerCase();
    case "SERVER_HOST":
      return "plantdb";
    case "SESSION_USER":
    case "CURRENT_USER":
      return session.user.toUpperCase();
    case "CURRENT_SCHEMA":
      return session.currentSchema;
    case "SID":
    case "SESSIONID":
      return String(session.id);
    case "LANGUAGE":
      return "AMERICAN_AMERICA.AL32UTF8";
    case "DATABASE_ROLE":
      return "PRIMARY";
    default:
      throw new DatabaseError(2003, "ORA-02003: invalid USERENV parameter");
  }
}

function hexOf(value: DbValue): string {
  return Buffer.from(value instanceof Uint8Array ? value : Buffer.from(String(value)))
    .toString("hex")
    .toUpperCase();
}

export const ORACLE_FUNCTIONS: FunctionTable = {
  ...TEXT_FUNCTIONS,
  NVL: coalesce(true),
  NVL2: nvl2,
  DECODE: decode,
  GREATEST: extremeOf(1),
  LEAST: extremeOf(-1),
  TO_CHAR: toChar,
  TO_NCHAR: toChar,
  TO_CLOB: lenient({ kind: "clob" }, ([value], run, [type]) =>
    value === null ? null : written(value!, type!, run),
  ),
  TO_NCLOB: lenient({ kind: "nclob" }, ([value], run, [type]) =>
    value === null ? null : written(value!, type!, run),
  ),
  TO_NUMBER: strict(NUMBER, ([value]) => numberText(typeof value === "string" ? value.trim() : value!)),
  LENGTH: strict(NUMBER, ([text]) => String(text instanceof Uint8Array ? text.length : String(text).length)),
  LENGTHB: strict(NUMBER, ([value]) => byteLength(value!)),
  VSIZE: strict(NUMBER, ([value]) => byteLength(value!)),
  SUBSTR: lenient("first", ([text, from, count]) =>
    text === null || from === null || count === null
      ? null
      : substring(String(text), Number(from), count === undefined ? undefined : Number(count)),
  ),
  INSTR: strict(NUMBER, ([text, part, from, nth]) =>
    String(found(String(text), String(part), Number(from ?? 1), Number(nth ?? 1))),
  ),
  LTRIM: strict("text", ([text, characters]) => trimmedBy(String(text), String(characters ?? " "), "start")),
  RTRIM: strict("text", ([text, characters]) => trimmedBy(String(text), String(characters ?? " "), "end")),
  TRIM: strict("text", ([text]) => trimmedBy(String(text), " ", "both")),
  LPAD: strict(VARCHAR2, ([text, width, filler]) =>
    padded(String(text), Number(width), String(filler ?? " "), true),
  ),
  RPAD: strict(VARCHAR2, ([text, width, filler]) =>
    padded(String(text), Number(width), String(filler ?? " "), false),
  ),
  CHR: strict(VARCHAR2, ([code]) => String.fromCodePoint(Number(code))),
  CEIL: strict(NUMBER, ([value]) => toWhole(value!, "ceil")),
  MOD: strict(NUMBER, ([value, by]) => {
    const [left, right] = [decimalOf(value!)!, decimalOf(by!)!];
    const scale = Math.max(left.scale, right.scale);
    const [a, b] = [
      left.units * 10n ** BigInt(scale - left.scale),
      right.units * 10n ** BigInt(scale - right.scale),
    ];
    return b === 0n ? numberText(value!) : formatDecimal(trimmed({ units: a % b, scale }));
  }),
  RAWTOHEX: strict(VARCHAR2, ([value]) => hexOf(value!)),
  HEXTORAW: strict({ kind: "raw", length: 2000 }, ([text]) => {
    if (!/^(?:[0-9A-Fa-f]{2})*$/.test(String(text)))
      throw new DatabaseError(1465, "ORA-01465: invalid hex number");
    return new Uint8Array(Buffer.from(String(text), "hex"));
  }),
  ROWIDTOCHAR: strict(VARCHAR2, ([value]) => String(value)),
  CHARTOROWID: strict({ kind: "rowid" }, ([value]) => String(value)),
  NLSSORT: strict({ kind: "raw", length: 2000 }, ([text, how]) => {
    const sort = /NLS_SORT\s*=\s*(\w+)/i.exec(String(how ?? ""))?.[1]?.toUpperCase() ?? "BINARY";
    let key = String(text);
    if (sort.endsWith("_AI")) key = key.normalize("NFD").replaceAll(/\p{Mn}/gu, "");
    if (sort.endsWith("_CI") || sort.endsWith("_AI")) key = key.toLowerCase();
    return new Uint8Array(Buffer.from(`${key}\0`));
  }),
  ORA_HASH: strict(NUMBER, ([value, buckets]) => {
    const hash = createHash("sha1").update(String(value)).digest().readUInt32BE(0);
    return String(buckets === undefined ? hash : hash % (Number(buckets) + 1));
  }),
  STANDARD_HASH: strict(
    { kind: "raw", length: 64 },
    ([value, kind]) =>
      new Uint8Array(
        createHash(String(kind ?? "SHA1").toLowerCase())
          .update(String(value))
          .digest(),
      ),
  ),
  SYS_GUID: lenient({ kind: "raw", length: 16 }, () => new Uint8Array(randomBytes(16))),
  USER: lenient({ kind: "varchar", length: 128 }, (_, run) => run.session.user.toUpperCase()),
  UID: lenient(NUMBER, () => "101"),
  SYS_CONTEXT: strict({ kind: "varchar", length: 256 }, ([namespace, name], run) => {
    if (String(namespace).toUpperCase() !== "USERENV") return null;
    return userEnv(String(name), run);
  }),
  USERENV: strict({ kind: "varchar", length: 256 }, ([name], run) => userEnv(String(name), run)),
  TRUNC: lenient("first", ([value, how], run, [type]) => {
    if (value === null || value === undefined) return null;
    if (type!.kind !== "oracle_date" && type!.kind !== "timestamp") {
      const places = Number(how ?? 0);
      return formatDecimal(trimmed(truncate(decimalOf(value)!, Math.max(0, places))));
    }
    const formats: Readonly<Record<string, string>> = {
      MI: 'YYYY-MM-DD HH24:MI:"00"',
      HH24: 'YYYY-MM-DD HH24":00:00"',
      HH: 'YYYY-MM-DD HH24":00:00"',
      MM: 'YYYY-MM"-01 00:00:00"',
      MONTH: 'YYYY-MM"-01 00:00:00"',
      YYYY: 'YYYY"-01-01 00:00:00"',
      YEAR: 'YYYY"-01-01 00:00:00"',
    };
    return formatDate(String(value), formats[String(how ?? "DD").toUpperCase()] ?? 'YYYY-MM-DD" 00:00:00"');
  }),
};
