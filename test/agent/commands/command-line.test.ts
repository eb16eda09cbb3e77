// The command line: help, mistakes with their nearest match, exit codes, and what each command does.
import { describe, expect, it } from "vitest";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { COMMANDS, runCommandLine } from "#agent/commands/command-line.ts";
import type { CommandContext } from "#agent/commands/command.ts";
import { ControlError } from "#agent/platform/control-socket.ts";
import { UplinkError } from "#agent/uplink/uplink-error.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { commandWorld, testConfig, testIdentity } from "#test/support/command-context.ts";

async function run(
  argv: string,
  overrides: Partial<CommandContext> = {},
  world = commandWorld(overrides),
): Promise<{ code: number; out: string; err: string; world: typeof world }> {
  const code = await runCommandLine(argv === "" ? [] : argv.split(" "), "1.2.3", world.context);
  return { code, out: world.out(), err: world.err(), world };
}

describe("help", () => {
  it("lists every command, and tells about each", async () => {
    const { code, out } = await run("--help");
    expect(code).toBe(0);
    for (const { name } of COMMANDS) {
      expect(out).toContain(name);
      const help = await run(`${name} --help`);
      expect(help.code).toBe(0);
      expect(help.out).toContain(`millrace-agent ${name}`);
      expect((await run(`help ${name}`)).out).toBe(help.out);
    }
    expect((await run("--version")).out).toBe("1.2.3\n");
  });
});

describe("mistakes", () => {
  it.each([
    ["", "Usage:"],
    ["stauts", 'unknown command "stauts" (did you mean "status"?)'],
    ["status --jsn", 'unknown option --jsn (did you mean "--json"?)'],
    ["status --json=yes", "--json takes no value"],
    ["status extra", 'unexpected argument "extra"'],
    ["preview plant-erp", "<entity> is missing"],
    ["run --config", "--config needs a value"],
    ["preview plant-erp asset --limit 0", "expected a whole number from 1 to 100"],
    ["preview plant-epr asset", 'did you mean "plant-erp"?'],
    ["grants plant-epr", 'did you mean "plant-erp"?'],
    ["enroll --code x", "--relay <url> is missing"],
    ["enroll --relay ftp://x", "--code <code> is missing"],
    ["enroll --relay ws://10.0.0.1 --code x", "not encrypted by TLS"],
  ])("%j: exit 2 and %s", async (argv, message) => {
    const { code, err, out } = await run(argv);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
  });

  it("tells every problem of a line at once", async () => {
    const { err } = await run("preview --limti 3 --jsno");
    expect(err.split("\n").length).toBeGreaterThanOrEqual(5);
  });
});

function rejecting(error: Error): CommandContext["enroll"] {
  return async () => {
    throw error;
  };
}

describe("enroll", () => {
  const argv = "enroll --relay https://relay.example.com --code mre_x";

  it("stores the identity, and says which names do not fit together", async () => {
    let asked: unknown;
    const { code, out, world } = await run(argv, {
      enroll: (request) => {
        asked = request;
        const connections = [
          { id: "c1", name: "plant-erp" },
          { id: "c2", name: "other" },
        ];
        return Promise.resolve({ identity: testIdentity, connections });
      },
    });
    expect(code).toBe(0);
    expect(asked).toMatchObject({ relayUrl: "wss://relay.example.com/agent", code: "mre_x", name: "host-1" });
    expect(world.database.stored?.identity).toEqual(testIdentity);
    expect(out).toContain("Connections: plant-erp.");
    expect(out).toContain("not bound to this agent at the relay: plant-opc");
    expect(out).toContain("not in the configuration file: other");
    expect(out).not.toContain(testIdentity.secretKey);
  });

  it.each([
    [
      new UplinkError("refused", "the code has expired", { closeCode: 4002 }),
      "Ask the relay's operator for a new one",
      3,
    ],
    [new UplinkError("proxy", "proxy answered 407"), "relay.proxy_password", 1],
    [new UplinkError("untrusted", "self-signed certificate"), "relay.ca_file", 1],
    [new UplinkError("unreachable", "connect ECONNREFUSED"), "set relay.proxy", 1],
  ])("%s: exits with advice, and nothing is written", async (error, advice, exitCode) => {
    const { code, err, world } = await run(argv, { enroll: rejecting(error) });
    expect(code).toBe(exitCode);
    expect(err).toContain(error.message);
    expect(err).toContain(advice);
    expect(world.database.timesOpened).toBe(0);
  });

  it("does not replace an identity unless told to", async () => {
    const enroll = (): ReturnType<CommandContext["enroll"]> =>
      Promise.resolve({ identity: { ...testIdentity, agentId: "agt_2" }, connections: [] });
    const world = commandWorld({ enroll });
    world.database.stored = { identity: testIdentity, connections: [] };
    const refused = await run(argv, {}, world);
    expect(refused.code).toBe(3);
    expect(refused.err).toContain("enrolled already, as plant-1");
    expect((await run(`${argv} --replace`, {}, world)).code).toBe(0);
    expect(world.database.stored.identity.agentId).toBe("agt_2");
  });

  it("takes the code from the environment", async () => {
    let code = "";
    await run("enroll --relay wss://r", {
      env: { MILLRACE_ENROLLMENT_CODE: "mre_env" },
      enroll: (request) => {
        ({ code } = request);
        return Promise.resolve({ identity: testIdentity, connections: [] });
      },
    });
    expect(code).toBe("mre_env");
  });
});

