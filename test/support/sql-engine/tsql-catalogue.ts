// SQL Server's catalogue views, as far as connectors and tests look at them.
import { type CatalogueView, view } from "./catalogue-kit.ts";
import { dateTimeText, clockOfMs } from "./date-text.ts";
import { BIGINT, INT, SYSNAME } from "./function-kit.ts";
import type { Run } from "./run.ts";
import type { DbType, DbValue } from "./session.ts";
import type { SqlServerDatabase } from "./sql-server.ts";
import type { Table } from "./table.ts";
import { databaseOf } from "./tsql-functions.ts";
import { parameterRecords, procedureRecords } from "./tsql-procedures.ts";
import { sqlTypeName, sqlTypeSizes } from "./type-names.ts";

type Record_ = Readonly<Record<string, DbValue>>;

const BIT: DbType = { kind: "bit" };
const TINYINT: DbType = { kind: "int", bits: 8 };
const SMALLINT: DbType = { kind: "int", bits: 16 };
const DATETIME: DbType = { kind: "datetime" };
const CODE: DbType = { kind: "char", length: 2, collation: "Latin1_General_CI_AS_KS_WS" };
const WORDS: DbType = { kind: "nvarchar", length: 60 };

/** `[name, system_type_id, bytes]`, as every SQL Server numbers them. */
const TYPES: readonly (readonly [string, number, number])[] = [
  ["image", 34, 16],
  ["text", 35, 16],
  ["uniqueidentifier", 36, 16],
  ["date", 40, 3],
  ["time", 41, 5],
  ["datetime2", 42, 8],
  ["datetimeoffset", 43, 10],
  ["tinyint", 48, 1],
  ["smallint", 52, 2],
  ["int", 56, 4],
  ["smalldatetime", 58, 4],
  ["real", 59, 4],
  ["money", 60, 8],
  ["datetime", 61, 8],
  ["float", 62, 8],
  ["sql_variant", 98, 8016],
  ["ntext", 99, 16],
  ["bit", 104, 1],
  ["decimal", 106, 17],
  ["numeric", 108, 17],
  ["smallmoney", 122, 4],
  ["bigint", 127, 8],
  ["varbinary", 165, 8000],
  ["varchar", 167, 8000],
  ["binary", 173, 8000],
  ["char", 175, 8000],
  ["timestamp", 189, 8],
  ["nvarchar", 231, 8000],
  ["nchar", 239, 8000],
  ["xml", 241, -1],
];

export function typeId(type: DbType): number {
  return TYPES.find(([name]) => name === sqlTypeName(type))?.[1] ?? 0;
}

export function typeNameById(id: number): string | null {
  return TYPES.find(([, number]) => number === id)?.[0] ?? null;
}

export function timeText(ms: number): string {
  return dateTimeText(clockOfMs(ms), 3);
}

/** Tables that the session may know of. */
export function visibleTables(run: Run): readonly Table[] {
  const database = databaseOf(run);
  const { user, isAdministrator } = run.session;
  return database.storage.tables.filter(
    (table) => isAdministrator || database.rights.knows(user, table.label),
  );
}

function objectRecord(database: SqlServerDatabase, table: Table): Record_ {
  return {
    name: table.name,
    object_id: table.objectId,
    schema_id: database.schemaId(table.schema),
    parent_object_id: 0,
    type: "U ",
    type_desc: "USER_TABLE",
    create_date: timeText(table.createdAtMs),
    // A second for each alteration: which of them is the last matters, not when it was.
    modify_date: timeText(table.createdAtMs + table.generation * 1000),
    is_ms_shipped: table.schema === "cdc",
    is_tracked_by_cdc: database.dataCapture.instances.some((instance) => instance.table === table),
    temporal_type: 0,
    is_memory_optimized: false,
    is_external: false,
  };
}

const OBJECT_COLUMNS = {
  name: SYSNAME,
  object_id: INT,
  schema_id: INT,
  parent_object_id: INT,
  type: CODE,
  type_desc: WORDS,
  create_date: DATETIME,
  modify_date: DATETIME,
  is_ms_shipped: BIT,
};

function* indexRecords(
  run: Run,
): Generator<{ readonly table: Table; readonly at: number; readonly record: Record_ }> {
  for (const table of visibleTables(run)) {
    for (const [at, { definition }] of table.readableIndexes.entries()) {
      yield {
        table,
        at,
        record: {
          object_id: table.objectId,
          name: definition.name,
          index_id: at + 1,
          type: at === 0 ? 1 : 2,
          type_desc: at === 0 ? "CLUSTERED" : "NONCLUSTERED",
          is_unique: definition.isUnique,
          is_primary_key: definition.isPrimary,
          is_unique_constraint: false,
          is_disabled: false,
          is_hypothetical: false,
          has_filter: false,
          filter_definition: null,
        },
      };
    }
  }
}

function isWithCollation(type: DbType): boolean {
  return ["char", "varchar", "nchar", "nvarchar"].includes(type.kind);
}

export function columnCollation(type: DbType, database: SqlServerDatabase): DbValue {
  if (!isWithCollation(type)) return null;
  return ("collation" in type ? type.collation : undefined) ?? database.collation;
}

const OBJECTS = view(OBJECT_COLUMNS, (run) =>
  visibleTables(run).map((table) => objectRecord(databaseOf(run), table)),
);

