// kill -9 of room, agent or relay at every step of a write: one effect or none, and an operation that says which.
import { afterEach, expect, test } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import type { JournalEntry } from "#agent/core/commands/journal.ts";
import { Plant, untilEqual } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { WritingStack } from "#test/support/writing-stack.ts";

const PATIENCE_MS = 120_000;
const TEST_MS = 900_000;
/** Long enough for a test to see that a write is in its transaction. */
const SLOW_INSERT = `CREATE TRIGGER SLOWLY AFTER INSERT ON WORKORDER WHEN NEW.DESCRIPTION LIKE 'killed %' BEGIN
  SELECT RAISE(ABORT, 'never') WHERE (WITH RECURSIVE C(N) AS (SELECT 1 UNION ALL SELECT N + 1 FROM C WHERE N < 4000000)
    SELECT count(*) FROM C) = 0;
END`;

const VICTIMS = ["agent", "room", "relay"] as const;
type Victim = (typeof VICTIMS)[number];

interface Pids {
  readonly agent: number;
  readonly room: number;
  readonly relay: number;
}

const stopped = new Set<number>();

afterEach(() => {
  for (const pid of stopped) go(pid);
});

function halt(pid: number): void {
  stopped.add(pid);
  process.kill(pid, "SIGSTOP");
}

/** It may have died in the meantime. */
function go(pid: number): void {
  stopped.delete(pid);
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // Gone.
  }
}

class Scene {
  readonly api: WritingStack;
  readonly plant: Plant;
  readonly site: string;
  /** Titles of the write that is under way, and its operation. */
  title = "";
  id = "";
  pids: Pids = { agent: 0, room: 0, relay: 0 };
  /** Rooms that were killed: what is said of them is out of date. */
  readonly #dead = new Set<number>();

  constructor(api: WritingStack, plant: Plant) {
    this.api = api;
    this.plant = plant;
    this.site = plant.db.prepare("SELECT SITEID FROM WORKORDER LIMIT 1").pluck().get() as string;
    plant.db.exec(SLOW_INSERT);
    plant.db.pragma("busy_timeout = 0");
  }

  get effects(): unknown {
    const count = this.plant.db.prepare("SELECT count(*) FROM WORKORDER WHERE DESCRIPTION = ?");
    return count.pluck().get(this.title);
  }

