// Kills agent, relay and both at random moments of a first sync and of changes: afterwards the relay holds what the plant
// holds, its feed tells each change once and in order, and its sync status is true.
// More kills: MILLRACE_KILLS=200. Another course of events: MILLRACE_SEED=7.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { MapperContext } from "#agent/core/mapping/mapping.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { sleep, systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { openOrSeedPlant } from "#test/demo/plant/database.ts";
import { createMutator } from "#test/demo/plant/mutate.ts";
import { Random } from "#test/demo/plant/random.ts";
import { PLANT_ZONE } from "#test/demo/plant/vocabulary.ts";
import {
  differences,
  feedFaults,
  plantLedger,
  relayLedger,
  wholeFeed,
  type FeedEvent,
  type Served,
} from "#test/support/ledger.ts";
import { TestStack, type Program } from "#test/support/stack.ts";

const KILLS = Number(process.env["MILLRACE_KILLS"] ?? 10);
const SEED = Number(process.env["MILLRACE_SEED"] ?? 1);
const CHANGES_PER_SECOND = 40;
const CONNECTION = "plant-erp";
const VICTIMS: readonly (readonly Program[])[] = [["agent"], ["relay"], ["agent", "relay"]];
/** Reconnects are spread over up to a minute after many failures. */
const SETTLE = { timeout: 150_000, interval: 500 };

const loaded = loadPack("demo-cmms");
if (!loaded.ok) throw new ConfigError("demo-cmms", loaded.issues);
const { pack } = loaded;
const ENTITIES = pack.entities.map(({ plan }) => plan.entity);

const folder = mkdtempSync(join(tmpdir(), "millrace-ledger-"));
const random = new Random(SEED);
let db: Database;
let stack: TestStack;
let connector: Connector;
let context: MapperContext;
let changes = 0;
let feed: readonly FeedEvent[];
const served = new Map<string, Served>();

const yaml = (relayUrl: string): string => `relay: { url: "${relayUrl}" }
data_dir: agent
connections:
  - name: ${CONNECTION}
    connector: sqlite
    pack: demo-cmms
    settings: { file: plant/plant.db }
    time_zone: ${PLANT_ZONE}
    release_personal: true
    poll: 300ms
    reconcile: 3s
`;

beforeAll(
  async () => {
    stack = new TestStack(folder);
    db = openOrSeedPlant(stack.folder.plantFile, { seed: SEED, scale: 0.25, nowMs: Date.now() });
    const { id } = await stack.setUp(CONNECTION, yaml);
    context = await mapperContext(id);
    await killAtRandom();
    await vi.waitFor(compare, SETTLE);
    feed = await wholeFeed(stack.api);
  },
  300_000 + KILLS * 10_000,
);

afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await connector[Symbol.asyncDispose]();
  db.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Key rules are the source's own: the connector reads them from the catalogue. */
async function mapperContext(connectionId: string): Promise<MapperContext> {
  const settings = sqliteDefinition.parseConfig({ file: stack.folder.plantFile });
  if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
  connector = sqliteDefinition.create(settings.value, {
    connection: CONNECTION,
    plans: pack.entities.map(({ plan }) => plan),
    timeZone: PLANT_ZONE,
    clock: systemClock,
    logger: silentLogger,
    dataDir: folder,
  });
  await connector.open(new AbortController().signal);
  const keyRules: MapperContext["keyRules"] = (entity) => connector.keyRules(entity);
  return { connectionId, timeZone: PLANT_ZONE, raw: true, hidden: [], keyRules };
}

/** The first kills fall into the first sync; the plant changes from its middle on. */
async function killAtRandom(): Promise<void> {
  const mutator = createMutator(db, new Random(SEED + 1), () => Date.now());
  let timer: NodeJS.Timeout | undefined;
  await stack.start("agent");
  for (let kill = 0; kill < KILLS; kill += 1) {
    if (kill === Math.floor(KILLS / 3))
      timer = setInterval(() => {
        if (mutator.mutate() !== undefined) changes += 1;
      }, 1000 / CHANGES_PER_SECOND);
    await pause(random.int(100, 2_000));
    const victims = random.pick(VICTIMS);
    await Promise.all(victims.map((victim) => stack.kill(victim)));
    await pause(random.int(0, 300));
    for (const victim of victims) await stack.start(victim);
  }
  clearInterval(timer);
}

