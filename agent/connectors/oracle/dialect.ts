// How Oracle wants to be spoken to, and the binds that it is given.
import oracledb from "oracledb";
import type { SqlDialect, SqlParameter, SqlStatement } from "#agent/core/sql/dialect.ts";

export const ORACLE_DIALECT: SqlDialect = {
  name: "oracle",
  quoteIdentifier: (name) => `"${name.replaceAll('"', "")}"`,
  placeholder: (position) => `:${position}`,
  limit: "fetch_first",
  hasRowValues: false,
  keyList: "rows",
  nulls: "last",
  maxParameters: 32_000,
  // ORA-01795 beyond that, up to 21c.
  maxListItems: 1000,
};

/** Every table of the statement as it was at a system change number. */
export function asOf(scn: string): SqlDialect {
  return { ...ORACLE_DIALECT, tableSuffix: ` AS OF SCN ${scn}` };
}

/** `:n7` instead of `:7`: its text goes in the national character set, whatever the database's own can hold. */
export function nationalPlaceholder(placeholder: string): string {
  return placeholder.replace(":", ":n");
}

/** `:c7`: blank-padded text, so that it may be stored in a CHAR column and compared with one. */
export function paddedPlaceholder(placeholder: string): string {
  return placeholder.replace(":", ":c");
}

/** `:nc7`: the same for NCHAR. */
export function nationalPaddedPlaceholder(placeholder: string): string {
  return placeholder.replace(":", ":nc");
}

/** `:o7`: gives a value back. */
export function outPlaceholder(placeholder: string): string {
  return placeholder.replace(":", ":o");
}

const MARKED = /:(nc|n|c|o)(\d+)/g;
const TEXT_TYPES = {
  nc: oracledb.DB_TYPE_NCHAR,
  n: oracledb.DB_TYPE_NVARCHAR,
  c: oracledb.DB_TYPE_CHAR,
} as const;
/** Of one value that a procedure gives back; PL/SQL's longest text. */
const MAX_OUT_BYTES = 32_767;

/** By place, each with the type that its comparison needs; never more than one value a placeholder. */
export function bindsOf({ text, parameters }: SqlStatement): oracledb.BindParameter[] {
  const marks = new Map([...text.matchAll(MARKED)].map(([, mark, place]) => [Number(place), mark]));
  return parameters.map((value, index) => bindOf(value, marks.get(index + 1)));
}

function bindOf(value: SqlParameter, mark: string | undefined): oracledb.BindParameter {
  if (mark === "o") return { dir: oracledb.BIND_OUT, type: oracledb.DB_TYPE_VARCHAR, maxSize: MAX_OUT_BYTES };
  if (typeof value === "number") return { val: value, type: oracledb.DB_TYPE_NUMBER };
  if (value instanceof Uint8Array) return { val: Buffer.from(value), type: oracledb.DB_TYPE_RAW };
  const type = TEXT_TYPES[mark as keyof typeof TEXT_TYPES] ?? oracledb.DB_TYPE_VARCHAR;
  // An empty text is null to Oracle; so it is bound as one.
  return { val: value === null || value === "" ? null : String(value), type };
}

/** Before 12.1 (thick mode only) there is no FETCH FIRST: the same by ROWNUM over the ordered rows. */
export function forOldServer(text: string): string {
  const match = /^(.*) FETCH FIRST (\d+) ROWS ONLY$/s.exec(text);
  return match === null ? text : `SELECT * FROM (${match[1]!}) WHERE ROWNUM <= ${match[2]!}`;
}
