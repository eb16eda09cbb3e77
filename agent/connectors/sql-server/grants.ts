// The rights that reading needs and no more, as a script for the database administrator.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { type WriteRight, writeRights } from "#agent/core/sql/write-rights.ts";
import type { SqlServerSettings } from "./definition.ts";

/** Who reads: the SQL login, or `DOMAIN\user`. Its user in the database is taken to have the same name. */
export function userOf({ login }: Pick<SqlServerSettings, "login">): string {
  return login.method === "ntlm" ? `${login.domain}\\${login.user}` : login.user;
}

export function quoteName(name: string): string {
  return `[${name.replaceAll("]", "]]")}]`;
}

export function grantSelect(table: TableName, user: string): string {
  return `GRANT SELECT ON OBJECT::${quotedTable(table)} TO ${quoteName(user)};`;
}

/** T-SQL, to be run once by an administrator: login, user, and SELECT on exactly the tables of the plans. */
export function grantScript(
  plans: readonly EntityPlan[],
  settings: Pick<SqlServerSettings, "login" | "database"> & Partial<Pick<SqlServerSettings, "write">>,
): string {
  const name = userOf(settings);
  const user = quoteName(name);
  const database = quoteName(settings.database);
  const login =
    settings.login.method === "ntlm"
      ? `CREATE LOGIN ${user} FROM WINDOWS;`
      : `CREATE LOGIN ${user} WITH PASSWORD = N'…', CHECK_EXPIRATION = OFF;`;
  const used = tablesOf(plans);
  const writes = [...new Set(writeRights(plans, settings.write).flatMap((right) => writeGrant(right, user)))];
  return [
    `-- What Millrace needs to read ${settings.database}: run by an administrator, once. ${writes.length === 0 ? "It can write nothing." : "It writes what the pack's writes name."}`,
    "USE [master];",
    `IF SUSER_ID(N'${text(name)}') IS NULL ${login}`,
    `USE ${database};`,
    `IF USER_ID(N'${text(name)}') IS NULL CREATE USER ${user} FOR LOGIN ${user};`,
    ...used.map((table) => `${companyNote(table)}${grantSelect(table, name)}`),
    ...writes,
    "",
    "-- Reads without waiting for writers, and without making them wait:",
    `-- ALTER DATABASE ${database} SET ALLOW_SNAPSHOT_ISOLATION ON;`,
    "-- Changes and deletes at once, at little cost (wants primary keys):",
    `-- ALTER DATABASE ${database} SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 7 DAYS, AUTO_CLEANUP = ON);`,
    ...used.flatMap((table) => [
      `-- ALTER TABLE ${quotedTable(table)} ENABLE CHANGE_TRACKING;`,
      `-- GRANT VIEW CHANGE TRACKING ON OBJECT::${quotedTable(table)} TO ${user};`,
    ]),
    "",
  ].join("\n");
}

function tablesOf(plans: readonly EntityPlan[]): readonly TableName[] {
  const tables = new Map<string, TableName>();
  for (const plan of plans) {
    for (const table of [plan.table, ...plan.children.map((child) => child.table)])
      tables.set(quotedTable(table).toLowerCase(), table);
  }
  return [...tables.values()];
}

/** Rows may be locked by whoever may select them; a sequence's next value is an update of it. */
function writeGrant({ right, object, columns }: WriteRight, user: string): readonly string[] {
  if (right === "LOCK") return [];
  const list = columns === undefined ? "" : ` (${columns.map(quoteName).join(", ")})`;
  const wanted = right === "NEXT" ? "UPDATE" : right;
  return [`${companyNote(object)}GRANT ${wanted} ON OBJECT::${quotedTable(object)}${list} TO ${user};`];
}

function quotedTable({ schema = "dbo", name }: TableName): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

/** Only the catalogue knows such a table's whole name. */
function companyNote({ company }: TableName): string {
  return company === undefined ? "" : "-- Once for each company, as [<company>$…]:\n-- ";
}

function text(value: string): string {
  return value.replaceAll("'", "''");
}
