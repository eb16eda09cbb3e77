// T-SQL's functions on names, rights and properties of the server.
import { type FunctionTable, INT, lenient, strict, SYSNAME } from "./function-kit.ts";
import type { Run } from "./run.ts";
import type { DbType, DbValue } from "./session.ts";
import type { Table } from "./table.ts";
import { visibleTables, typeId, typeNameById } from "./tsql-catalogue.ts";
import { databaseOf } from "./tsql-functions.ts";
import { sqlTypeSizes } from "./type-names.ts";

const VARIANT: DbType = { kind: "sql_variant", base: { kind: "nvarchar", length: 256 } };

/** `[a].[b]]c]` or `a.b` into parts. */
export function splitName(name: string): readonly string[] {
  const parts: string[] = [];
  for (const match of name.matchAll(/\[((?:[^\]]|\]\])*)\]|"((?:[^"]|"")*)"|([^.[\]"]+)|(?<=\.)(?=\.)/g)) {
    parts.push((match[1]?.replaceAll("]]", "]") ?? match[2]?.replaceAll('""', '"') ?? match[3] ?? "").trim());
  }
  return parts;
}

/** Undefined for what is not there or may not be seen. */
function tableNamed(name: DbValue, run: Run): Table | undefined {
  const path = splitName(String(name));
  const { storage } = run.host;
  const [schema, table] = [path.at(-2), path.at(-1) ?? ""];
  const found = storage.findTable(schema, table);
  return found !== undefined && visibleTables(run).includes(found) ? found : undefined;
}

function tableById(id: DbValue, run: Run): Table | undefined {
  return run.host.storage.tables.find((table) => table.objectId === Number(id));
}

function serverProperty(name: string, run: Run): DbValue {
  const database = databaseOf(run);
  switch (name.toUpperCase()) {
    case "SERVERNAME":
    case "MACHINENAME":
    case "COMPUTERNAMEPHYSICALNETBIOS":
      return database.serverName;
    case "PRODUCTVERSION":
      return database.version;
    case "PRODUCTMAJORVERSION":
      return database.version.split(".")[0]!;
    case "PRODUCTLEVEL":
      return "RTM";
    case "EDITION":
      return "Standard Edition (64-bit)";
    case "ENGINEEDITION":
      return 2;
    case "COLLATION":
      return database.collation;
    case "ISHADRENABLED":
    case "ISCLUSTERED":
      return 0;
    default:
      return null;
  }
}

function databaseProperty(name: string, run: Run): DbValue {
  const database = databaseOf(run);
  switch (name.toUpperCase()) {
    case "COLLATION":
      return database.collation;
    case "UPDATEABILITY":
      return database.isReadOnly ? "READ_ONLY" : "READ_WRITE";
    case "STATUS":
      return "ONLINE";
    case "RECOVERY":
      return "FULL";
    default:
      return null;
  }
}

/** `HAS_PERMS_BY_NAME(securable, class, right [, sub-securable, sub-class])`. */
function hasPermission(args: readonly DbValue[], run: Run): DbValue {
  const { rights } = databaseOf(run);
  const { user, isAdministrator } = run.session;
  if (isAdministrator) return 1;
  const right = String(args[2] ?? "").toUpperCase();
  if (String(args[1] ?? "").toUpperCase() !== "OBJECT") return rights.may(user, right) ? 1 : 0;
  const table = tableNamed(args[0]!, run);
  if (table === undefined) return null;
  const column = args[3];
  if (column === null || column === undefined) return rights.may(user, right, table.label) ? 1 : 0;
  return rights.may(user, right, table.label, [String(column)]) ? 1 : 0;
}

