// A stack over small demo plants, and the question that every fault test ends with: does the relay hold what the plant holds?
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import type { KeyRule } from "#agent/core/source/key-rules.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { Reader, StoredEvent, StoredRecord } from "#relay/core/store.ts";
import { fillPlant, openPlant } from "#test/demo/plant/database.ts";
import { createMutator, type PlantMutator } from "#test/demo/plant/mutate.ts";
import { plantRecords } from "#test/demo/plant/plant-records.ts";
import { Random } from "#test/demo/plant/random.ts";
import { ProcessStack, type StackConnection, type StackOptions } from "./process-stack.ts";
import { until } from "./until.ts";

const ZONE = "Europe/Berlin";
const PAGE = 500;
const EQUAL_WITHIN_MS = 180_000;

export interface PlantOptions {
  /** 1 is some 21,000 records. */
  readonly scale?: number;
  readonly seed?: number;
  /** Default: in a folder of its own under the temporary one, which goes with it. */
  readonly file?: string;
}

/** What the questions below need of a stack. */
export type HeldByRelay = Pick<ProcessStack, "openStore" | "workspaceId" | "connectionId">;

/** A plant's database file and its people. */
export class Plant implements Disposable {
  readonly file: string;
  db: Database.Database;
  mutator: PlantMutator;
  readonly #dir: string | undefined;
  readonly #random: Random;

  constructor({ scale = 0.03, seed = 1, file }: PlantOptions = {}) {
    this.#dir = file === undefined ? mkdtempSync(join(tmpdir(), "millrace-plant-")) : undefined;
    this.file = file ?? join(this.#dir ?? "", "plant.db");
    this.#random = new Random(seed);
    this.db = openPlant(this.file);
    fillPlant(this.db, { seed, scale, nowMs: Date.now() - 60_000 });
    this.mutator = this.#people();
  }

  /** So many random changes. */
  change(count: number): void {
    for (let done = 0; done < count; done += 1) this.mutator.mutate();
  }

  /** Closes, so that the file may be moved or copied; what was in the log is in the file then. */
  close(): void {
    if (!this.db.open) return;
    this.db.pragma("wal_checkpoint(TRUNCATE)");
    this.db.close();
  }

  reopen(): void {
    this.close();
    this.db = openPlant(this.file);
    this.mutator = this.#people();
  }

  /** Writes an older copy's pages into the file that stands there, as SQLite's own restore does. */
  async restoreInPlace(copy: string): Promise<void> {
    this.close();
    const source = new Database(copy);
    try {
      await source.backup(this.file);
    } finally {
      source.close();
    }
    this.reopen();
  }

  connection(more: Readonly<Record<string, unknown>> = {}): StackConnection {
    return {
      connector: "sqlite",
      pack: "demo-cmms",
      settings: { file: this.file },
      more: { time_zone: ZONE, release_personal: true, raw: false, poll: "200ms", reconcile: "2s", ...more },
    };
  }

  [Symbol.dispose](): void {
    this.close();
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true, force: true });
  }

  #people(): PlantMutator {
    return createMutator(this.db, this.#random, () => Date.now());
  }
}

/** A stack over plants, by connection name. */
export function plantStack(
  plants: Readonly<Record<string, Plant>>,
  options: Omit<StackOptions, "connections"> & { readonly more?: Readonly<Record<string, unknown>> } = {},
): Promise<ProcessStack> {
  const { more, ...rest } = options;
  const connections = Object.entries(plants).map(([name, plant]) => [name, plant.connection(more)] as const);
  return ProcessStack.create({ ...rest, connections: Object.fromEntries(connections) });
}

/** Resolves when the relay's records are the plant's rows. @throws with the first difference after the time */
export async function untilEqual(
  stack: HeldByRelay,
  connection: string,
  plant: Plant,
  timeoutMs = EQUAL_WITHIN_MS,
): Promise<void> {
  const truth = await Truth.of(plant);
  let last = "";
  try {
    await until(
      "the relay's records to equal the plant's",
      async () => {
        last = await truth.difference(stack, connection);
        return last === "";
      },
      timeoutMs,
    );
  } catch (error) {
    throw new TypeError(`not equal after ${timeoutMs} ms: ${last}`, { cause: error });
  }
}

class Truth {
  readonly #plant: Plant;
  readonly #pack: CompiledPack;
  readonly #rules: ReadonlyMap<string, readonly KeyRule[]>;

  private constructor(plant: Plant, pack: CompiledPack, rules: ReadonlyMap<string, readonly KeyRule[]>) {
    this.#plant = plant;
    this.#pack = pack;
    this.#rules = rules;
  }

