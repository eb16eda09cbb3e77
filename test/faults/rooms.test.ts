// Faults planted in real rooms: the room starts again by itself, its neighbour does not notice.
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FromRoom, RoomBudget, RoomConfig } from "#agent/core/room/messages.ts";
import {
  DEFAULT_SUPERVISION,
  type RoomExit,
  type SupervisionSettings,
} from "#agent/core/room/supervision.ts";
import { residentBytes } from "#agent/platform/process-memory.ts";
import { RoomSupervisor } from "#agent/platform/room-supervisor.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { recordingLogger, type LogLine } from "#test/support/recording-logger.ts";
import type { Fault } from "#test/support/rooms/planted-room.ts";

const MIB = 1024 * 1024;
const script = fileURLToPath(new URL("../support/rooms/planted-room.ts", import.meta.url));
const budget: RoomBudget = { outboxBytes: MIB, knownBytes: MIB, volumeFull: false };
const settings: SupervisionSettings = {
  ...DEFAULT_SUPERVISION,
  heartbeatTimeoutMs: 2_000,
  startTimeoutMs: 10_000,
  memoryBytes: 256 * MIB,
  stopGraceMs: 1_000,
  backoff: { firstMs: 200, capMs: 400, healthyAfterMs: 60_000 },
};

function roomConfig(name: string, fault: Fault): RoomConfig {
  return {
    connectionId: name,
    connection: name,
    connector: "planted",
    settings: { fault },
    pack: undefined,
    timeZone: "UTC",
    raw: false,
    hidden: [],
    roomDir: "",
    pollMs: {},
    reconcileMs: {},
    telemetryPolicy: "drop_oldest",
    massDeleteFraction: 0.5,
    heartbeatMs: 50,
    logLevel: "info",
  };
}

let lines: LogLine[];
let exits: Map<string, RoomExit[]>;
let messages: { connectionId: string; message: FromRoom }[];
/** Batches that the room beside the planted one has committed. */
let neighbourCommits: number;
let supervisor: RoomSupervisor;

beforeEach(() => {
  lines = [];
  exits = new Map();
  messages = [];
  neighbourCommits = 0;
  supervisor = new RoomSupervisor({
    clock: systemClock,
    random: () => 1,
    logger: recordingLogger(lines),
    script,
    settings,
    onMessage: (connectionId, message) => {
      if (connectionId !== "neighbour") messages.push({ connectionId, message });
      else if (message.type === "committed") neighbourCommits += 1;
    },
    onExit: (connectionId, exit) => void exits.set(connectionId, [...(exits.get(connectionId) ?? []), exit]),
  });
});

afterEach(async () => {
  await supervisor[Symbol.asyncDispose]();
});

function exitsOf(connectionId: string): readonly RoomExit[] {
  return exits.get(connectionId) ?? [];
}

async function untilExits(connectionId: string, count: number): Promise<void> {
  await vi.waitFor(() => expect(exitsOf(connectionId).length).toBeGreaterThanOrEqual(count), {
    timeout: 30_000,
    interval: 20,
  });
}

async function untilRunning(connectionId: string): Promise<void> {
  await vi.waitFor(() => expect(supervisor.room(connectionId)?.phase).toBe("running"), { timeout: 10_000 });
}

