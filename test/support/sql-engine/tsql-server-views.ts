// SQL Server's views of databases, sessions and transactions, and INFORMATION_SCHEMA.
import { type CatalogueView, view } from "./catalogue-kit.ts";
import { BIGINT, INT, SYSNAME } from "./function-kit.ts";
import type { DbType } from "./session.ts";
import { columnCollation, timeText, visibleTables } from "./tsql-catalogue.ts";
import { databaseOf } from "./tsql-functions.ts";
import { sqlTypeName, sqlTypeSizes } from "./type-names.ts";

const BIT: DbType = { kind: "bit" };
const TINYINT: DbType = { kind: "int", bits: 8 };
const SMALLINT: DbType = { kind: "int", bits: 16 };
const DATETIME: DbType = { kind: "datetime" };
const CODE: DbType = { kind: "char", length: 2 };
const WORDS: DbType = { kind: "nvarchar", length: 60 };

export const TSQL_SERVER_VIEWS: Readonly<Record<string, CatalogueView>> = {
  "sys.databases": view(
    {
      name: SYSNAME,
      database_id: INT,
      create_date: DATETIME,
      compatibility_level: TINYINT,
      collation_name: SYSNAME,
      state: TINYINT,
      state_desc: WORDS,
      is_read_only: BIT,
      snapshot_isolation_state: TINYINT,
      snapshot_isolation_state_desc: WORDS,
      is_read_committed_snapshot_on: BIT,
      recovery_model_desc: WORDS,
      is_cdc_enabled: BIT,
      service_broker_guid: { kind: "uniqueidentifier" },
      group_database_id: { kind: "uniqueidentifier" },
    },
    (run) => [databaseOf(run).databaseRecord()],
  ),
  "sys.database_recovery_status": view(
    {
      database_id: INT,
      database_guid: { kind: "uniqueidentifier" },
      family_guid: { kind: "uniqueidentifier" },
      recovery_fork_guid: { kind: "uniqueidentifier" },
      last_log_backup_lsn: { kind: "decimal", precision: 25, scale: 0 },
    },
    (run) => {
      const { databaseGuid, recoveryFork } = databaseOf(run);
      return [
        {
          database_id: 5,
          database_guid: databaseGuid,
          family_guid: databaseGuid,
          recovery_fork_guid: recoveryFork,
        },
      ];
    },
    "VIEW SERVER STATE",
  ),
  "sys.database_principals": view({ name: SYSNAME, principal_id: INT, type: CODE }, (run) => [
    { name: run.session.user, principal_id: 5, type: "S" },
  ]),
  "sys.dm_tran_active_transactions": view(
    {
      transaction_id: BIGINT,
      name: SYSNAME,
      transaction_begin_time: DATETIME,
      transaction_type: INT,
      transaction_state: INT,
    },
    (run) =>
      [...databaseOf(run).storage.active].map((transaction) => ({
        transaction_id: BigInt(transaction.id),
        name: "user_transaction",
        transaction_begin_time: timeText(transaction.startedAtMs),
        transaction_type: 1,
        transaction_state: 2,
      })),
    "VIEW SERVER STATE",
  ),
  "sys.dm_exec_sessions": view(
    { session_id: SMALLINT, login_name: SYSNAME, is_user_process: BIT, status: WORDS },
    (run) =>
      [...databaseOf(run).sessions].map((session, at) => ({
        session_id: 51 + at,
        login_name: session.user,
        is_user_process: true,
        status: session.isWaiting ? "running" : "sleeping",
      })),
    "VIEW SERVER STATE",
  ),
  "information_schema.tables": view(
    {
      TABLE_CATALOG: SYSNAME,
      TABLE_SCHEMA: SYSNAME,
      TABLE_NAME: SYSNAME,
      TABLE_TYPE: { kind: "varchar", length: 10 },
    },
    (run) =>
      visibleTables(run).map(({ schema, name }) => ({
        TABLE_CATALOG: databaseOf(run).name,
        TABLE_SCHEMA: schema,
        TABLE_NAME: name,
        TABLE_TYPE: "BASE TABLE",
      })),
  ),
  "information_schema.columns": view(
    {
      TABLE_CATALOG: SYSNAME,
      TABLE_SCHEMA: SYSNAME,
      TABLE_NAME: SYSNAME,
      COLUMN_NAME: SYSNAME,
      ORDINAL_POSITION: INT,
      IS_NULLABLE: { kind: "varchar", length: 3 },
      DATA_TYPE: SYSNAME,
      CHARACTER_MAXIMUM_LENGTH: INT,
      NUMERIC_PRECISION: TINYINT,
      NUMERIC_SCALE: INT,
      DATETIME_PRECISION: SMALLINT,
      COLLATION_NAME: SYSNAME,
    },
    function* columns(run) {
      for (const table of visibleTables(run)) {
        for (const [at, { name, type, isNullable }] of table.columns.entries()) {
          const sizes = sqlTypeSizes(type);
          const length = "length" in type ? (type.length === "max" ? -1 : type.length) : null;
          const isNumber = ["int", "decimal", "money", "float"].includes(type.kind);
          yield {
            TABLE_CATALOG: databaseOf(run).name,
            TABLE_SCHEMA: table.schema,
            TABLE_NAME: table.name,
            COLUMN_NAME: name,
            ORDINAL_POSITION: at + 1,
            IS_NULLABLE: isNullable ? "YES" : "NO",
            DATA_TYPE: sqlTypeName(type),
            CHARACTER_MAXIMUM_LENGTH: length,
            NUMERIC_PRECISION: isNumber ? sizes.precision : null,
            NUMERIC_SCALE: isNumber ? sizes.scale : null,
            DATETIME_PRECISION: "scale" in type && type.kind.startsWith("datetime") ? sizes.scale : null,
            COLLATION_NAME: columnCollation(type, databaseOf(run)),
          };
        }
      }
    },
  ),
  "information_schema.key_column_usage": view(
    {
      CONSTRAINT_NAME: SYSNAME,
      TABLE_SCHEMA: SYSNAME,
      TABLE_NAME: SYSNAME,
      COLUMN_NAME: SYSNAME,
      ORDINAL_POSITION: INT,
    },
    (run) =>
      visibleTables(run).flatMap((table) =>
        (table.readableIndexes.find(({ definition }) => definition.isPrimary)?.definition.columns ?? []).map(
          (name, at) => ({
            CONSTRAINT_NAME: `PK_${table.name}`,
            TABLE_SCHEMA: table.schema,
            TABLE_NAME: table.name,
            COLUMN_NAME: name,
            ORDINAL_POSITION: at + 1,
          }),
        ),
      ),
  ),
  "information_schema.table_constraints": view(
    {
      CONSTRAINT_NAME: SYSNAME,
      TABLE_SCHEMA: SYSNAME,
      TABLE_NAME: SYSNAME,
      CONSTRAINT_TYPE: { kind: "varchar", length: 11 },
    },
    (run) =>
      visibleTables(run)
        .filter(({ readableIndexes }) => readableIndexes.some(({ definition }) => definition.isPrimary))
        .map((table) => ({
          CONSTRAINT_NAME: `PK_${table.name}`,
          TABLE_SCHEMA: table.schema,
          TABLE_NAME: table.name,
          CONSTRAINT_TYPE: "PRIMARY KEY",
        })),
  ),
};
