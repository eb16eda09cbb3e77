// Oracle's dictionary and performance views, as far as connectors and tests look at them.
import { type CatalogueView, view } from "./catalogue-kit.ts";
import { clockOfMs, dateTimeText } from "./date-text.ts";
import { NUMBER } from "./function-kit.ts";
import { oracleOf, oracleSessionOf } from "./oracle-functions.ts";
import type { Run } from "./run.ts";
import type { DbType, DbValue } from "./session.ts";
import type { Table } from "./table.ts";
import { oracleTypeName } from "./type-names.ts";

type Record_ = Readonly<Record<string, DbValue>>;

const NAME: DbType = { kind: "varchar", length: 128 };
const DATE: DbType = { kind: "oracle_date" };

/** Tables that the session may know of. */
function visibleTables(run: Run): readonly Table[] {
  const { storage, rights } = oracleOf(run);
  const { user, isAdministrator } = run.session;
  return storage.tables.filter(
    (table) => isAdministrator || table.schema === user.toUpperCase() || rights.knows(user, table.label),
  );
}

function ownTables(run: Run): readonly Table[] {
  return visibleTables(run).filter(({ schema }) => schema === oracleSessionOf(run).currentSchema);
}

function timeText(ms: number): string {
  return dateTimeText(clockOfMs(ms), 0);
}

function tableRecord(table: Table): Record_ {
  return {
    OWNER: table.schema,
    TABLE_NAME: table.name,
    TABLESPACE_NAME: "USERS",
    STATUS: "VALID",
    NUM_ROWS: String(table.rowEstimate),
    DEPENDENCIES: table.rowDependencies ? "ENABLED" : "DISABLED",
    IOT_TYPE: null,
    TEMPORARY: "N",
    PARTITIONED: "NO",
  };
}

const TABLE_COLUMNS = {
  OWNER: NAME,
  TABLE_NAME: NAME,
  TABLESPACE_NAME: NAME,
  STATUS: NAME,
  NUM_ROWS: NUMBER,
  DEPENDENCIES: NAME,
  IOT_TYPE: NAME,
  TEMPORARY: NAME,
  PARTITIONED: NAME,
};

const TAB_COLUMN_TYPES = {
  OWNER: NAME,
  TABLE_NAME: NAME,
  COLUMN_NAME: NAME,
  DATA_TYPE: NAME,
  DATA_LENGTH: NUMBER,
  DATA_PRECISION: NUMBER,
  DATA_SCALE: NUMBER,
  NULLABLE: NAME,
  COLUMN_ID: NUMBER,
  CHAR_LENGTH: NUMBER,
  CHAR_USED: NAME,
  COLLATION: NAME,
  HIDDEN_COLUMN: NAME,
  VIRTUAL_COLUMN: NAME,
  IDENTITY_COLUMN: NAME,
};

function* columnRecords(tables: readonly Table[]): Generator<Record_> {
  for (const table of tables) {
    for (const [at, { name, type, isNullable, isIdentity }] of table.columns.entries()) {
      const isText = ["char", "nchar", "varchar", "nvarchar"].includes(type.kind);
      const length = "length" in type ? String(type.length) : null;
      const precision =
        type.kind === "number" && type.precision !== undefined ? String(type.precision) : null;
      const scale =
        type.kind === "timestamp"
          ? String(type.scale)
          : type.kind === "number" && type.scale !== undefined
            ? String(type.scale)
            : null;
      yield {
        OWNER: table.schema,
        TABLE_NAME: table.name,
        COLUMN_NAME: name,
        DATA_TYPE: oracleTypeName(type),
        DATA_LENGTH: length ?? "22",
        DATA_PRECISION: precision,
        DATA_SCALE: scale,
        NULLABLE: isNullable ? "Y" : "N",
        COLUMN_ID: String(at + 1),
        CHAR_LENGTH: isText ? length : "0",
        CHAR_USED: isText ? "C" : null,
        COLLATION: isText ? "USING_NLS_COMP" : null,
        HIDDEN_COLUMN: "NO",
        VIRTUAL_COLUMN: "NO",
        IDENTITY_COLUMN: isIdentity ? "YES" : "NO",
      };
    }
  }
}

