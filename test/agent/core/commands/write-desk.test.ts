// The plant's side of writes over time: decisions, approval, hours, limits, halts, and a restart at every step.
import { describe, expect, test } from "vitest";
import { StorageFullError } from "#agent/core/room/storage-errors.ts";
import { DeskRig, HOUR_MS, POLICY } from "./desk-rig.ts";

describe("a write that is applied at once", () => {
  test("is journalled, audited, given to its room, answered, and forgotten when it is settled", () => {
    const rig = new DeskRig();
    const id = rig.write();
    expect(rig.journal.find(id)).toMatchObject({ state: "started", startedAtMs: rig.clock.nowMs() });
    expect(rig.asked).toMatchObject([{ id, kind: "write", ttlMs: 60_000 }]);
    rig.done(id, { result: { key: "k" } });
    expect(rig.results(id)).toMatchObject([
      { outcome: "succeeded", result: { key: "k" }, audit_head: { seq: 2 } },
    ]);
    expect(rig.desk.open).toHaveLength(1);
    rig.desk.settled(id);
    expect(rig.desk.open).toHaveLength(0);
    rig.clock.advance(500);
    expect(rig.journal.open()).toEqual([]);
    expect(rig.states(id)).toEqual([]);
    expect(rig.trail).toEqual([`received ${id} apply`, `finished ${id} succeeded`]);
  });

  test("is told to be under way only where that takes a while", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.clock.advance(199);
    expect(rig.states(id)).toEqual([]);
    rig.clock.advance(1);
    rig.done(id);
    expect(rig.told.map(({ type }) => type)).toEqual(["command_state", "command_result"]);
    rig.clock.advance(1_000);
    expect(rig.states(id)).toEqual(["executing"]);
  });

  test("is done once, however often it comes, and however long ago it was", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.write("update", { id });
    expect(rig.asked).toHaveLength(1);
    rig.done(id);
    rig.write("update", { id });
    rig.desk.settled(id);
    rig.write("update", { id });
    rig.clock.advance(500);
    const again = new DeskRig(rig);
    again.write("update", { id });
    expect([...rig.asked, ...again.asked]).toHaveLength(1);
    expect(rig.results(id)).toHaveLength(3);
    expect(again.results(id)).toMatchObject([{ outcome: "succeeded" }]);
  });

  test("whose process ends before it has noted that the relay holds the result is told once more, and not done", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.done(id);
    rig.desk.settled(id);
    const again = new DeskRig(rig, true);
    again.desk.welcomed();
    expect(again.results(id)).toMatchObject([{ outcome: "succeeded" }]);
    expect(again.asked).toEqual([]);
    again.desk.settled(id);
    again.desk.stop();
    expect(rig.journal.open()).toEqual([]);
  });

  test("is noted with others as settled: none is written by itself, and many do not wait for the time", () => {
    const rig = new DeskRig();
    rig.connection = { name: "plant", timeZone: "UTC", policy: { ...POLICY, writesPerMinute: 100 } };
    const ids = Array.from({ length: 65 }, () => rig.write());
    for (const id of ids) rig.done(id);
    for (const id of ids) rig.desk.settled(id);
    expect(rig.journal.open().map(({ id }) => id)).toEqual(ids.slice(64));
    rig.journal.failure = new StorageFullError("full");
    rig.clock.advance(500);
    rig.journal.failure = undefined;
    expect(rig.journal.open()).toHaveLength(1);
    rig.clock.advance(5_000);
    expect(rig.journal.open()).toEqual([]);
  });

  test("is told of in the log with its caller's trace, and without its values", () => {
    const rig = new DeskRig();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const id = rig.write("update", { traceparent, body: { values: { title: "secret words" } } });
    rig.done(id);
    const refused = rig.write("remove", { traceparent });
    expect(rig.logger.lines).toMatchObject([
      { level: "info", fields: { connection: "plant", command: id, outcome: "succeeded", traceparent } },
      { level: "info", fields: { command: refused, outcome: "failed", code: "NOT_ALLOWED", traceparent } },
    ]);
    expect(JSON.stringify(rig.logger.lines)).not.toContain("secret words");
    expect(new DeskRig(rig).journal.find(id)).toMatchObject({ traceparent });
  });

  test("whose room is down fails at once", () => {
    const rig = new DeskRig();
    rig.isRoomUp = false;
    const id = rig.write();
    expect(rig.results(id)).toMatchObject([{ outcome: "failed", code: "SYSTEM_UNREACHABLE" }]);
  });

  test("holds no values in the trail, but where the plant wants them", () => {
    const rig = new DeskRig();
    rig.write("update", { body: { values: { title: "secret words" }, actor: "tok_1" } });
    const text = rig.journal.audit(0, 1)[0]?.text ?? "";
    expect(text).not.toContain("secret words");
    expect(JSON.parse(text)).toMatchObject({
      fields: ["title"],
      values_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      actor: "tok_1",
    });
    rig.connection = { name: "plant", timeZone: "UTC", policy: { ...POLICY, auditValues: true } };
    rig.write("update", { body: { values: { title: "secret words" } } });
    expect(rig.journal.audit(1, 1)[0]?.text).toContain("secret words");
  });
});

