// Commands in a room: so many at once, each with its time; what every outcome and failure of a source comes to.
import { describe, expect, test } from "vitest";
import { MAX_COMMANDS_UNDER_WAY } from "#agent/core/commands/room-commands.ts";
import { NOTHING_ALLOWED } from "#agent/core/commands/plant-policy.ts";
import type { AppliedWrite, RefusalCode, WriteOutcome } from "#agent/core/source/write.ts";
import { MAX_RESULT_BYTES } from "#common/contract/limits.ts";
import { ConnectorError, type ConnectorFailure } from "#common/runtime/errors.ts";
import { RoomRig } from "./room-rig.ts";

const READ = { entity: "vendor", keys: ['["a"]'] };
const WRITE = { entity: "vendor", operation: "update", key: '["a"]', values: { name: "new" } };
const APPLIED: AppliedWrite = {
  status: "applied",
  row: { op: "upsert", key: ["a"], version: "2", columns: { K: "a", T: "new" } },
  outputs: {},
  isRepeat: false,
  isPending: false,
  isDry: false,
};

function rigWith(outcome: WriteOutcome | (() => Promise<WriteOutcome>), hasCommandLog = false): RoomRig {
  const rig = new RoomRig({ hasCommandLog });
  rig.table.set("a", "old");
  rig.connector.write = async () => (typeof outcome === "function" ? await outcome() : outcome);
  return rig;
}

describe("turns", () => {
  test("eight are under way, the others follow in order; one whose time has ended is not begun", async () => {
    const rig = new RoomRig();
    const open: (() => void)[] = [];
    rig.connector.onRead = () => new Promise((resolve) => open.push(resolve));
    const first = Array.from({ length: MAX_COMMANDS_UNDER_WAY }, () => rig.take("read", READ));
    const late = rig.take("read", READ, { ttlMs: 5_000 });
    const last = rig.take("read", READ);
    await rig.settle();
    expect(open).toHaveLength(MAX_COMMANDS_UNDER_WAY);
    rig.clock.advance(6_000);
    open.shift()?.();
    await rig.settle();
    expect(rig.resultOf(first[0] ?? "")).toMatchObject({ outcome: "succeeded" });
    expect(rig.resultOf(late)).toMatchObject({ outcome: "failed", code: "EXPIRED" });
    expect(open).toHaveLength(MAX_COMMANDS_UNDER_WAY);
    rig.commands.cancel(last);
    rig.clock.advance(24_000);
    for (const resolve of open) resolve();
    await rig.settle();
    expect(rig.resultOf(last)).toMatchObject({ code: "CANCELLED" });
    expect(first.map((id) => rig.resultOf(id)?.code)).toEqual([undefined, ...Array(7).fill("TIMEOUT")]);
  });

  test("one that waits and is called off never begins", async () => {
    const rig = new RoomRig();
    rig.connector.onRead = () => new Promise(() => {});
    for (let count = 0; count < MAX_COMMANDS_UNDER_WAY; count += 1) rig.take("read", READ);
    const waiting = rig.take("read", READ);
    rig.commands.cancel(waiting);
    expect(rig.resultOf(waiting)).toMatchObject({ code: "CANCELLED" });
  });
});

