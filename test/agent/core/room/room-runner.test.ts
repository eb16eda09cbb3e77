// One connection over time: what each kind of failure does, pause and resume, what the budget takes away.
import { describe, expect, test } from "vitest";
import { ConnectorError, type ConnectorFailure } from "#common/runtime/errors.ts";
import type { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import type { RoomStore } from "#agent/core/room/room-store.ts";
import { StorageCorruptError, StorageFullError } from "#agent/core/room/storage-errors.ts";
import { ALLOWED, RunnerRig, TestTable } from "./harness.ts";

function table(rows = 3): TestTable {
  const made = new TestTable();
  made.fill(rows);
  return made;
}

async function online(rig: RunnerRig): Promise<void> {
  await rig.until("online", () => rig.status?.status === "online");
}

function delays(rig: RunnerRig): readonly unknown[] {
  return rig.logger.lines.flatMap(({ fields }) => ("retry_ms" in fields ? [fields["retry_ms"]] : []));
}

describe("a healthy connection", () => {
  test("keeps saying what the plant has set less safely than it should be", async () => {
    const source = table();
    source.strategy = { ...source.strategy, warning: "TLS 1.0 is allowed" };
    await using rig = new RunnerRig(source);
    await online(rig);
    expect(rig.status).toMatchObject({ status: "online", advice: "TLS 1.0 is allowed" });
  });
});

test("what became of a quick pass is told within a second, though nothing is due for long", async () => {
  const source = table();
  await using rig = new RunnerRig(source, { settings: { pollMs: { "*": 3_600_000 } } });
  await rig.settle();
  expect(rig.status).toMatchObject({ status: "synchronizing" });
  await rig.advance(1_000);
  expect(rig.status).toMatchObject({ status: "online" });
});

describe("failures", () => {
  test.each<[ConnectorFailure, string, number]>([
    ["unavailable", "offline", 1_000],
    ["unauthorized", "reauthorization_required", 60_000],
    ["misconfigured", "degraded", 60_000],
  ])("%s makes the connection %s, waits, and recovers by itself", async (kind, status, firstMs) => {
    const source = table();
    source.failures.set("open", new ConnectorError(kind, `the source is ${kind}`));
    await using rig = new RunnerRig(source);
    await rig.settle();
    expect(rig.status).toMatchObject({ status, reason: `the source is ${kind}` });
    expect(delays(rig)).toEqual([firstMs]);
    expect(rig.logger.lines).toContainEqual(
      expect.objectContaining({ level: "warn", message: `the source is ${kind}` }),
    );
    await online(rig);
    expect(rig.status?.reason).toBeUndefined();
  });

  test("an outage backs off further each time, and the source is closed each time", async () => {
    const source = table();
    await using rig = new RunnerRig(source);
    await online(rig);
    for (let tries = 0; tries < 6; tries += 1) {
      source.failures.set("incremental", new ConnectorError("unavailable", "away"));
      source.failures.set("open", new ConnectorError("unavailable", "away"));
      await rig.advance(tries === 0 ? 1_000 : Number(delays(rig).at(-1)));
    }
    expect(delays(rig)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000]);
    const [opened, closed] = ["open", "close"].map(
      (what) => source.asked.filter((each) => each === what).length,
    );
    expect(closed).toBe(opened);
    source.failures.clear();
    await online(rig);
  });

  test("a changed budget does not cut the wait short, an operator does", async () => {
    const source = table();
    source.failures.set("open", new ConnectorError("unauthorized", "wrong password"));
    await using rig = new RunnerRig(source);
    await rig.settle();
    rig.runner.wake();
    await rig.advance(50_000);
    expect(source.asked.filter((what) => what === "open")).toHaveLength(1);
    rig.runner.operate("sync", undefined);
    await rig.settle();
    expect(source.asked.filter((what) => what === "open")).toHaveLength(2);
  });

  test("anything that is no connector's failure is a bug and ends the run", async () => {
    const source = table();
    source.failures.set("snapshot", new TypeError("undefined is not a function"));
    await using rig = new RunnerRig(source);
    await rig.settle();
    expect(rig.failure).toMatchObject({ message: "undefined is not a function" });
  });

  test("a full disk loses nothing: it is said, waited for, and read again", async () => {
    let isFull = true;
    const port = (store: MemoryRoomStore): RoomStore =>
      new Proxy(store, {
        get: (object, name) => {
          const value: unknown = Reflect.get(object, name, object);
          if (typeof value !== "function") return value;
          return (...args: unknown[]): unknown => {
            if (isFull && name === "commit") throw new StorageFullError("no space left on the disk");
            return Reflect.apply(value, object, args);
          };
        },
      });
    await using rig = new RunnerRig(table(), { port });
    await rig.advance(25_000);
    expect(rig.status).toMatchObject({ status: "degraded", reason: "no space left on the disk" });
    expect(rig.status?.advice).toContain("Free space");
    isFull = false;
    await rig.advance(15_000);
    expect(rig.shorts.filter((short) => short.startsWith("upsert"))).toHaveLength(3);
    expect(rig.status?.status).toBe("online");
  });

  test("a damaged store ends the run, for whoever can salvage it", async () => {
    const port = (store: MemoryRoomStore): RoomStore =>
      Object.assign(Object.create(store) as MemoryRoomStore, {
        cursor: () => undefined,
        position: () => store.position(),
        countKnown: () => 0,
        commit: () => {
          throw new StorageCorruptError("page 7 does not match its checksum");
        },
      });
    await using rig = new RunnerRig(table(), { port });
    await rig.settle();
    expect(rig.failure).toBeInstanceOf(StorageCorruptError);
  });
});

