// A room from opening to stop: what is asked of it while it has no store.
import { expect, test } from "vitest";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { Room } from "#agent/core/room/room.ts";
import { StorageFullError } from "#agent/core/room/storage-errors.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { ALLOWED, batchDeps, hashOf, TableConnector, TestTable, testPack } from "./harness.ts";

test("an operator's wish waits for a store that cannot be opened yet", async () => {
  const clock = new FakeClock();
  const source = new TestTable();
  source.fill(3);
  const store = new MemoryRoomStore("00000000000000e1");
  let isFull = true;
  const reports: ConnectionReport[] = [];
  const unused = (): Promise<never> => Promise.reject(new Error("not asked for here"));
  const room = new Room({
    settings: {
      connectionId: "c",
      shape: "tabular",
      timeZone: "UTC",
      raw: false,
      hidden: [],
      pollMs: {},
      reconcileMs: {},
      maxRowsPerSecond: undefined,
      massDeleteFraction: 0.5,
      fullReconcileRows: 10_000,
    },
    pack: testPack(),
    connect: () => new TableConnector(source),
    storage: {
      open: async () => {
        if (isFull) throw new StorageFullError("no space left on the disk");
        return { store, reason: "resumed" };
      },
      startEpoch: unused,
      salvage: unused,
    },
    clock,
    random: () => 1,
    randomId: () => "run",
    hash: hashOf,
    batch: batchDeps(clock),
    allowance: () => ALLOWED,
    keepBelowBytes: () => 0,
    opened: () => {},
    committed: () => {},
    reported: (report) => reports.push(report),
    logger: recordingLogger(),
  });
  const stop = new AbortController();
  const run = room.run(stop.signal);
  room.operate("pause", undefined);
  isFull = false;
  await expect
    .poll(() => {
      clock.advance(1_000);
      return reports.at(-1)?.status;
    })
    .toBe("paused");
  expect(store.cursor("connection/paused")).toEqual({ paused: true });
  expect(source.asked).toEqual(["open"]);
  stop.abort();
  await run;
});