describe("refused", () => {
  test.each([
    ["what the file does not name", "rename", {}, "NOT_ALLOWED"],
    ["what the file refuses, with its reason", "remove", {}, "NOT_ALLOWED"],
    ["another entity", "update", { body: { entity: "vendor" } }, "NOT_ALLOWED"],
    ["names of every object", "constructor", { body: { entity: "__proto__" } }, "NOT_ALLOWED"],
    ["what came too late", "update", { ttlMs: 0 }, "EXPIRED"],
    ["a dry run of what is refused", "remove", { body: { dry_run: true } }, "NOT_ALLOWED"],
    ["an id that the source cannot hold", "update", { id: "x".repeat(65) }, "UNKNOWN_COMMAND"],
  ] as const)("%s", (_what, operation, more, code) => {
    const rig = new DeskRig();
    const id = rig.write(operation, more);
    expect(rig.results(id)).toMatchObject([{ outcome: "failed", code }]);
    expect(rig.asked).toEqual([]);
    expect(rig.journal.open()).toEqual([]);
    expect(rig.trail).toEqual([`refused ${id} ${code}`]);
  });

  test("more than the plant takes in a minute, with the time after which it takes the next", () => {
    const rig = new DeskRig();
    for (let count = 0; count < 5; count += 1) rig.write();
    rig.clock.advance(20_000);
    const id = rig.write();
    expect(rig.results(id)).toMatchObject([{ code: "RATE_LIMITED", retry_after_ms: 40_000 }]);
    rig.clock.advance(40_000);
    rig.write();
    expect(rig.asked).toHaveLength(6);
  });

  test("a flood of refused ones does not fill the trail", () => {
    const rig = new DeskRig();
    for (let count = 0; count < 100; count += 1) rig.write("remove");
    expect(rig.trail).toHaveLength(30);
    rig.clock.advance(60_000);
    rig.write("remove");
    expect(rig.journal.audit(30, 1)[0]?.text).toContain('"unnoted_before":70');
  });

  test("everything while the disk is full, or cannot be written", () => {
    const rig = new DeskRig();
    rig.isDiskFull = true;
    expect(rig.results(rig.write())).toMatchObject([{ code: "BUSY" }]);
    rig.isDiskFull = false;
    rig.journal.failure = new StorageFullError("full");
    expect(rig.results(rig.write())).toMatchObject([{ code: "BUSY" }]);
    expect(rig.asked).toEqual([]);
  });
});

