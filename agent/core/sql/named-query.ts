// Answers a named query: what may be asked, the rows that fit into an answer, and failures in words about the query.
import {
  MAX_QUERY_BYTES,
  MAX_QUERY_ROWS,
  type QueryRequest,
  type QueryResult,
  type QueryValue,
} from "../source/query.ts";
import type { SourceValue } from "../source/plan.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { SqlDialect, SqlRow, SqlStatement } from "./dialect.ts";
import { bindQuery } from "./query-text.ts";

/** Takes rows as they come, until it has enough. */
export class QueryAnswer {
  columns: readonly string[] = [];
  readonly #maxRows: number;
  readonly #rows: (readonly QueryValue[])[] = [];
  #bytesLeft = MAX_QUERY_BYTES;
  #isTruncated = false;

  constructor(maxRows: number) {
    this.#maxRows = Math.min(Math.max(1, maxRows), MAX_QUERY_ROWS);
  }

  /** Rows that are worth being fetched at a time. */
  get chunkRows(): number {
    return Math.min(this.#maxRows + 1, MAX_CHUNK_ROWS);
  }

  /** False: it takes no more, and not this one either. */
  add(row: SqlRow): boolean {
    const values = row.map(queryValue);
    this.#bytesLeft -= sizeOf(values);
    const isTaken = this.#rows.length < this.#maxRows && this.#bytesLeft >= 0;
    if (isTaken) this.#rows.push(values);
    else this.#isTruncated = true;
    return isTaken;
  }

  result(): QueryResult {
    return { columns: this.columns, rows: this.#rows, isTruncated: this.#isTruncated };
  }
}

const MAX_CHUNK_ROWS = 200;

/**
 * `run` sends the statement in a transaction that cannot write and gives the answer its columns and rows until it takes no more.
 * @throws ConnectorError
 */
export async function answerQuery(
  dialect: SqlDialect,
  request: QueryRequest,
  run: (statement: SqlStatement, answer: QueryAnswer) => Promise<void>,
): Promise<QueryResult> {
  const answer = new QueryAnswer(request.maxRows);
  const statement = bindQuery(dialect, request);
  try {
    request.signal.throwIfAborted();
    await run(statement, answer);
  } catch (error) {
    throw queryFailure(error, request.signal);
  }
  return answer.result();
}

function queryFailure(error: unknown, signal: AbortSignal): unknown {
  const because = { cause: error };
  if (signal.aborted) return new ConnectorError("unavailable", "The named query was called off.", because);
  if (!(error instanceof ConnectorError)) {
    // A statement of the plant's own can meet with errors that no statement of ours does.
    const isSources = error instanceof Error && ("code" in error || "number" in error);
    return isSources
      ? queryFailure(new ConnectorError("misconfigured", messageOf(error), because), signal)
      : error;
  }
  const { cause } = error;
  // What the source said itself; the advice that went with it is about packs.
  const said = cause instanceof Error ? messageOf(cause).split("\n")[0]!.replace(/\.$/, "") : error.message;
  switch (error.kind) {
    case "misconfigured":
      return new ConnectorError(
        "misconfigured",
        `The source does not accept the named query: ${said}. Correct its statement in the agent's own file, or grant this user what it reads.`,
        because,
      );
    case "bad_data":
      return new ConnectorError(
        "bad_data",
        `The source could not answer the named query: ${said}. Check the values of its parameters.`,
        because,
      );
    default:
      return error;
  }
}

function queryValue(value: SourceValue): QueryValue {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** About what the row takes as JSON in UTF-8. */
function sizeOf(values: readonly QueryValue[]): number {
  const text = values.reduce<number>(
    (sum, value) => sum + (typeof value === "string" ? value.length * 2 : 8),
    0,
  );
  return text + values.length * 4;
}
