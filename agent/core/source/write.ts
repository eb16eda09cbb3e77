// The contract of writes: what a pack lets be written, one request, and the outcomes it may have.
import type { SourceKey, SourceRow } from "./connector.ts";
import type { TableName } from "./plan.ts";

/** On its way into the source: decimals, dates and timestamps as the text that the column takes. JSON. */
export type WriteValue = string | number | null;

/** A column or argument that a write fills. Nothing that is not a slot can be written. */
export interface WriteSlot {
  readonly name: string;
  /** The source's type that the value is cast to, where the source would not know (overloaded procedures). */
  readonly cast?: string;
}

interface AnyWrite {
  /** `create`, `update`, or the name of an action such as `change_status`. */
  readonly operation: string;
  readonly slots: readonly WriteSlot[];
}

/** Sets columns of the entity's own row, which the key names. */
export interface UpdatePlan extends AnyWrite {
  readonly form: "update";
  readonly children?: readonly ChildWritePlan[];
}

/** Adds a row to the entity's own table. The key columns are among the slots, or come from `next`. */
export interface InsertPlan extends AnyWrite {
  readonly form: "insert";
  readonly children?: readonly ChildWritePlan[];
  /** Columns whose value the source counts on, where the request gives none. */
  readonly next?: readonly NextValue[];
}

/** Removes the entity's own row, and before it the rows of these of its children (by their plans' names). */
export interface DeletePlan extends AnyWrite {
  readonly form: "delete";
  readonly children: readonly string[];
}

/** Adds to an amount, up or down, in one statement; what would leave its bounds is refused and not applied. */
export interface AdjustPlan extends AnyWrite {
  readonly form: "adjust";
  /** The child (by its plan's name) that has the amount in one of its rows; absent: the entity's own row has it. */
  readonly child?: string;
  /** The amount; its slot carries the change. Its new value is among the outputs. */
  readonly column: string;
  /** Slots that tell the child's row from its siblings. */
  readonly match: readonly string[];
  /** Exact decimals. */
  readonly min?: string;
  readonly max?: string;
}

/** Rows of one child that are written together with their parent, in its transaction. */
export interface ChildWritePlan {
  /** The child's name in the entity's plan: its table, and how its rows find their parent. */
  readonly child: string;
  readonly slots: readonly WriteSlot[];
  /** Columns that tell the rows of one parent apart; among the slots. */
  readonly key: readonly string[];
  /** The key's column that counts the rows of a parent: what a new row gets that names none. */
  readonly number?: { readonly column: string; readonly step: number };
  /** Slots without which there is no new row. */
  readonly required: readonly string[];
  /** What `isRemoved` does: the row is deleted, or set to its values. Absent: nothing is removed. */
  readonly removal?: "delete" | "set";
  /** Rows in one request, at most. */
  readonly maxRows: number;
}

/** Where a column's next value comes from: a sequence, or a row of a table of counters, which is locked until the commit. */
export type NextValue = { readonly column: string; readonly prefix: string; readonly digits: number } & (
  | { readonly from: "sequence"; readonly sequence: TableName }
  | {
      readonly from: "counter";
      readonly table: TableName;
      /** Holds the number that was given last. */
      readonly counter: string;
      readonly where: readonly { readonly column: string; readonly equals: CounterMatch }[];
    }
);

/** A constant, or what the new row has in another column. */
export type CounterMatch = { readonly value: string | number } | { readonly slot: string };

/** Rows of children in one request, at most; a pack may say less. */
export const MAX_CHILD_ROWS = 500;

/** Calls a procedure with its slots in order, or by name. */
export interface ProcedurePlan extends AnyWrite {
  readonly form: "procedure";
  readonly procedure: TableName;
  /** Arguments are passed as `name => value`. */
  readonly isNamed: boolean;
  /** Columns of its result, in order: what the procedure gives back. */
  readonly outputs: readonly string[];
  /** Outputs that are the record's key, for records that the procedure creates. */
  readonly keyFrom?: readonly string[];
  /** The procedure reports refusals by an output rather than an error. */
  readonly success?: WriteSuccess;
}

