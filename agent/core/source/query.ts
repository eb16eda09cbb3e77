// The contract of named queries: statements from the plant's own file, read only, with bound parameters and bounded answers.

export type QueryValue = string | number | boolean | null;

export interface QueryRequest {
  /**
   * One SELECT, from the plant's own file and never from outside. `:name` stands for a parameter, anywhere but in quoted text,
   * quoted names and comments; `::` stays as it is.
   */
  readonly statement: string;
  /** Bound, never spliced. Each name of the statement is given; more are refused. */
  readonly parameters: readonly { readonly name: string; readonly value: QueryValue }[];
  /** 1 to `MAX_QUERY_ROWS`. */
  readonly maxRows: number;
  /** Ends the call within a second. */
  readonly signal: AbortSignal;
}

export interface QueryResult {
  /** As the source names them, in order. */
  readonly columns: readonly string[];
  /** Exact values: decimals, 64-bit integers, dates and times as text, bytes as base64. */
  readonly rows: readonly (readonly QueryValue[])[];
  /** There were more rows, or more bytes, than may be given. */
  readonly isTruncated: boolean;
}

/** Rows of one answer, at most. */
export const MAX_QUERY_ROWS = 10_000;
/** Text of one answer's values, at most: it must fit a command's result. */
export const MAX_QUERY_BYTES = 512 * 1024;