describe("a fault planted in a room", () => {
  it.each<{ fault: Fault; told: RegExp }>([
    { fault: "emitter_error", told: /^crashed: .*exit code 1; last words: .*socket lost in a driver/ },
    { fault: "unhandled_rejection", told: /^crashed: .*exit code 1; last words: .*rejected in a driver/ },
    { fault: "busy_loop", told: /^hung: .*no sign of life for 2000 ms/ },
    { fault: "native_query", told: /^hung: .*no sign of life for 2000 ms/ },
    // A heap that grows faster than we look may run out first, or leave collecting garbage no time for a heartbeat.
    { fault: "map_growth", told: /^(memory: .*more than the 256 MiB|crashed: .*SIGABRT|hung: )/ },
    { fault: "buffers", told: /^memory: .*more than the 256 MiB/ },
  ])("$fault: ended and started again, the neighbour goes on", async ({ fault, told }) => {
    supervisor.start(roomConfig("neighbour", "none"), budget);
    await untilRunning("neighbour");
    const neighbourPid = supervisor.room("neighbour")?.pid;
    supervisor.start(roomConfig("planted", fault), budget);

    await untilExits("planted", 1);
    const commitsAtFirst = neighbourCommits;
    await untilExits("planted", 2);

    const two = exitsOf("planted").slice(0, 2);
    for (const exit of two) expect(`${exit.reason}: ${exit.detail}`).toMatch(told);
    expect(two.map(({ retryInMs }) => retryInMs)).toEqual([200, 400]);
    expect(neighbourCommits).toBeGreaterThan(commitsAtFirst);
    // Never silent for as long as a hanging room is waited for.
    expect(supervisor.room("neighbour")).toMatchObject({
      pid: neighbourPid,
      restarts: 0,
      phase: "running",
    });
    const logged = lines.filter(
      ({ message, fields }) => message.startsWith("room ended") && fields["connection"] === "planted",
    );
    expect(logged.length).toBe(exitsOf("planted").length);
  });

  it("is ended long before 3 GB of buffers are there", async (test) => {
    if (process.platform !== "linux") test.skip("only Linux tells a process's memory from outside");
    supervisor.start(roomConfig("planted", "buffers"), budget);
    await untilExits("planted", 1);
    const heldMib = Number(/held (\d+) MiB/.exec(exitsOf("planted")[0]?.detail ?? "")?.[1]);
    expect(heldMib).toBeGreaterThan(256);
    expect(heldMib).toBeLessThan(2_000);
  });
});

describe("a room", () => {
  it("that is misconfigured is left down, and started when its settings change", async () => {
    supervisor.start(roomConfig("planted", "misconfigured"), budget);
    await untilExits("planted", 1);
    expect(exitsOf("planted")[0]).toMatchObject({
      reason: "misconfigured",
      detail: "settings.file: no such file",
      retryInMs: settings.misconfiguredRetryMs,
    });
    expect(supervisor.room("planted")).toMatchObject({
      phase: "waiting",
      misconfigured: "settings.file: no such file",
    });
    supervisor.start(roomConfig("planted", "none"), budget);
    await untilRunning("planted");
    expect(exitsOf("planted").length).toBe(1);
  });

  it("gets new settings by a restart, and none for equal ones", async () => {
    supervisor.start(roomConfig("planted", "none"), budget);
    await untilRunning("planted");
    const pid = supervisor.room("planted")?.pid;
    supervisor.start(roomConfig("planted", "none"), budget);
    expect(supervisor.room("planted")?.pid).toBe(pid);
    supervisor.start({ ...roomConfig("planted", "none"), raw: true }, budget);
    await vi.waitFor(() => expect(supervisor.room("planted")?.pid).not.toBe(pid), { timeout: 10_000 });
    await untilRunning("planted");
    expect(exitsOf("planted").map(({ reason }) => reason)).toEqual(["stopped"]);
  });

  it("that does not stop when asked is ended after the grace", async () => {
    supervisor.start(roomConfig("planted", "ignores_stop"), budget);
    await untilRunning("planted");
    const pid = supervisor.room("planted")?.pid ?? 0;
    // Its deafness begins half a second after its start; until then it would stop as asked.
    await vi.waitFor(() => expect(messages.length).toBeGreaterThan(30), { timeout: 10_000 });
    await supervisor.stop("planted");
    expect(exitsOf("planted")[0]).toMatchObject({
      reason: "stopped",
      detail: expect.stringContaining("ended"),
    });
    expect(residentBytes(pid)).toBeUndefined();
    expect(supervisor.rooms()).toEqual([]);
  });

  it("that floods its output costs a bounded number of log lines", async () => {
    supervisor.start(roomConfig("planted", "floods_output"), budget);
    await untilExits("planted", 1);
    expect(exitsOf("planted")[0]).toMatchObject({
      reason: "crashed",
      detail: expect.stringContaining("exit code 7"),
    });
    const output = lines
      .filter(({ message }) => message === "the room wrote")
      .map(({ fields }) => String(fields["output"]));
    expect(output.length).toBeGreaterThan(10);
    expect(output.length).toBeLessThan(250);
    expect(Math.max(...output.map((line) => line.length))).toBeLessThanOrEqual(4_000);
  });

  it("is no longer told anything once it is gone", async () => {
    supervisor.start(roomConfig("planted", "none"), budget);
    await untilRunning("planted");
    expect(supervisor.send("planted", { type: "acked", epoch: "0123456789abcdef", seq: 1 })).toBe(true);
    await supervisor.stop("planted");
    expect(supervisor.send("planted", { type: "stop" })).toBe(false);
  });
});
