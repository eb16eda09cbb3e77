// Reads the calls that run statements: EXECUTE in full, and the short forms for a cursor that is known.
import { readFormats, type BindFormat } from "./bind-values.ts";
import type { MessageReader } from "./message-reader.ts";
import { EXECUTE_FLAG, EXECUTE_OPTION, MESSAGE, ProtocolError } from "./protocol.ts";

export interface ExecuteRequest {
  /** 0 for a new one. */
  readonly cursorId: number;
  /** Undefined where the cursor has it. */
  readonly sql: string | undefined;
  readonly isQuery: boolean;
  readonly isPlSql: boolean;
  readonly doesParse: boolean;
  readonly doesExecute: boolean;
  readonly doesCommit: boolean;
  readonly wantsRowCounts: boolean;
  readonly wantsBatchErrors: boolean;
  /** 0 where the client will fetch later. */
  readonly fetchRows: number;
  /** Rows of values that follow. */
  readonly executions: number;
  readonly binds: readonly BindFormat[] | undefined;
  readonly defines: readonly BindFormat[] | undefined;
}

/** Leaves the reader before the rows of values. */
export function readExecute(reader: MessageReader): ExecuteRequest {
  const options = reader.int();
  const cursorId = reader.int();
  const hasSql = reader.u8() === 1;
  reader.int();
  reader.u8();
  reader.int();
  reader.skip(3);
  const fetchRows = reader.int();
  reader.int();
  reader.u8();
  const bindCount = reader.int();
  reader.skip(5);
  reader.u8();
  const defineCount = reader.int();
  reader.int();
  reader.skip(3);
  reader.int();
  reader.u8();
  reader.skipInts(2);
  reader.u8();
  reader.int();
  reader.u8();
  const sql = hasSql ? reader.text() : undefined;
  const numbers = Array.from({ length: 13 }, () => reader.int());
  const isQuery = numbers[7] === 1;
  const has = (option: number): boolean => (options & option) !== 0;
  const formats = readFormats(reader, Math.max(bindCount, defineCount));
  const isDefine = has(EXECUTE_OPTION.define);
  return {
    cursorId,
    sql,
    isQuery,
    isPlSql: !has(EXECUTE_OPTION.notPlSql) && !has(EXECUTE_OPTION.describe),
    doesParse: has(EXECUTE_OPTION.parse),
    doesExecute: has(EXECUTE_OPTION.execute),
    doesCommit: has(EXECUTE_OPTION.commit),
    wantsRowCounts: ((numbers[9] ?? 0) & EXECUTE_FLAG.rowCounts) !== 0,
    wantsBatchErrors: has(EXECUTE_OPTION.batchErrors),
    fetchRows: has(EXECUTE_OPTION.fetch) ? fetchRows : 0,
    executions: isQuery ? 1 : Math.max(1, numbers[1] ?? 1),
    binds: isDefine ? undefined : formats,
    defines: isDefine ? formats : undefined,
  };
}

export interface ReexecuteRequest {
  readonly cursorId: number;
  readonly iterations: number;
  readonly doesCommit: boolean;
}

export function readReexecute(reader: MessageReader): ReexecuteRequest {
  const cursorId = reader.int();
  const iterations = reader.int();
  reader.int();
  return { cursorId, iterations, doesCommit: (reader.int() & 1) !== 0 };
}

/** Before each row of values. @throws ProtocolError */
export function expectRow(reader: MessageReader): void {
  const message = reader.u8();
  if (message !== MESSAGE.rowData)
    throw new ProtocolError(`bound values expected at ${reader.position - 1}, but message ${message} came`);
}
