// The functions, views and procedures of Change Tracking and Change Data Capture.
import { type CatalogueView, view } from "./catalogue-kit.ts";
import { clockOfMs, dateTimeText, parseWallClock } from "./date-text.ts";
import { LSN, lsnBytes, lsnOf } from "./data-capture.ts";
import type { Procedure } from "./database.ts";
import { BIGINT, type FunctionTable, INT, lenient, strict, SYSNAME } from "./function-kit.ts";
import type { Run } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import type { SqlServerDatabase } from "./sql-server.ts";
import { databaseOf } from "./tsql-functions.ts";
import { zoneOffsetMinutes } from "./time-zones.ts";

const BIT: DbType = { kind: "bit" };
const DATETIME: DbType = { kind: "datetime" };

export const CHANGE_FUNCTIONS: FunctionTable = {
  CHANGE_TRACKING_CURRENT_VERSION: lenient(BIGINT, (_, run) =>
    databaseOf(run).changeTracking.currentVersion(run),
  ),
  CHANGE_TRACKING_MIN_VALID_VERSION: strict(BIGINT, ([id], run) => {
    const database = databaseOf(run);
    const table = database.storage.tables.find(({ objectId }) => objectId === Number(id));
    if (table === undefined) return null;
    const { user, isAdministrator } = run.session;
    if (!isAdministrator && !database.rights.may(user, "VIEW CHANGE TRACKING", table.label)) return null;
    return database.changeTracking.minValidVersion(table);
  }),
  CHANGE_TRACKING_IS_COLUMN_IN_MASK: strict(INT, ([id, mask]) => {
    const bytes = Buffer.from(mask as Uint8Array);
    for (let at = 4; at + 4 <= bytes.length; at += 4) if (bytes.readUInt32LE(at) === Number(id)) return 1;
    return 0;
  }),
  FN_CDC_GET_MIN_LSN: strict(LSN, ([name], run) =>
    lsnBytes(databaseOf(run).dataCapture.find(String(name))?.minLsn ?? 0n),
  ),
  FN_CDC_GET_MAX_LSN: lenient(LSN, (_, run) => {
    const lsn = databaseOf(run).dataCapture.maxLsn(run);
    return lsn === undefined ? null : lsnBytes(lsn);
  }),
  FN_CDC_INCREMENT_LSN: strict(LSN, ([lsn]) => lsnBytes(lsnOf(lsn!)! + 1n)),
  FN_CDC_DECREMENT_LSN: strict(LSN, ([lsn]) => lsnBytes(lsnOf(lsn!)! - 1n)),
  FN_CDC_MAP_LSN_TO_TIME: strict(DATETIME, ([lsn], run) => {
    const found = databaseOf(run).dataCapture.lsnTimes.find((entry) => entry.lsn === lsnOf(lsn!));
    return found === undefined ? null : localText(found.atMs, run);
  }),
  FN_CDC_MAP_TIME_TO_LSN: strict(LSN, ([relation, time], run) => {
    const clock = parseWallClock(String(time))!;
    const localMs = clock.seconds * 1000 + clock.nanos / 1e6;
    const ms = localMs - zoneOffsetMinutes(databaseOf(run).timeZone, localMs, true) * 60_000;
    const times = databaseOf(run).dataCapture.lsnTimes;
    const found = {
      "smallest greater than": () => times.find(({ atMs }) => atMs > ms),
      "smallest greater than or equal": () => times.find(({ atMs }) => atMs >= ms),
      "largest less than": () => times.findLast(({ atMs }) => atMs < ms),
      "largest less than or equal": () => times.findLast(({ atMs }) => atMs <= ms),
    }[String(relation).toLowerCase() as "largest less than"]?.();
    return found === undefined ? null : lsnBytes(found.lsn);
  }),
  FN_CDC_HAS_COLUMN_CHANGED: strict(BIT, ([name, column, mask], run) => {
    const instance = databaseOf(run).dataCapture.find(String(name));
    const at =
      instance?.columns.findIndex((one) => one.name.toLowerCase() === String(column).toLowerCase()) ?? -1;
    const bytes = mask as Uint8Array;
    return at >= 0 && (bytes[bytes.length - 1 - Math.floor(at / 8)]! & (1 << (at % 8))) !== 0;
  }),
};

function localText(ms: number, run: Run): string {
  return dateTimeText(clockOfMs(ms + zoneOffsetMinutes(databaseOf(run).timeZone, ms) * 60_000), 3);
}