describe("what is to wait is checked first", () => {
  const wrong = { outcome: "failed", code: "INVALID_VALUES", detail: "status is no status" } as const;
  const errors = [{ field: "status", detail: "is no status" }];

  test("what the pack does not take is refused at once, and never held", () => {
    const rig = new DeskRig();
    rig.check = ({ id }) => rig.done(id, { ...wrong, errors });
    for (const operation of ["create", "close"]) {
      const id = rig.write(operation, { ttlMs: 24 * HOUR_MS });
      expect(rig.states(id)).toEqual([]);
      expect(rig.results(id)).toMatchObject([{ ...wrong, errors }]);
      expect(rig.journal.find(id)).toBeUndefined();
    }
    expect(rig.trail).toEqual(["refused cmd_1 INVALID_VALUES", "refused cmd_2 INVALID_VALUES"]);
    expect(rig.asked).toEqual([]);
  });

  test.each<[string, (rig: DeskRig, id: string) => void]>([
    ["does not answer", (rig) => rig.clock.advance(5_000)],
    ["dies", (rig) => rig.desk.roomEnded("c1")],
    ["cannot reach its source", (rig, id) => rig.done(id, { outcome: "failed", code: "SYSTEM_UNREACHABLE" })],
  ])("a room that %s lets it wait unchecked", (_what, happen) => {
    const rig = new DeskRig();
    rig.check = () => {};
    const id = rig.write("create");
    expect(rig.states(id)).toEqual([]);
    // Sent again meanwhile, it is the same.
    rig.write("create", { id });
    happen(rig, id);
    expect(rig.states(id)).toEqual(["held"]);
    expect(rig.results(id)).toEqual([]);
    rig.done(id, wrong);
    expect(rig.results(id)).toEqual([]);
  });

  test("a room that is down lets it wait too", () => {
    const rig = new DeskRig();
    rig.isRoomUp = false;
    expect(rig.states(rig.write("create"))).toEqual(["held"]);
  });

  test("called off, or stopped, meanwhile, it does not wait", () => {
    const rig = new DeskRig();
    rig.check = () => {};
    const off = rig.write("create");
    rig.desk.cancel(off);
    expect(rig.results(off)).toMatchObject([{ code: "CANCELLED" }]);
    const halted = rig.write("create");
    rig.desk.halt("writes", true, "anna");
    rig.done(halted);
    expect(rig.results(halted)).toMatchObject([{ code: "HALTED" }]);
    expect([rig.states(off), rig.states(halted)]).toEqual([[], []]);
  });
});

describe("held", () => {
  test("until it is approved, by name", () => {
    const rig = new DeskRig();
    const id = rig.write("create");
    expect([rig.states(id), rig.asked]).toEqual([["held"], []]);
    rig.desk.approve(id, "anna");
    rig.clock.advance(200);
    expect(rig.states(id)).toEqual(["held", "executing"]);
    expect(rig.asked).toMatchObject([{ id }]);
    rig.done(id);
    expect(rig.trail).toEqual([
      `received ${id} hold`,
      `approved ${id} anna`,
      `started ${id}`,
      `finished ${id} succeeded`,
    ]);
    expect(() => rig.desk.approve(id, "anna")).toThrow(/waits for approval; none does/);
  });

  test("or rejected, with a reason", () => {
    const rig = new DeskRig();
    const id = rig.write("create");
    rig.desk.reject(id, "anna", "the line is running");
    expect(rig.results(id)).toMatchObject([
      { code: "REJECTED_AT_PLANT", detail: expect.stringContaining("the line is running") },
    ]);
    expect(rig.trail).toContain(`rejected ${id} anna`);
    expect(() => rig.desk.reject("cmd_9", "anna", undefined)).toThrow(/no command cmd_9/);
  });

  test("or its time to live ends, also across a restart", () => {
    const rig = new DeskRig();
    const [first, second] = [rig.write("create", { ttlMs: 60_000 }), rig.write("create", { ttlMs: HOUR_MS })];
    rig.clock.advance(60_000);
    expect(rig.results(first)).toMatchObject([{ code: "EXPIRED" }]);
    expect(rig.results(second)).toEqual([]);
    const next = new DeskRig(rig);
    next.clock.advance(HOUR_MS);
    expect(next.results(second)).toMatchObject([{ code: "EXPIRED" }]);
    expect(() => next.desk.approve(second, "anna")).toThrow(/no command/);
  });

  test("or its caller calls it off", () => {
    const rig = new DeskRig();
    const id = rig.write("create");
    expect(rig.desk.cancel(id)).toBe(true);
    expect(rig.results(id)).toMatchObject([{ code: "CANCELLED" }]);
  });

  test("not when it is only tried: a dry run changes nothing", () => {
    const rig = new DeskRig();
    rig.write("create", { body: { dry_run: true } });
    expect(rig.asked).toHaveLength(1);
  });
});

