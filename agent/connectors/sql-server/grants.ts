// The rights that reading needs and no more, as a script for the database administrator.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";

export interface GrantTarget {
  /** Login and, for a Windows user, `DOMAIN\user`. */
  readonly user: string;
  readonly database: string;
  readonly isWindowsUser: boolean;
}

export function quoteName(name: string): string {
  return `[${name.replaceAll("]", "]]")}]`;
}

export function grantSelect(table: TableName, user: string): string {
  return `GRANT SELECT ON OBJECT::${quoteName(table.schema ?? "dbo")}.${quoteName(table.name)} TO ${quoteName(user)};`;
}

/** T-SQL, to be run once by an administrator: login, user, and SELECT on exactly the tables of the plans. */
export function grantScript(plans: readonly EntityPlan[], target: GrantTarget): string {
  const user = quoteName(target.user);
  const login = target.isWindowsUser
    ? `CREATE LOGIN ${user} FROM WINDOWS;`
    : `CREATE LOGIN ${user} WITH PASSWORD = N'…', CHECK_EXPIRATION = OFF;`;
  const tables = new Map<string, TableName>();
  for (const plan of plans) {
    for (const table of [plan.table, ...plan.children.map((child) => child.table)])
      tables.set(`${table.schema ?? "dbo"}.${table.name}`.toLowerCase(), table);
  }
  const used = [...tables.values()];
  return [
    `-- What Millrace needs to read ${target.database}: run by an administrator, once. It can write nothing.`,
    "USE [master];",
    `IF SUSER_ID(N'${text(target.user)}') IS NULL ${login}`,
    `USE ${quoteName(target.database)};`,
    `IF USER_ID(N'${text(target.user)}') IS NULL CREATE USER ${user} FOR LOGIN ${user};`,
    ...used.map((table) => grantSelect(table, target.user)),
    "",
    "-- Reads without waiting for writers, and without making them wait:",
    `-- ALTER DATABASE ${quoteName(target.database)} SET ALLOW_SNAPSHOT_ISOLATION ON;`,
    "-- Changes and deletes at once, at little cost (wants primary keys):",
    `-- ALTER DATABASE ${quoteName(target.database)} SET CHANGE_TRACKING = ON (CHANGE_RETENTION = 7 DAYS, AUTO_CLEANUP = ON);`,
    ...used.flatMap((table) => {
      const name = `${quoteName(table.schema ?? "dbo")}.${quoteName(table.name)}`;
      return [
        `-- ALTER TABLE ${name} ENABLE CHANGE_TRACKING;`,
        `-- GRANT VIEW CHANGE TRACKING ON OBJECT::${name} TO ${user};`,
      ];
    }),
    "",
  ].join("\n");
}

function text(value: string): string {
  return value.replaceAll("'", "''");
}
