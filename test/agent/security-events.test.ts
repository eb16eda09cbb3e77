// Every security event of the catalogue is provoked where it comes from; an entry without a provocation does not compile.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCommandLine } from "#agent/commands/command-line.ts";
import { startAgent } from "#agent/compose.ts";
import { SECURITY_EVENTS, type SecurityEventName, type SecurityEvents } from "#agent/core/security-events.ts";
import { watchedLine } from "#agent/line-watch.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { loadAgentConfig } from "#agent/platform/config.ts";
import { controlPath } from "#agent/platform/control-socket.ts";
import { relayLine } from "#agent/relay-line.ts";
import { checkInstalledFiles } from "#agent/start-checks.ts";
import { StatusServer } from "#agent/status/status-server.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { generateIdentityKey } from "#common/contract/identity-key.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { DeskRig } from "#test/agent/core/commands/desk-rig.ts";
import { exampleCommand, exampleSource } from "#test/agent/status/example-status.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import { commandWorld, testIdentity } from "#test/support/command-context.ts";
import { until } from "#test/support/until.ts";
import { AGENT_ID, Ear, startTestRelay, type TestRelayOptions } from "#test/support/wire.ts";

type Noted = readonly [SecurityEventName, Readonly<Record<string, string>>];

let dir: string;
const noted: Noted[] = [];
const security: SecurityEvents = { note: (name, fields) => void noted.push([name, fields]) };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-events-"));
  noted.length = 0;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function names(): readonly SecurityEventName[] {
  return noted.map(([name]) => name);
}

const FIRST = "relay: { url: ws://127.0.0.1:9 }\ndata_dir: data\n";

/** Starts and stops an enrolled agent with this configuration; in between, `meanwhile`. */
async function agentLives(text = FIRST, meanwhile: () => unknown = () => {}): Promise<void> {
  const file = join(dir, "agent.yaml");
  writeFileSync(file, text);
  const { config } = loadAgentConfig(file, {});
  {
    using database = AgentDatabase.open(join(config.dataDir, "agent.db"));
    if (database.identity() === undefined) database.saveEnrolment(testIdentity, []);
  }
  await using _agent = await startAgent({ config, logger: silentLogger, security });
  await meanwhile();
}

/** One attempt to reach a relay, through the agent's own line. */
async function reach(options: TestRelayOptions, more: { readonly relayKey?: string } = {}): Promise<void> {
  await using relay = await startTestRelay(options);
  writeFileSync(join(dir, "agent.yaml"), "");
  const { config } = loadAgentConfig(join(dir, "agent.yaml"), {});
  const identity = {
    ...testIdentity,
    agentId: AGENT_ID,
    relayUrl: relay.url,
    relayKey: more.relayKey ?? relay.relayKey.publicKey,
    secretKey: relay.agentKey.exportSecret(),
  };
  const line = watchedLine(relayLine(config, identity), relay.url, security);
  const ear = new Ear();
  const outcome = await line(() => ear, AbortSignal.timeout(30_000)).catch((error: unknown) => error);
  if (outcome instanceof Error) return;
  await until("the relay to close the line", () => ear.closes.length > 0);
}

async function commandLine(
  argv: string,
  world = commandWorld({
    security,
    enroll: () => Promise.resolve({ identity: testIdentity, connections: [] }),
    openSecrets: () => ({
      list: () => [],
      put: () => ({ binding: "sealed", file: "x", notes: [] }),
      drop: () => true,
      isName: () => true,
      restart: "",
      uses: new Map(),
      inline: [],
    }),
    readSecret: () => Promise.resolve("geheim"),
  }),
): Promise<typeof world> {
  expect(await runCommandLine(argv.split(" "), "1.2.3", world.context)).toBe(0);
  return world;
}

function desk(): DeskRig {
  return new DeskRig(undefined, false, security);
}

const ENROLL = "enroll --relay wss://relay.example.com --code mre_x";

