// A sandbox's imagined source as it is now: what ingest has brought in is what the source says.
import type { Entity } from "#common/contract/model/entities.ts";
import type { ConnectionRow, Reader, Scope, StoredRecord } from "../store.ts";
import { keyOf, type Fields, type RecordIdOf } from "./plant-book.ts";

export interface SourceRow {
  readonly key: string;
  readonly record: Fields;
  readonly raw: Fields | undefined;
  readonly version: string | undefined;
}

/** Records looked at in one step of a list. */
const PAGE = 500;

export class SandboxSource {
  readonly connection: ConnectionRow;
  readonly recordId: RecordIdOf;
  readonly #reader: Reader;
  readonly #scope: Scope;

  constructor(reader: Reader, recordId: RecordIdOf, connection: ConnectionRow) {
    this.connection = connection;
    this.recordId = recordId;
    this.#reader = reader;
    this.#scope = { workspaceId: connection.workspaceId, connectionIds: [connection.id] };
  }

  async byKey(entity: string, key: string): Promise<SourceRow | undefined> {
    const id = this.recordId(this.connection.id, entity, key);
    const stored = await this.#reader.getRecord(this.#scope, entity, id, true);
    return stored === undefined || stored.deletedAtMs !== undefined ? undefined : rowOf(stored);
  }

  byNumber(entity: Entity, number: string): Promise<SourceRow | undefined> {
    return this.byKey(entity, keyOf(number));
  }

  async all(entity: Entity): Promise<readonly SourceRow[]> {
    const rows: SourceRow[] = [];
    let afterRevision = 0;
    for (;;) {
      const page = await this.#reader.listRecords(this.#scope, {
        entity,
        afterRevision,
        beforeRevision: undefined,
        includeDeleted: false,
        includeRaw: false,
        limit: PAGE,
      });
      rows.push(...page.map(rowOf));
      afterRevision = page.at(-1)?.revision ?? afterRevision;
      if (page.length < PAGE) return rows;
    }
  }
}

function rowOf({ key, text, raw, version }: StoredRecord): SourceRow {
  return {
    key,
    record: JSON.parse(text) as Fields,
    raw: raw === undefined ? undefined : (JSON.parse(raw) as Fields),
    version,
  };
}
