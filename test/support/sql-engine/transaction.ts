// One transaction: what it has written, and whoever waits for its end.
import type { Row, RowRecord, RowVersion } from "./rows.ts";
import type { Table } from "./table.ts";

export interface Write {
  readonly table: Table;
  readonly row: RowRecord;
  readonly operation: "insert" | "update" | "delete";
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  readonly version: RowVersion;
  /** Columns that an update assigned, by place. */
  readonly changed: readonly number[];
  /** Order of writing within the database. */
  readonly sequence: number;
}

export class Transaction {
  readonly id: number;
  readonly startedAtMs: number;
  /** The last commit when it began. */
  readonly startedAtCommit: number;
  readonly writes: Write[] = [];
  /** Rows that it holds without having changed them. */
  readonly heldRows = new Set<RowRecord>();
  /** The lowest rowversion it has given out. */
  firstRowversion: bigint | undefined;
  /** The rowversion of the running statement, where its rows share one. */
  statementRowversion: bigint | undefined;
  /** Whom it waits for, to find circles. */
  waitsFor: Transaction | undefined;
  /** Isolation SNAPSHOT, SERIALIZABLE read-only: what it sees, from its first read on. */
  snapshot: number | undefined;
  commitAt: number | undefined;
  isOpen = true;
  isReadOnly = false;
  /** Called once when it has committed or rolled back. */
  readonly onEnd: (() => void)[] = [];
  #ended = Promise.withResolvers<void>();

  constructor(id: number, startedAtMs: number, startedAtCommit: number) {
    this.id = id;
    this.startedAtMs = startedAtMs;
    this.startedAtCommit = startedAtCommit;
  }

  /** Resolves when it has committed or rolled back. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** For the database only. */
  finish(): void {
    this.isOpen = false;
    for (const callback of this.onEnd) callback();
    this.#ended.resolve();
  }
}
