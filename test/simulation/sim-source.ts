// Simulated sources: tables with a change counter, and a machine that counts. They remember what is true.
import { ConnectorError } from "#common/runtime/errors.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type {
  Connector,
  Cursor,
  ReadRequest,
  SourceBatch,
  SourceRow,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import type { SimRandom } from "./sim-random.ts";

export interface SimRow {
  readonly key: string;
  /** Grows with every write of the table, over all keys. */
  readonly version: number;
}

interface Tombstone {
  readonly key: string;
  readonly version: number;
}

/** `counter`: deletes are found by keys. `feed`: deletes are told. `scan`: no marker at all. */
export type SimTableKind = "counter" | "feed" | "scan";

export class SimTable {
  readonly entity: string;
  readonly kind: SimTableKind;
  rows = new Map<string, SimRow>();
  tombstones: Tombstone[] = [];
  version = 0;

  constructor(entity: string, kind: SimTableKind) {
    this.entity = entity;
    this.kind = kind;
  }

  write(key: string): void {
    this.version += 1;
    this.rows.set(key, { key, version: this.version });
    this.tombstones = this.tombstones.filter((tombstone) => tombstone.key !== key);
  }

  remove(key: string): void {
    if (!this.rows.delete(key)) return;
    this.version += 1;
    this.tombstones.push({ key, version: this.version });
  }

  copy(): SimTable {
    const copy = new SimTable(this.entity, this.kind);
    copy.rows = new Map(this.rows);
    copy.tombstones = [...this.tombstones];
    copy.version = this.version;
    return copy;
  }
}

/** The database: what stands in it is the truth that the relay must come to. */
export class SimDatabase {
  tables: readonly SimTable[];
  incarnation = 1;
  isDown = false;

  constructor(tables: readonly SimTable[]) {
    this.tables = tables;
  }

  /** One random write. */
  mutate(random: SimRandom): void {
    const table = random.pick(this.tables);
    const keys = [...table.rows.keys()];
    const key = keys.length === 0 || random.chance(0.25) ? `K${random.between(1, 90)}` : random.pick(keys);
    if (random.chance(0.2)) table.remove(key);
    else table.write(key);
  }

  /** An older copy is put back: counters go back with it. */
  restore(copy: readonly SimTable[]): void {
    this.tables = copy.map((table) => table.copy());
    this.incarnation += 1;
  }
}

/** The record text that a row must have at the relay. */
export function expectedText(entity: string, row: SimRow): string {
  const envelope = `"remote_id":"${row.key}","remote_key":{"K":"${row.key}"},"source":{"system":"Sim","table":"${entity}"}`;
  return `{${envelope},"native_status":"v${row.version}"}`;
}

export function simPack(
  tables: readonly SimTable[],
  mappingVersion: string,
  schedule = { pollMs: 2_000, reconcileMs: 30_000 },
): CompiledPack {
  return {
    name: "sim",
    system: "Sim",
    mappingVersion,
    entities: tables.map(({ entity, kind }) => ({
      plan: {
        entity,
        table: { name: entity },
        key: ["K"],
        columns: ["K", "V"],
        filters: [],
        change: kind === "scan" ? { kind: "full_scan" } : { kind: "counter", column: "V" },
        children: [],
      },
      ...schedule,
      mapper: () => (row: SourceRow) => {
        const version = Number(row.columns["V"]);
        // Some content is bad: it must be reported, harm nothing else, and heal with the next write.
        if (version % 41 === 0) return { ok: false, code: "BAD_VALUE", detail: `V is ${version}` };
        const key = row.key[0] ?? "";
        return { ok: true, record: expectedText(entity, { key, version }), raw: undefined, isDeleted: false };
      },
    })),
    unmappedCodes: () => [],
  };
}

export function isBad(row: SimRow): boolean {
  return row.version % 41 === 0;
}

const PAGE_ROWS = 7;

export class SimTableConnector implements Connector {
  readonly #database: SimDatabase;
  readonly #clock: Clock;
  readonly #random: SimRandom;
  #incarnation = 0;

  constructor(database: SimDatabase, clock: Clock, random: SimRandom) {
    this.#database = database;
    this.#clock = clock;
    this.#random = random;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#pause(signal);
    this.#incarnation = this.#database.incarnation;
  }

  identity(): string {
    return `sim-${this.#incarnation}`;
  }

