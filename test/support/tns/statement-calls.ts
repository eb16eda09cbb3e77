// The calls that run statements and fetch their rows, for one session.
import {
  DatabaseError,
  type BoundParameter,
  type DatabaseSession,
  type StatementResult,
} from "../sql-engine/session.ts";
import {
  writeDescribe,
  writeDirections,
  writeOutcome,
  writeRowCounts,
  type BatchError,
  type OracleError,
} from "./answers.ts";
import { bindNamesOf, firstWordOf } from "./bind-names.ts";
import { readRow, type BindSlot } from "./bind-values.ts";
import { valueWriter, type ValueContext } from "./column-format.ts";
import { Cursor } from "./cursor.ts";
import { expectRow, readExecute, readReexecute, type ExecuteRequest } from "./execute-request.ts";
import type { MessageReader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import { MESSAGE, ORACLE_TYPE } from "./protocol.ts";

const MAX_OPEN_CURSORS = 300;
const NO_DATA: OracleError = { number: 1403, text: "no data found" };
const WRITING = new Set(["INSERT", "UPDATE", "DELETE", "MERGE", "BEGIN", "DECLARE", "CALL", "LOCK", "SET"]);
const ENDING = new Set(["COMMIT", "ROLLBACK", "CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE"]);

export interface StatementDeps {
  readonly session: DatabaseSession;
  readonly context: ValueContext;
  /** Bytes of the longest string that is none of the long types. */
  readonly longestString: number;
}

/** What a call wants to do, known before it is done. */
export interface StatementCall {
  readonly name: "execute" | "fetch";
  readonly sql: string | undefined;
  run(writer: MessageWriter, signal: AbortSignal): Promise<void>;
}

export class StatementCalls {
  readonly #deps: StatementDeps;
  readonly #cursors = new Map<number, Cursor>();
  #nextCursorId = 1;
  #seemsInTransaction = false;

  constructor(deps: StatementDeps) {
    this.#deps = deps;
  }

  /** As the engine says, or else as the statements so far look. */
  get isInTransaction(): boolean {
    return this.#deps.session.isInTransaction ?? this.#seemsInTransaction;
  }

  get openCursors(): number {
    return this.#cursors.size;
  }

  execute(reader: MessageReader): StatementCall {
    const request = readExecute(reader);
    const known = this.#cursors.get(request.cursorId);
    const sql = request.sql ?? known?.sql;
    return {
      name: "execute",
      sql,
      run: (writer, signal) => {
        const cursor = this.#cursorFor(request, known);
        return request.defines === undefined
          ? this.#execute(cursor, request, reader, writer, signal)
          : this.#define(cursor, request, writer);
      },
    };
  }

  reexecute(reader: MessageReader, doesFetch: boolean): StatementCall {
    const { cursorId, iterations, doesCommit } = readReexecute(reader);
    const cursor = this.#cursors.get(cursorId);
    const request: ExecuteRequest = {
      cursorId,
      sql: undefined,
      isQuery: cursor?.isQuery ?? false,
      isPlSql: cursor?.isPlSql ?? false,
      doesParse: false,
      doesExecute: true,
      doesCommit,
      wantsRowCounts: false,
      wantsBatchErrors: false,
      fetchRows: doesFetch ? iterations : 0,
      executions: doesFetch ? 1 : Math.max(1, iterations),
      binds: undefined,
      defines: undefined,
    };
    return {
      name: "execute",
      sql: cursor?.sql,
      run: (writer, signal) =>
        this.#execute(this.#cursorFor(request, cursor), request, reader, writer, signal),
    };
  }

  fetch(reader: MessageReader): StatementCall {
    const [cursorId, count] = [reader.int(), reader.int()];
    const cursor = this.#cursors.get(cursorId);
    return {
      name: "fetch",
      sql: cursor?.sql,
      run: async (writer) => {
        if (cursor === undefined) throw new DatabaseError(1001, "invalid cursor");
        this.#writeRows(writer, cursor, count);
      },
    };
  }

  closeCursors(reader: MessageReader, doesClose: boolean): void {
    reader.u8();
    for (let left = reader.int(); left > 0; left -= 1) {
      const id = reader.int();
      if (doesClose) this.#cursors.delete(id);
      else this.#cursors.get(id)?.cancel();
    }
  }

  async endTransaction(word: "COMMIT" | "ROLLBACK", signal: AbortSignal): Promise<void> {
    await this.#deps.session.execute(word, [], signal);
    this.#seemsInTransaction = false;
  }

  #cursorFor(request: ExecuteRequest, known: Cursor | undefined): Cursor {
    const { sql, cursorId } = request;
    if (sql === undefined) {
      if (known === undefined) throw new DatabaseError(1001, "invalid cursor");
      return known;
    }
    if (known === undefined && this.#cursors.size >= MAX_OPEN_CURSORS)
      throw new DatabaseError(1000, "maximum open cursors exceeded");
    const id = cursorId === 0 ? this.#nextCursorId++ : cursorId;
    const names = bindNamesOf(sql, request.isPlSql);
    const cursor = new Cursor(id, sql, request.isQuery, request.isPlSql, names);
    this.#cursors.set(id, cursor);
    return cursor;
  }

  async #execute(
    cursor: Cursor,
    request: ExecuteRequest,
    reader: MessageReader,
    writer: MessageWriter,
    signal: AbortSignal,
  ): Promise<void> {
    if (request.binds !== undefined && request.binds.length > 0) cursor.bindFormats = request.binds;
    if (!request.doesExecute && request.doesParse && !cursor.isQuery) {
      writeOutcome(writer, { isInTransaction: this.isInTransaction, cursorId: cursor.id });
      return;
    }
    const rows = this.#readRows(cursor, request, reader);
    try {
      await (cursor.isQuery
        ? this.#query(cursor, rows[0] ?? [], request, writer, signal)
        : this.#write(cursor, rows, request, writer, signal));
    } catch (error) {
      if (request.sql !== undefined) this.#cursors.delete(cursor.id);
      throw error;
    }
  }

  #readRows(
    cursor: Cursor,
    request: ExecuteRequest,
    reader: MessageReader,
  ): readonly (readonly BoundParameter[])[] {
    const slots = this.#slots(cursor);
    const { context, longestString } = this.#deps;
    return Array.from({ length: request.executions }, () => {
      if (slots.length === 0 || reader.isAtEnd) return [];
      expectRow(reader);
      return readRow(reader, slots, cursor.isPlSql ? undefined : longestString, context);
    });
  }

  #slots(cursor: Cursor): readonly BindSlot[] {
    return cursor.bindNames.flatMap(({ name, isReturning }, index) => {
      const format = cursor.bindFormats[index];
      return format === undefined || isReturning ? [] : [{ name, format }];
    });
  }

  async #query(
    cursor: Cursor,
    parameters: readonly BoundParameter[],
    request: ExecuteRequest,
    writer: MessageWriter,
    signal: AbortSignal,
  ): Promise<void> {
    const result = await this.#deps.session.execute(cursor.sql, parameters, signal);
    const set = result.sets.at(-1);
    if (set === undefined) throw new DatabaseError(900, "invalid SQL statement: a query without columns");
    if (/\bFOR\s+UPDATE\b/i.test(cursor.sql)) this.#seemsInTransaction = true;
    const isNew = cursor.open(set);
    if (isNew || request.doesParse) writeDescribe(writer, set.columns);
    if (request.fetchRows > 0 && !cursor.needsDefines) this.#writeRows(writer, cursor, request.fetchRows);
    else writeOutcome(writer, { isInTransaction: this.isInTransaction, cursorId: cursor.id });
  }

  async #define(cursor: Cursor, request: ExecuteRequest, writer: MessageWriter): Promise<void> {
    cursor.define(request.defines ?? []);
    if (request.fetchRows > 0) this.#writeRows(writer, cursor, request.fetchRows);
    else writeOutcome(writer, { isInTransaction: this.isInTransaction, cursorId: cursor.id });
  }

  #writeRows(writer: MessageWriter, cursor: Cursor, count: number): void {
    const { context, longestString } = this.#deps;
    const before = cursor.fetchedRows;
    cursor.writeRows(writer, count, longestString, context);
    // The end is told with the last rows only if fewer came than were asked for, as the real one does.
    const isAtEnd = cursor.fetchedRows - before < count;
    writeOutcome(writer, {
      isInTransaction: this.isInTransaction,
      cursorId: cursor.id,
      rowCount: cursor.fetchedRows,
      ...(isAtEnd ? { error: NO_DATA } : {}),
    });
  }

  async #write(
    cursor: Cursor,
    rows: readonly (readonly BoundParameter[])[],
    request: ExecuteRequest,
    writer: MessageWriter,
    signal: AbortSignal,
  ): Promise<void> {
    const { counts, batchErrors, last, error } = await this.#runEach(cursor, rows, request, signal);
    const rowCount = counts.reduce((sum, count) => sum + count, 0);
    this.#followTransaction(cursor.sql);
    if (error === undefined && request.doesCommit) await this.endTransaction("COMMIT", signal);
    if (error === undefined && last !== undefined) this.#writeOutputs(writer, cursor, last);
    if (request.wantsRowCounts) writeRowCounts(writer, counts);
    writeOutcome(writer, {
      isInTransaction: this.isInTransaction,
      cursorId: cursor.id,
      rowCount,
      batchErrors,
      ...(error === undefined ? {} : { error }),
    });
  }

  async #runEach(
    cursor: Cursor,
    rows: readonly (readonly BoundParameter[])[],
    request: ExecuteRequest,
    signal: AbortSignal,
  ): Promise<{
    counts: readonly number[];
    batchErrors: readonly BatchError[];
    last: StatementResult | undefined;
    error?: OracleError;
  }> {
    const counts: number[] = [];
    const batchErrors: BatchError[] = [];
    let last: StatementResult | undefined;
    for (const [row, parameters] of rows.entries()) {
      try {
        last = await this.#deps.session.execute(cursor.sql, parameters, signal);
        counts.push(last.rowsAffected);
      } catch (error) {
        if (!(error instanceof DatabaseError) || rows.length === 1) throw error;
        const told = { number: error.number, text: error.message };
        if (!request.wantsBatchErrors) return { counts, batchErrors, last, error: told };
        counts.push(0);
        batchErrors.push({ row, error: told });
      }
    }
    return { counts, batchErrors, last };
  }

  /** Output binds of a block, or of RETURNING INTO. */
  #writeOutputs(writer: MessageWriter, cursor: Cursor, result: StatementResult): void {
    const outputs = new Map(
      [...(result.outputs ?? [])].map(([name, output]) => [name.toUpperCase(), output]),
    );
    const slots = cursor.bindNames.flatMap(({ name, isReturning }, index) => {
      const format = cursor.bindFormats[index];
      const isOutput = cursor.isPlSql ? outputs.has(name.toUpperCase()) : isReturning;
      return format === undefined || !isOutput ? [] : [{ name, format, isReturning }];
    });
    if (cursor.isPlSql && cursor.bindFormats.length > 0) {
      const names = new Set(slots.map(({ name }) => name));
      writeDirections(
        writer,
        cursor.bindNames.map(({ name }) => names.has(name)),
      );
    }
    if (slots.length === 0) return;
    writer.u8(MESSAGE.rowData);
    for (const { name, format, isReturning } of slots) {
      const hasRow = !isReturning || result.rowsAffected > 0;
      if (isReturning) writer.int(hasRow ? 1 : 0);
      if (!hasRow) continue;
      const value = outputs.get(name.toUpperCase())?.value ?? null;
      // A ROWID goes back as text, which is how it was bound.
      const asked =
        format.oracleType === ORACLE_TYPE.rowid ? { ...format, oracleType: ORACLE_TYPE.varchar } : format;
      valueWriter(asked, this.#deps.context)(writer, value);
      writer.int(0);
    }
  }

  #followTransaction(sql: string): void {
    const word = firstWordOf(sql);
    if (WRITING.has(word)) this.#seemsInTransaction = true;
    else if (ENDING.has(word) && !/^\s*ALTER\s+SESSION\b/i.test(sql)) this.#seemsInTransaction = false;
  }
}