const PROVOCATIONS: Readonly<Record<SecurityEventName, () => unknown>> = {
  agent_started: () => agentLives(),
  agent_stopped: () => agentLives(),
  configuration_changed: async () => {
    await agentLives();
    expect(names()).not.toContain("configuration_changed");
    await agentLives(`${FIRST}log_level: debug\n`);
  },
  installation_altered: async () => {
    const manifestFile = join(dir, "manifest.json");
    const manifest = {
      product: "agent",
      version: "1.2.3",
      platform: "linux-x64",
      built_from: "unknown",
      files: {},
    };
    writeFileSync(manifestFile, JSON.stringify(manifest));
    writeFileSync(join(dir, "stranger.mjs"), "");
    await checkInstalledFiles(manifestFile, security, silentLogger);
  },
  enrolled: () => commandLine(ENROLL),
  identity_replaced: async () => {
    const world = await commandLine(ENROLL);
    await commandLine(`${ENROLL} --replace`, world);
  },
  personal_data_released: async () => {
    const connection = (more: string): string =>
      `${FIRST}connections: [{ name: erp, connector: sqlite, pack: demo-cmms, settings: { file: x.db }${more} }]\n`;
    await agentLives(connection(""));
    expect(names()).not.toContain("personal_data_released");
    await agentLives(connection(", release: [user.name]"));
    await agentLives(connection(", release: [user.name]"));
  },
  relay_key_mismatch: () => reach({}, { relayKey: generateIdentityKey().publicKey }),
  relay_refused: () => reach({ findAgent: () => Promise.resolve("unknown") }),
  agent_quarantined: () =>
    reach({
      findAgent: (_id, known) =>
        Promise.resolve(known === "unknown" ? known : { ...known, state: "quarantined" }),
    }),
  clone_suspected: () =>
    reach({
      greet: (channel) => {
        channel.send(Buffer.from("welcome"));
        channel.close(CLOSE.FENCED, "a newer session of this agent has taken over");
      },
    }),
  line_not_trusted: () =>
    reach({ certificate: new CertificateAuthority("A proxy that inspects").issue({ commonName: "relay" }) }),
  command_refused: () => desk().write("remove"),
  write_held: () => desk().write("create"),
  write_approved: () => {
    const rig = desk();
    rig.desk.approve(rig.write("create"), "anna");
  },
  write_rejected: () => {
    const rig = desk();
    rig.desk.reject(rig.write("create"), "anna", "not today");
  },
  write_done: () => {
    const rig = desk();
    rig.done(rig.write());
  },
  write_failed: () => {
    const rig = desk();
    rig.done(rig.write(), { outcome: "failed", code: "CONFLICT" });
  },
  halted: () => desk().desk.halt("writes", true, "anna"),
  unhalted: () => desk().desk.halt("writes", false, "anna"),
  audit_chain_broken: async () => {
    await agentLives();
    const file = join(dir, "data", "agent.db");
    {
      using database = AgentDatabase.open(file);
      const facts = ["one", "two"].map((event) => ({ atMs: 0, event, connection: "", detail: {} }));
      database.journal.commit({ facts });
    }
    await agentLives(FIRST, () => undefined);
    expect(names()).not.toContain("audit_chain_broken");
    const db = new Database(file);
    db.exec(`UPDATE audit SET text = replace(text, 'one', 'eins') WHERE seq = 1`);
    db.close();
    await agentLives(FIRST, () => until("the check", () => names().includes("audit_chain_broken"), 60_000));
  },
  data_damaged: async () => {
    await agentLives();
    const file = join(dir, "data", "agent.db");
    {
      using database = AgentDatabase.open(file);
      const entry = exampleCommand({ id: "cmd_1" });
      const facts = [{ atMs: 0, event: "received", connection: "", commandId: "cmd_1", detail: {} }];
      database.journal.commit({ entries: [entry], facts });
      database.setFact("agent", "integrity", JSON.stringify({ atMs: 1, detail: "ok" }));
    }
    damageIndexes(file);
    await agentLives(FIRST, () => until("the weekly check", () => names().includes("data_damaged"), 60_000));
  },
  secret_stored: () => commandLine("secret set erp"),
  secret_removed: () => commandLine("secret remove erp"),
  foreign_host_refused: async () => {
    const listen = { host: "127.0.0.1", port: 0 };
    const parts = { source: exampleSource(), security, logger: silentLogger, clock: systemClock };
    await using server = new StatusServer({ listen, ...parts });
    await server.start();
    const socket = connect(server.port ?? 0, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n");
    await once(socket.resume(), "close");
  },
  control_refused: () =>
    agentLives(FIRST, async () => {
      const socket = connect(controlPath(join(dir, "data")));
      socket.write('{"command":"format_disk"}\n');
      await once(socket.resume(), "close");
    }),
};

/** What only a look at everything finds: two indexes that have changed places. */
function damageIndexes(file: string): void {
  const db = new Database(file);
  db.unsafeMode(true);
  db.pragma("writable_schema = ON");
  const [one, other] = ["command_state", "audit_command"].map((name) =>
    db
      .prepare<[string], { name: string; rootpage: number }>(
        "SELECT name, rootpage FROM sqlite_schema WHERE name = ?",
      )
      .get(name),
  );
  const put = db.prepare("UPDATE sqlite_schema SET rootpage = ? WHERE name = ?");
  put.run(other?.rootpage, one?.name);
  put.run(one?.rootpage, other?.name);
  db.close();
}

describe("the catalogue", () => {
  it.each(Object.keys(SECURITY_EVENTS) as SecurityEventName[])(
    "%s is noted where it happens",
    { timeout: 120_000 },
    async (name) => {
      mkdirSync(join(dir, "data"), { recursive: true });
      await PROVOCATIONS[name]();
      const of = noted.filter(([each]) => each === name);
      expect(of.length).toBeGreaterThan(0);
      for (const [, fields] of of)
        expect(Object.keys(fields).toSorted()).toEqual(Object.keys(SECURITY_EVENTS[name].fields).toSorted());
    },
  );

  it("gives each event a number of its own, in the range of its kind", () => {
    const numbers = Object.values(SECURITY_EVENTS).map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.filter((number) => number < 1_000 || number > 1_999)).toEqual([]);
  });

  it("keeps numbers and names for ever", () => {
    const all = Object.entries(SECURITY_EVENTS).map(([name, { number }]) => `${number} ${name}`);
    expect(all).toMatchInlineSnapshot(`
      [
        "1001 agent_started",
        "1002 agent_stopped",
        "1003 configuration_changed",
        "1004 installation_altered",
        "1005 enrolled",
        "1006 identity_replaced",
        "1007 personal_data_released",
        "1101 relay_key_mismatch",
        "1102 relay_refused",
        "1103 agent_quarantined",
        "1104 clone_suspected",
        "1105 line_not_trusted",
        "1201 command_refused",
        "1202 write_held",
        "1203 write_approved",
        "1204 write_rejected",
        "1205 write_done",
        "1206 write_failed",
        "1207 halted",
        "1208 unhalted",
        "1301 audit_chain_broken",
        "1302 data_damaged",
        "1401 secret_stored",
        "1402 secret_removed",
        "1501 foreign_host_refused",
        "1502 control_refused",
      ]
    `);
  });
});
