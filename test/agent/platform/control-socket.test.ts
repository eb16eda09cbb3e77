// The local control endpoint: requests answered, refusals told, strangers kept out.
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import type { ControlHandlers } from "#agent/core/control.ts";
import { askAgent, ControlError, controlPath, listenForControl } from "#agent/platform/control-socket.ts";
import { MillraceError } from "#common/runtime/errors.ts";

let dir: string;
let asked: unknown[];
const handlers: ControlHandlers = {
  status: () => ({ version: "9.9.9", pid: 1 }) as AgentStatus,
  operate: (action, connection, entity) => {
    if (connection === "nowhere") throw new MillraceError('no connection "nowhere"');
    asked.push([action, connection, entity]);
  },
  commands: () => [],
  approve: (id, by) => void asked.push(["approve", id, by]),
  reject: (id, by, reason) => void asked.push(["reject", id, by, reason]),
  halt: (part, isHalted, by) => void asked.push(["halt", part, isHalted, by]),
  stop: () => void asked.push("stop"),
};

beforeEach(() => {
  asked = [];
  dir = mkdtempSync(join(tmpdir(), "millrace-control-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** What the agent answers to a text that our client would never send. */
function raw(text: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(controlPath(dir), () => socket.write(text));
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (answer += chunk));
    socket.on("end", () => resolve(JSON.parse(answer)));
    socket.on("error", reject);
  });
}

describe("the control socket", () => {
  it("answers status and passes operations on", async () => {
    await using _server = await listenForControl(dir, handlers);
    expect(await askAgent(dir, { command: "status" })).toMatchObject({ version: "9.9.9" });
    await askAgent(dir, { command: "resync", connection: "erp", entity: "asset" });
    await askAgent(dir, { command: "pause", connection: "erp" });
    await askAgent(dir, { command: "stop" });
    expect(asked).toEqual([["resync", "erp", "asset"], ["pause", "erp", undefined], "stop"]);
  });

  it("passes on what people decide about commands", async () => {
    await using _server = await listenForControl(dir, handlers);
    expect(await askAgent(dir, { command: "commands" })).toEqual([]);
    await askAgent(dir, { command: "approve", id: "c1", by: "anna" });
    await askAgent(dir, { command: "reject", id: "c2", by: "anna", reason: "no" });
    await askAgent(dir, { command: "halt", part: "writes", by: "anna" });
    await askAgent(dir, { command: "unhalt", part: "egress", by: "anna" });
    expect(asked).toEqual([
      ["approve", "c1", "anna"],
      ["reject", "c2", "anna", "no"],
      ["halt", "writes", true, "anna"],
      ["halt", "egress", false, "anna"],
    ]);
  });

  it("tells why it refuses", async () => {
    await using _server = await listenForControl(dir, handlers);
    await expect(askAgent(dir, { command: "sync", connection: "nowhere" })).rejects.toThrow(
      'no connection "nowhere"',
    );
  });

  it.each([
    ["no json\n", "one line of JSON"],
    ["null\n", "unknown command"],
    ['{"command":"format_disk","connection":"x"}\n', "unknown command"],
    ['{"command":"sync"}\n', "needs a connection"],
    ['{"command":"approve"}\n', "needs a command's id"],
    ['{"command":"halt","part":"reads"}\n', "writes or egress"],
    ["x".repeat(70_000), "at most 65536 bytes"],
  ])("stands %j", async (text, error) => {
    await using _server = await listenForControl(dir, handlers);
    expect(await raw(text)).toEqual({ ok: false, error: expect.stringContaining(error) });
    expect(await askAgent(dir, { command: "status" })).toBeDefined();
  });

  it("says that the agent does not run, also beside a leftover socket", async () => {
    const failure = await askAgent(dir, { command: "status" }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ControlError);
    expect((failure as ControlError).isNotRunning).toBe(true);
    writeFileSync(join(dir, "control.sock"), "");
    await using _server = await listenForControl(dir, handlers);
    expect(await askAgent(dir, { command: "status" })).toBeDefined();
  });

  it.skipIf(process.platform === "win32")(
    "is for its owner alone, also where the folder's path is too long",
    async () => {
      const deep = join(dir, "x".repeat(100));
      mkdirSync(deep);
      for (const folder of [dir, deep]) {
        await using _server = await listenForControl(folder, handlers);
        expect(statSync(controlPath(folder)).mode & 0o777).toBe(0o600);
        expect(await askAgent(folder, { command: "status" })).toBeDefined();
      }
      expect(controlPath(deep).startsWith(deep)).toBe(false);
      rmSync(join(controlPath(deep), ".."), { recursive: true });
    },
  );
});