describe("an operator", () => {
  /** A room whose mass delete is held, and whose source is then away. */
  async function held(): Promise<MemoryRoomStore> {
    const source = table(40);
    await using rig = new RunnerRig(source);
    await online(rig);
    source.rows.clear();
    await rig.advance(61_000);
    expect(rig.status?.entities?.[0]?.state).toBe("held");
    return rig.store;
  }

  test("confirms deletes while the source is away: they go when it is back", async () => {
    const store = await held();
    const source = table(0);
    source.failures.set("open", new ConnectorError("unauthorized", "wrong password"));
    await using rig = new RunnerRig(source, { store });
    await rig.settle();
    expect(rig.status?.status).toBe("reauthorization_required");
    source.failures.set("open", new ConnectorError("unauthorized", "wrong password"));
    rig.runner.operate("confirm_deletes", "vendor");
    await rig.settle();
    // The wish outlives the room.
    await rig[Symbol.asyncDispose]();
    await using again = new RunnerRig(source, { store });
    await again.advance(2_000);
    expect(again.shorts.filter((short) => short.startsWith("delete"))).toHaveLength(40);
    expect(again.status?.status).toBe("online");
  });

  test("asks for a pass, or everything anew, while the source is away", async () => {
    const source = table(3);
    await using first = new RunnerRig(source);
    await online(first);
    await first[Symbol.asyncDispose]();
    for (const wish of ["sync", "resync"] as const) {
      source.asked.length = 0;
      source.failures.set("open", new ConnectorError("unavailable", "away"));
      await using rig = new RunnerRig(source, { store: first.store });
      await rig.settle();
      rig.runner.operate(wish, undefined);
      await rig.advance(2_000);
      expect(source.asked.filter((what) => what === "snapshot")).toHaveLength(1);
    }
  });

  test("is told of an entity that is not there", async () => {
    await using rig = new RunnerRig(table());
    await rig.settle();
    rig.runner.operate("sync", "vender");
    expect(rig.logger.lines).toContainEqual(
      expect.objectContaining({ level: "warn", message: "sync: there is no such entity; there: vendor" }),
    );
  });

  test("pauses and resumes; a pause outlives the room", async () => {
    const source = table();
    await using rig = new RunnerRig(source);
    await online(rig);
    rig.runner.operate("pause", undefined);
    await rig.settle();
    expect(rig.status).toMatchObject({ status: "paused" });
    source.set("k0001", "new");
    const asked = source.asked.length;
    await rig.advance(120_000);
    expect(source.asked).toHaveLength(asked);
    await rig[Symbol.asyncDispose]();
    await using again = new RunnerRig(source, { store: rig.store });
    await again.advance(5_000);
    expect(again.status?.status).toBe("paused");
    again.runner.operate("resume", undefined);
    await again.advance(2_000);
    expect(again.shorts).toContain("upsert k0001");
    expect(again.status?.status).toBe("online");
  });

  test("asks for a sync at once, or for everything anew", async () => {
    const source = table();
    await using rig = new RunnerRig(source);
    await online(rig);
    source.rows.delete("k0002");
    rig.runner.operate("sync", "vendor");
    await rig.settle();
    expect(rig.shorts).toContain("delete k0002");
    const from = rig.shorts.length;
    rig.runner.operate("resync", undefined);
    await rig.settle();
    expect(rig.shorts.slice(from)).toEqual(["mark snapshot_begin", "mark snapshot_end ok"]);
  });
});

describe("the budget", () => {
  test("slow: polls come ten times rarer", async () => {
    await using rig = new RunnerRig(table());
    await online(rig);
    rig.allowance = { ...ALLOWED, poll: "slow" };
    const from = rig.table.asked.filter((what) => what === "incremental").length;
    await rig.advance(50_000);
    const polls = rig.table.asked.filter((what) => what === "incremental").length - from;
    expect(polls).toBeGreaterThanOrEqual(4);
    expect(polls).toBeLessThanOrEqual(6);
  });

  test("no snapshots: they wait, say so, and go on when there is room", async () => {
    const source = table(30);
    await using rig = new RunnerRig(source);
    rig.allowance = { ...ALLOWED, snapshots: "stopped" };
    await rig.advance(10_000);
    expect(rig.shorts).not.toContain("mark snapshot_end ok");
    expect(rig.status).toMatchObject({
      status: "degraded",
      reason: expect.stringContaining("snapshots wait") as string,
    });
    rig.allowance = ALLOWED;
    rig.runner.wake();
    await online(rig);
    expect(rig.shorts).toContain("mark snapshot_end ok");
  });

  test("paused: nothing is read, the status says why, and the source is asked again afterwards", async () => {
    const source = table();
    await using rig = new RunnerRig(source);
    await online(rig);
    rig.allowance = { ...ALLOWED, poll: "slow", snapshots: "stopped", database: "paused" };
    await rig.advance(2_000);
    const asked = source.asked.length;
    source.set("k0001", "new");
    await rig.advance(60_000);
    expect(source.asked).toHaveLength(asked);
    expect(rig.status).toMatchObject({ status: "degraded" });
    expect(rig.status?.reason).toContain("outbox is full");
    rig.allowance = ALLOWED;
    await rig.advance(3_000);
    expect(rig.shorts).toContain("upsert k0001");
  });

  test("a limit of rows per second is kept, however often the budget changes, and stopping does not wait for it", async () => {
    const source = table(60);
    await using rig = new RunnerRig(source, { settings: { load: { rowsPerSecond: 1 } } });
    for (let second = 0; second < 15; second += 1) {
      rig.runner.wake();
      await rig.advance(1_000);
    }
    const read = rig.shorts.filter((short) => short.startsWith("upsert")).length;
    expect(read).toBeGreaterThanOrEqual(12);
    expect(read).toBeLessThanOrEqual(18);
    await rig[Symbol.asyncDispose]();
  });
});
