// What a SQL connector gives the shared table writer: read-write transactions of their own, and the two ways they end badly.
import { MillraceError } from "#common/runtime/errors.ts";
import type { TableName } from "../source/plan.ts";
import type { RefusalCode, WriteValue } from "../source/write.ts";
import type { SqlDialect, SqlStatement } from "./dialect.ts";
import type { SqlSession } from "./sql-source.ts";
import type { StatementWriter } from "./statement-writer.ts";

export interface SqlWriteSession extends SqlSession {
  /** Returns how many rows were written. @throws WriteRefused, ConnectorError; the transaction is over then */
  execute(statement: SqlStatement): Promise<number> | number;
}

/** What to do with a transaction's work. */
export interface WorkDone<T> {
  readonly isKept: boolean;
  readonly value: T;
}

export interface SqlWriteSource {
  readonly dialect: SqlDialect;
  /** What makes a read keep its row until the transaction ends: behind the table's name, or at the statement's end. */
  readonly rowLock: { readonly behindTable?: string; readonly atEnd?: string };
  /** Writes a call whose result row has the outputs in order. Absent: this kind of source has no procedures. */
  writeCall?(writer: StatementWriter, call: ProcedureCall): void;
  /** One row with a sequence's next value. Absent: this kind of source has no sequences. */
  nextOf?(sequence: TableName): SqlStatement;
  /**
   * Runs `work` in one read-write transaction and commits or rolls back. On abort before the commit it rejects within a second;
   * the commit itself is waited for.
   * @throws WriteRefused   nothing was written, the source says why
   * @throws ConnectorError nothing was written
   * @throws CommitUnknown  the connection was lost during the commit
   */
  writeTransaction<T>(
    signal: AbortSignal,
    work: (session: SqlWriteSession) => Promise<WorkDone<T>>,
  ): Promise<T>;
}

export interface ProcedureCall {
  readonly procedure: TableName;
  readonly isNamed: boolean;
  readonly arguments: readonly {
    readonly name: string;
    readonly value: WriteValue;
    readonly cast: string | undefined;
  }[];
  /** What the procedure is to give back, by name, in the order of the result row. */
  readonly outputs: readonly string[];
}

/** The source refused a write and keeps nothing of it. Never leaves a connector: it becomes `rejected`. */
export class WriteRefused extends MillraceError {
  override name = "WriteRefused";
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Never leaves a connector: what became of the write is found out, or it is `unknown_outcome`. */
export class CommitUnknown extends MillraceError {
  override name = "CommitUnknown";
}