  /** Every process is up, and the relay knows it. */
  async ready(): Promise<void> {
    const { api } = this;
    await until(
      "everything to be up",
      async () => {
        const path = `/v1/connections/${api.connectionId}`;
        const { body } = await api.send("GET", path).catch(() => ({ body: undefined }));
        if (body?.status !== "online") return false;
        const status = (await api.atPlant({ command: "status" }).catch(() => undefined)) as
          | AgentStatus
          | undefined;
        const { room, report } = status?.connections[0] ?? {};
        if (room?.pid === undefined || this.#dead.has(room.pid)) return false;
        if (report?.status !== "online" || status?.relay.state !== "online") return false;
        this.pids = { agent: api.stack.agent?.pid ?? 0, room: room.pid, relay: api.stack.relay?.pid ?? 0 };
        return true;
      },
      PATIENCE_MS,
    );
  }

  /** Accepted for good: the answer has come. */
  async submit(): Promise<void> {
    const body = { connection_id: this.api.connectionId, site: this.site, title: this.title };
    const made = await this.api.send("POST", "/v1/work-orders?ttl=3600", body, {
      prefer: "respond-async",
      "idempotency-key": this.title.replaceAll(" ", "-"),
    });
    if (made.status !== 202) throw new TypeError(`not accepted: ${made.status} ${made.body.detail}`);
    this.id = made.body.id;
  }

  async executing(): Promise<void> {
    await until(
      "the write to be executed",
      async () => {
        const { body } = await this.api.send("GET", `/v1/operations/${this.id}`);
        return body.state === "executing";
      },
      PATIENCE_MS,
    );
  }

  /** Or, on a machine that does not let the test look in time, right after it. */
  async inTransaction(): Promise<void> {
    await until("the write's transaction", () => this.isLocked() || this.effects === 1, PATIENCE_MS);
  }

  isLocked(): boolean {
    try {
      this.plant.db.exec("BEGIN IMMEDIATE; ROLLBACK");
      return false;
    } catch (error) {
      if ((error as { code?: string }).code === "SQLITE_BUSY") return true;
      throw error;
    }
  }

  /** What the agent's journal holds of it. */
  async journalled(): Promise<string | undefined> {
    const all = (await this.api.atPlant({ command: "commands" })) as readonly JournalEntry[];
    return all.find(({ id }) => id === this.id)?.state;
  }

  async kill(victim: Victim): Promise<void> {
    const { stack } = this.api;
    this.#dead.add(victim === "relay" ? 0 : this.pids.room);
    if (victim === "room") process.kill(this.pids.room, "SIGKILL");
    else await stack[victim]?.kill();
    for (const pid of stopped) go(pid);
    if (this.plant.db.inTransaction) this.plant.db.exec("COMMIT");
    if (victim === "agent") stack.startAgent();
    if (victim === "relay") await stack.startRelay();
  }
}

/** Each resolves when the write stands at that step, and goes no further by itself or hardly so. */
const STEPS: Readonly<Record<string, (scene: Scene) => Promise<void>>> = {
  "accepted, the agent has not read it": async (scene) => {
    halt(scene.pids.agent);
    await scene.submit();
  },
  "on its way, at any moment": (scene) => scene.submit(),
  "journalled, its room has not read it": async (scene) => {
    halt(scene.pids.room);
    await scene.submit();
    await scene.executing();
  },
  "begun, before the source's lock": async (scene) => {
    scene.plant.db.exec("BEGIN IMMEDIATE");
    await scene.submit();
    await scene.executing();
  },
  "in its transaction": async (scene) => {
    await scene.submit();
    await scene.inTransaction();
  },
  "committed, the agent has not read the result": async (scene) => {
    await scene.submit();
    await scene.inTransaction();
    halt(scene.pids.agent);
    await until("the row", () => scene.effects === 1);
  },
  "in the journal with its result, the relay has not read it": async (scene) => {
    await scene.submit();
    await scene.inTransaction();
    halt(scene.pids.relay);
    await until("the result in the journal", async () => (await scene.journalled()) === "finished");
  },
  "held by the relay, not noted as settled by the agent or just so": async (scene) => {
    await scene.submit();
    await over(scene);
  },
};

/** What each operation came to: step, victim, state, code, effects. */
type Told = readonly [step: string, victim: Victim, state: string, code: string, effects: unknown];

async function killEverywhere(
  scene: Scene,
  steps: readonly string[],
  victims: readonly Victim[],
): Promise<readonly Told[]> {
  const told: Told[] = [];
  for (const step of steps) {
    for (const victim of victims) {
      const reach = STEPS[step];
      if (reach === undefined) throw new TypeError(`no step ${step}`);
      await scene.ready();
      scene.title = `killed ${told.length}`;
      await reach(scene);
      await scene.kill(victim);
      const { state, error } = await over(scene);
      told.push([step, victim, state, error?.code ?? "", scene.effects]);
    }
  }
  return told;
}

async function over({ api, id }: Scene): Promise<{ state: string; error: { code: string } | null }> {
  return until(
    `${id} to end`,
    async () => {
      const answer = await api.send("GET", `/v1/operations/${id}`).catch(() => undefined);
      return answer?.body.is_finished === true ? answer.body : undefined;
    },
    PATIENCE_MS,
  );
}

/** No operation is left open, each end was told once, records and trail are whole. */
async function settles({ api, plant }: Scene, count: number): Promise<void> {
  const { body: operations } = await api.send("GET", "/v1/operations?limit=200");
  const open = operations.data.filter((one: { is_finished: boolean }) => !one.is_finished);
  expect([operations.data.length, open]).toEqual([count, []]);
  const { body: feed } = await api.send("GET", "/v1/events?types=command.finished&limit=200");
  const told = feed.data.map(({ data }: { data: { command_id: string } }) => data.command_id);
  expect([told.length, new Set(told).size]).toEqual([count, count]);
  await untilEqual(api.stack, "plant", plant, PATIENCE_MS);
  await api.stack.command("agent", ["audit", "verify"]);
}

test(
  "with a command log: each write is done once and told as done, or not begun and told so, whoever dies when",
  async () => {
    using plant = new Plant();
    await using api = await WritingStack.start(plant);
    const scene = new Scene(api, plant);
    const told = await killEverywhere(scene, Object.keys(STEPS), VICTIMS);
    // What an agent had not read when it died comes to the next one before its source is open: an honest no.
    const refused = told.filter(([, , state]) => state === "failed");
    const unread = new Set(Object.keys(STEPS).slice(0, 2));
    expect(refused.filter(([step, victim]) => victim === "relay" || !unread.has(step))).toEqual([]);
    expect(refused.map(([, , , code, effects]) => [code, effects])).toEqual(
      refused.map(() => ["SYSTEM_UNREACHABLE", 0]),
    );
    const done = told.filter((one) => !refused.includes(one));
    expect(done).toEqual(done.map(([step, victim]) => [step, victim, "succeeded", "", 1]));
    const logged = plant.db.prepare("SELECT count(*) FROM MILLRACE_COMMANDS").pluck().get();
    expect(logged).toBe(done.length);
    await settles(scene, told.length);
  },
  TEST_MS,
);

test(
  "without one: done once, or honestly unknown, and never twice",
  async () => {
    using plant = new Plant();
    await using api = await WritingStack.start(plant, { hasCommandLog: false });
    const scene = new Scene(api, plant);
    // The relay's end is the same with and without it.
    const steps = [
      "journalled, its room has not read it",
      "in its transaction",
      "committed, the agent has not read the result",
      "in the journal with its result, the relay has not read it",
    ];
    const told = await killEverywhere(scene, steps, ["agent", "room"]);
    const wrong = told.filter(([, , state, , effects]) =>
      state === "unknown_outcome" ? effects !== 0 && effects !== 1 : state !== "succeeded" || effects !== 1,
    );
    expect(wrong).toEqual([]);
    const unknown = told.filter(([, , state]) => state === "unknown_outcome");
    expect(unknown).toContainEqual(["in its transaction", "room", "unknown_outcome", "UNKNOWN_OUTCOME", 0]);
    await settles(scene, told.length);
  },
  TEST_MS,
);
