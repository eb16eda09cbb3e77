// What must hold at every commit of the relay, and at the end of a run.
import type { IngestTx, NewEvent, NewRecord, RecordDelete, StreamState } from "#relay/core/store.ts";
import { recordId } from "#common/contract/record-id.ts";
import type { MemoryStore } from "#relay/store/memory/memory-store.ts";
import { expectedText, isBad, type SimDatabase } from "./sim-source.ts";

export class InvariantError extends Error {
  override name = "InvariantError";
}

interface Seen {
  readonly version: number;
}

/** Watches the relay's write transactions. */
export class Invariants {
  /** By record: the last content version committed, to see that order is kept. */
  readonly #seen = new Map<string, Seen>();
  readonly #eventIds = new Set<string>();
  #lastPosition = 0;
  #newestSession = 0;
  #hasClockStepped = false;
  #wasRestored = false;
  #failure: InvariantError | undefined;
  /** After the source or the relay went back, older content is right again. */
  #isOrderKnown = true;
  /** Content of every batch that was applied; those of the transaction under way apart. */
  readonly #applied = new Set<string>();
  #applying: string[] = [];
  /** A restored agent may send again what it had sent. */
  #isOnceKnown = true;

  get failure(): InvariantError | undefined {
    return this.#failure;
  }

  fail(message: string): void {
    this.#failure ??= new InvariantError(message);
  }

  /** A restored store goes on above all positions it ever gave, as long as its wall clock did not go back as well. */
  relayRestored(): void {
    this.#wasRestored = true;
    if (this.#hasClockStepped) this.#lastPosition = 0;
    this.#newestSession = 0;
    this.#seen.clear();
    this.#eventIds.clear();
    this.#applied.clear();
    this.#isOrderKnown = false;
  }

  roomRestored(): void {
    this.historyChanged();
    this.#isOnceKnown = false;
  }

  clockStepped(): void {
    this.#hasClockStepped = true;
    if (this.#wasRestored) this.#lastPosition = 0;
  }

  historyChanged(): void {
    this.#seen.clear();
    this.#isOrderKnown = false;
  }

  claimed(session: number): void {
    this.#newestSession = Math.max(this.#newestSession, session);
  }

  /** The transaction under way takes this batch apart: it is about to apply it. */
  applies(blob: Uint8Array): void {
    this.#applying.push(Buffer.from(blob).toString("base64"));
  }

  /** The transaction's calls pass through; `commit` judges them once they are final. */
  watch(tx: IngestTx): { readonly tx: IngestTx; commit(): void } {
    const records: NewRecord[] = [];
    const events: NewEvent[] = [];
    const deletes: RecordDelete[] = [];
    let session: number | undefined;
    let connectionId = "";
    this.#applying = [];
    const watched = new Proxy(tx, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name, object);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (name === "putRecords") records.push(...(args[0] as NewRecord[]));
          else if (name === "appendEvents") events.push(...(args[0] as NewEvent[]));
          else if (name === "deleteRecords") deletes.push(...(args[0] as RecordDelete[]));
          else if (name === "putStream") connectionId = (args[0] as StreamState).connectionId;
          else if (name === "isCurrentSession") session = Number(args[1]);
          return Reflect.apply(value, object, args);
        };
      },
    });
    return {
      tx: watched,
      commit: () => {
        this.#judgeBatches(connectionId);
        this.#judge(records, events, deletes, session);
      },
    };
  }

  #judgeBatches(connectionId: string): void {
    for (const content of this.#applying) {
      const batch = `${connectionId} ${content}`;
      if (this.#isOnceKnown && this.#applied.has(batch)) {
        this.fail(`a batch of ${connectionId} was applied twice`);
      }
      this.#applied.add(batch);
    }
  }

  #judge(
    records: readonly NewRecord[],
    events: readonly NewEvent[],
    deletes: readonly RecordDelete[],
    session: number | undefined,
  ): void {
    if (session !== undefined && session < this.#newestSession) {
      this.fail(`session ${session} committed although ${this.#newestSession} had taken over`);
    }
    for (const event of events) {
      if (this.#eventIds.has(event.id)) this.fail(`event ${event.id} (${event.type}) was appended twice`);
      this.#eventIds.add(event.id);
      if (event.position <= this.#lastPosition)
        this.fail(`position ${event.position} came after ${this.#lastPosition}`);
      this.#lastPosition = event.position;
    }
    for (const record of records) {
      const version = Number(/"v(\d+)"/.exec(record.text)?.[1]);
      const before = this.#seen.get(record.id);
      if (this.#isOrderKnown && before !== undefined && version < before.version) {
        this.fail(`record ${record.key} went back from v${before.version} to v${version}`);
      }
      this.#seen.set(record.id, { version });
    }
    for (const { id } of deletes) this.#seen.delete(id);
  }
}

/** Why the relay is not yet equal to the source, or undefined when it is. */
export async function difference(
  store: MemoryStore,
  database: SimDatabase,
  scope: { readonly workspaceId: string; readonly connectionIds: readonly string[] },
): Promise<string | undefined> {
  const [connectionId] = scope.connectionIds;
  if (connectionId === undefined) return "no connection";
  const rejects = await store.reader.rejects(scope, connectionId, 1_000);
  for (const table of database.tables) {
    const query = {
      entity: table.entity,
      afterRevision: 0,
      beforeRevision: undefined,
      includeDeleted: false,
      includeRaw: false,
      limit: 10_000,
    };
    const stored = new Map(
      (await store.reader.listRecords(scope, query)).map((record) => [record.id, record]),
    );
    for (const row of table.rows.values()) {
      const key = JSON.stringify([row.key]);
      const id = recordId(connectionId, table.entity, key);
      const record = stored.get(id);
      stored.delete(id);
      if (isBad(row)) {
        if (!rejects.some((reject) => reject.entity === table.entity && reject.key === key))
          return `${table.entity} ${row.key} is bad and was not reported`;
      } else if (record === undefined) return `${table.entity} ${row.key} is missing`;
      else if (record.text !== expectedText(table.entity, row))
        return `${table.entity} ${row.key} is ${record.text}, not v${row.version}`;
    }
    const [extra] = stored.values();
    if (extra !== undefined) return `${table.entity} ${extra.key} is not in the source any more`;
  }
  return undefined;
}