export interface WriteSuccess {
  readonly output: string;
  readonly in: readonly string[];
  /** Output that says why not. */
  readonly message?: string;
}

/** Adds a row to a table from which the product fetches its orders. */
export interface InterfacePlan extends AnyWrite {
  readonly form: "interface_table";
  readonly table: TableName;
  /** The slot that takes the command's id: a repeated command finds its row by it. */
  readonly commandColumn?: string;
  readonly status?: InterfaceStatus;
}

/** Where the product says what became of the row. */
export interface InterfaceStatus {
  readonly column: string;
  readonly done: readonly string[];
  readonly failed: readonly string[];
  /** Column that says why not. */
  readonly message?: string;
  /** Columns that hold the record's key once the product is done. */
  readonly keyFrom?: readonly string[];
  /** How long to wait for it, ms. */
  readonly withinMs: number;
}

export type WritePlan = UpdatePlan | InsertPlan | DeletePlan | AdjustPlan | ProcedurePlan | InterfacePlan;

/** One row of a child. */
export interface ChildWrite {
  /** By slot. Without a value for the number column it is a new row; otherwise the row of that key, or a new one. */
  readonly values: Readonly<Record<string, WriteValue>>;
  /** What a new row has beside `values`. */
  readonly initial?: Readonly<Record<string, WriteValue>>;
  /** The row goes, as `ChildWritePlan.removal` says; one that is gone already stays so. */
  readonly isRemoved?: boolean;
}

export interface WriteRequest {
  /** Unique for ever; the command log's key. At most 64 characters. */
  readonly commandId: string;
  /** The API caller's own key, kept in the command log for people. */
  readonly idempotencyKey?: string;
  readonly entity: string;
  readonly operation: string;
  /** Undefined for records that do not exist yet. */
  readonly key: SourceKey | undefined;
  /** By slot, as the pack's encoder gives them. Slots that are left out keep their value (or default). */
  readonly values: Readonly<Record<string, WriteValue>>;
  /** Rows by child, at most `maxRows` of each; rows that are not named stay as they are. */
  readonly children?: Readonly<Record<string, readonly ChildWrite[]>>;
  /** `SourceRow.version` as the caller knows it; another one is a conflict. */
  readonly ifVersion?: string;
  /** Does everything but commit; procedures and interface tables' products are not asked. */
  readonly dryRun: boolean;
  /** Bounds the call until the commit; afterwards it only ends the waiting for an interface table's product. */
  readonly signal: AbortSignal;
}

/**
 * NOT_WRITABLE       nothing is allowed or planned for this operation, or a value has no slot
 * NO_VERSION         `ifVersion` was given and the entity has no version column
 * CONSTRAINT, VALUE  the source refused the values (unique, reference, check, null; length, range, format)
 * REFUSED            the source's own program said no, or an amount would leave its bounds
 * NOT_ONE_ROW        the key names more than one row
 * COMMAND_REUSED     the command's id stands in the log with another write
 */
export type RefusalCode =
  | "NOT_WRITABLE"
  | "NO_VERSION"
  | "CONSTRAINT"
  | "VALUE"
  | "REFUSED"
  | "NOT_ONE_ROW"
  | "COMMAND_REUSED";

export type WriteOutcome =
  | AppliedWrite
  /** Nothing was written; `row` is how the record stands. */
  | { readonly status: "conflict"; readonly row: SourceRow }
  | { readonly status: "not_found" }
  | { readonly status: "rejected"; readonly code: RefusalCode; readonly message: string }
  | { readonly status: "unknown_outcome"; readonly message: string };

export interface AppliedWrite {
  readonly status: "applied";
  /** The record as committed; undefined where no key is known (yet), or it left the pack's filters or was removed. */
  readonly row: SourceRow | undefined;
  /** What the procedure gave back; of an adjustment the amount as it is now. */
  readonly outputs: Readonly<Record<string, string | null>>;
  /** The command had been applied before; `row` is the record as it is now. */
  readonly isRepeat: boolean;
  /** It stands in the interface table and the product has not taken it yet. */
  readonly isPending: boolean;
  /** Dry run: nothing was kept. */
  readonly isDry: boolean;
}