function* indexColumnRecords(run: Run): Generator<Record_> {
  for (const table of visibleTables(run)) {
    for (const { definition } of table.readableIndexes) {
      for (const [at, name] of definition.columns.entries()) {
        yield {
          INDEX_OWNER: table.schema,
          INDEX_NAME: definition.name,
          TABLE_OWNER: table.schema,
          TABLE_NAME: table.name,
          COLUMN_NAME: name,
          COLUMN_POSITION: String(at + 1),
          DESCEND: "ASC",
        };
      }
    }
  }
}

function* constraintRecords(run: Run): Generator<Record_> {
  for (const table of visibleTables(run)) {
    for (const { definition } of table.readableIndexes) {
      if (!definition.isUnique) continue;
      yield {
        OWNER: table.schema,
        CONSTRAINT_NAME: definition.name,
        CONSTRAINT_TYPE: definition.isPrimary ? "P" : "U",
        TABLE_NAME: table.name,
        STATUS: "ENABLED",
        INDEX_NAME: definition.name,
      };
    }
  }
}

function* constraintColumnRecords(run: Run): Generator<Record_> {
  for (const record of indexColumnRecords(run)) {
    yield {
      OWNER: record["TABLE_OWNER"]!,
      CONSTRAINT_NAME: record["INDEX_NAME"]!,
      TABLE_NAME: record["TABLE_NAME"]!,
      COLUMN_NAME: record["COLUMN_NAME"]!,
      POSITION: record["COLUMN_POSITION"]!,
    };
  }
}

function* objectRecords(run: Run): Generator<Record_> {
  const created = timeText(oracleOf(run).createdAtMs);
  for (const { schema, name, objectId } of visibleTables(run)) {
    yield {
      OWNER: schema,
      OBJECT_NAME: name,
      OBJECT_ID: String(objectId),
      OBJECT_TYPE: "TABLE",
      STATUS: "VALID",
      CREATED: created,
    };
  }
  for (const { owner, name } of oracleOf(run).synonyms) {
    yield {
      OWNER: owner,
      OBJECT_NAME: name,
      OBJECT_ID: "0",
      OBJECT_TYPE: "SYNONYM",
      STATUS: "VALID",
      CREATED: created,
    };
  }
}

const none = (): readonly Record_[] => [];

/** Those of a test are the owner's, those of Oracle SYS's. */
function procedureRecords(run: Run): readonly Record_[] {
  const { owner, procedureNames, rights } = oracleOf(run);
  const { user, isAdministrator } = run.session;
  return procedureNames.flatMap((full) => {
    const [object = "", member] = full.toUpperCase().split(".");
    const holder = object.startsWith("DBMS_") ? "SYS" : owner;
    if (!isAdministrator && holder === owner && !rights.may(user, "EXECUTE", `${owner}.${object}`)) return [];
    return {
      OWNER: holder,
      OBJECT_NAME: object,
      PROCEDURE_NAME: member ?? null,
      OBJECT_TYPE: member === undefined ? "PROCEDURE" : "PACKAGE",
    };
  });
}

