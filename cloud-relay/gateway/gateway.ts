// The agents' gateway of this node: listener, sessions and enrolment, plugged into the relay's own server.
import type { Server } from "node:http";
import { Counter, Gauge, type Registry } from "prom-client";
import { batchCodec } from "#common/contract/batch.ts";
import type { EnrolmentAnswer, EnrolmentRequest } from "#common/contract/handshake-relay.ts";
import type { Signer } from "#common/contract/identity-key.ts";
import { recordId } from "#common/contract/record-id.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { AgentSessionDeps } from "#relay/core/agents/agent-session.ts";
import { AgentHub } from "#relay/core/agents/agent-hub.ts";
import type { AgentWatcher } from "#relay/core/agents/agent-watcher.ts";
import { enrolAgent } from "#relay/core/agents/enrolment.ts";
import type { Bus } from "#relay/core/bus.ts";
import type { Store } from "#relay/core/store.ts";
import { AgentListener } from "./listener.ts";

export interface GatewayDeps {
  /** The one that also serves HTTP: the gateway takes upgrades to its own path. */
  readonly server: Server;
  readonly store: Store;
  readonly bus: Bus;
  readonly identity: Signer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Share of an entity's records that a new epoch may sweep without being asked. */
  readonly massDeleteFraction: number;
  /** Who listens to what agents say beside their streams. */
  readonly watchers: readonly AgentWatcher[];
}

/** Agents that were revoked or bound anew by the command line are noticed within this. */
const REFRESH_EVERY_MS = 1_000;

export class Gateway implements AsyncDisposable {
  readonly #hub: AgentHub;
  readonly #listener: AgentListener;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();

  private constructor(deps: GatewayDeps) {
    const { store, bus, clock, logger, identity } = deps;
    const nowMs = (): number => clock.nowMs();
    const { massDeleteFraction } = deps;
    const ingest = { store, codec: batchCodec, nowMs, recordId, massDeleteFraction };
    this.#clock = clock;
    const ingested = ingestMetrics(deps.registry);
    this.#hub = new AgentHub({ ingest, bus, clock, logger, watchers: deps.watchers, ingested });
    this.#listener = new AgentListener({
      identity,
      clock,
      logger,
      findAgent: async (agentId) => {
        const agent = await store.directory.agentById(agentId);
        if (agent === undefined) return "unknown";
        const { publicKey, revokedAtMs, quarantinedAtMs } = agent;
        if (revokedAtMs !== undefined) return { publicKey, state: "revoked" };
        return { publicKey, state: quarantinedAtMs === undefined ? "active" : "quarantined" };
      },
      enroll: (request) => enroll(deps, request),
      onAgent: ({ channel, ...proven }) => this.#hub.accept(proven, channel),
    });
    const hub = this.#hub;
    deps.registry.registerMetric(
      new Gauge({
        name: "millrace_agents_connected",
        help: "Agents with a session on this node",
        registers: [],
        collect() {
          this.set(hub.size);
        },
      }),
    );
  }

  static async attach(deps: GatewayDeps): Promise<Gateway> {
    const gateway = new Gateway(deps);
    await gateway.#hub.start();
    gateway.#listener.attach(deps.server);
    void gateway.#refresh(deps.logger);
    return gateway;
  }

  /** Asks the agents to come back within `withinMs`, and waits for what is being committed. */
  async drain(withinMs: number): Promise<void> {
    this.#stopping.abort();
    await this.#hub.drain(withinMs);
    this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(0);
  }

  async #refresh(logger: Logger): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(this.#clock, REFRESH_EVERY_MS, signal);
      try {
        if (!signal.aborted) await this.#hub.refreshSome();
      } catch (error) {
        logger.error({ error: String(error) }, "could not look at the agents' bindings; tried again");
      }
    }
  }
}

function ingestMetrics(registry: Registry): AgentSessionDeps["ingested"] {
  const registers = [registry];
  const batches = new Counter({
    name: "millrace_ingest_batches_total",
    help: "Batches committed",
    registers,
  });
  const events = new Counter({
    name: "millrace_ingest_events_total",
    help: "Events appended by ingest",
    registers,
  });
  const rejected = new Counter({
    name: "millrace_ingest_records_rejected_total",
    help: "Records that the relay dead-lettered",
    registers,
  });
  const resnapshots = new Counter({
    name: "millrace_ingest_batches_undecodable_total",
    help: "Commits in which a batch could not be decoded and was passed over",
    registers,
  });
  return (outcome) => {
    batches.inc(outcome.batches);
    events.inc(outcome.events);
    rejected.inc(outcome.rejected.length);
    if (outcome.resnapshot) resnapshots.inc();
  };
}

async function enroll(deps: GatewayDeps, request: EnrolmentRequest): Promise<EnrolmentAnswer> {
  const { store, clock, logger, randomBytes } = deps;
  const answer = await enrolAgent({ directory: store.directory, nowMs: clock.nowMs(), randomBytes }, request);
  if ("refused" in answer) logger.warn({ name: request.name }, `enrolment refused: ${answer.refused}`);
  else logger.info({ agent: answer.agent_id, name: request.name }, "agent enrolled");
  return answer;
}