export const TSQL_OBJECT_FUNCTIONS: FunctionTable = {
  DB_ID: lenient({ kind: "int", bits: 16 }, ([name], run) =>
    name === undefined || String(name).toLowerCase() === databaseOf(run).name.toLowerCase() ? 5 : null,
  ),
  DB_NAME: lenient(SYSNAME, ([id], run) =>
    id === undefined || Number(id) === 5 ? databaseOf(run).name : null,
  ),
  OBJECT_ID: strict(INT, ([name], run) => tableNamed(name!, run)?.objectId ?? null),
  OBJECT_NAME: strict(SYSNAME, ([id], run) => tableById(id!, run)?.name ?? null),
  OBJECT_SCHEMA_NAME: strict(SYSNAME, ([id], run) => tableById(id!, run)?.schema ?? null),
  SCHEMA_NAME: lenient(SYSNAME, ([id], run) =>
    id === undefined ? run.host.storage.defaultSchema : (databaseOf(run).schemas[Number(id) - 1] ?? null),
  ),
  SCHEMA_ID: lenient(
    INT,
    ([name], run) => databaseOf(run).schemaId(String(name ?? run.host.storage.defaultSchema)) ?? null,
  ),
  COL_LENGTH: strict({ kind: "int", bits: 16 }, ([table, column], run) => {
    const found = tableNamed(table!, run);
    const place = found?.place(String(column)) ?? -1;
    return place < 0 ? null : sqlTypeSizes(found!.columns[place]!.type).maxLength;
  }),
  COL_NAME: strict(
    SYSNAME,
    ([table, id], run) => tableById(table!, run)?.columns[Number(id) - 1]?.name ?? null,
  ),
  COLUMNPROPERTY: strict(INT, ([id, column, property], run) => {
    const table = tableById(id!, run);
    const place = table?.place(String(column)) ?? -1;
    if (place < 0) return null;
    const found = table!.columns[place]!;
    switch (String(property).toUpperCase()) {
      case "COLUMNID":
        return place + 1;
      case "ISIDENTITY":
        return found.isIdentity ? 1 : 0;
      case "ALLOWSNULL":
        return found.isNullable ? 1 : 0;
      default:
        return null;
    }
  }),
  TYPE_NAME: strict(SYSNAME, ([id]) => typeNameById(Number(id))),
  TYPE_ID: strict(INT, ([name]) => typeId({ kind: String(name).toLowerCase() as "date" }) || null),
  IDENT_CURRENT: strict({ kind: "decimal", precision: 38, scale: 0 }, ([name], run) => {
    const table = tableNamed(name!, run);
    return table === undefined ? null : String(table.nextIdentity - 1n);
  }),
  SERVERPROPERTY: strict(VARIANT, ([name], run) => serverProperty(String(name), run)),
  DATABASEPROPERTYEX: strict(VARIANT, ([, name], run) => databaseProperty(String(name), run)),
  HAS_PERMS_BY_NAME: lenient(INT, hasPermission),
  HAS_DBACCESS: strict(INT, ([name], run) =>
    String(name).toLowerCase() === databaseOf(run).name.toLowerCase() ? 1 : null,
  ),
  IS_MEMBER: strict(INT, ([role], run) => (isInRole(String(role), run) ? 1 : 0)),
  IS_ROLEMEMBER: strict(INT, ([role], run) => (isInRole(String(role), run) ? 1 : 0)),
  IS_SRVROLEMEMBER: strict(INT, ([role], run) => (isInRole(String(role), run) ? 1 : 0)),
  SUSER_SNAME: lenient(SYSNAME, (_, run) => run.session.user),
  SUSER_NAME: lenient(SYSNAME, (_, run) => run.session.user),
  USER_NAME: lenient(SYSNAME, (_, run) => run.session.user),
  ORIGINAL_LOGIN: lenient(SYSNAME, (_, run) => run.session.user),
  SYSTEM_USER: lenient(SYSNAME, (_, run) => run.session.user),
  CURRENT_USER: lenient(SYSNAME, (_, run) => run.session.user),
  SESSION_USER: lenient(SYSNAME, (_, run) => run.session.user),
  USER: lenient(SYSNAME, (_, run) => run.session.user),
  HOST_NAME: lenient(SYSNAME, () => "test"),
  APP_NAME: lenient(SYSNAME, () => "test"),
};

function isInRole(role: string, run: Run): boolean {
  if (run.session.isAdministrator) return true;
  return databaseOf(run).rights.login(run.session.user)?.roles.has(role.toUpperCase()) ?? false;
}
