// What systemd hears of the agent, by a helper that a test puts in the place of systemd's own.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serviceNotify, type ServiceNotify } from "#agent/platform/service-notify.ts";
import { silentLogger, type Logger } from "#common/runtime/logger.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { until } from "#test/support/until.ts";

const WAIT_MS = 30_000;
let dir: string;
let clock: FakeClock;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-notify-"));
  clock = new FakeClock();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function told(): readonly string[] {
  const file = join(dir, "told");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

interface NotifyOptions {
  readonly env?: Record<string, string>;
  readonly isHealthy?: () => Promise<boolean>;
  readonly helper?: string;
  readonly logger?: Logger;
}

function notifier({ env = {}, isHealthy, helper, logger = silentLogger }: NotifyOptions = {}): ServiceNotify {
  const program = join(dir, "helper");
  writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $@" >> ${join(dir, "told")}\n`);
  chmodSync(program, 0o755);
  return serviceNotify({
    env: { NOTIFY_SOCKET: "/run/notify", ...env },
    pid: 42,
    clock,
    logger,
    isHealthy: isHealthy ?? (() => Promise.resolve(true)),
    helper: helper ?? program,
  });
}

test("says when it is up and when it stops", async () => {
  {
    await using notify = notifier();
    await notify.ready("serves 2 connections");
    expect(told()).toEqual(["/run/notify READY=1 STATUS=serves 2 connections"]);
  }
  expect(told().at(-1)).toBe("/run/notify STOPPING=1 STATUS=");
});

test("without somebody to tell it runs nothing", async () => {
  {
    await using notify = serviceNotify({
      env: {},
      pid: 42,
      clock,
      logger: silentLogger,
      isHealthy: () => Promise.resolve(true),
      helper: join(dir, "none"),
    });
    await notify.ready("up");
  }
  expect(told()).toEqual([]);
});

test("gives four signs of life in the time that systemd waits, while it is healthy", async () => {
  let isHealthy = true;
  let asked = 0;
  await using notify = notifier({
    env: { WATCHDOG_USEC: "60000000", WATCHDOG_PID: "42" },
    isHealthy: () => {
      asked += 1;
      return Promise.resolve(isHealthy);
    },
  });
  await notify.ready("up");
  const signs = (): number => told().filter((line) => line.endsWith("WATCHDOG=1")).length;
  clock.advance(14_999);
  expect(asked).toBe(0);
  clock.advance(1);
  await until("the first sign", () => signs() === 1, WAIT_MS);
  clock.advance(15_000);
  await until("the second sign", () => signs() === 2, WAIT_MS);
  isHealthy = false;
  clock.advance(15_000);
  await until("the third question", () => asked === 3, WAIT_MS);
  isHealthy = true;
  clock.advance(15_000);
  await until("the sign after it", () => signs() === 3, WAIT_MS);
  expect(asked).toBe(4);
});

test("a check that fails is a sign left out, not an end", async () => {
  const warned: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => void warned.push(message) };
  await using notify = notifier({
    env: { WATCHDOG_USEC: "4000000" },
    isHealthy: () => Promise.reject(new TypeError("no answer")),
    logger,
  });
  await notify.ready("up");
  clock.advance(1_000);
  await until("the warning", () => warned.length === 1, WAIT_MS);
  expect(warned[0]).toContain("no answer");
  expect(told().some((line) => line.includes("WATCHDOG"))).toBe(false);
});

test("a watch over another process is none of its business", async () => {
  await using notify = notifier({ env: { WATCHDOG_USEC: "4000000", WATCHDOG_PID: "43" } });
  await notify.ready("up");
  expect(clock.pendingTimers).toBe(0);
});

test("a helper that is missing is said, and stops nothing", async () => {
  const warned: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: unknown, message: string) => void warned.push(message) };
  await using notify = notifier({ helper: join(dir, "none"), logger });
  await notify.ready("up");
  expect(warned[0]).toContain("telling systemd READY=1");
});
