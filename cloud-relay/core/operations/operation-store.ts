// The part of the store that keeps operations and idempotency keys.
import type { NewEvent, Scope } from "../store.ts";
import type { OperationRow, OperationState } from "./operation.ts";

/** A caller's key: unique in its workspace and connection while it is held. */
export interface IdempotencyClaim {
  readonly workspaceId: string;
  /** Empty for a request that speaks of several connections. */
  readonly connectionId: string;
  readonly key: string;
  /** Of method, path and body: the same key with another one is refused. */
  readonly fingerprint: string;
  readonly atMs: number;
}

export type Created =
  | { readonly kind: "created" }
  /** The key is taken: nothing was created. */
  | {
      readonly kind: "taken";
      readonly fingerprint: string;
      readonly operations: readonly OperationRow[];
    };

export interface OperationChange {
  readonly row: OperationRow;
  /** Appended to the feed with it; position and id are given by the store. */
  readonly event?: Omit<NewEvent, "position" | "id">;
  /** The caller may try again under the same key. */
  readonly freesKey?: boolean;
}

export interface OperationQuery {
  readonly states?: readonly OperationState[];
  /** Strictly after and before, ms. */
  readonly createdAfterMs?: number;
  readonly createdBeforeMs?: number;
  /** Only what was created before this operation. */
  readonly afterId?: string;
  readonly limit: number;
}

export interface OperationStore {
  /** All of them, or none, together with the key. */
  create(rows: readonly OperationRow[], claim: IdempotencyClaim | undefined): Promise<Created>;
  /** What the key stands for, if it is taken. */
  claimed(claim: IdempotencyClaim): Promise<Created>;
  get(scope: Scope, id: string): Promise<OperationRow | undefined>;
  /** By id alone: for what agents say; the caller checks whose it is. */
  byId(id: string): Promise<OperationRow | undefined>;
  /** Newest first. */
  list(scope: Scope, query: OperationQuery): Promise<readonly OperationRow[]>;
  /** Those that are not finished, oldest first, of a connection or of all; created after `afterId` where it is given. */
  unfinished(
    connectionId: string | undefined,
    afterId: string | undefined,
    limit: number,
  ): Promise<readonly OperationRow[]>;
  /**
   * In one transaction: looks, decides, writes. `decide` gives undefined for no change; it must not do anything else.
   * Resolves with the row as it is then; undefined when there is none.
   */
  change(
    id: string,
    decide: (row: OperationRow) => OperationChange | undefined,
  ): Promise<OperationRow | undefined>;
  /** Removes finished operations and keys that are older, a bounded number; whether more is left. */
  prune(before: { readonly operationsMs: number; readonly keysMs: number }): Promise<boolean>;
}