  static async of(plant: Plant): Promise<Truth> {
    const loaded = loadPack("demo-cmms");
    if (!loaded.ok) throw new ConfigError("demo-cmms", loaded.issues);
    const { pack } = loaded;
    const settings = sqliteDefinition.parseConfig({ file: plant.file });
    if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
    await using connector = sqliteDefinition.create(settings.value, {
      connection: "truth",
      plans: pack.entities.map(({ plan }) => plan),
      timeZone: ZONE,
      clock: systemClock,
      logger: silentLogger,
      dataDir: tmpdir(),
    });
    await connector.open(new AbortController().signal);
    const rules = new Map(pack.entities.map(({ plan }) => [plan.entity, connector.keyRules(plan.entity)]));
    return new Truth(plant, pack, rules);
  }

  /** Empty when nothing differs. */
  async difference(stack: HeldByRelay, connection: string): Promise<string> {
    await using store = await stack.openStore();
    const connectionId = stack.connectionId(connection);
    for (const entity of this.#pack.entities) {
      const name = entity.plan.entity;
      const wanted = plantRecords(this.#plant.db, entity, {
        connectionId,
        timeZone: ZONE,
        raw: false,
        hidden: [],
        keyRules: (other) => this.#rules.get(other) ?? [],
      });
      const held = await recordsOf(store.reader, stack.workspaceId, connectionId, name);
      const found = firstDifference(name, wanted, held);
      if (found !== "") return found;
    }
    return "";
  }
}

function firstDifference(
  entity: string,
  wanted: ReadonlyMap<string, string>,
  held: ReadonlyMap<string, StoredRecord>,
): string {
  for (const [key, text] of wanted) {
    const record = held.get(key);
    if (record === undefined) return `${entity} ${key} is missing (${held.size} of ${wanted.size})`;
    if (record.text !== text) return `${entity} ${key} is ${record.text}, the plant has ${text}`;
  }
  for (const key of held.keys()) if (!wanted.has(key)) return `${entity} ${key} should be gone`;
  return "";
}

async function recordsOf(
  reader: Reader,
  workspaceId: string,
  connectionId: string,
  entity: string,
): Promise<ReadonlyMap<string, StoredRecord>> {
  const records = new Map<string, StoredRecord>();
  const scope = { workspaceId, connectionIds: [connectionId] };
  for (let afterRevision = 0; ;) {
    const page = await reader.listRecords(scope, {
      entity,
      afterRevision,
      beforeRevision: undefined,
      includeDeleted: false,
      includeRaw: false,
      limit: PAGE,
    });
    for (const record of page) records.set(record.key, record);
    if (page.length < PAGE) return records;
    afterRevision = page.at(-1)?.revision ?? 0;
  }
}

/** Every event of the workspace, oldest first. */
export async function feedOf(stack: HeldByRelay): Promise<readonly StoredEvent[]> {
  await using store = await stack.openStore();
  const events: StoredEvent[] = [];
  for (let after = 0; ;) {
    const page = await store.reader.listEvents({ workspaceId: stack.workspaceId }, after, PAGE);
    events.push(...page);
    if (page.length < PAGE) return events;
    after = page.at(-1)?.position ?? 0;
  }
}

/** Resolves when nothing new has come to the feed for a while. */
export async function untilSettled(stack: ProcessStack, quietMs = 1_000): Promise<void> {
  let newest = -1;
  let sinceMs = performance.now();
  await until("the feed to become quiet", async () => {
    const [count, nowMs] = [(await feedOf(stack)).length, performance.now()];
    if (count !== newest) [newest, sinceMs] = [count, nowMs];
    return nowMs - sinceMs >= quietMs;
  });
}

/** What is wrong with a feed: an event twice, or a record that is updated before it was created. */
export function feedProblems(events: readonly StoredEvent[]): readonly string[] {
  const problems: string[] = [];
  const ids = new Set<string>();
  const present = new Set<string>();
  for (const { id, type, recordId } of events) {
    if (ids.has(id)) problems.push(`${id} is there twice`);
    ids.add(id);
    if (recordId === undefined) continue;
    const what = type.slice(type.indexOf(".") + 1);
    if ((what === "created") === present.has(recordId))
      problems.push(`${type} of ${recordId} in ${id} cannot be`);
    if (what === "deleted") present.delete(recordId);
    else present.add(recordId);
  }
  return problems;
}

/** Reasons of the connection's gaps, oldest first. */
export async function gapReasons(stack: ProcessStack, connection: string): Promise<readonly string[]> {
  await using store = await stack.openStore();
  const connectionId = stack.connectionId(connection);
  const gaps = await store.reader.gaps(
    { workspaceId: stack.workspaceId },
    { connectionId, afterMs: 0, limit: 1_000 },
  );
  return gaps.map(({ reason }) => reason);
}
