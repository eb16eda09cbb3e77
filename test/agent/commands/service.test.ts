// The verbs of `service`, at a service manager that a test plays.
import { describe, expect, test } from "vitest";
import { runCommandLine } from "#agent/commands/command-line.ts";
import type { ServiceControl, ServiceStatus } from "#agent/core/service-control.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { commandWorld } from "#test/support/command-context.ts";

function manager(
  status: ServiceStatus,
  overrides: Partial<ServiceControl> = {},
): ServiceControl & { orders: string[] } {
  const orders: string[] = [];
  const order = (what: string) => (): Promise<void> => {
    orders.push(what);
    return Promise.resolve();
  };
  return {
    orders,
    status: () => Promise.resolve(status),
    start: order("start"),
    stop: order("stop"),
    restart: order("restart"),
    logs: ({ lines, follow, out }) => {
      out(`${lines} lines, ${follow ? "and on" : "no more"}\n`);
      return Promise.resolve();
    },
    ...overrides,
  };
}

async function say(service: ServiceControl, ...words: string[]): Promise<{ code: number; text: string }> {
  const world = commandWorld({ service: () => Promise.resolve(service) });
  const code = await runCommandLine(["service", ...words], "1.0.0", world.context);
  return { code, text: world.out() + world.err() };
}

const RUNNING: ServiceStatus = { state: "running", startsAtBoot: true, pid: 42, sinceMs: 0 };

describe("service status", () => {
  test("says that it runs, since when, and exits with 0", async () => {
    expect(await say(manager(RUNNING), "status")).toEqual({
      code: 0,
      text: "The agent runs (process 42) since 1970-01-01T00:00:00.000Z.\nIt starts with this machine.\n",
    });
  });

  test("says what is wrong and where to look, and exits with 1", async () => {
    const status: ServiceStatus = {
      state: "waiting",
      startsAtBoot: false,
      detail: "It ended last by watchdog.",
    };
    const { code, text } = await say(manager(status), "status");
    expect(code).toBe(1);
    expect(text).toContain("is started again in a moment");
    expect(text).toContain("does not start with this machine");
    expect(text).toContain("It ended last by watchdog.\nWhy: millrace-agent service logs\n");
  });

  test("is data for programs", async () => {
    const { text } = await say(manager(RUNNING), "status", "--json");
    expect(JSON.parse(text)).toEqual(RUNNING);
  });
});

test("start, stop and restart order it and say what is so now", async () => {
  const service = manager(RUNNING);
  for (const verb of ["start", "stop", "restart"]) expect((await say(service, verb)).code).toBe(0);
  expect(service.orders).toEqual(["start", "stop", "restart"]);
});

test("what the manager refuses is said, and exits with 1", async () => {
  const start = (): Promise<void> =>
    Promise.reject(new MillraceError("systemctl said no; an administrator may"));
  expect(await say(manager(RUNNING, { start }), "start")).toEqual({
    code: 1,
    text: "systemctl said no; an administrator may\n",
  });
});

test("logs shows so many lines, and goes on where it is asked to", async () => {
  expect((await say(manager(RUNNING), "logs")).text).toBe("50 lines, no more\n");
  expect((await say(manager(RUNNING), "logs", "--lines", "7", "--follow")).text).toBe("7 lines, and on\n");
  for (const wrong of ["0", "many", "100001"])
    expect((await say(manager(RUNNING), "logs", "--lines", wrong)).text).toContain(
      "is no number from 1 to 100000",
    );
});

test("an unknown verb is told the nearest", async () => {
  const { code, text } = await say(manager(RUNNING), "statsu");
  expect(code).toBe(1);
  expect(text).toContain("statsu");
  expect(text).toContain('"status"');
});
