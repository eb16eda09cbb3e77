// Reads of records from the memory store: lists, single ones, filtered ones, and their earlier versions.
import { matchesFilter } from "../../core/records/record-filter.ts";
import type { StoredVersion } from "../../core/records/record-reads.ts";
import type { NewRecord, Reader, RecordQuery, Scope, StoredRecord } from "../../core/store.ts";
import { isInScope } from "./memory-directory.ts";
import type { MemoryTables } from "./memory-tables.ts";

export type Read = <T>(work: () => T) => Promise<T>;
type Names =
  | "listRecords"
  | "getRecord"
  | "countRecords"
  | "findRecords"
  | "countListed"
  | "revisionAtPlace"
  | "recordsByIds"
  | "versions"
  | "versionAt";

export function memoryRecordReads(tables: MemoryTables, read: Read): Pick<Reader, Names> {
  return { ...listsOf(tables, read), ...versionsOf(tables, read) };
}

function listsOf(tables: MemoryTables, read: Read): Pick<Reader, Exclude<Names, "versions" | "versionAt">> {
  const { records } = tables;
  const listed = (scope: Scope, query: RecordQuery): NewRecord[] =>
    [...records.committed.values()]
      .filter((row) => row.entity === query.entity && isVisible(tables, scope, row))
      .filter(({ revision }) => revision > query.afterRevision)
      .filter(({ revision }) => revision < (query.beforeRevision ?? Number.POSITIVE_INFINITY))
      .filter(({ presence }) => query.includeDeleted || presence === "present")
      .sort((a, b) => a.revision - b.revision);
  return {
    listRecords: (scope, query) =>
      read(() =>
        listed(scope, query)
          .slice(0, query.limit)
          .map((row) => storedRecord(row, query.includeRaw)),
      ),
    findRecords: (scope, query, filter, scanRows) =>
      read(() => {
        const all = listed(scope, query);
        const scanned = filter.ids === undefined ? all.slice(0, scanRows) : all;
        const found = scanned.filter((row) => matchesFilter(row, filter)).slice(0, query.limit);
        const isFull = found.length >= query.limit;
        const hasMore = isFull || scanned.length === scanRows;
        const reached = hasMore ? (isFull ? found : scanned).at(-1)?.revision : undefined;
        return { records: found.map((row) => storedRecord(row, query.includeRaw)), reached };
      }),
    countListed: (scope, query) => read(() => listed(scope, query).length),
    revisionAtPlace: (scope, query, place) => read(() => listed(scope, query)[place - 1]?.revision),
    getRecord: (scope, entity, id, includeRaw) =>
      read(() => {
        const row = records.committed.get(id);
        if (row?.entity !== entity || !isVisible(tables, scope, row)) return undefined;
        return storedRecord(row, includeRaw);
      }),
    recordsByIds: (scope, ids) =>
      read(() =>
        [...new Set(ids)].flatMap((id) => {
          const row = records.committed.get(id);
          return row !== undefined && isVisible(tables, scope, row) ? [storedRecord(row, false)] : [];
        }),
      ),
    countRecords: (scope, entity) =>
      read(
        () =>
          [...records.committed.values()]
            .filter((row) => row.entity === entity && row.presence === "present")
            .filter((row) => isVisible(tables, scope, row)).length,
      ),
  };
}

function versionsOf(tables: MemoryTables, read: Read): Pick<Reader, "versions" | "versionAt"> {
  const { records, versions } = tables;
  /** Newest first. */
  const chain = (current: NewRecord): StoredVersion[] => {
    const found: StoredVersion[] = [];
    let until: number | undefined;
    for (let row: NewRecord | undefined = current; row?.id === current.id;) {
      found.push(storedVersion(row, until));
      until = row.revision;
      row = versions.committed.get(String(until));
    }
    return found;
  };
  const current = (scope: Scope, entity: string, id: string): NewRecord | undefined => {
    const row = records.committed.get(id);
    return row?.entity === entity && isVisible(tables, scope, row) ? row : undefined;
  };
  return {
    versions: (scope, entity, id, { before, limit }) =>
      read(() => {
        const row = current(scope, entity, id);
        if (row === undefined) return undefined;
        const all = chain(row);
        const from = before === undefined ? 0 : all.findIndex(({ revision }) => revision === before) + 1;
        const rest = before !== undefined && from === 0 ? [] : all.slice(from);
        return {
          connectionId: row.connectionId,
          versions: rest.slice(0, limit),
          hasMore: rest.length > limit,
        };
      }),
    versionAt: (scope, entity, id, at) =>
      read(() => {
        const row = current(scope, entity, id);
        if (row === undefined) return undefined;
        const all = chain(row);
        const held = all.find(({ revision }) => revision <= at);
        if (held !== undefined) return held;
        const oldest = all.at(-1);
        const isFirst = oldest?.incarnation === 1 && oldest.createdAtMs === oldest.updatedAtMs;
        return isFirst ? undefined : "too_old";
      }),
  };
}

function isVisible({ connections }: MemoryTables, scope: Scope, row: NewRecord): boolean {
  return isInScope(scope, connections.committed.get(row.connectionId));
}

function storedRecord(row: NewRecord, includeRaw: boolean): StoredRecord {
  const { epochNo: _epochNo, readAtMs: _readAtMs, ...record } = row;
  return includeRaw ? record : { ...record, raw: undefined };
}

function storedVersion(row: NewRecord, until: number | undefined): StoredVersion {
  const { revision, text, hash, version, updatedAtMs, createdAtMs, deletedAtMs, presence } = row;
  const { deleteReason, incarnation, origin, mappingVersion, readAtMs } = row;
  return {
    revision,
    until,
    text,
    hash,
    version,
    updatedAtMs,
    createdAtMs,
    deletedAtMs,
    presence,
    deleteReason,
    incarnation,
    origin,
    mappingVersion,
    readAtMs,
  };
}
