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

const NATIONAL = /:n\d+/;

/** By place, each with the type that its comparison needs; never more than one value a placeholder. */
export function bindsOf({ text, parameters }: SqlStatement): oracledb.BindParameter[] {
  const hasNational = NATIONAL.test(text);
  return parameters.map((value, index) => bindOf(value, hasNational && text.includes(`:n${index + 1}`)));
}

function bindOf(value: SqlParameter, isNational: boolean): oracledb.BindParameter {
  if (typeof value === "number") return { val: value, type: oracledb.DB_TYPE_NUMBER };
  if (value instanceof Uint8Array) return { val: Buffer.from(value), type: oracledb.DB_TYPE_RAW };
  const type = isNational ? oracledb.DB_TYPE_NVARCHAR : oracledb.DB_TYPE_VARCHAR;
  // An empty text is null to Oracle; so it is bound as one.
  return { val: value === null || value === "" ? null : String(value), type };
}

/** Before 12.1 (thick mode only) there is no FETCH FIRST: the same by ROWNUM over the ordered rows. */
export function forOldServer(text: string): string {
  const match = /^(.*) FETCH FIRST (\d+) ROWS ONLY$/s.exec(text);
  return match === null ? text : `SELECT * FROM (${match[1]!}) WHERE ROWNUM <= ${match[2]!}`;
}
