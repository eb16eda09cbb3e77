// What the plant's own file lets the relay ask for on one connection. Plain data; whatever it does not say is refused.

/** What becomes of one kind of change. */
export interface WriteRule {
  /** At once; when somebody at the plant has approved it; or never. */
  readonly mode: "apply" | "hold" | "refuse";
  /** Hours in which it is done (pass-calendar.ts), in the connection's zone; empty: at any time. */
  readonly windows: readonly string[];
  /** What callers are told when it is refused. */
  readonly reason?: string;
}

/** Rows of one answer to a query, at most; the contract's own limit. */
export const MAX_NAMED_QUERY_ROWS = 10_000;

export interface QueryParameter {
  readonly type: "text" | "decimal" | "integer" | "boolean";
  readonly isRequired: boolean;
}

/** A query by name; its statement never leaves the plant. */
export interface NamedQuery {
  readonly statement: string;
  readonly parameters: Readonly<Record<string, QueryParameter>>;
  readonly maxRows: number;
  readonly description?: string;
}

export interface PlantPolicy {
  /** Single records may be read at once. */
  readonly liveReads: boolean;
  /** The source's catalogue may be seen. */
  readonly browse: boolean;
  /** Sync, resync, pause and cancel from outside. */
  readonly sync: boolean;
  /** By entity and operation. */
  readonly writes: Readonly<Record<string, Readonly<Record<string, WriteRule>>>>;
  readonly writesPerMinute: number;
  /** The audit trail holds the values themselves, and not only their hash. */
  readonly auditValues: boolean;
  readonly queries: Readonly<Record<string, NamedQuery>>;
  /** Members of the settings document that the relay may set. */
  readonly settings: readonly string[];
}

export const NOTHING_ALLOWED: PlantPolicy = {
  liveReads: false,
  browse: false,
  sync: false,
  writes: {},
  writesPerMinute: 0,
  auditValues: false,
  queries: {},
  settings: [],
};

/** Undefined: the file does not name it. */
export function writeRule(policy: PlantPolicy, entity: string, operation: string): WriteRule | undefined {
  return own(own(policy.writes, entity), operation);
}

export function namedQuery(policy: PlantPolicy, name: string): NamedQuery | undefined {
  return own(policy.queries, name);
}

/** Names come from outside: only what the file itself has counts. */
function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
