// The agent's service under systemd: what systemctl says becomes a status, and what it refuses becomes a sentence.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linuxService, readStatus } from "#agent/platform/service-linux.ts";
import { until } from "#test/support/until.ts";

let dir: string;
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), "millrace-service-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Notes how it was called. */
function program(script: string): string {
  const file = join(dir, "program");
  writeFileSync(file, `#!/bin/sh\necho "$@" >> ${join(dir, "calls")}\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

function calls(): readonly string[] {
  return readFileSync(join(dir, "calls"), "utf8").trim().split("\n");
}

function shown(values: Readonly<Record<string, string>>): string {
  return Object.entries({ LoadState: "loaded", UnitFileState: "enabled", ...values })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

describe("status", () => {
  test("of a running agent", () => {
    const text = shown({
      ActiveState: "active",
      SubState: "running",
      MainPID: "42",
      StateChangeTimestampMonotonic: "2000000",
      Result: "success",
      NRestarts: "0",
      StatusText: "serves 2 connections",
    });
    expect(readStatus(text, 1_000)).toEqual({
      state: "running",
      startsAtBoot: true,
      pid: 42,
      sinceMs: 3_000,
      detail: "serves 2 connections",
    });
  });

  test("of one that ended by itself and waits for its next start", () => {
    const ended = { ActiveState: "activating", SubState: "auto-restart", MainPID: "0" };
    const text = shown({ ...ended, Result: "exit-code", ExecMainStatus: "2", NRestarts: "3" });
    expect(readStatus(text, 0)).toEqual({
      state: "waiting",
      startsAtBoot: true,
      detail: "It ended last by exit-code (code 2). Started again by systemd 3 times.",
    });
  });

  test.each([
    [{ ActiveState: "activating", SubState: "start" }, "starting"],
    [{ ActiveState: "deactivating", SubState: "stop-sigterm" }, "stopping"],
    [{ ActiveState: "inactive", SubState: "dead" }, "stopped"],
    [{ ActiveState: "failed", SubState: "failed" }, "failed"],
    [{ LoadState: "not-found", ActiveState: "inactive" }, "absent"],
  ] as const)("%o is %s", (values, state) => {
    expect(readStatus(shown(values), 0).state).toBe(state);
  });

  test("is asked of systemd itself", async () => {
    const systemctl = program("echo LoadState=loaded; echo ActiveState=active; echo MainPID=7");
    expect(await linuxService({ systemctl, bootedAtMs: 0 }).status()).toMatchObject({
      state: "running",
      pid: 7,
    });
    expect(calls()[0]).toMatch(/^show millrace-agent\.service --property=LoadState,/);
  });
});

describe("orders", () => {
  test("start lets it start with the machine too", async () => {
    const service = linuxService({ systemctl: program("exit 0"), bootedAtMs: 0 });
    await service.start();
    await service.stop();
    await service.restart();
    expect(calls()).toEqual([
      "enable --now millrace-agent.service",
      "stop millrace-agent.service",
      "restart millrace-agent.service",
    ]);
  });

  test("what is refused to somebody says who may", async () => {
    const systemctl = program("echo 'Interactive authentication required.' >&2; exit 1");
    await expect(linuxService({ systemctl, bootedAtMs: 0 }).stop()).rejects.toThrow(
      /systemctl stop millrace-agent\.service failed: Interactive authentication required\..*sudo/,
    );
  });

  test("what fails points to the log", async () => {
    const systemctl = program("echo 'Job failed.' >&2; exit 1");
    await expect(linuxService({ systemctl, bootedAtMs: 0 }).restart()).rejects.toThrow(
      /Job failed\..*service logs/,
    );
  });

  test("without systemd a sentence says so", async () => {
    const systemctl = join(dir, "none");
    await expect(linuxService({ systemctl, bootedAtMs: 0 }).start()).rejects.toThrow(/need systemd/);
  });
});

test("logs are handed on as they come, until nobody wants them any more", async () => {
  const journalctl = program("echo one; echo two; exec sleep 600");
  const end = new AbortController();
  let text = "";
  const out = (chunk: string): void => void (text += chunk);
  const done = linuxService({ journalctl, bootedAtMs: 0 }).logs({
    lines: 5,
    follow: true,
    out,
    signal: end.signal,
  });
  await until("both lines", () => text === "one\ntwo\n", 30_000);
  end.abort();
  await done;
  expect(calls()).toEqual(["--unit millrace-agent.service --lines 5 --no-pager --output=cat --follow"]);
});
