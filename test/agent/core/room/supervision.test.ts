// When a room's process is started, ended and started again, on a clock that the test owns.
import { beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_SUPERVISION, RoomSupervision, type RoomExit } from "#agent/core/room/supervision.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const MIB = 1024 * 1024;
const crash = { code: 1, signal: null, lastLine: "TypeError: boom" };
const killed = { code: null, signal: "SIGKILL", lastLine: undefined };

let clock: FakeClock;
let calls: string[];
let exits: RoomExit[];
let room: RoomSupervision;

beforeEach(() => {
  clock = new FakeClock();
  calls = [];
  exits = [];
  room = new RoomSupervision({
    clock,
    // The longest delay each time: jitter is Backoff's business.
    random: () => 1,
    settings: DEFAULT_SUPERVISION,
    process: {
      start: () => void calls.push("start"),
      stop: () => void calls.push("stop"),
      kill: () => void calls.push("kill"),
    },
    onExit: (exit) => void exits.push(exit),
  });
});

/** A live room: one heartbeat a second. */
function beat(seconds: number): void {
  for (let second = 0; second < seconds; second += 1) {
    clock.advance(1_000);
    room.heartbeat(100 * MIB);
  }
}

describe("a room that works", () => {
  it("is started once and left alone", () => {
    room.start();
    room.start();
    beat(3_600);
    expect(calls).toEqual(["start"]);
    expect(room.phase).toBe("running");
  });

  it("stops when asked, and stays down", () => {
    room.start();
    beat(5);
    room.stop();
    expect(room.phase).toBe("stopping");
    room.exited({ code: 0, signal: null, lastLine: undefined });
    clock.advance(3_600_000);
    expect(calls).toEqual(["start", "stop"]);
    expect(exits).toEqual([
      { reason: "stopped", detail: "stopped as asked", uptimeMs: 5_000, restarts: 0, retryInMs: undefined },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("is ended when it does not stop in time, heartbeats or not", () => {
    room.start();
    beat(5);
    room.stop();
    beat(9);
    expect(calls).toEqual(["start", "stop"]);
    beat(1);
    expect(calls).toEqual(["start", "stop", "kill"]);
    room.exited(killed);
    expect(exits[0]).toMatchObject({
      reason: "stopped",
      detail: expect.stringContaining("10000 ms after being asked"),
    });
  });

  it("comes back when it is started again while it stops", () => {
    room.start();
    beat(5);
    room.stop();
    room.start();
    room.exited({ code: 0, signal: null, lastLine: undefined });
    clock.advance(0);
    expect(calls).toEqual(["start", "stop", "start"]);
    expect(room.restarts).toBe(0);
  });
});

describe("a room that fails", () => {
  it("that hangs is ended after the heartbeat timeout", () => {
    room.start();
    beat(10);
    clock.advance(29_999);
    expect(calls).toEqual(["start"]);
    clock.advance(1);
    expect(calls).toEqual(["start", "kill"]);
    room.exited(killed);
    expect(exits[0]).toMatchObject({
      reason: "hung",
      detail: "gave no sign of life for 30000 ms",
      retryInMs: 1_000,
    });
  });

  it("has more time for its first heartbeat", () => {
    room.start();
    clock.advance(59_999);
    expect(calls).toEqual(["start"]);
    clock.advance(1);
    expect(calls).toEqual(["start", "kill"]);
  });

  it("is not blamed for a time in which this process could not listen", () => {
    room.start();
    beat(10);
    clock.freeze(3_600_000);
    expect(calls).toEqual(["start"]);
    clock.advance(30_000);
    expect(calls).toEqual(["start", "kill"]);
  });

  it("is ended over its memory, by its own word or the system's", () => {
    room.start();
    room.heartbeat(512 * MIB);
    room.memory(512 * MIB);
    expect(calls).toEqual(["start"]);
    room.memory(513 * MIB);
    room.memory(600 * MIB);
    expect(calls).toEqual(["start", "kill"]);
    room.exited(killed);
    expect(exits[0]).toMatchObject({ reason: "memory", detail: expect.stringContaining("513 MiB") });
  });

  it("that does not read its messages is ended", () => {
    room.start();
    beat(1);
    room.overrun(10_000);
    room.exited(killed);
    expect(exits[0]).toMatchObject({ reason: "overrun" });
  });

  it("starts again ever more slowly, up to a minute, and counts", () => {
    room.start();
    for (let attempt = 0; attempt < 9; attempt += 1) {
      room.exited(crash);
      clock.advance(exits.at(-1)?.retryInMs ?? 0);
    }
    expect(exits.map(({ retryInMs }) => retryInMs)).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
    expect(exits.at(-1)).toMatchObject({
      reason: "crashed",
      detail: "ended by itself with exit code 1; last words: TypeError: boom",
      restarts: 9,
    });
    expect(calls.length).toBe(10);
  });

  it("starts from the shortest delay again after a minute of health, not before", () => {
    room.start();
    for (const healthySeconds of [1, 59, 61]) {
      room.exited(crash);
      clock.advance(exits.at(-1)?.retryInMs ?? 0);
      beat(healthySeconds);
    }
    room.exited(crash);
    expect(exits.map(({ retryInMs }) => retryInMs)).toEqual([1_000, 2_000, 4_000, 1_000]);
  });

  it("starts at once when told to while it waits", () => {
    room.start();
    room.exited(crash);
    expect(room.phase).toBe("waiting");
    expect(room.retryInMs).toBe(1_000);
    room.start();
    expect(calls).toEqual(["start", "start"]);
    clock.advance(10_000);
    expect(calls).toEqual(["start", "start"]);
  });

  it("does not start again once stopped while it waits", () => {
    room.start();
    room.exited(crash);
    room.stop();
    clock.advance(3_600_000);
    expect(calls).toEqual(["start"]);
    expect(room.phase).toBe("stopped");
  });
});

describe("a room that is misconfigured", () => {
  it("is left down, tried again every five minutes, and at once after a change", () => {
    room.start();
    room.reportMisconfigured("no table PURCHASE_ORDER");
    expect(room.misconfigured).toBe("no table PURCHASE_ORDER");
    room.exited({ code: 0, signal: null, lastLine: undefined });
    expect(exits[0]).toMatchObject({
      reason: "misconfigured",
      detail: "no table PURCHASE_ORDER",
      retryInMs: 300_000,
    });
    clock.advance(299_999);
    expect(calls).toEqual(["start"]);
    room.start();
    expect(calls).toEqual(["start", "start"]);
    expect(room.misconfigured).toBeUndefined();
  });

  it("is ended if it does not end by itself", () => {
    room.start();
    room.reportMisconfigured("wrong");
    beat(10);
    expect(calls).toEqual(["start", "kill"]);
  });
});
