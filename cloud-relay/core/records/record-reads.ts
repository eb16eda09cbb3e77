// The part of the store's reader that answers more than plain lists: filtered lists, records by id, earlier versions.
import type { Origin } from "#common/contract/entry.ts";
import type { Presence } from "#common/contract/model/entities.ts";
import type { RecordQuery, Revision, Scope, StoredRecord, SyncRun } from "../store.ts";
import type { RecordFilter } from "./record-filter.ts";

export interface FoundRecords {
  /** In revision order, no more than the query's `limit`. */
  readonly records: readonly StoredRecord[];
  /** Up to and with here everything was looked at; undefined: there is no more. */
  readonly reached: Revision | undefined;
}

/** A record as it was from `revision` until the next one. */
export interface StoredVersion {
  readonly revision: Revision;
  /** Revision that took its place; undefined: it is the one that holds. */
  readonly until: Revision | undefined;
  readonly text: string;
  readonly hash: string;
  readonly version: string | undefined;
  readonly updatedAtMs: number;
  readonly createdAtMs: number;
  readonly deletedAtMs: number | undefined;
  readonly presence: Presence;
  readonly deleteReason: string | undefined;
  readonly incarnation: number;
  readonly origin: Origin;
  readonly mappingVersion: string;
  /** When the agent read it from the source; undefined where that was not kept. */
  readonly readAtMs: number | undefined;
}

export interface RecordVersions {
  readonly connectionId: string;
  /** Newest first. */
  readonly versions: readonly StoredVersion[];
  /** Whether there are older ones that are still held. */
  readonly hasMore: boolean;
}

export interface RecordReads {
  /**
   * One bounded step of a filtered list: looks at no more than `scanRows` records, in revision order. The caller goes on after
   * `reached` until it has enough, and lets others have their turn between two steps.
   */
  findRecords(
    scope: Scope,
    query: RecordQuery,
    filter: RecordFilter,
    scanRows: number,
  ): Promise<FoundRecords>;
  /** How many a list has between its bounds, without a filter; from an index. */
  countListed(scope: Scope, query: RecordQuery): Promise<number>;
  /** The revision at a place of a list without a filter, from 1; undefined behind its end. From an index. */
  revisionAtPlace(scope: Scope, query: RecordQuery, place: number): Promise<Revision | undefined>;
  /** Of any entity, present or gone, in no order; what is not in the scope is left out. */
  recordsByIds(scope: Scope, ids: readonly string[]): Promise<readonly StoredRecord[]>;
  /**
   * The version that holds and those before it, as far as they are held; only those older than `before` if that is given.
   * Undefined: there is no such record in the scope.
   */
  versions(
    scope: Scope,
    entity: string,
    id: string,
    query: { readonly before: Revision | undefined; readonly limit: number },
  ): Promise<RecordVersions | undefined>;
  /**
   * The version that held at a revision; `too_old` when it is not held any more, or the record was not there yet and that cannot
   * be told apart.
   */
  versionAt(
    scope: Scope,
    entity: string,
    id: string,
    at: Revision,
  ): Promise<StoredVersion | "too_old" | undefined>;
  /** The pass over the entity that was under way at an instant of the agent's clock, the one that began last. */
  syncRunAt(scope: Scope, connectionId: string, entity: string, atMs: number): Promise<SyncRun | undefined>;
}