describe("a source", () => {
  test("that is not open says why", async () => {
    const rig = new RoomRig();
    rig.source = undefined;
    rig.trouble = { status: "offline", reason: "refused", advice: undefined };
    expect(await rig.ask("read", READ)).toMatchObject({
      code: "SYSTEM_UNREACHABLE",
      detail: expect.stringContaining("refused"),
    });
    rig.trouble = { status: "reauthorization_required", reason: "login denied", advice: undefined };
    expect(await rig.ask("read", READ)).toMatchObject({
      code: "REAUTHORIZATION_REQUIRED",
      detail: expect.stringContaining("login denied"),
    });
  });

  test("that is still being opened is waited for, as long as the command's own time", async () => {
    const rig = rigWith(APPLIED);
    const { source } = rig;
    rig.source = undefined;
    const write = rig.take("write", WRITE);
    const short = rig.take("read", READ, { ttlMs: 1_000 });
    await rig.pass(2_000);
    expect(rig.resultOf(write)).toBeUndefined();
    expect(rig.resultOf(short)).toMatchObject({
      code: "SYSTEM_UNREACHABLE",
      detail: expect.stringContaining("being opened"),
    });
    const patient = rig.take("read", READ);
    rig.source = source;
    await rig.pass(100);
    expect(rig.resultOf(write)).toMatchObject({ outcome: "succeeded" });
    expect(rig.resultOf(patient)).toMatchObject({ outcome: "succeeded" });
    rig.source = undefined;
    const late = rig.take("write", WRITE);
    await rig.pass(19_000);
    expect(rig.resultOf(late)).toBeUndefined();
    await rig.pass(1_100);
    expect(rig.resultOf(late)).toMatchObject({ code: "SYSTEM_UNREACHABLE" });
    const failing = rig.take("write", WRITE);
    await rig.pass(1_000);
    rig.trouble = { status: "offline", reason: "refused", advice: undefined };
    await rig.pass(100);
    expect(rig.resultOf(failing)).toMatchObject({ detail: expect.stringContaining("refused") });
  });

  test.each<[ConnectorFailure, string]>([
    ["unavailable", "SYSTEM_UNREACHABLE"],
    ["unauthorized", "REAUTHORIZATION_REQUIRED"],
    ["misconfigured", "REFUSED_BY_SOURCE"],
    ["bad_data", "REFUSED_BY_SOURCE"],
  ])("that fails with %s is %s, for reads and writes", async (kind, code) => {
    const rig = rigWith(() => Promise.reject(new ConnectorError(kind, "its words")));
    rig.connector.onRead = () => Promise.reject(new ConnectorError(kind, "its words"));
    for (const result of [await rig.ask("read", READ), await rig.ask("write", WRITE)])
      expect(result).toMatchObject({ outcome: "failed", code, detail: "its words" });
  });

  test("whose session ends while it is read is unreachable, and is not closed before", async () => {
    const rig = new RoomRig();
    let end: () => void = () => {};
    rig.connector.onRead = () => new Promise((resolve) => (end = resolve));
    const id = rig.take("read", READ);
    await rig.settle();
    rig.session.abort();
    let isIdle = false;
    const idle = rig.source?.idle().then(() => (isIdle = true));
    await rig.settle();
    expect(isIdle).toBe(false);
    end();
    await idle;
    await rig.settle();
    expect(rig.resultOf(id)).toMatchObject({ code: "SYSTEM_UNREACHABLE" });
  });

  test("with a bug in its driver is INTERNAL for reads, and logged", async () => {
    const rig = new RoomRig();
    rig.connector.onRead = () => Promise.reject(new TypeError("undefined is not a function"));
    expect(await rig.ask("read", READ)).toMatchObject({ outcome: "failed", code: "INTERNAL" });
    expect(rig.logger.lines).toContainEqual(expect.objectContaining({ level: "error" }));
  });
});

test("a write that is only checked is encoded, and the source is left alone", async () => {
  const rig = rigWith(() => Promise.reject(new TypeError("it was written")));
  expect(await rig.ask("write", WRITE, { isCheck: true })).toMatchObject({ outcome: "succeeded" });
  const wrong = { ...WRITE, values: { name: 1 } };
  expect(await rig.ask("write", wrong, { isCheck: true })).toMatchObject({
    code: "INVALID_VALUES",
    errors: [{ field: "lines.0.name", detail: "is required" }],
  });
  expect(rig.written).toEqual([]);
});

describe("a live read", () => {
  test("gives each record once, in the order asked; deleted ones are left out, bad ones are told", async () => {
    const rig = new RoomRig();
    rig.table.set("a", "A");
    rig.table.set("b", "gone");
    rig.table.set("c", "C");
    rig.table.set("d", "bad");
    const keys = ['["c"]', '["b"]', '["a"]', '["x"]', '["c"]'];
    expect(await rig.ask("read", { entity: "vendor", keys })).toMatchObject({
      result: { records: [{ key: '["c"]', record: { name: "C" }, version: "3" }, { key: '["a"]' }] },
    });
    expect(await rig.ask("read", { entity: "vendor", keys: ['["d"]'] })).toMatchObject({
      code: "REFUSED_BY_SOURCE",
      source_code: "BAD_VALUE",
    });
  });

  test.each([["[]"], ['["a","b"]'], ["a"], ['[{"a":1}]'], ["[1]"]])(
    "takes no key such as %s",
    async (key) => {
      const rig = new RoomRig();
      expect(await rig.ask("read", { entity: "vendor", keys: [key] })).toMatchObject({
        code: "INVALID_VALUES",
      });
    },
  );

  test("of an entity that is not there names the nearest", async () => {
    const rig = new RoomRig();
    expect(await rig.ask("read", { ...READ, entity: "vendors" })).toMatchObject({
      code: "UNKNOWN_COMMAND",
      detail: expect.stringContaining('"vendor"'),
    });
  });

  test("that is too large for the wire says so", async () => {
    const rig = new RoomRig();
    for (const key of ["a", "b"]) rig.table.set(key, "x".repeat(500_000));
    const read = await rig.ask("read", { entity: "vendor", keys: ['["a"]', '["b"]'] });
    expect(read).toMatchObject({ outcome: "failed", code: "RESULT_TOO_LARGE" });
    expect(JSON.stringify(read).length).toBeLessThan(1_000);
  });
});

