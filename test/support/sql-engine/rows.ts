// Rows and their versions: who wrote each, and from which commit on it is seen.
import type { Key } from "./sorted-index.ts";
import type { DbValue } from "./session.ts";
import type { Transaction } from "./transaction.ts";

export type Row = readonly DbValue[];

export interface RowVersion {
  /** Undefined: the row is deleted from here on. */
  readonly values: Row | undefined;
  /** One per index of the table, in their order; versions with equal keys share the array. */
  keys: readonly Key[];
  /** Undefined while the writer is open. */
  commit: number | undefined;
  readonly writer: Transaction;
  /** Order of writing within the database. */
  readonly sequence: number;
}

/** One row for its whole life; newest version first. */
export interface RowRecord {
  readonly id: number;
  versions: RowVersion[];
  /** Whoever has changed it and not yet finished. */
  lockedBy: Transaction | undefined;
  /** Oracle: the commit that its block was last changed by, where the table does not keep one per row. */
  readonly block: { commit: number };
}

/** Which versions a statement sees. */
export interface View {
  readonly commit: number;
  readonly transaction: Transaction | undefined;
  /** `locking`: waits for writers; `snapshot`: reads beside them; `dirty`: reads what they have written. */
  readonly mode: "locking" | "snapshot" | "dirty";
  /** Rows that are read stay locked for the transaction (UPDLOCK, FOR UPDATE). */
  readonly locksRows?: boolean;
  /** Skips rows that are locked. */
  readonly skipsLocked?: boolean;
}

/** The reader must wait until this transaction ends, then run its statement again. */
export class BlockedBy extends Error {
  override readonly name = "BlockedBy";
  readonly transaction: Transaction;

  constructor(transaction: Transaction) {
    super("waits for another transaction");
    this.transaction = transaction;
  }
}

/** The version that the view sees; undefined where there is none or the row is deleted. @throws BlockedBy */
export function visibleVersion(row: RowRecord, view: View): RowVersion | undefined {
  const { lockedBy } = row;
  const isForeign = lockedBy !== undefined && lockedBy !== view.transaction;
  if (isForeign && view.locksRows === true) {
    if (view.skipsLocked === true) return undefined;
    throw new BlockedBy(lockedBy);
  }
  // A row that is held but not changed may be read.
  if (isForeign && row.versions[0]?.commit === undefined) {
    if (view.mode === "dirty") return alive(row.versions[0]);
    if (view.mode === "locking") {
      if (view.skipsLocked === true) return undefined;
      throw new BlockedBy(lockedBy);
    }
  }
  for (const version of row.versions) {
    const isOwn = version.commit === undefined && version.writer === view.transaction;
    if (isOwn || (version.commit !== undefined && version.commit <= view.commit)) return alive(version);
  }
  return undefined;
}

function alive(version: RowVersion | undefined): RowVersion | undefined {
  return version?.values === undefined ? undefined : version;
}
