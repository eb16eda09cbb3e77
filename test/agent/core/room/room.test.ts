// A room from opening to stop: what is asked of it while it has no store.
import { expect, test } from "vitest";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { Room, type RoomStorage } from "#agent/core/room/room.ts";
import { WINDOW_SLOT } from "#agent/core/room/initial-window.ts";
import { PAUSED_SLOT } from "#agent/core/room/room-runner.ts";
import { StorageFullError } from "#agent/core/room/storage-errors.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { until } from "#test/support/until.ts";
import { ALLOWED, batchDeps, hashOf, TableConnector, TestTable, testPack } from "./harness.ts";

const unused = (): Promise<never> => Promise.reject(new Error("not asked for here"));

class RoomRig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly source = new TestTable();
  readonly room: Room;
  readonly #reports: ConnectionReport[] = [];
  readonly #stop = new AbortController();
  readonly #run: Promise<void>;

  constructor(storage: Partial<RoomStorage>, more: { readonly initialWindowDays?: number } = {}) {
    const { clock, source } = this;
    source.fill(3);
    this.room = new Room({
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
        ...more,
      },
      pack: testPack(),
      connect: () => new TableConnector(source),
      storage: { open: unused, startEpoch: unused, salvage: unused, ...storage },
      clock,
      random: () => 1,
      randomId: () => "run",
      hash: hashOf,
      batch: batchDeps(clock),
      allowance: () => ALLOWED,
      keepBelowBytes: () => 0,
      opened: () => {},
      committed: () => {},
      reported: (report) => this.#reports.push(report),
      logger: recordingLogger(),
    });
    this.#run = this.room.run(this.#stop.signal);
  }

  /** Time passes until the connection says so. */
  async until(status: ConnectionReport["status"]): Promise<void> {
    await until(`the connection to be ${status}`, () => {
      this.clock.advance(1_000);
      return this.#reports.at(-1)?.status === status;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }
}

test("an operator's wish waits for a store that cannot be opened yet", async () => {
  const store = new MemoryRoomStore("00000000000000e1");
  let isFull = true;
  await using rig = new RoomRig({
    open: async () => {
      if (isFull) throw new StorageFullError("no space left on the disk");
      return { store, reason: "resumed" };
    },
  });
  rig.room.operate("pause", undefined);
  isFull = false;
  await rig.until("paused");
  expect(store.cursor(PAUSED_SLOT)).toEqual({ paused: true });
  expect(rig.source.asked).toEqual(["open"]);
});

test("the window's first day stays what it was in a new epoch", async () => {
  const first = new MemoryRoomStore("00000000000000e1");
  const next = new MemoryRoomStore("00000000000000e2");
  const window = { days: 30, fromMs: 1_000 };
  first.commit({ cursors: [{ slot: WINDOW_SLOT, cursor: window }] });
  await using rig = new RoomRig(
    {
      open: async () => ({ store: first, reason: "resumed" }),
      startEpoch: async () => ({ store: next, reason: "relay_rewound" }),
    },
    { initialWindowDays: 30 },
  );
  await rig.until("online");
  rig.room.newEpoch("relay_rewound");
  await expect.poll(() => next.cursor(WINDOW_SLOT)).toEqual(window);
  await rig.until("online");
  expect(next.cursor(WINDOW_SLOT)).toEqual(window);
});

test("a pause goes on in a new epoch, until an operator ends it", async () => {
  const next = new MemoryRoomStore("00000000000000e2");
  await using rig = new RoomRig({
    open: async () => ({ store: new MemoryRoomStore("00000000000000e1"), reason: "created" }),
    startEpoch: async () => ({ store: next, reason: "relay_rewound" }),
  });
  await rig.until("online");
  rig.room.operate("pause", undefined);
  await rig.until("paused");
  rig.room.newEpoch("relay_rewound");
  await expect.poll(() => next.cursor(PAUSED_SLOT)).toEqual({ paused: true });
  rig.source.asked.length = 0;
  await rig.until("paused");
  expect(rig.source.asked).not.toContain("snapshot");
  rig.room.operate("resume", undefined);
  await rig.until("online");
  expect(rig.source.asked).toContain("snapshot");
});
