// A connection in memory: a table that a test writes to, a connector over it, a room store, and a clock that is moved on.
import { createHash } from "node:crypto";
import { batchCodec } from "#common/contract/batch.ts";
import { checkHeader } from "#common/contract/checks.ts";
import { parseEntries, type EntryHeader } from "#common/contract/entry.ts";
import type { SamplesBody } from "#common/contract/samples.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import type { BatchDeps } from "#agent/core/room/batch-assembler.ts";
import type { RoomStore } from "#agent/core/room/room-store.ts";
import type { WriteMarks } from "#agent/core/room/write-marks.ts";
import { RoomRunner, type Allowance, type RoomRunnerDeps } from "#agent/core/room/room-runner.ts";
import type {
  Connector,
  Cursor,
  ReadRequest,
  SourceBatch,
  SourceRow,
  StrategyReport,
} from "#agent/core/source/connector.ts";
import { EXACT_KEY, type KeyRule } from "#agent/core/source/key-rules.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

export const MAPPING = "00000000000000aa";

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

export function batchDeps(clock: FakeClock): BatchDeps {
  let ids = 0;
  return {
    codec: batchCodec,
    nowMs: () => clock.nowMs(),
    randomId: () => {
      ids += 1;
      return ids.toString(16).padStart(16, "0");
    },
    mappingVersion: MAPPING,
  };
}

/** Every entry's header in the outbox, oldest first; samples are left out. */
export function entriesOf(store: RoomStore): readonly (EntryHeader & { readonly record?: string })[] {
  return store.read(1, Number.POSITIVE_INFINITY).flatMap((batch) => {
    if (batch.kind !== "records") return [];
    return Array.from(parseEntries(batchCodec.decode(batch.blob).body), ({ header, record }) => {
      const checked = checkHeader(header);
      if (checked === undefined) throw new TypeError(`no entry: ${JSON.stringify(header)}`);
      return record === undefined ? checked : Object.assign({}, checked, { record });
    });
  });
}

export function samplesOf(store: RoomStore): readonly SamplesBody[] {
  return store
    .read(1, Number.POSITIVE_INFINITY)
    .filter(({ kind }) => kind === "samples")
    .map(({ blob }) => JSON.parse(batchCodec.decode(blob).body) as SamplesBody);
}

/** `delete a`, `upsert b`, `mark snapshot_end ok`: what an entry is, in short. */
export function shortOf(entry: EntryHeader): string {
  if (entry.op === "mark") return ["mark", entry.mark, entry.outcome].filter(Boolean).join(" ");
  if (entry.op === "gap") return `gap ${entry.reason}`;
  if (entry.op === "epoch") return `epoch ${entry.reason}`;
  return `${entry.op} ${(JSON.parse(entry.key) as string[]).join("/")}`;
}

/** Rows by key; every write moves the table's counter. */
export class TestTable {
  readonly rows = new Map<string, { readonly text: string; readonly version: number }>();
  /** Document dates, ms; rows without one are in every window. */
  readonly dates = new Map<string, number>();
  version = 0;
  identity = "table-1";
  strategy: StrategyReport = {
    entity: "vendor",
    strategy: "counter",
    reason: "test",
    deletes: "keys",
  };
  pageRows = 3;
  /** Thrown by the next call that asks for it: `open`, or a pass. */
  readonly failures = new Map<string, Error>();
  /** What was asked, oldest first: `open`, `snapshot`, `incremental`, … */
  readonly asked: string[] = [];
  /** Called before each page: a moment in which the table may change, or time pass. */
  onPage: (request: ReadRequest) => void = () => {};

  set(key: string, text = key): void {
    this.version += 1;
    this.rows.set(key, { text, version: this.version });
  }

  /** Changes a row without moving its marker: only a full pass can notice. */
  slip(key: string, text: string): void {
    const row = this.rows.get(key);
    if (row !== undefined) this.rows.set(key, { text, version: row.version });
  }

