// sys.procedures and sys.parameters of the procedures that tests declare; all of them are dbo's.
import type { ProcedureParameter } from "./database.ts";
import type { Run } from "./run.ts";
import type { DbType, DbValue } from "./session.ts";
import type { SqlServerDatabase } from "./sql-server.ts";
import { databaseOf } from "./tsql-functions.ts";
import { sqlTypeSizes } from "./type-names.ts";

type Record_ = Readonly<Record<string, DbValue>>;

/** Tables' numbers stay below. */
const FIRST_ID = 2_000_000_000;
const MADE_AT = "2020-01-01 00:00:00.000";

interface Visible {
  readonly id: number;
  readonly name: string;
  readonly parameters: readonly ProcedureParameter[];
}

function visible(run: Run): readonly Visible[] {
  const { declaredProcedures, rights } = databaseOf(run);
  const { user, isAdministrator } = run.session;
  return [...declaredProcedures]
    .map(([name, parameters], at) => ({ id: FIRST_ID + at, name, parameters }))
    .filter(({ name }) => isAdministrator || rights.may(user, "EXECUTE", `dbo.${name}`));
}

export function procedureRecords(run: Run): readonly Record_[] {
  const database: SqlServerDatabase = databaseOf(run);
  return visible(run).map(({ id, name }) => ({
    name,
    object_id: id,
    schema_id: database.schemaId("dbo"),
    parent_object_id: 0,
    type: "P ",
    type_desc: "SQL_STORED_PROCEDURE",
    create_date: MADE_AT,
    modify_date: MADE_AT,
    is_ms_shipped: false,
  }));
}

export function parameterRecords(run: Run, typeId: (type: DbType) => number): readonly Record_[] {
  return visible(run).flatMap(({ id, parameters }) =>
    parameters.map(({ name, type, isOutput }, at) => {
      const { maxLength, precision, scale } = sqlTypeSizes(type);
      return {
        object_id: id,
        name: `@${name}`,
        parameter_id: at + 1,
        system_type_id: typeId(type),
        user_type_id: typeId(type),
        max_length: maxLength,
        precision,
        scale,
        is_output: isOutput,
      };
    }),
  );
}
