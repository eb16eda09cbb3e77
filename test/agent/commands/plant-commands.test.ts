// The command line by which people at the plant decide about the relay's writes, and read the audit trail.
import { describe, expect, it } from "vitest";
import type { CommandContext } from "#agent/commands/command.ts";
import { runCommandLine } from "#agent/commands/command-line.ts";
import type { JournalEntry } from "#agent/core/commands/journal.ts";
import { ControlError } from "#agent/platform/control-socket.ts";
import { commandWorld, testConfig, testIdentity, type TestWorld } from "#test/support/command-context.ts";

async function run(
  argv: readonly string[],
  overrides: Partial<CommandContext> = {},
  prepare?: (world: TestWorld) => void,
) {
  const world = commandWorld(overrides);
  prepare?.(world);
  const code = await runCommandLine(argv, "1.2.3", world.context);
  return { code, out: world.out(), err: world.err(), database: world.database };
}

const held: JournalEntry = {
  id: "cmd_1",
  connectionId: "c1",
  connection: "plant-erp",
  state: "held",
  body: {
    entity: "work_order",
    operation: "change_status",
    key: '["BEDFORD","1001"]',
    values: { status: "approved", note: "line\u001B[2J" },
    actor: "token tok_1 (planner)",
  },
  receivedAtMs: 0,
  expiresAtMs: 3_600_000,
};

describe("commands", () => {
  const askAgent = (): Promise<unknown> =>
    Promise.resolve([
      held,
      {
        ...held,
        id: "cmd_2",
        connection: "other",
        state: "finished",
        approvedBy: "anna",
        result: {
          type: "command_result",
          command_id: "cmd_2",
          outcome: "failed",
          code: "NOT_FOUND",
          detail: "gone",
        },
      },
    ]);

  it("shows what waits, with its values, and no control characters", async () => {
    const { code, out } = await run(["commands"], { askAgent });
    expect(code).toBe(0);
    expect(out).toContain("cmd_1  WAITS FOR APPROVAL  plant-erp: work_order change_status BEDFORD/1001");
    expect(out).toContain("asked 1970-01-01 00:00:00 by token tok_1 (planner), until 1970-01-01 01:00:00");
    expect(out).toContain('status = "approved"');
    expect(out).not.toContain("\u001B");
    expect(out).toContain("cmd_2  failed NOT_FOUND (not yet told)  other");
    expect(out).toContain("approved by anna");
  });

  it("shows one connection's, and JSON", async () => {
    const { out } = await run(["commands", "--connection", "other", "--json"], { askAgent });
    expect((JSON.parse(out) as JournalEntry[]).map(({ id }) => id)).toEqual(["cmd_2"]);
    expect((await run(["commands"], { askAgent: () => Promise.resolve([]) })).out).toBe("No commands.\n");
  });
});

