// Writes to Oracle: a connection of their own, and rows that are locked for as long as the settings say.
import type { EntityPlan, TableName } from "#agent/core/source/plan.ts";
import { type ColumnFacts, quoteTable, type SqlStatement } from "#agent/core/sql/dialect.ts";
import type { StatementWriter } from "#agent/core/sql/statement-writer.ts";
import type {
  ProcedureCall,
  SqlWriteSession,
  SqlWriteSource,
  WorkDone,
} from "#agent/core/sql/write-source.ts";
import type { WriteShapes } from "#agent/core/sql/write-shape.ts";
import type { OracleConnection } from "./connection.ts";
import type { OracleSettings } from "./definition.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { type ProcedureNames, writeProcedureCall } from "./procedures.ts";
import { spelled } from "./grants.ts";
import { writtenColumn } from "./written-columns.ts";

export class OracleWriteSource implements SqlWriteSource, AsyncDisposable {
  readonly dialect = ORACLE_DIALECT;
  readonly rowLock: { readonly atEnd: string };
  readonly #connection: OracleConnection;
  readonly #procedures: ProcedureNames;

  readonly #schema: string | undefined;

  constructor(
    connection: OracleConnection,
    { lockTimeoutMs, schema }: Pick<OracleSettings, "lockTimeoutMs" | "schema">,
    procedures: ProcedureNames,
  ) {
    this.#schema = schema;
    this.#connection = connection;
    this.#procedures = procedures;
    this.rowLock = { atEnd: ` FOR UPDATE WAIT ${Math.ceil(lockTimeoutMs / 1000)}` };
  }

  writeTransaction<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T> {
    return this.#connection.write(signal, work);
  }

  writeCall(writer: StatementWriter, call: ProcedureCall): void {
    writeProcedureCall(writer, call, this.#procedures);
  }

  nextOf(sequence: TableName): SqlStatement {
    const owner = sequence.schema ?? this.#schema;
    const name = quoteTable(ORACLE_DIALECT, {
      name: spelled(sequence.name),
      ...(owner === undefined ? {} : { schema: spelled(owner) }),
    });
    return { text: `SELECT ${name}.NEXTVAL FROM DUAL`, parameters: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }
}

/** The same shapes with columns that are bound as Oracle stores them. */
export function boundForWriting({ writes, log }: WriteShapes): WriteShapes {
  return {
    log,
    writes: writes.map((write) => {
      const rows = write.rows.map(({ plan, child, columns, join }) => ({
        plan,
        child,
        columns: bound(columns),
        join: join.map(writtenColumn),
      }));
      return Object.assign({}, write, { rows, columns: bound(write.columns) });
    }),
  };
}

function bound(columns: ReadonlyMap<string, ColumnFacts>): ReadonlyMap<string, ColumnFacts> {
  return new Map([...columns].map(([name, column]) => [name, writtenColumn(column)]));
}

/** The catalogue reads tables by plans: a table that is only written is one that nothing is read of. */
export function planOfTable(table: TableName): EntityPlan {
  return {
    entity: "",
    table,
    key: [],
    columns: [],
    filters: [],
    change: { kind: "full_scan" },
    children: [],
  };
}