describe("in its hours", () => {
  test("it waits for them, and is done then", () => {
    const rig = new DeskRig();
    rig.toHour(3);
    const id = rig.write("close", { ttlMs: 10 * HOUR_MS });
    expect(rig.states(id)).toEqual(["waiting_window"]);
    rig.clock.advance(2 * HOUR_MS);
    expect(rig.asked).toEqual([]);
    rig.clock.advance(HOUR_MS);
    expect(rig.asked).toMatchObject([{ id, ttlMs: 7 * HOUR_MS }]);
  });

  test("one that would be too late is told so at once", () => {
    const rig = new DeskRig();
    rig.toHour(3);
    const id = rig.write("close", { ttlMs: HOUR_MS });
    expect(rig.results(id)).toMatchObject([
      { code: "EXPIRED", detail: expect.stringContaining("06:00 UTC") },
    ]);
  });

  test("an approved one waits too, and keeps its approval across a restart", () => {
    const rig = new DeskRig();
    rig.toHour(3);
    const id = rig.write("cancel", { ttlMs: 10 * HOUR_MS });
    rig.desk.approve(id, "anna");
    expect(rig.states(id)).toEqual(["held", "waiting_window"]);
    const next = new DeskRig(rig);
    next.clock.advance(3 * HOUR_MS);
    expect(next.asked).toMatchObject([{ id }]);
  });

  test("what the file has come to refuse meanwhile is refused", () => {
    const rig = new DeskRig();
    rig.toHour(3);
    const id = rig.write("close", { ttlMs: 10 * HOUR_MS });
    rig.connection = { name: "plant", timeZone: "UTC", policy: { ...POLICY, writes: {} } };
    rig.clock.advance(3 * HOUR_MS);
    expect(rig.results(id)).toMatchObject([{ code: "NOT_ALLOWED" }]);
    expect(rig.asked).toEqual([]);
  });
});

describe("halted", () => {
  test("what waits is refused, what is at the source is called off, nothing new is taken, restarts or not", () => {
    const rig = new DeskRig();
    const [held, started] = [rig.write("create"), rig.write()];
    rig.desk.halt("writes", true, "anna");
    expect(rig.results(held)).toMatchObject([{ code: "HALTED" }]);
    expect(rig.cancelled).toEqual([started]);
    rig.done(started, { outcome: "failed", code: "CANCELLED" });
    expect(rig.results(started)).toMatchObject([{ code: "HALTED" }]);
    const next = new DeskRig(rig);
    expect(next.results(next.write("update", { id: "n1" }))).toMatchObject([{ code: "HALTED" }]);
    next.desk.halt("writes", false, "anna");
    next.write("update", { id: "n2" });
    expect(next.asked).toMatchObject([{ id: "n2" }]);
    expect(next.trail).toEqual(expect.arrayContaining(["halted anna", "unhalted anna"]));
  });

  test("what was committed before the halt came is told as it is", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.desk.halt("writes", true, "anna");
    rig.done(id);
    expect(rig.results(id)).toMatchObject([{ outcome: "succeeded" }]);
  });

  test("holds even where it cannot be written down", () => {
    const rig = new DeskRig();
    rig.journal.failure = new StorageFullError("full");
    expect(() => rig.desk.halt("writes", true, "anna")).toThrow("full");
    rig.journal.failure = undefined;
    expect(rig.results(rig.write())).toMatchObject([{ code: "HALTED" }]);
  });
});