export const TSQL_CATALOGUE: Readonly<Record<string, CatalogueView>> = {
  "sys.objects": OBJECTS,
  "sys.all_objects": OBJECTS,
  "sys.tables": view(
    {
      ...OBJECT_COLUMNS,
      is_tracked_by_cdc: BIT,
      temporal_type: TINYINT,
      is_memory_optimized: BIT,
      is_external: BIT,
    },
    (run) => visibleTables(run).map((table) => objectRecord(databaseOf(run), table)),
  ),
  "sys.views": view(OBJECT_COLUMNS, () => []),
  "sys.synonyms": view({ ...OBJECT_COLUMNS, base_object_name: SYSNAME }, () => []),
  "sys.schemas": view({ name: SYSNAME, schema_id: INT, principal_id: INT }, (run) =>
    databaseOf(run).schemas.map((name, at) => ({ name, schema_id: at + 1, principal_id: at + 1 })),
  ),
  "sys.columns": view(
    {
      object_id: INT,
      name: SYSNAME,
      column_id: INT,
      system_type_id: TINYINT,
      user_type_id: INT,
      max_length: SMALLINT,
      precision: TINYINT,
      scale: TINYINT,
      collation_name: SYSNAME,
      is_nullable: BIT,
      is_identity: BIT,
      is_computed: BIT,
      is_rowguidcol: BIT,
      is_hidden: BIT,
      default_object_id: INT,
    },
    function* columns(run) {
      for (const table of visibleTables(run)) {
        for (const [at, column] of table.columns.entries()) {
          const { maxLength, precision, scale } = sqlTypeSizes(column.type);
          yield {
            object_id: table.objectId,
            name: column.name,
            column_id: at + 1,
            system_type_id: typeId(column.type),
            user_type_id: typeId(column.type),
            max_length: maxLength,
            precision,
            scale,
            collation_name: columnCollation(column.type, databaseOf(run)),
            is_nullable: column.isNullable,
            is_identity: column.isIdentity,
            is_computed: false,
            is_rowguidcol: false,
            is_hidden: false,
            default_object_id: 0,
          };
        }
      }
    },
  ),
  "sys.procedures": view(OBJECT_COLUMNS, procedureRecords),
  "sys.parameters": view(
    {
      object_id: INT,
      name: SYSNAME,
      parameter_id: INT,
      system_type_id: TINYINT,
      user_type_id: INT,
      max_length: SMALLINT,
      precision: TINYINT,
      scale: TINYINT,
      is_output: BIT,
    },
    (run) => parameterRecords(run, typeId),
  ),
  "sys.types": view(
    {
      name: SYSNAME,
      system_type_id: TINYINT,
      user_type_id: INT,
      schema_id: INT,
      max_length: SMALLINT,
      is_nullable: BIT,
      is_user_defined: BIT,
      is_assembly_type: BIT,
      is_table_type: BIT,
    },
    () =>
      TYPES.map(([name, id, bytes]) => ({
        name,
        system_type_id: id,
        user_type_id: id,
        schema_id: 4,
        max_length: bytes,
        is_nullable: true,
        is_user_defined: false,
        is_assembly_type: false,
        is_table_type: false,
      })),
  ),
  "sys.indexes": view(
    {
      object_id: INT,
      name: SYSNAME,
      index_id: INT,
      type: TINYINT,
      type_desc: WORDS,
      is_unique: BIT,
      is_primary_key: BIT,
      is_unique_constraint: BIT,
      is_disabled: BIT,
      is_hypothetical: BIT,
      has_filter: BIT,
      filter_definition: { kind: "nvarchar", length: "max" },
    },
    (run) => [...indexRecords(run)].map(({ record }) => record),
  ),
  "sys.index_columns": view(
    {
      object_id: INT,
      index_id: INT,
      index_column_id: INT,
      column_id: INT,
      key_ordinal: TINYINT,
      is_descending_key: BIT,
      is_included_column: BIT,
    },
    function* indexColumns(run) {
      for (const { table, at } of indexRecords(run)) {
        for (const [place, name] of table.readableIndexes[at]!.definition.columns.entries()) {
          yield {
            object_id: table.objectId,
            index_id: at + 1,
            index_column_id: place + 1,
            column_id: table.place(name) + 1,
            key_ordinal: place + 1,
            is_descending_key: false,
            is_included_column: false,
          };
        }
      }
    },
  ),
  "sys.key_constraints": view(
    {
      name: SYSNAME,
      object_id: INT,
      schema_id: INT,
      parent_object_id: INT,
      type: CODE,
      unique_index_id: INT,
    },
    (run) =>
      [...indexRecords(run)]
        .filter(({ record }) => record["is_primary_key"] === true)
        .map(({ table, at, record }) => ({
          name: record["name"]!,
          object_id: table.objectId + 1,
          schema_id: databaseOf(run).schemaId(table.schema),
          parent_object_id: table.objectId,
          type: "PK",
          unique_index_id: at + 1,
        })),
  ),
  "sys.partitions": view({ object_id: INT, index_id: INT, partition_number: INT, rows: BIGINT }, (run) =>
    visibleTables(run).map((table) => ({
      object_id: table.objectId,
      index_id: 1,
      partition_number: 1,
      rows: BigInt(table.rowEstimate),
    })),
  ),
};