describe("a write's outcome", () => {
  test("applied: the record as committed, and its entity is looked at again", async () => {
    const rig = rigWith({ ...APPLIED, outputs: { N: "7" } });
    expect(await rig.ask("write", WRITE)).toMatchObject({
      outcome: "succeeded",
      result: { key: '["a"]', record: { name: "new" }, version: "2", outputs: { N: "7" }, is_repeat: false },
    });
    expect(rig.written).toEqual(["vendor"]);
  });

  test("applied, and the record cannot be told: it is applied all the same", async () => {
    const bad = { ...APPLIED, row: { op: "upsert", key: ["a"], columns: { T: "bad" } } } as const;
    expect(await rigWith(bad).ask("write", WRITE)).toMatchObject({
      outcome: "succeeded",
      result: { is_dry: false },
    });
    const large = {
      ...APPLIED,
      row: { op: "upsert", key: ["a"], columns: { T: "é".repeat(MAX_RESULT_BYTES / 2) } },
    } as const;
    const result = await rigWith(large).ask("write", WRITE);
    expect(result).toMatchObject({ outcome: "succeeded", result: { is_repeat: false } });
    expect(result?.result).not.toHaveProperty("record");
  });

  const rejected = (code: RefusalCode): WriteOutcome => ({ status: "rejected", code, message: "its words" });

  test.each<[WriteOutcome, object]>([
    [{ status: "not_found" }, { code: "NOT_FOUND" }],
    [rejected("CONSTRAINT"), { code: "REFUSED_BY_SOURCE", source_code: "CONSTRAINT", detail: "its words" }],
    [rejected("NOT_WRITABLE"), { code: "NOT_WRITABLE" }],
    [rejected("NO_VERSION"), { code: "INVALID_VALUES" }],
    [
      { status: "conflict", row: { op: "upsert", key: ["a"], columns: { T: "theirs" } } },
      { code: "VERSION_CONFLICT", result: { record: { name: "theirs" } } },
    ],
  ])("%j is %j", async (outcome, wanted) => {
    expect(await rigWith(outcome).ask("write", WRITE)).toMatchObject({ outcome: "failed", ...wanted });
  });

  test("unknown stays unknown; and a bug in the driver is no certainty either", async () => {
    const lost = rigWith({ status: "unknown_outcome", message: "the answer was lost" });
    expect(await lost.ask("write", WRITE)).toMatchObject({
      outcome: "unknown_outcome",
      detail: "the answer was lost",
    });
    const bug = rigWith(() => Promise.reject(new TypeError("oops")));
    expect(await bug.ask("write", WRITE)).toMatchObject({ outcome: "unknown_outcome" });
  });

  test("values are held against the pack before the source hears of them; fields by dots", async () => {
    const rig = rigWith(() => Promise.reject(new TypeError("the source was asked")));
    expect(await rig.ask("write", { ...WRITE, values: {} })).toMatchObject({
      code: "INVALID_VALUES",
      errors: [{ field: "lines.0.name", detail: "is required" }],
    });
    expect(await rig.ask("write", { ...WRITE, operation: "updat" })).toMatchObject({
      code: "NOT_WRITABLE",
      detail: expect.stringContaining("update"),
    });
  });

  test("called off in time: nothing was written, and by whom", async () => {
    const rig = rigWith(APPLIED);
    rig.connector.write = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new ConnectorError("unavailable", "cut off")));
      });
    const id = rig.take("write", WRITE);
    await rig.settle();
    rig.commands.cancel(id);
    await rig.settle();
    expect(rig.resultOf(id)).toMatchObject({ outcome: "failed", code: "CANCELLED" });
    const slow = rig.take("write", WRITE);
    await rig.settle();
    rig.clock.advance(60_000);
    await rig.settle();
    expect(rig.resultOf(slow)).toMatchObject({ outcome: "failed", code: "TIMEOUT" });
  });

  test("committed in spite of being called off: it is applied", async () => {
    const rig = rigWith(APPLIED);
    let commit: () => void = () => {};
    rig.connector.write = () => new Promise((resolve) => (commit = () => resolve(APPLIED)));
    const id = rig.take("write", WRITE);
    await rig.settle();
    rig.commands.cancel(id);
    commit();
    await rig.settle();
    expect(rig.resultOf(id)).toMatchObject({ outcome: "succeeded" });
  });

  test("a source that is never written to", async () => {
    const rig = new RoomRig();
    rig.table.set("a", "old");
    expect(await rig.ask("write", WRITE)).toMatchObject({ code: "NOT_WRITABLE" });
  });
});