  strategies(): readonly StrategyReport[] {
    return this.#database.tables.map(({ entity, kind }) => ({
      entity,
      strategy: kind === "scan" ? "full_scan" : "counter",
      reason: "simulated",
      deletes: kind === "feed" ? "feed" : "keys",
    }));
  }

  keyRules(): readonly KeyRule[] {
    return [EXACT_KEY];
  }

  async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    let after = request.after;
    for (;;) {
      await this.#pause(request.signal);
      if (request.signal.aborted) return;
      const batch = this.#page(request, after);
      if (batch === undefined) return;
      yield batch.batch;
      if (batch.isLast) return;
      after = batch.batch.cursor;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** One look at the table: what is read in one moment is consistent. */
  #page(
    request: ReadRequest,
    after: Cursor | undefined,
  ): { batch: SourceBatch; isLast: boolean } | undefined {
    const table = this.#database.tables.find((candidate) => candidate.entity === request.entity);
    if (table === undefined) throw new ConnectorError("misconfigured", `no table ${request.entity}`);
    if (request.pass === "point") {
      const keys = new Set(request.keys?.map(([key]) => key));
      const rows = [...table.rows.values()].filter((row) => keys.has(row.key)).map(upsert);
      return { batch: { rows, cursor: {} }, isLast: true };
    }
    return request.pass === "incremental"
      ? changesAfter(table, after)
      : keysAfter(table, after, request.pass === "keys");
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await sleep(this.#clock, this.#random.between(1, 30), signal);
    if (this.#database.isDown) throw new ConnectorError("unavailable", "the simulated source is away");
    if (this.#incarnation !== 0 && this.#incarnation !== this.#database.incarnation) {
      throw new ConnectorError("unavailable", "the simulated source was restarted");
    }
  }
}

function changesAfter(
  table: SimTable,
  after: Cursor | undefined,
): { batch: SourceBatch; isLast: boolean } | undefined {
  if (after === undefined) return { batch: { rows: [], cursor: { version: table.version } }, isLast: true };
  const from = Number(after["version"]);
  if (from > table.version)
    throw new ConnectorError("cursor_lost", `cursor ${from} is ahead of the source's ${table.version}`);
  const changes = [
    ...[...table.rows.values()]
      .filter((row) => row.version > from)
      .map((row) => ({ version: row.version, row: upsert(row) })),
    ...(table.kind === "feed" ? table.tombstones : [])
      .filter((tombstone) => tombstone.version > from)
      .map(({ key, version }) => ({
        version,
        row: { op: "delete", key: [key], columns: {} } satisfies SourceRow,
      })),
  ].sort((a, b) => a.version - b.version);
  const page = changes.slice(0, PAGE_ROWS);
  const last = page.at(-1);
  if (last === undefined) return undefined;
  return {
    batch: { rows: page.map(({ row }) => row), cursor: { version: last.version } },
    isLast: page.length < PAGE_ROWS,
  };
}

function keysAfter(
  table: SimTable,
  after: Cursor | undefined,
  isKeysOnly: boolean,
): { batch: SourceBatch; isLast: boolean } | undefined {
  const from = typeof after?.["key"] === "string" ? after["key"] : "";
  const page = [...table.rows.values()]
    .filter((row) => row.key > from)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .slice(0, PAGE_ROWS);
  const last = page.at(-1);
  if (last === undefined) return undefined;
  const rows = page.map((row) => (isKeysOnly ? { ...upsert(row), columns: {} } : upsert(row)));
  return { batch: { rows, cursor: { key: last.key } }, isLast: page.length < PAGE_ROWS };
}

function upsert(row: SimRow): SourceRow {
  return {
    op: "upsert",
    key: [row.key],
    version: String(row.version),
    columns: { K: row.key, V: row.version },
  };
}

/** A machine with history: a counter that grows by one for each sample. */
export class SimMachine {
  count = 0;
  isDown = false;
}

export function machinePack(mappingVersion: string): CompiledPack {
  return { name: "machine", system: "Sim machine", mappingVersion, entities: [], unmappedCodes: () => [] };
}

export class SimMachineConnector implements Connector {
  readonly #machine: SimMachine;
  readonly #clock: Clock;
  readonly #everyMs: number;

  constructor(machine: SimMachine, clock: Clock, everyMs = 500) {
    this.#machine = machine;
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  async open(): Promise<void> {
    if (this.#machine.isDown) throw new ConnectorError("unavailable", "the simulated machine is away");
  }

  identity(): string {
    return "machine";
  }

  strategies(): readonly StrategyReport[] {
    return [];
  }

  keyRules(): readonly KeyRule[] {
    return [];
  }

  async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    let sent = Number(request.after?.["count"] ?? 0);
    while (!request.signal.aborted) {
      if (this.#machine.isDown) throw new ConnectorError("unavailable", "the simulated machine is away");
      const upTo = Math.min(this.#machine.count, sent + 20);
      if (upTo > sent) {
        const samples = Array.from({ length: upTo - sent }, (_, index) => ({
          point: "counter",
          value: sent + index + 1,
          status: 0,
          sourceMs: sent + index + 1,
          serverMs: null,
        }));
        sent = upTo;
        yield { rows: [], samples, cursor: { count: sent } };
      } else await sleep(this.#clock, this.#everyMs, request.signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
