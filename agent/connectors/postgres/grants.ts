// The rights that reading and writing need and no more, as a script for the database administrator.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { quoteTable } from "#agent/core/sql/dialect.ts";
import { type WriteRight, writeRights } from "#agent/core/sql/write-rights.ts";
import { POSTGRES_DIALECT } from "./connection.ts";
import type { PostgresSettings } from "./definition.ts";

type Wanted = Pick<PostgresSettings, "user" | "database"> & Partial<Pick<PostgresSettings, "write">>;

/** SQL, to be run once by an administrator: the role, SELECT on exactly the tables of the plans, and what is written. */
export function grantScript(plans: readonly EntityPlan[], { user, database, write }: Wanted): string {
  const who = POSTGRES_DIALECT.quoteIdentifier(user);
  const read = plans.flatMap(({ table, children }) => [table, ...children.map((child) => child.table)]);
  const rights = writeRights(plans, write);
  const writes = rights.flatMap((right) => writeGrants(right, who));
  const touched = [...read, ...rights.map(({ object }) => object)];
  const schemas = touched.map(({ schema }) => POSTGRES_DIALECT.quoteIdentifier(schema ?? "public"));
  return [
    `-- What Millrace needs to read ${database}: run in it by an administrator, once. ${writes.length === 0 ? "It can write nothing." : "It writes what the pack's writes name."}`,
    `CREATE ROLE ${who} LOGIN PASSWORD '…';`,
    `GRANT CONNECT ON DATABASE ${POSTGRES_DIALECT.quoteIdentifier(database)} TO ${who};`,
    ...new Set(schemas.map((schema) => `GRANT USAGE ON SCHEMA ${schema} TO ${who};`)),
    ...new Set(read.map((table) => `GRANT SELECT ON ${quoted(table)} TO ${who};`)),
    ...new Set(writes),
    "",
    "-- Another cluster, or one restored to an earlier time, is noticed by its identity:",
    `-- GRANT EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint() TO ${who};`,
    "",
  ].join("\n");
}

function writeGrants({ right, object, columns }: WriteRight, who: string): readonly string[] {
  const list =
    columns === undefined
      ? ""
      : ` (${columns.map((name) => POSTGRES_DIALECT.quoteIdentifier(name)).join(", ")})`;
  switch (right) {
    case "EXECUTE":
      return [`GRANT EXECUTE ON ROUTINE ${quoted(object)} TO ${who};`];
    case "NEXT":
      return [`GRANT USAGE ON SEQUENCE ${quoted(object)} TO ${who};`];
    case "LOCK":
      return [
        `-- To hold a row while it, or what belongs to it, is written:\nGRANT UPDATE${list} ON ${quoted(object)} TO ${who};`,
      ];
    default:
      return [`GRANT ${right}${list} ON ${quoted(object)} TO ${who};`];
  }
}

function quoted({ schema = "public", name }: TableName): string {
  return quoteTable(POSTGRES_DIALECT, { schema, name });
}