export const ORACLE_CATALOGUE: Readonly<Record<string, CatalogueView>> = {
  DUAL: view({ DUMMY: { kind: "varchar", length: 1 } }, () => [{ DUMMY: "X" }]),
  ALL_TABLES: view(TABLE_COLUMNS, (run) => visibleTables(run).map(tableRecord)),
  USER_TABLES: view(TABLE_COLUMNS, (run) => ownTables(run).map(tableRecord)),
  DBA_TABLES: view(TABLE_COLUMNS, (run) => oracleOf(run).storage.tables.map(tableRecord), "DBA_TABLES"),
  ALL_TAB_COLUMNS: view(TAB_COLUMN_TYPES, (run) => columnRecords(visibleTables(run))),
  ALL_TAB_COLS: view(TAB_COLUMN_TYPES, (run) => columnRecords(visibleTables(run))),
  USER_TAB_COLUMNS: view(TAB_COLUMN_TYPES, (run) => columnRecords(ownTables(run))),
  ALL_VIEWS: view({ OWNER: NAME, VIEW_NAME: NAME }, none),
  ALL_SYNONYMS: view(
    { OWNER: NAME, SYNONYM_NAME: NAME, TABLE_OWNER: NAME, TABLE_NAME: NAME, DB_LINK: NAME },
    (run) =>
      oracleOf(run).synonyms.map(({ owner, name, tableOwner, tableName }) => ({
        OWNER: owner,
        SYNONYM_NAME: name,
        TABLE_OWNER: tableOwner,
        TABLE_NAME: tableName,
      })),
  ),
  ALL_PROCEDURES: view(
    { OWNER: NAME, OBJECT_NAME: NAME, PROCEDURE_NAME: NAME, OBJECT_TYPE: NAME },
    procedureRecords,
  ),
  ALL_INDEXES: view(
    {
      OWNER: NAME,
      INDEX_NAME: NAME,
      TABLE_OWNER: NAME,
      TABLE_NAME: NAME,
      UNIQUENESS: NAME,
      STATUS: NAME,
      INDEX_TYPE: NAME,
    },
    (run) =>
      visibleTables(run).flatMap((table) =>
        table.readableIndexes.map(({ definition }) => ({
          OWNER: table.schema,
          INDEX_NAME: definition.name,
          TABLE_OWNER: table.schema,
          TABLE_NAME: table.name,
          UNIQUENESS: definition.isUnique ? "UNIQUE" : "NONUNIQUE",
          STATUS: "VALID",
          INDEX_TYPE: "NORMAL",
        })),
      ),
  ),
  ALL_IND_COLUMNS: view(
    {
      INDEX_OWNER: NAME,
      INDEX_NAME: NAME,
      TABLE_OWNER: NAME,
      TABLE_NAME: NAME,
      COLUMN_NAME: NAME,
      COLUMN_POSITION: NUMBER,
      DESCEND: NAME,
    },
    indexColumnRecords,
  ),
  ALL_CONSTRAINTS: view(
    {
      OWNER: NAME,
      CONSTRAINT_NAME: NAME,
      CONSTRAINT_TYPE: NAME,
      TABLE_NAME: NAME,
      STATUS: NAME,
      INDEX_NAME: NAME,
    },
    constraintRecords,
  ),
  ALL_CONS_COLUMNS: view(
    { OWNER: NAME, CONSTRAINT_NAME: NAME, TABLE_NAME: NAME, COLUMN_NAME: NAME, POSITION: NUMBER },
    constraintColumnRecords,
  ),
  ALL_OBJECTS: view(
    { OWNER: NAME, OBJECT_NAME: NAME, OBJECT_ID: NUMBER, OBJECT_TYPE: NAME, STATUS: NAME, CREATED: DATE },
    objectRecords,
  ),
  ALL_MVIEW_LOGS: view(
    {
      LOG_OWNER: NAME,
      MASTER: NAME,
      LOG_TABLE: NAME,
      ROWIDS: NAME,
      PRIMARY_KEY: NAME,
      SEQUENCE: NAME,
      INCLUDE_NEW_VALUES: NAME,
    },
    (run) => {
      const tables = new Set(visibleTables(run));
      const yes = (is: boolean): string => (is ? "YES" : "NO");
      return oracleOf(run)
        .viewLogs.logs.filter(({ master }) => tables.has(master))
        .map(({ master, table, options }) => ({
          LOG_OWNER: master.schema,
          MASTER: master.name,
          LOG_TABLE: table.name,
          ROWIDS: yes(options.rowId === true),
          PRIMARY_KEY: yes(options.primaryKey !== false),
          SEQUENCE: yes(options.sequence === true),
          INCLUDE_NEW_VALUES: "NO",
        }));
    },
  ),
  ALL_BASE_TABLE_MVIEWS: view({ OWNER: NAME, MASTER: NAME, MVIEW_ID: NUMBER }, (run) =>
    oracleOf(run).logUsers.map(([owner, master], at) => ({
      OWNER: owner,
      MASTER: master,
      MVIEW_ID: String(at + 1),
    })),
  ),
  ALL_USERS: view({ USERNAME: NAME, USER_ID: NUMBER, CREATED: DATE, ORACLE_MAINTAINED: NAME }, (run) => {
    const created = timeText(oracleOf(run).createdAtMs);
    return ["SYS", "SYSTEM", oracleOf(run).owner].map((name, at) => ({
      USERNAME: name,
      USER_ID: String(at),
      CREATED: created,
      ORACLE_MAINTAINED: name.startsWith("SYS") ? "Y" : "N",
    }));
  }),
  SESSION_PRIVS: view({ PRIVILEGE: NAME }, (run) =>
    [...(oracleOf(run).rights.login(run.session.user)?.roles ?? [])].map((role) => ({ PRIVILEGE: role })),
  ),
  NLS_SESSION_PARAMETERS: view({ PARAMETER: NAME, VALUE: NAME }, (run) =>
    [...run.session.settings]
      .filter(([name]) => name.startsWith("NLS_"))
      .map(([name, value]) => ({ PARAMETER: name, VALUE: value })),
  ),
  NLS_DATABASE_PARAMETERS: view({ PARAMETER: NAME, VALUE: NAME }, () => [
    { PARAMETER: "NLS_CHARACTERSET", VALUE: "AL32UTF8" },
    { PARAMETER: "NLS_NCHAR_CHARACTERSET", VALUE: "AL16UTF16" },
  ]),
  PRODUCT_COMPONENT_VERSION: view({ PRODUCT: NAME, VERSION: NAME, STATUS: NAME }, () => [
    { PRODUCT: "Oracle Database (test engine)", VERSION: "19.0.0.0.0", STATUS: "Production" },
  ]),
  V$DATABASE: view(
    {
      DBID: NUMBER,
      NAME,
      CREATED: DATE,
      "RESETLOGS_CHANGE#": NUMBER,
      CURRENT_SCN: NUMBER,
      CON_DBID: NUMBER,
      LOG_MODE: NAME,
      OPEN_MODE: NAME,
      DATABASE_ROLE: NAME,
      FLASHBACK_ON: NAME,
      SUPPLEMENTAL_LOG_DATA_MIN: NAME,
    },
    (run) => {
      const database = oracleOf(run);
      return [
        {
          DBID: String(database.dbid),
          NAME: database.name,
          CREATED: timeText(database.createdAtMs),
          "RESETLOGS_CHANGE#": String(database.resetlogsChange),
          CURRENT_SCN: String(database.scn),
          CON_DBID: String(database.dbid + 1),
          LOG_MODE: "ARCHIVELOG",
          OPEN_MODE: "READ WRITE",
          DATABASE_ROLE: "PRIMARY",
          FLASHBACK_ON: "NO",
          SUPPLEMENTAL_LOG_DATA_MIN: "NO",
        },
      ];
    },
    "V$DATABASE",
  ),
  V$INSTANCE: view(
    { INSTANCE_NAME: NAME, HOST_NAME: NAME, VERSION: NAME, STARTUP_TIME: DATE, STATUS: NAME },
    (run) => [
      {
        INSTANCE_NAME: oracleOf(run).name.toLowerCase(),
        HOST_NAME: "plantdb",
        VERSION: "19.0.0.0.0",
        STARTUP_TIME: timeText(oracleOf(run).createdAtMs),
        STATUS: "OPEN",
      },
    ],
    "V$INSTANCE",
  ),
  V$VERSION: view({ BANNER: NAME }, () => [{ BANNER: "Oracle Database 19c (test engine)" }]),
  V$TRANSACTION: view(
    { XIDUSN: NUMBER, XIDSLOT: NUMBER, XIDSQN: NUMBER, START_SCN: NUMBER, START_DATE: DATE, STATUS: NAME },
    (run) =>
      [...oracleOf(run).storage.active]
        .filter(({ writes }) => writes.length > 0)
        .map(({ id, startedAtMs, startedAtCommit }) => ({
          XIDUSN: "9",
          XIDSLOT: "1",
          XIDSQN: String(id),
          START_SCN: String(startedAtCommit),
          START_DATE: timeText(startedAtMs),
          STATUS: "ACTIVE",
        })),
    "V$TRANSACTION",
  ),
};