describe("check-config", () => {
  it("shows the settings as understood", async () => {
    const { code, out } = await run("check-config");
    expect(code).toBe(0);
    expect(out).toContain("data_dir = /var/lib/millrace");
  });

  it("reports what connectors and packs find, all at once", async () => {
    const { code, err } = await run("check-config", {
      checkConnection: ({ name }) =>
        Promise.resolve([
          { part: "settings" as const, issues: [{ path: `${name}.file`, message: "missing" }] },
        ]),
    });
    expect(code).toBe(2);
    expect(err).toContain("2 problems");
    expect(err).toMatch(/plant-erp\.file: missing\n.*plant-opc\.file: missing/);
  });

  it("reports a file that is wrong in itself", async () => {
    const { code, err } = await run("check-config", {
      loadConfig: () => {
        throw new ConfigError("configuration a.yaml", [{ path: "x", message: "unknown setting" }]);
      },
    });
    expect(code).toBe(2);
    expect(err).toContain("x: unknown setting");
  });
});

const running: AgentStatus = {
  version: "1.2.3",
  pid: 42,
  startedAtMs: 0,
  agentId: "agt_1",
  name: "plant-1",
  workspace: "Acme",
  relay: {
    url: "wss://relay.example.com/agent",
    state: "waiting",
    detail: "connect ECONNREFUSED",
    sinceMs: 0,
  },
  halted: [],
  held: 0,
  space: { totalBytes: 2 ** 32, usedBytes: 3 * 2 ** 20, freeDiskBytes: 2 ** 35, volumeFull: false },
  connections: [
    {
      name: "plant-erp",
      id: "c1",
      connector: "sqlite",
      room: {
        phase: "running",
        pid: 43,
        restarts: 2,
        retryInMs: undefined,
        lastExit: undefined,
        misconfigured: undefined,
        rssBytes: 90 * 2 ** 20,
        outboxBytes: 0,
        knownBytes: 0,
        changes: 1234,
      },
      oldestUnsentAtMs: undefined,
      storedAtMs: 0,
      report: {
        type: "connection_report",
        connection_id: "c1",
        status: "degraded",
        reason: "50 % of vendors vanished; deletes are held",
        advice: "millrace-agent confirm-deletes plant-erp vendor",
        backlog_bytes: 2048,
        load: { rows_per_s: 1_234.5, statements_per_s: 0.7 },
        entities: [
          {
            entity: "vendor",
            strategy: "full_scan",
            reason: "VENDORS has no marker",
            advice: "ALTER TABLE VENDORS ENABLE CHANGE_TRACKING",
            state: "polling",
            total: 12,
            waits: "the comparison waits for its window until 22:00 Europe/Berlin",
          },
        ],
      },
    },
  ],
  events: [{ atMs: 0, level: "warn", connection: "plant-erp", message: "room ended" }],
  checks: {
    "agent.db": { atMs: 0, detail: "ok" },
    "plant-erp": { atMs: 86_400_000, detail: "Tree 4 page 9: btreeInitPage() returns error code 11" },
  },
};

