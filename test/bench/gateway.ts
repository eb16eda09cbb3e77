// Thousands of idle agents on one relay over TLS: memory for each, and how long until all are back after a restart.
import { randomBytes } from "node:crypto";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { generateIdentityKey } from "#common/contract/identity-key.ts";
import { STORE_FILE } from "#relay/compose.ts";
import type { AgentRow } from "#relay/core/directory.ts";
import { openIdentity } from "#relay/identity.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";
import type { BenchOptions, BenchRow } from "./bench-row.ts";
import { cpuMs, rssBytes } from "./child.ts";
import type { AgentsOrder } from "./gateway-agents.ts";
import { Stack } from "./stack.ts";
import { until } from "./wait.ts";

const AGENTS = 5_000;
const QUICK_AGENTS = 500;
const PROCESSES = 4;
const MEMORY_CEILING_KB = 100;
const BACK_CEILING_S = 60;
/** Sockets and files of the relay besides its agents. */
const SPARE_DESCRIPTORS = 500;
const SETTLE_MS = 5_000;
const CONNECT_LIMIT_MS = 900_000;

export async function benchGateway({ isQuick, say }: BenchOptions): Promise<readonly BenchRow[]> {
  const count = isQuick ? QUICK_AGENTS : AGENTS;
  const authority = new CertificateAuthority();
  const { certificatePem, privateKeyPem } = authority.issue({ commonName: "localhost" });
  const dir = mkdtempSync(join(tmpdir(), "millrace-bench-tls-"));
  const tls = { certFile: join(dir, "cert.pem"), keyFile: join(dir, "key.pem") };
  writeFileSync(tls.certFile, certificatePem);
  writeFileSync(tls.keyFile, privateKeyPem, { mode: 0o600 });
  const descriptors = count + SPARE_DESCRIPTORS;
  await using stack = await Stack.create({ sources: {}, tls, relayDescriptors: descriptors });
  const { agents, relayKey } = await addAgents(stack, count);
  const crowd = new Crowd(descriptors);
  try {
    await stack.startRelay();
    await setTimeout(SETTLE_MS);
    const empty = rssBytes(stack.relayPid);
    say(`${count} agents connect`);
    const order = { url: stack.url.replace(/^http/, "ws"), ca: authority.certificatePem, relayKey };
    const watch = setInterval(() => say(`${crowd.online} online`), SETTLE_MS);
    const connectMs = await timed(() => crowd.connect(order, agents));
    clearInterval(watch);
    await setTimeout(SETTLE_MS);
    const perAgent = (rssBytes(stack.relayPid) - empty) / count / 1_000;
    say("the relay restarts");
    await stack.stopRelay();
    await until("all to notice", () => crowd.online === 0, { atMostMs: 60_000 });
    await stack.startRelay();
    const backMs = await timed(() =>
      until("all to be back", () => crowd.online === count, { atMostMs: CONNECT_LIMIT_MS }),
    );
    const cpuEach = (cpuMs(stack.relayPid) / count).toFixed(1);
    const note = `${count} idle agents over TLS in ${PROCESSES} processes on the same machine`;
    return [
      { name: "gateway: first connect", value: seconds(connectMs), unit: "s", note },
      {
        name: "gateway: memory for each agent",
        value: Number(perAgent.toFixed(1)),
        unit: "kB",
        ceiling: MEMORY_CEILING_KB,
        note: `resident memory of the relay with them and without, ${SETTLE_MS / 1_000} s after the last`,
      },
      {
        name: "gateway: all back",
        value: seconds(backMs),
        unit: "s",
        ceiling: BACK_CEILING_S,
        note: `after the relay serves again; ${cpuEach} ms of the relay's CPU time for each`,
      },
    ];
  } finally {
    await crowd.end();
    rmSync(dir, { recursive: true });
  }
}

/** Agents as enrolment would have left them. */
async function addAgents(
  stack: Stack,
  count: number,
): Promise<{ readonly agents: AgentsOrder["agents"]; readonly relayKey: string }> {
  const { publicKey } = await openIdentity(join(stack.dir, "relay"));
  await using store = await openSqliteStore({ path: join(stack.dir, "relay", STORE_FILE) });
  const agents = await Promise.all(
    Array.from({ length: count }, async () => {
      const key = generateIdentityKey();
      const id = `agt_${randomBytes(16).toString("hex")}`;
      await store.directory.createAgent(agentRow(id, stack.workspaceId, key.publicKey));
      return { id, secret: key.exportSecret() };
    }),
  );
  return { agents, relayKey: publicKey };
}

function agentRow(id: string, workspaceId: string, publicKey: string): AgentRow {
  return {
    id,
    workspaceId,
    name: id,
    publicKey,
    createdAtMs: Date.now(),
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 0,
    instanceId: undefined,
    version: undefined,
    platform: undefined,
    connectedAtMs: undefined,
    lastSeenAtMs: undefined,
    isOnline: false,
  };
}

/** The processes that the agents live in. */
class Crowd {
  readonly #children: ChildProcess[] = [];
  readonly #online = new Map<ChildProcess, number>();

  constructor(descriptors: number) {
    const script = fileURLToPath(new URL("gateway-agents.ts", import.meta.url));
    const shell = ["-c", `ulimit -n ${descriptors} 2>/dev/null; exec "$@"`, "sh", process.execPath, script];
    for (let at = 0; at < PROCESSES; at += 1) {
      const child = spawn("sh", shell, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
      child.on("message", (online: number) => this.#online.set(child, online));
      this.#children.push(child);
    }
  }

  get online(): number {
    return [...this.#online.values()].reduce((sum, online) => sum + online, 0);
  }

  async connect(order: Omit<AgentsOrder, "agents">, agents: AgentsOrder["agents"]): Promise<void> {
    const share = Math.ceil(agents.length / PROCESSES);
    for (const [at, child] of this.#children.entries()) {
      child.send({ ...order, agents: agents.slice(at * share, (at + 1) * share) });
    }
    await until("all agents", () => this.online === agents.length, { atMostMs: CONNECT_LIMIT_MS });
  }

  async end(): Promise<void> {
    for (const child of this.#children) {
      child.disconnect();
      await once(child, "exit");
    }
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function seconds(ms: number): number {
  return Number((ms / 1_000).toFixed(1));
}