describe("a write that a dead process had begun", () => {
  const RECOVERY = { isRecovery: true } as const;

  test("is answered from the command log", async () => {
    const rig = rigWith({ ...APPLIED, isRepeat: true }, true);
    expect(await rig.ask("write", WRITE, RECOVERY)).toMatchObject({
      outcome: "succeeded",
      result: { is_repeat: true },
    });
  });

  test("is done if the log does not have it and there is time; asked by a dry run first", async () => {
    const rig = rigWith(APPLIED, true);
    const dry: boolean[] = [];
    rig.connector.write = async ({ dryRun }) => {
      dry.push(dryRun);
      return { ...APPLIED, isDry: dryRun };
    };
    expect(await rig.ask("write", WRITE, RECOVERY)).toMatchObject({
      outcome: "succeeded",
      result: { is_dry: false },
    });
    expect(dry).toEqual([true, false]);
    expect(await rig.ask("write", WRITE, { ...RECOVERY, ttlMs: 0 })).toMatchObject({ code: "EXPIRED" });
    expect(dry).toEqual([true, false, true]);
  });

  test("without a log is unknown, with the record as it stands", async () => {
    const rig = rigWith(() => Promise.reject(new TypeError("it was written again")));
    expect(await rig.ask("write", WRITE, RECOVERY)).toMatchObject({
      outcome: "unknown_outcome",
      result: { key: '["a"]', record: { name: "old" } },
    });
  });
});

describe("a named query", () => {
  const parameters = {
    vendor: { type: "text", isRequired: true },
    limit: { type: "integer", isRequired: false },
    above: { type: "decimal", isRequired: false },
  } as const;
  const policy = {
    ...NOTHING_ALLOWED,
    queries: { orders: { statement: "SELECT :vendor", parameters, maxRows: 5 } },
  };

  function queryRig(): RoomRig {
    const rig = new RoomRig({ policy });
    rig.connector.query = async ({ statement, parameters: given, maxRows }) => ({
      columns: ["C"],
      rows: [[JSON.stringify({ statement, given, maxRows })]],
      isTruncated: true,
    });
    return rig;
  }

  test("binds its parameters and tells its rows, and never its statement", async () => {
    const result = await queryRig().ask("query", {
      query: "orders",
      parameters: { vendor: "V1", above: "1.50" },
    });
    expect(result).toMatchObject({ outcome: "succeeded", result: { columns: ["C"], is_truncated: true } });
    const answer = result?.result as { rows: string[][] } | undefined;
    expect(JSON.parse(answer?.rows[0]?.[0] ?? "")).toEqual({
      statement: "SELECT :vendor",
      maxRows: 5,
      given: [
        { name: "vendor", value: "V1" },
        { name: "limit", value: null },
        { name: "above", value: "1.50" },
      ],
    });
  });

  test("names everything that is wrong with its parameters", async () => {
    const body = { query: "orders", parameters: { limit: 1.5, above: 1.5, vendr: "x" } };
    expect(await queryRig().ask("query", body)).toMatchObject({
      code: "INVALID_VALUES",
      errors: expect.arrayContaining([
        { field: "vendr", detail: expect.stringContaining("vendor") },
        { field: "vendor", detail: "is required" },
        { field: "limit", detail: "expected a whole number" },
        { field: "above", detail: expect.stringContaining("decimal as text") },
      ]),
    });
  });

  test("is only one that the plant's file names", async () => {
    for (const query of ["order", "constructor", "__proto__"])
      expect(await queryRig().ask("query", { query, parameters: {} })).toMatchObject({ code: "NOT_ALLOWED" });
    const rig = new RoomRig({ policy });
    expect(await rig.ask("query", { query: "orders", parameters: { vendor: "V" } })).toMatchObject({
      code: "UNKNOWN_COMMAND",
    });
  });
});

test("an operator's wish is passed on, and refused with its reason", async () => {
  const rig = new RoomRig();
  expect(await rig.ask("operate", { action: "sync" })).toMatchObject({ outcome: "succeeded" });
  rig.refusal = { code: "NOT_ALLOWED", detail: "paused at the plant" };
  expect(await rig.ask("operate", { action: "resume" })).toMatchObject({
    code: "NOT_ALLOWED",
    detail: "paused at the plant",
  });
  expect(rig.operated).toEqual([{ action: "sync" }, { action: "resume" }]);
});

test("a test opens the source anew, and not again at once", async () => {
  const rig = new RoomRig();
  expect(await rig.ask("test", {})).toMatchObject({ outcome: "succeeded", result: { took_ms: 0 } });
  expect(await rig.ask("test", {})).toMatchObject({ code: "RATE_LIMITED", retry_after_ms: 10_000 });
  rig.clock.advance(10_000);
  rig.table.failures.set("open", new ConnectorError("unauthorized", "login denied"));
  expect(await rig.ask("test", {})).toMatchObject({ code: "REAUTHORIZATION_REQUIRED" });
});