  fill(count: number): void {
    for (let n = 0; n < count; n += 1) this.set(`k${String(n).padStart(4, "0")}`);
  }
}

export class TableConnector implements Connector {
  readonly #table: TestTable;

  constructor(table: TestTable) {
    this.#table = table;
  }

  async open(): Promise<void> {
    this.#ask("open");
  }

  identity(): string {
    return this.#table.identity;
  }

  strategies(): readonly StrategyReport[] {
    return [this.#table.strategy];
  }

  keyRules(): readonly KeyRule[] {
    return [EXACT_KEY];
  }

  async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    this.#ask(request.pass);
    const table = this.#table;
    if (request.pass === "point") {
      const rows = (request.keys ?? []).flatMap(([key]) => this.#row(key ?? ""));
      yield { rows, cursor: {} };
      return;
    }
    if (request.pass === "incremental" && request.after === undefined) {
      yield { rows: [], cursor: { at: table.version } };
      return;
    }
    for (let after = request.after; ;) {
      table.onPage({ ...request, after });
      const page =
        request.pass === "incremental" ? this.#changes(after) : this.#keys(after, request.documentsFromMs);
      if (page === undefined) return;
      yield request.pass === "keys"
        ? { ...page, rows: page.rows.map(({ op, key }) => ({ op, key, columns: {} })) }
        : page;
      after = page.cursor;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#table.asked.push("close");
  }

  #ask(what: string): void {
    this.#table.asked.push(what);
    const failure = this.#table.failures.get(what);
    this.#table.failures.delete(what);
    if (failure !== undefined) throw failure;
  }

  #changes(after: Cursor | undefined): SourceBatch | undefined {
    const from = Number(after?.["at"] ?? 0);
    const keys = [...this.#table.rows]
      .filter(([, { version }]) => version > from)
      .toSorted(([, a], [, b]) => a.version - b.version)
      .slice(0, this.#table.pageRows)
      .map(([key]) => key);
    const last = this.#table.rows.get(keys.at(-1) ?? "");
    return last === undefined
      ? undefined
      : { rows: keys.flatMap((key) => this.#row(key)), cursor: { at: last.version } };
  }

  #keys(after: Cursor | undefined, fromMs = Number.NEGATIVE_INFINITY): SourceBatch | undefined {
    const from = JSON.stringify(after?.["key"] ?? "").slice(1, -1);
    const { rows, dates } = this.#table;
    const isWithin = (key: string): boolean => (dates.get(key) ?? Number.POSITIVE_INFINITY) >= fromMs;
    const keys = [...rows.keys()].filter((key) => key > from && isWithin(key)).toSorted();
    const page = keys.slice(0, this.#table.pageRows);
    const last = page.at(-1);
    return last === undefined
      ? undefined
      : { rows: page.flatMap((key) => this.#row(key)), cursor: { key: last } };
  }

  #row(key: string): readonly SourceRow[] {
    const row = this.#table.rows.get(key);
    if (row === undefined) return [];
    return [
      {
        op: "upsert",
        key: [key],
        version: String(row.version),
        columns: { K: key, T: row.text },
      },
    ];
  }
}

/** One entity, `vendor`. A text that begins with `bad` cannot be mapped, `gone` is a delete flag. */
export function testPack(mappingVersion = MAPPING): CompiledPack {
  return {
    name: "test",
    system: "Test",
    mappingVersion,
    entities: [
      {
        plan: {
          entity: "vendor",
          table: { name: "V" },
          key: ["K"],
          columns: ["K", "T"],
          filters: [],
          change: { kind: "counter", column: "N" },
          children: [],
        },
        pollMs: 1_000,
        reconcileMs: 60_000,
        mapper: () => mapRow,
      },
    ],
    unmappedCodes: () => [],
  };
}

/** The same entity as documents, dated by `TestTable.dates`. */
export function datedPack(mappingVersion = MAPPING): CompiledPack {
  const pack = testPack(mappingVersion);
  const [entity] = pack.entities as [CompiledPack["entities"][number]];
  const documentDate = { column: "D", format: "utc", openWhen: [] } as const;
  return { ...pack, entities: [{ ...entity, plan: { ...entity.plan, documentDate } }] };
}

export function mapRow(row: SourceRow): ReturnType<ReturnType<CompiledPack["entities"][number]["mapper"]>> {
  const text = String(row.columns["T"]);
  if (text.startsWith("bad")) return { ok: false, code: "BAD_VALUE", detail: `T is ${text}` };
  const record = JSON.stringify({ remote_id: row.key[0], name: text });
  return { ok: true, record, raw: undefined, isDeleted: text.startsWith("gone") };
}

export const ALLOWED: Allowance = {
  poll: "normal",
  snapshots: "allowed",
  database: "running",
  telemetry: "normal",
  writes: "allowed",
};

/** A runner over one table; time passes only in `advance` and `until`. */
export class RunnerRig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly table: TestTable;
  readonly store: MemoryRoomStore;
  readonly logger = recordingLogger();
  readonly reports: ConnectionReport[] = [];
  allowance: Allowance = ALLOWED;
  readonly runner: RoomRunner;
  #failure: unknown;
  readonly #stop = new AbortController();
  readonly #run: Promise<void>;

  constructor(
    table: TestTable,
    options: {
      readonly store?: MemoryRoomStore;
      readonly pack?: CompiledPack;
      readonly connect?: (clock: FakeClock) => Connector;
      readonly settings?: Partial<RoomRunnerDeps["settings"]>;
      readonly port?: (store: MemoryRoomStore) => RoomStore;
      readonly marks?: (clock: FakeClock) => WriteMarks;
    } = {},
  ) {
    this.table = table;
    this.store = options.store ?? new MemoryRoomStore("00000000000000e1");
    const { clock } = this;
    let ids = 0;
    this.runner = new RoomRunner({
      settings: {
        connectionId: "c",
        shape: "tabular",
        timeZone: "UTC",
        raw: false,
        hidden: [],
        pollMs: {},
        reconcileMs: {},
        massDeleteFraction: 0.5,
        fullReconcileRows: 10_000,
        ...options.settings,
      },
      pack: options.pack ?? testPack(),
      connect: () => options.connect?.(clock) ?? new TableConnector(table),
      store: options.port?.(this.store) ?? this.store,
      clock,
      random: () => 1,
      randomId: () => {
        ids += 1;
        return `run${ids}`;
      },
      hash: hashOf,
      batch: batchDeps(clock),
      allowance: () => this.allowance,
      committed: () => {},
      reported: (report) => this.reports.push(report),
      logger: this.logger,
      ...(options.marks === undefined ? {} : { marks: options.marks(clock) }),
    });
    this.#run = this.runner.run(this.#stop.signal).catch((error: unknown) => {
      this.#failure = error;
    });
  }

  get failure(): unknown {
    return this.#failure;
  }

  get shorts(): readonly string[] {
    return entriesOf(this.store).map(shortOf);
  }

  get status(): ConnectionReport | undefined {
    return this.reports.at(-1);
  }

  /** Everything that can happen now has happened. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  /** Moves on in steps, so that what one timer causes has its own time. */
  async advance(ms: number, stepMs = 500): Promise<void> {
    await this.settle();
    for (let done = 0; done < ms; done += stepMs) {
      this.clock.advance(Math.min(stepMs, ms - done));
      await this.settle();
    }
  }

  /** Moves on until it is so. @throws after a simulated hour */
  async until(what: string, look: () => boolean): Promise<void> {
    const endMs = this.clock.monotonicMs() + 3_600_000;
    while (!look()) {
      if (this.clock.monotonicMs() > endMs) throw new TypeError(`an hour passed without: ${what}`);
      await this.advance(500);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }
}
