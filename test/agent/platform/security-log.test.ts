// Security events on their way: the log's line, the system's own log, floods, secrets, and programs that fail.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventLogSink, JOURNAL_SINK, SecurityLog, type SystemSink } from "#agent/platform/security-log.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

const FIELDS = { relay: "wss://relay.example.com", reason: "this agent was revoked" };
let dir: string;

beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "millrace-log-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A program in the place of the system's: it keeps its arguments and what it was told. */
function stub(
  sink: SystemSink,
  script = 'echo "$@" >> "$0.args"; cat >> "$0.in"',
): SystemSink & { readonly kept: (what: "args" | "in") => string } {
  const command = join(dir, "stub");
  writeFileSync(command, `#!/bin/sh\n${script}\n`);
  chmodSync(command, 0o755);
  return { ...sink, command, kept: (what) => readFileSync(`${command}.${what}`, "utf8") };
}

describe.skipIf(process.platform === "win32")("a security event", () => {
  it("is a line of the log with number, name and fields", async () => {
    const logger = recordingLogger();
    await using log = new SecurityLog({ logger, sink: undefined });
    log.note("relay_refused", FIELDS);
    expect(logger.lines).toEqual([
      {
        level: "warn",
        fields: { security_event: 1102, event: "relay_refused", ...FIELDS },
        message:
          'security event 1102 relay_refused: relay="wss://relay.example.com" reason="this agent was revoked"',
      },
    ]);
  });

  it("is an entry of the journal with fields of its own", async () => {
    const sink = stub(JOURNAL_SINK);
    {
      await using log = new SecurityLog({ sink });
      log.note("relay_refused", FIELDS);
    }
    expect(sink.kept("args")).toBe("--journald\n");
    expect(sink.kept("in").split("\n")).toEqual([
      'MESSAGE=security event 1102 relay_refused: relay="wss://relay.example.com" reason="this agent was revoked"',
      expect.stringMatching(/^MESSAGE_ID=[0-9a-f]{28}1102$/),
      "PRIORITY=4",
      "SYSLOG_IDENTIFIER=millrace-agent",
      "MILLRACE_EVENT=1102",
      "MILLRACE_EVENT_NAME=relay_refused",
      "MILLRACE_RELAY=wss://relay.example.com",
      "MILLRACE_REASON=this agent was revoked",
      "",
    ]);
  });

  it("is an entry of the Event Log by the service host", async () => {
    const sink = stub(eventLogSink("host"));
    {
      await using log = new SecurityLog({ sink });
      log.note("relay_key_mismatch", FIELDS);
    }
    expect(sink.kept("args")).toBe("event error 1101\n");
    expect(sink.kept("in")).toMatch(/^security event 1101 relay_key_mismatch: /);
  });

  it("makes no line of its own out of what comes from outside, and no endless one", async () => {
    const sink = stub(JOURNAL_SINK);
    {
      await using log = new SecurityLog({ sink });
      log.note("relay_refused", { relay: "x", reason: `a\nMILLRACE_EVENT=1\r\n\u0000b${"c".repeat(5_000)}` });
    }
    const lines = sink.kept("in").split("\n");
    expect(lines.filter((line) => line.startsWith("MILLRACE_EVENT="))).toEqual(["MILLRACE_EVENT=1102"]);
    expect(lines.find((line) => line.startsWith("MILLRACE_REASON="))).toHaveLength(
      "MILLRACE_REASON=".length + 1_000,
    );
  });

  it("holds no secret", async () => {
    const sink = stub(JOURNAL_SINK);
    const logger = recordingLogger();
    {
      await using log = new SecurityLog({ sink, logger, redact: (text) => text.replaceAll("geheim", "***") });
      log.note("relay_refused", { relay: "x", reason: "password geheim is wrong" });
    }
    expect(sink.kept("in") + JSON.stringify(logger.lines)).not.toContain("geheim");
  });

  it("comes thirty times a minute at most; the next says how many did not", async () => {
    const logger = recordingLogger();
    const clock = new FakeClock();
    await using log = new SecurityLog({ logger, sink: undefined, clock });
    for (let count = 0; count < 100; count += 1) log.note("foreign_host_refused", { host: "evil" });
    log.note("relay_refused", FIELDS);
    expect(logger.lines).toHaveLength(31);
    clock.advance(60_000);
    log.note("foreign_host_refused", { host: "evil" });
    expect(logger.lines.at(-1)?.message).toContain("(70 before it were not noted)");
    log.note("foreign_host_refused", { host: "evil" });
    expect(logger.lines.at(-1)?.message).not.toContain("not noted");
  });

  it.each([
    ["is missing", "nothing"],
    ["fails", "stub"],
  ])("is in the agent's log where the system's program %s, which is said once", async (_how, name) => {
    stub(JOURNAL_SINK, "exit 3");
    const logger = recordingLogger();
    {
      await using log = new SecurityLog({ logger, sink: { ...JOURNAL_SINK, command: join(dir, name) } });
      log.note("relay_refused", FIELDS);
      log.note("agent_stopped", { version: "1" });
    }
    const warnings = logger.lines.filter(({ message }) =>
      message.includes("do not reach the system's own log"),
    );
    expect([logger.lines.length, warnings.length]).toEqual([3, 1]);
  });
});