/** Part of the course of events, not a wait for something. */
async function pause(ms: number): Promise<void> {
  const keepAlive = setInterval(() => {}, 60_000);
  await sleep(systemClock, ms);
  clearInterval(keepAlive);
}

async function compare(): Promise<void> {
  for (const entity of ENTITIES) {
    const found = await relayLedger(stack.api, entity);
    served.set(entity, found);
    const differing = differences(found.records, plantLedger(db, pack, entity, context));
    if (differing.length > 0)
      throw new Error(`${entity} differs: ${JSON.stringify(found, null, 1)}\n${agentLog()}`);
  }
}

/** What the agent last said, so that a failure can be understood. */
function agentLog(): string {
  return readFileSync(stack.folder.log("agent"), "utf8").split("\n").slice(-8).join("\n");
}

describe(`after ${KILLS} kills`, () => {
  it.each(ENTITIES)("the relay's %s records are the plant's rows", (entity) => {
    const truth = plantLedger(db, pack, entity, context);
    expect(truth.size).toBeGreaterThan(9);
    expect(differences(served.get(entity)?.records ?? new Map(), truth)).toEqual([]);
  });

  it("the feed tells each change once, in order, and its replay is what the relay serves", () => {
    const revisions = new Map<string, number>();
    for (const each of served.values())
      for (const [id, revision] of each.revisions) revisions.set(id, revision);
    expect(feedFaults(feed, revisions)).toEqual([]);
    expect(changes).toBeGreaterThan(KILLS);
    const verbs = new Set(
      feed.filter(({ record_id }) => record_id !== null).map(({ type }) => type.split(".")[1]),
    );
    expect(verbs).toEqual(new Set(["created", "updated", "deleted"]));
  });

  it("the sync status is true", async () => {
    await vi.waitFor(async () => {
      const status = await stack.api.syncStatus();
      expect(Object.fromEntries(status.map(({ entity, records }) => [entity, records]))).toEqual(
        Object.fromEntries([...served].map(([entity, { records }]) => [entity, records.size])),
      );
      expect(status.map(({ error }) => error)).toEqual(ENTITIES.map(() => null));
      expect(status.every(({ last_success_at }) => last_success_at !== null)).toBe(true);
      expect((await stack.api.connections()).map(({ status }) => status)).toEqual(["online"]);
    }, SETTLE);
  });

  it("nothing was lost on the way: no gap", () => {
    expect(feed.filter(({ type }) => type === "gap.recorded")).toEqual([]);
  });
});

describe("the check of a feed bites", () => {
  const event = (id: string, position: number, verb: string): FeedEvent => ({
    id,
    position,
    type: `asset.${verb}`,
    entity: "asset",
    record_id: "r",
  });

  it.each([
    ["an event twice", [event("a", 1, "created"), event("a", 2, "updated")], /comes twice/],
    ["the wrong order", [event("a", 2, "created"), event("b", 1, "updated")], /comes after/],
    ["a second creation", [event("a", 1, "created"), event("b", 2, "created")], /that was there/],
    ["a change of nothing", [event("a", 1, "updated")], /that was not there/],
    ["a change without its event", [event("a", 2, "created")], /is at 1, the feed's last word at 2/],
    ["a lost record", [], /the feed lost it/],
    [
      "a lost deletion",
      [event("a", 1, "created"), { ...event("b", 2, "created"), record_id: "s" }],
      /feed alone/,
    ],
  ])("on %s", (_, events, fault) => {
    expect(feedFaults(events, new Map([["r", 1]])).join("\n")).toMatch(fault);
  });
});