describe("told", () => {
  test("again in every session, until it is settled; states too", () => {
    const rig = new DeskRig();
    const [held, done] = [rig.write("create"), rig.write()];
    rig.isOnline = false;
    rig.done(done);
    rig.isOnline = true;
    rig.desk.welcomed();
    expect(rig.results(done)).toHaveLength(1);
    expect(rig.states(held)).toEqual(["held", "held"]);
    rig.desk.settled(done);
    rig.desk.welcomed();
    expect(rig.results(done)).toHaveLength(1);
  });

  test("so many at once, and the next as they are settled", () => {
    const rig = new DeskRig();
    rig.connection = { name: "plant", timeZone: "UTC", policy: { ...POLICY, writesPerMinute: 100 } };
    rig.isOnline = false;
    const ids = Array.from({ length: 40 }, () => rig.write());
    for (const id of ids) rig.done(id);
    rig.isOnline = true;
    rig.desk.welcomed();
    expect(rig.told).toHaveLength(32);
    for (const id of ids) rig.desk.settled(id);
    expect(new Set(rig.told.map(({ command_id }) => command_id))).toEqual(new Set(ids));
    expect(rig.desk.open).toEqual([]);
  });

  test("where the disk refuses the result, it is told all the same, and written down later", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.journal.failure = new StorageFullError("full");
    rig.done(id);
    expect(rig.results(id)).toMatchObject([{ outcome: "succeeded" }]);
    expect(rig.journal.find(id)?.state).toBe("started");
    rig.clock.advance(5_000);
    rig.journal.failure = undefined;
    rig.clock.advance(5_000);
    expect(rig.journal.find(id)?.state).toBe("finished");
    expect(rig.trail).toContain(`finished ${id} succeeded`);
  });
});

describe("a process that ends", () => {
  test("after a write began: its next room finds out, and until then nothing is told", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.desk.roomEnded("c1");
    rig.isRoomUp = false;
    rig.clock.advance(10_000);
    rig.isRoomUp = true;
    rig.clock.advance(2_000);
    expect(rig.asked.slice(1)).toMatchObject([{ id, isRecovery: true, ttlMs: 48_000 }]);
    rig.done(id, { outcome: "failed", code: "SYSTEM_UNREACHABLE" });
    expect(rig.results(id)).toEqual([]);
    rig.clock.advance(2_000);
    expect(rig.asked).toHaveLength(3);
    rig.done(id, { outcome: "unknown_outcome" });
    expect(rig.results(id)).toMatchObject([{ outcome: "unknown_outcome" }]);
    rig.clock.advance(60_000);
    expect(rig.asked).toHaveLength(3);
  });

  test("the agent's own: what had begun is found out about, and told", () => {
    const rig = new DeskRig();
    const id = rig.write();
    const next = new DeskRig(rig);
    next.clock.advance(2_000);
    expect(next.asked).toMatchObject([{ id, isRecovery: true }]);
    next.done(id);
    expect(next.results(id)).toMatchObject([{ outcome: "succeeded" }]);
  });

  test("and a source that does not come back: after ten minutes nobody knows", () => {
    const rig = new DeskRig();
    const id = rig.write();
    rig.desk.roomEnded("c1");
    rig.isRoomUp = false;
    for (let minute = 0; minute < 9; minute += 1) rig.clock.advance(60_000);
    expect(rig.results(id)).toEqual([]);
    rig.clock.advance(62_000);
    expect(rig.results(id)).toMatchObject([
      { outcome: "unknown_outcome", detail: expect.stringContaining("10 minutes") },
    ]);
  });

  test("while writes are halted, it is found out about and not begun anew", () => {
    const rig = new DeskRig();
    rig.write();
    rig.desk.halt("writes", true, "anna");
    const next = new DeskRig(rig);
    next.clock.advance(2_000);
    expect(next.asked).toMatchObject([{ isRecovery: true, ttlMs: 0 }]);
  });
});
