// Keys of the sandbox that always behave in their own way, so that every answer can be provoked. docs/sandbox.md lists them.

/** Purchasing from it is blocked: orders for it are refused by the source. */
export const BLOCKED_VENDOR = "V-9001";
export const INACTIVE_VENDOR = "V-9002";
/** Was there when the sandbox was filled, and was deleted at its source right after. */
export const DELETED_VENDOR = "V-9003";
/** As the one before, but put away by its source instead of deleted. */
export const ARCHIVED_VENDOR = "V-9004";
/** None of it is there: nothing can be taken out. */
export const OUT_OF_STOCK_ITEM = "IT-9001";

export interface Trap {
  /** Of the work order. */
  readonly number: string;
  readonly title: string;
  readonly effect: TrapEffect;
}

export type TrapEffect =
  | "refused_by_source"
  | "slow"
  | "unknown_outcome"
  | "version_conflict"
  | "rate_limited"
  | "halted"
  | "not_found"
  | "unreachable"
  | "login_refused"
  | "failure"
  | "too_large"
  | "rejected_at_plant"
  | "expired";

/** Work orders on which every write ends so. */
export const TRAPS: readonly Trap[] = [
  { number: "WO-9001", title: "Refused by the source", effect: "refused_by_source" },
  { number: "WO-9002", title: "The source is too slow", effect: "slow" },
  { number: "WO-9003", title: "Nobody knows whether it was written", effect: "unknown_outcome" },
  { number: "WO-9004", title: "Somebody changed it meanwhile", effect: "version_conflict" },
  { number: "WO-9005", title: "The plant's limit is reached", effect: "rate_limited" },
  { number: "WO-9006", title: "Writes are stopped", effect: "halted" },
  { number: "WO-9007", title: "Gone from the source", effect: "not_found" },
  { number: "WO-9008", title: "The source is away", effect: "unreachable" },
  { number: "WO-9009", title: "The login is refused", effect: "login_refused" },
  { number: "WO-9010", title: "The agent fails", effect: "failure" },
  { number: "WO-9011", title: "The answer is too large", effect: "too_large" },
  { number: "WO-9012", title: "Somebody says no", effect: "rejected_at_plant" },
  { number: "WO-9013", title: "Its time ends", effect: "expired" },
];