export const CHANGE_VIEWS: Readonly<Record<string, CatalogueView>> = {
  "sys.change_tracking_databases": view(
    {
      database_id: INT,
      is_auto_cleanup_on: BIT,
      retention_period: INT,
      retention_period_units: { kind: "int", bits: 8 },
      retention_period_units_desc: { kind: "nvarchar", length: 60 },
    },
    (run) =>
      databaseOf(run).changeTracking.isOn
        ? [
            {
              database_id: 5,
              is_auto_cleanup_on: true,
              retention_period: 2,
              retention_period_units: 3,
              retention_period_units_desc: "DAYS",
            },
          ]
        : [],
  ),
  "sys.change_tracking_tables": view(
    {
      object_id: INT,
      is_track_columns_updated_on: BIT,
      begin_version: BIGINT,
      cleanup_version: BIGINT,
      min_valid_version: BIGINT,
    },
    (run) => {
      const database = databaseOf(run);
      const { user, isAdministrator } = run.session;
      return [...database.changeTracking.tableRecords()].filter((record) => {
        const table = database.storage.tables.find(({ objectId }) => objectId === record["object_id"]);
        return isAdministrator || (table !== undefined && database.rights.knows(user, table.label));
      });
    },
  ),
  "cdc.change_tables": view(
    {
      object_id: INT,
      version: INT,
      source_object_id: INT,
      capture_instance: SYSNAME,
      start_lsn: LSN,
      end_lsn: LSN,
      supports_net_changes: BIT,
      has_drop_pending: BIT,
      role_name: SYSNAME,
      index_name: SYSNAME,
      filegroup_name: SYSNAME,
      create_date: DATETIME,
    },
    (run) => databaseOf(run).dataCapture.instances.map(captureRecord),
  ),
  "cdc.captured_columns": view(
    { object_id: INT, column_name: SYSNAME, column_id: INT, column_type: SYSNAME, column_ordinal: INT },
    function* columns(run) {
      for (const { objectId, columns, table } of databaseOf(run).dataCapture.instances) {
        for (const [at, { name, type }] of columns.entries()) {
          yield {
            object_id: objectId,
            column_name: name,
            column_id: table.place(name) + 1,
            column_type: type.kind,
            column_ordinal: at + 1,
          };
        }
      }
    },
  ),
  "cdc.lsn_time_mapping": view(
    { start_lsn: LSN, tran_begin_time: DATETIME, tran_end_time: DATETIME, tran_begin_lsn: LSN },
    (run) =>
      databaseOf(run).dataCapture.lsnTimes.map(({ lsn, atMs }) => ({
        start_lsn: lsnBytes(lsn),
        tran_begin_time: localText(atMs, run),
        tran_end_time: localText(atMs, run),
        tran_begin_lsn: lsnBytes(lsn),
      })),
  ),
};

function captureRecord(
  instance: SqlServerDatabase["dataCapture"]["instances"][number],
): Readonly<Record<string, DbValue>> {
  const { name, table, objectId, supportsNet, startLsn } = instance;
  return {
    object_id: objectId,
    version: 0,
    source_object_id: table.objectId,
    capture_instance: name,
    start_lsn: lsnBytes(startLsn),
    supports_net_changes: supportsNet,
    has_drop_pending: false,
    index_name: table.primaryKey?.definition.name ?? null,
    create_date: dateTimeText(clockOfMs(table.createdAtMs), 3),
  };
}

function bracketed(names: readonly string[]): string {
  return names.map((name) => `[${name.replaceAll("]", "]]")}]`).join(", ");
}

/** `sys.sp_cdc_help_change_data_capture`: only captures on tables that the caller may read. */
export const helpDataCapture: Procedure = ({ run, parameters }) => {
  const database = databaseOf(run);
  if (!database.dataCapture.isOn) {
    throw new DatabaseError(
      22_901,
      `The database '${database.name}' is not enabled for Change Data Capture.`,
    );
  }
  const wanted = parameters.map(({ value }) => (value === null ? undefined : String(value).toLowerCase()));
  const types: readonly (readonly [string, DbType])[] = [
    ["source_schema", SYSNAME],
    ["source_table", SYSNAME],
    ["capture_instance", SYSNAME],
    ["object_id", INT],
    ["source_object_id", INT],
    ["start_lsn", LSN],
    ["end_lsn", LSN],
    ["supports_net_changes", BIT],
    ["has_drop_pending", BIT],
    ["role_name", SYSNAME],
    ["index_name", SYSNAME],
    ["filegroup_name", SYSNAME],
    ["create_date", DATETIME],
    ["index_column_list", { kind: "nvarchar", length: "max" }],
    ["captured_column_list", { kind: "nvarchar", length: "max" }],
  ];
  const rows = database.dataCapture.instances
    .filter(({ table }) => wanted[0] === undefined || wanted[0] === table.schema.toLowerCase())
    .filter(({ table }) => wanted[1] === undefined || wanted[1] === table.name.toLowerCase())
    .filter(
      ({ table }) =>
        run.session.isAdministrator || database.rights.may(run.session.user, "SELECT", table.label),
    )
    .map((instance): readonly DbValue[] => {
      const record: Readonly<Record<string, DbValue>> = {
        ...captureRecord(instance),
        source_schema: instance.table.schema,
        source_table: instance.table.name,
        index_column_list: bracketed(instance.table.primaryKey?.definition.columns ?? []),
        captured_column_list: bracketed(instance.columns.map(({ name }) => name)),
      };
      return types.map(([name]) => record[name] ?? null);
    });
  const columns = types.map(([name, type]) => ({ name, type, isNullable: true }));
  return { sets: [{ columns, rows }], rowsAffected: 0, returnStatus: 0 };
};
