// Reads a record's versions along their chain, from the one that holds to the oldest that is held.
import type Database from "better-sqlite3";
import type { Origin } from "#common/contract/entry.ts";
import type { Presence } from "#common/contract/model/entities.ts";
import type { RecordVersions, StoredVersion } from "../../core/records/record-reads.ts";
import type { Revision, Scope } from "../../core/store.ts";
import { idColumn, type IdColumn } from "./columns.ts";
import type { Names } from "./names.ts";
import { VERSION_COLUMNS } from "./version-tables.ts";

type VersionColumns = readonly [
  untilRevision: number | null,
  recordNo: number,
  revision: number,
  incarnation: number,
  presenceNo: number,
  originNo: number,
  mappingNo: number,
  createdAtMs: number,
  updatedAtMs: number,
  deletedAtMs: number | null,
  reasonNo: number | null,
  readAtMs: number | null,
  hash: string,
  version: string | null,
  text: string,
];

/** Versions that one search goes back at most: about 0.1 s. */
const MAX_STEPS = 50_000;

/** The chain from a row on, no longer than asked for; only its ends are looked at until it is known which rows are wanted. */
const CHAIN = `WITH RECURSIVE chain (name, own, steps) AS (
  SELECT until_revision, revision, 1 FROM versions WHERE until_revision = ?
  UNION ALL SELECT v.until_revision, v.revision, steps + 1 FROM chain JOIN versions v ON v.until_revision = chain.own
  WHERE steps < ? AND chain.own > ?)`;
const OF_CHAIN = `SELECT until_revision, ${VERSION_COLUMNS} FROM versions`;

export class VersionReader {
  readonly #names: Names;
  readonly #current: Database.Statement<[IdColumn], [...VersionColumns, listNo: number]>;
  readonly #chain: Database.Statement<[number, number, number], VersionColumns>;
  readonly #heldAt: Database.Statement<[number, number, number, number], VersionColumns>;
  readonly #inSnapshot: <T>(read: () => T) => T;

  constructor(db: Database.Database, names: Names, inSnapshot: <T>(read: () => T) => T) {
    this.#names = names;
    this.#inSnapshot = inSnapshot;
    this.#current = db
      .prepare<[IdColumn], [...VersionColumns, listNo: number]>(
        `SELECT NULL, ${VERSION_COLUMNS}, list_no FROM records WHERE id = ?`,
      )
      .raw();
    this.#chain = db
      .prepare<[number, number, number], VersionColumns>(
        `${CHAIN} ${OF_CHAIN} JOIN chain ON until_revision = name ORDER BY steps`,
      )
      .raw();
    this.#heldAt = db
      .prepare<[number, number, number, number], VersionColumns>(
        `${CHAIN} ${OF_CHAIN} WHERE until_revision = (SELECT name FROM chain WHERE own <= ?)`,
      )
      .raw();
  }

  versions(
    scope: Scope,
    entity: string,
    id: string,
    { before, limit }: { readonly before: Revision | undefined; readonly limit: number },
  ): RecordVersions | undefined {
    return this.#inSnapshot(() => {
      const current = this.#visible(scope, entity, id);
      if (current === undefined) return undefined;
      const { row, connectionId } = current;
      const from = before ?? row[2];
      const older = this.#chain.all(from, limit + 1, 0).filter(([, recordNo]) => recordNo === row[1]);
      const rows = before === undefined ? [row, ...older] : older;
      const versions = rows.slice(0, limit).map((each) => this.#version(each));
      return { connectionId, versions, hasMore: rows.length > limit };
    });
  }

  versionAt(scope: Scope, entity: string, id: string, at: Revision): StoredVersion | "too_old" | undefined {
    return this.#inSnapshot(() => {
      const row = this.#visible(scope, entity, id)?.row;
      if (row === undefined) return undefined;
      if (row[2] <= at) return this.#version(row);
      const held = this.#heldAt.get(row[2], MAX_STEPS, at, at);
      if (held !== undefined && held[1] === row[1]) return this.#version(held);
      return this.#beganAfter(row, at) ? undefined : "too_old";
    });
  }

  /** Whether the record's first version is known, and it is younger. */
  #beganAfter(row: VersionColumns, at: Revision): boolean {
    const oldest = this.#chain.all(row[2], MAX_STEPS, at).at(-1) ?? row;
    const [, , revision, incarnation, , , , createdAtMs, updatedAtMs] = oldest;
    return incarnation === 1 && createdAtMs === updatedAtMs && revision > at;
  }

  #visible(
    { workspaceId, connectionIds }: Scope,
    entity: string,
    id: string,
  ): { readonly row: VersionColumns; readonly connectionId: string } | undefined {
    const found = this.#current.get(idColumn(id));
    if (found === undefined) return undefined;
    const owner = this.#names.list(found[15]);
    const isVisible =
      owner.workspaceId === workspaceId &&
      owner.entity === entity &&
      (connectionIds?.includes(owner.connectionId) ?? true);
    return isVisible
      ? { row: found as unknown as VersionColumns, connectionId: owner.connectionId }
      : undefined;
  }

  #version(row: VersionColumns): StoredVersion {
    const [until, , revision, incarnation, presenceNo, originNo, mappingNo, createdAtMs, updatedAtMs] = row;
    const [, , , , , , , , , deletedAtMs, reasonNo, readAtMs, hash, version, text] = row;
    const names = this.#names;
    return {
      revision,
      until: until ?? undefined,
      text,
      hash,
      version: version ?? undefined,
      updatedAtMs,
      createdAtMs,
      deletedAtMs: deletedAtMs ?? undefined,
      presence: names.term(presenceNo) as Presence,
      deleteReason: names.optionalTerm(reasonNo),
      incarnation,
      origin: names.term(originNo) as Origin,
      mappingVersion: names.term(mappingNo),
      readAtMs: readAtMs ?? undefined,
    };
  }
}