describe("decisions", () => {
  it.each([
    [["approve", "cmd_1"], { command: "approve", id: "cmd_1", by: "anna" }],
    [["reject", "cmd_1"], { command: "reject", id: "cmd_1", by: "anna" }],
    [
      ["reject", "cmd_1", "--reason", "not now"],
      { command: "reject", id: "cmd_1", by: "anna", reason: "not now" },
    ],
    [["halt", "writes"], { command: "halt", part: "writes", by: "anna" }],
    [["unhalt", "egress"], { command: "unhalt", part: "egress", by: "anna" }],
  ] as const)("%j", async (argv, request) => {
    const asked: unknown[] = [];
    const { code } = await run(argv, {
      askAgent: (dataDir, what) => {
        asked.push([dataDir, what]);
        return Promise.resolve({});
      },
    });
    expect(code).toBe(0);
    expect(asked).toEqual([[testConfig.dataDir, request]]);
  });

  it("a halt holds from the next start on, when the agent does not run", async () => {
    const askAgent = (): Promise<unknown> => Promise.reject(new ControlError("the agent does not run", true));
    const { code, out, database } = await run(["halt", "writes"], { askAgent });
    expect(code).toBe(0);
    expect(out).toContain("does not run");
    expect(database.journal.halted()).toEqual(new Set(["writes"]));
    expect(database.journal.audit(0, 9)[0]?.text).toContain('"by":"anna"');
  });

  it("no other thing can be halted, and a refusal is told", async () => {
    expect(await run(["halt", "reads"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("halt writes"),
    });
    const askAgent = (): Promise<unknown> => Promise.reject(new ControlError("no command x waits", false));
    expect(await run(["approve", "x"], { askAgent })).toMatchObject({ code: 1, err: "no command x waits\n" });
    expect(await run(["halt", "writes"], { askAgent })).toMatchObject({
      code: 1,
      err: "no command x waits\n",
    });
  });
});

describe("audit", () => {
  const prepare = ({ database }: TestWorld): void => {
    database.stored = { identity: testIdentity, connections: [] };
    const fact = { connection: "plant-erp", commandId: "cmd_1", detail: { actor: "tok_1" } };
    database.journal.commit({
      facts: [
        { atMs: Date.parse("2026-05-04T10:00:00Z"), event: "received", ...fact },
        { atMs: Date.parse("2026-05-05T10:00:00Z"), event: "finished", ...fact },
        { atMs: Date.parse("2026-05-05T11:00:00Z"), event: "halted", connection: "", detail: { by: "anna" } },
      ],
    });
  };

  it("is whole, and says its head", async () => {
    const { code, out } = await run(["audit", "verify"], {}, prepare);
    expect(code).toBe(0);
    expect(out).toMatch(/whole: 3 entries. Head: 3 [0-9a-f]{64}/);
  });

  it("has an entry that the relay keeps, or is another trail; says what it has heard of the relay's", async () => {
    const withHead = (world: TestWorld): void => {
      prepare(world);
      const detail = { workspace: "ws_1", relay_seq: 17, relay_hash: "ab" };
      const heard = { atMs: Date.parse("2026-05-06T10:00:00Z"), event: "relay_head", connection: "", detail };
      world.database.journal.commit({ facts: [heard] });
    };
    const { out, database } = await run(["audit", "verify"], {}, withHead);
    expect(out).toContain("trail of ws_1, as heard at 2026-05-06T10:00:00.000Z: 17 ab");
    const hash = database.journal.audit(1, 1)[0]?.hash ?? "";
    expect(await run(["audit", "verify", "--has", `2:${hash}`], {}, withHead)).toMatchObject({ code: 0 });
    const other = await run(["audit", "verify", "--has", `3:${hash}`], {}, withHead);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining("entry 3 has another hash")]);
    const beyond = await run(["audit", "verify", "--has", `9:${hash}`], {}, withHead);
    expect(beyond.err).toContain("it has no entry 9");
    expect(await run(["audit", "verify", "--has", "9"], {}, withHead)).toMatchObject({ code: 1 });
  });

  it("names the first entry that was changed, and exits with 1", async () => {
    const spoil = (world: TestWorld): void => {
      prepare(world);
      const { journal } = world.database;
      const entries = journal.audit(0, 9);
      journal.audit = (after) =>
        after > 0
          ? []
          : entries.map((one) => Object.assign({}, one, { text: one.text.replace("tok_1", "tok_2") }));
    };
    const { code, err } = await run(["audit", "verify"], {}, spoil);
    expect({ code, err }).toMatchObject({
      code: 1,
      err: expect.stringContaining("entry 1 is not as it was written"),
    });
    const { out } = await run(["audit", "verify", "--json"], {}, spoil);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      entries: 0,
      problem: expect.stringContaining("entry 1"),
    });
  });

  it("is shown, from a time on, of one connection, as JSON", async () => {
    const all = await run(["audit", "show"], {}, prepare);
    expect(all.out.split("\n")).toHaveLength(4);
    expect(all.out).toContain('received  plant-erp  cmd_1  actor="tok_1"');
    const { out } = await run(
      ["audit", "show", "--since", "2026-05-05", "--connection", "plant-erp", "--json"],
      {},
      prepare,
    );
    expect(
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([{ seq: 2, event: "finished" }]);
    expect(await run(["audit", "show", "--since", "yesterday"], {}, prepare)).toMatchObject({ code: 1 });
  });

  it("says so when there is none, or what is asked is neither", async () => {
    expect(await run(["audit", "verify"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("no agent.db"),
    });
    expect(await run(["audit", "erase"], {}, prepare)).toMatchObject({ code: 1 });
  });
});

describe("egress", () => {
  const entry = (day: string, rows: number) => ({
    connection: "plant-erp",
    entity: "vendor",
    day,
    fields: [{ field: "name", as: "pseudonymised" as const }, { field: "code" }],
    rows,
    bytes: 10 * rows,
    rawBytes: 0,
  });
  const prepare = ({ database }: TestWorld): void => {
    database.stored = { identity: testIdentity, connections: [] };
    database.left.push(entry("2026-05-03", 1), entry("2026-05-04", 2));
  };

  it("says what left, in which form, and since when", async () => {
    const { out } = await run(["egress"], {}, prepare);
    expect(out).toBe(
      "plant-erp  vendor  2026-05-03 to 2026-05-04: 3 records, 30 bytes\n    as they are: code\n    pseudonymised: name\n",
    );
    const some = await run(["egress", "--since", "2026-05-04", "--json"], {}, prepare);
    expect(
      some.out
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([entry("2026-05-04", 2)]);
    expect(await run(["egress", "--since", "2027-01-01"], {}, prepare)).toMatchObject({
      out: expect.stringContaining("Nothing"),
    });
    expect(await run(["egress", "--since", "soon"], {}, prepare)).toMatchObject({ code: 1 });
  });
});
