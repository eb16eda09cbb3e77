// The rights that reading needs and no more, as a script for the database administrator.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { quoteTable } from "#agent/core/sql/dialect.ts";
import { type WriteRight, writeRights } from "#agent/core/sql/write-rights.ts";
import type { OracleSettings } from "./definition.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { grant, grantSelect, quotedUser } from "./failures.ts";

/** Stands for an owner that neither pack nor settings name. */
const UNKNOWN_OWNER = "OWNER";

/** SQL, to be run once by an administrator: the user, SELECT on exactly the tables of the plans, and what may be added. */
export function grantScript(
  plans: readonly EntityPlan[],
  {
    user,
    schema = UNKNOWN_OWNER,
    write,
  }: Pick<OracleSettings, "user" | "schema"> & Partial<Pick<OracleSettings, "write">>,
): string {
  const tables = new Map<string, string>();
  for (const plan of plans) {
    for (const table of [plan.table, ...plan.children.map((child) => child.table)]) {
      const name = quotedTable(table, schema);
      tables.set(name, name);
    }
  }
  const used = [...tables.values()];
  const writes = [...new Set(writeRights(plans, write).flatMap((right) => writeGrant(right, schema, user)))];
  const who = quotedUser(user);
  return [
    `-- What Millrace needs to read as ${who}: run by an administrator, once. ${writes.length === 0 ? "It can write nothing." : "It writes what the pack's writes name."}`,
    `CREATE USER ${who} IDENTIFIED BY "…";`,
    `GRANT CREATE SESSION TO ${who};`,
    ...([...used, ...writes].some((line) => line.includes(`"${UNKNOWN_OWNER}".`))
      ? [
          `-- Neither pack nor settings say who owns the tables: replace "${UNKNOWN_OWNER}", and set schema to the same.`,
        ]
      : []),
    ...used.map((table) => grantSelect(table, user)),
    ...writes,
    "",
    "-- Late commits are found exactly, and a restored database is noticed at once:",
    `-- GRANT EXECUTE ON SYS.DBMS_FLASHBACK TO ${who};`,
    `-- GRANT SELECT ON SYS.V_$DATABASE TO ${who};`,
    "-- A first snapshot of one instant; tables without a marker column also tell deletes at each poll:",
    ...used.map((table) => `-- GRANT FLASHBACK ON ${table} TO ${who};`),
    "-- Changes and deletes at little cost. A log grows until an administrator trims it; Millrace only reads it:",
    ...used.flatMap((table) => [
      `-- CREATE MATERIALIZED VIEW LOG ON ${table} WITH PRIMARY KEY;`,
      `-- GRANT SELECT ON ${logOf(table)} TO ${who};`,
    ]),
    "",
  ].join("\n");
}

/** Of a package's procedure the right is to the package. Rows may be locked by whoever may select them. */
function writeGrant({ right, object, columns }: WriteRight, schema: string, user: string): readonly string[] {
  if (right === "LOCK") return [];
  if (right === "NEXT") return [grant("SELECT", quotedTable(object, schema), user)];
  const name = right === "EXECUTE" ? object.name.split(".")[0]! : object.name;
  const place = quotedTable({ ...object, name }, schema);
  const list = columns?.map((column) => ORACLE_DIALECT.quoteIdentifier(spelled(column))).join(", ");
  return [grant(list === undefined ? right : `${right} (${list})`, place, user)];
}

/** As Oracle spells names that were made without quotes; others keep their case. */
export function spelled(name: string): string {
  return name === name.toLowerCase() ? name.toUpperCase() : name;
}

function quotedTable(table: TableName, schema: string): string {
  return quoteTable(ORACLE_DIALECT, { schema: spelled(table.schema ?? schema), name: spelled(table.name) });
}

/** Oracle names a log after the first twenty characters of its table; a second one of that beginning gets a number. */
function logOf(quoted: string): string {
  const [, schema = "", name = ""] = /^"([^"]*)"\."([^"]*)"$/.exec(quoted) ?? [];
  return `"${schema}"."MLOG$_${name.slice(0, 20)}"`;
}
