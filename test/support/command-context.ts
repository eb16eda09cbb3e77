// A world for the command line that keeps everything in memory; tests replace what they look at.
import { generateIdentityKey } from "#common/contract/identity-key.ts";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { CliDatabase, CommandContext } from "#agent/commands/command.ts";
import type { EgressBook, EgressEntry } from "#agent/core/egress.ts";
import { NO_SECURITY_EVENTS } from "#agent/core/security-events.ts";
import type { AgentIdentity } from "#agent/core/agent-identity.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { MemoryJournal } from "#agent/core/commands/memory-journal.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import type { BoundConnection } from "#common/contract/messages.ts";

export const testIdentity: AgentIdentity = {
  agentId: "agt_1",
  name: "plant-1",
  workspaceId: "ws_1",
  workspaceName: "Acme",
  relayUrl: "wss://relay.example.com/agent",
  relayKey: generateIdentityKey().publicKey,
  secretKey: generateIdentityKey().exportSecret(),
  enrolledAtMs: 0,
};

export const testConfig: AgentConfig = {
  file: "/etc/millrace/agent.yaml",
  relay: { url: undefined, caFile: undefined, proxy: undefined, allowInsecure: false },
  dataDir: "/var/lib/millrace",
  logLevel: "info",
  space: { totalBytes: undefined },
  room: { heartbeatTimeoutMs: 30_000, memoryBytes: 512 * 1024 * 1024 },
  connections: ["plant-erp", "plant-opc"].map((name) => ({
    name,
    connector: "sqlite",
    pack: "demo-cmms",
    settings: {},
    timeZone: "UTC",
    raw: true,
    hidden: [],
    pollMs: {},
    reconcileMs: {},
    telemetryPolicy: "drop_oldest",
    massDeleteFraction: 0.5,
  })),
  summary: ["data_dir = /var/lib/millrace"],
  secrets: [],
};

/** agent.db in memory: what has been stored, and how often it was opened for writing. */
export class MemoryDatabase implements CliDatabase {
  readonly journal = new MemoryJournal(sha256);
  readonly left: EgressEntry[] = [];
  readonly egress: EgressBook = {
    add: (entries) => void this.left.push(...entries),
    since: (day) => this.left.filter((entry) => entry.day >= day),
  };
  stored: { identity: AgentIdentity; connections: readonly BoundConnection[] } | undefined;
  timesOpened = 0;

  identity(): AgentIdentity | undefined {
    return this.stored?.identity;
  }

  connections(): readonly BoundConnection[] {
    return this.stored?.connections ?? [];
  }

  saveEnrolment(identity: AgentIdentity, connections: readonly BoundConnection[]): void {
    this.stored = { identity, connections };
  }

  recentEvents(): [] {
    return [];
  }

  [Symbol.dispose](): void {}
}

export interface TestWorld {
  readonly context: CommandContext;
  readonly database: MemoryDatabase;
  /** Everything written to stdout and stderr. */
  out(): string;
  err(): string;
}

export function commandWorld(overrides: Partial<CommandContext> = {}): TestWorld {
  const database = new MemoryDatabase();
  let out = "";
  let err = "";
  const unexpected = (what: string) => () => {
    throw new MillraceError(`the test did not expect ${what}`);
  };
  const context: CommandContext = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: {},
    signal: new AbortController().signal,
    isTerminal: false,
    hostName: "host-1",
    userName: "anna",
    sha256,
    sleep: () => Promise.resolve(),
    loadConfig: () => ({ config: testConfig, locate: (_connection, _part, issues) => [...issues] }),
    checkConnection: () => Promise.resolve([]),
    lockDataDir: () => ({ [Symbol.dispose]: () => {} }),
    openDatabase: () => {
      database.timesOpened += 1;
      return database;
    },
    openExistingDatabase: () => (database.stored === undefined ? undefined : database),
    askAgent: unexpected("a control request"),
    enroll: unexpected("an enrolment"),
    runAgent: unexpected("a run"),
    preview: unexpected("a preview"),
    discover: unexpected("a look around"),
    doctor: unexpected("an examination"),
    supportBundle: unexpected("a support bundle"),
    grants: unexpected("grants"),
    openSecrets: unexpected("secrets"),
    readSecret: unexpected("a secret"),
    security: NO_SECURITY_EVENTS,
    service: unexpected("the service"),
    ...overrides,
  };
  return { context, database, out: () => out, err: () => err };
}
