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
}

/** Adds a row to the entity's own table. The key columns are among the slots. */
export interface InsertPlan extends AnyWrite {
  readonly form: "insert";
}

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

export type WritePlan = UpdatePlan | InsertPlan | ProcedurePlan | InterfacePlan;

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
 * REFUSED            the source's own program said no
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
  /** The record as committed; undefined where no key is known (yet), or the record left the pack's filters. */
  readonly row: SourceRow | undefined;
  /** What the procedure gave back. */
  readonly outputs: Readonly<Record<string, string | null>>;
  /** The command had been applied before; `row` is the record as it is now. */
  readonly isRepeat: boolean;
  /** It stands in the interface table and the product has not taken it yet. */
  readonly isPending: boolean;
  /** Dry run: nothing was kept. */
  readonly isDry: boolean;
}