describe("status", () => {
  it("shows the relay, the space and each connection with what to do about it", async () => {
    const { code, out } = await run("status", { askAgent: () => Promise.resolve(running) });
    expect(code).toBe(0);
    expect(out).toContain("relay  waiting: wss://relay.example.com/agent (connect ECONNREFUSED)");
    expect(out).toContain("3MiB of 4GiB used, 32GiB free");
    expect(out).toContain(
      "files  agent.db ok on 1970-01-01; plant-erp Tree 4 page 9: btreeInitPage() returns error code 11 on 1970-01-02",
    );
    expect(out).toMatch(/plant-erp +degraded +2KiB +1234 +1234.5 +0.7 +90MiB +2/);
    expect(out).toContain("plant-erp: vendor: the comparison waits for its window until 22:00 Europe/Berlin");
    expect(out).toContain("plant-erp: millrace-agent confirm-deletes plant-erp vendor");
    expect(out).toContain("1970-01-01T00:00:00.000Z warn  plant-erp: room ended");
  });

  it("shows how each entity is followed, when asked", async () => {
    const { out } = await run("status --entities", { askAgent: () => Promise.resolve(running) });
    expect(out).toContain(
      "\n\nplant-erp\n  vendor: polling by full_scan, 12 known\n      VENDORS has no marker\n      advice: ALTER TABLE VENDORS ENABLE CHANGE_TRACKING\n",
    );
    const { out: short } = await run("status", { askAgent: () => Promise.resolve(running) });
    expect(short).not.toContain("VENDORS has no marker");
  });

  it("prints JSON when asked", async () => {
    const { out } = await run("status --json", { askAgent: () => Promise.resolve(running) });
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(running)));
  });

  it("says that the agent does not run, shows what is known, and exits with 1", async () => {
    const askAgent = (): Promise<never> => Promise.reject(new ControlError("the agent does not run", true));
    const world = commandWorld({ askAgent });
    const fresh = await run("status", {}, world);
    expect(fresh.code).toBe(1);
    expect(fresh.out).toContain("does not run");
    expect(fresh.out).toContain("not enrolled");
    const enrolled = commandWorld({ askAgent });
    enrolled.database.stored = { identity: testIdentity, connections: [{ id: "c1", name: "plant-erp" }] };
    const { out } = await run("status", {}, enrolled);
    expect(out).toContain("Enrolled as plant-1 (agt_1) in workspace Acme");
    const json = JSON.parse((await run("status --json", {}, commandWorld({ askAgent }))).out) as unknown;
    expect(json).toMatchObject({ running: false, connections: [] });
  });

  it("--watch shows it again until Ctrl-C", async () => {
    const stop = new AbortController();
    let looks = 0;
    const { code, out } = await run("status --watch", {
      askAgent: () => Promise.resolve(running),
      signal: stop.signal,
      sleep: () => {
        looks += 1;
        if (looks === 3) stop.abort();
        return Promise.resolve();
      },
    });
    expect(code).toBe(0);
    expect(out.match(/plant-1 \(agt_1\)/g)?.length).toBe(3);
  });
});

describe("operations", () => {
  it.each([
    ["sync plant-erp", { command: "sync", connection: "plant-erp" }],
    ["resync plant-erp asset", { command: "resync", connection: "plant-erp", entity: "asset" }],
    [
      "confirm-deletes plant-erp vendor",
      { command: "confirm_deletes", connection: "plant-erp", entity: "vendor" },
    ],
    ["pause plant-erp", { command: "pause", connection: "plant-erp" }],
    ["resume plant-erp", { command: "resume", connection: "plant-erp" }],
    ["stop", { command: "stop" }],
  ])("%s", async (argv, request) => {
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

  it("exit 1 with the agent's own words when it refuses", async () => {
    const { code, err } = await run("sync plant-erp", {
      askAgent: () => Promise.reject(new ControlError("the room of plant-erp is down", false)),
    });
    expect({ code, err }).toEqual({ code: 1, err: "the room of plant-erp is down\n" });
  });
});
