// What the rooms have said of late: their reports, what they offer, their files' checks; and what left the plant, counted.
import type { AgentHistory } from "#agent/agent-history.ts";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { egressFields, type EgressEntry } from "#agent/core/egress.ts";
import type { FileCheck } from "#agent/core/integrity-rounds.ts";
import type { EgressCount } from "#agent/core/room/egress-tally.ts";
import type { FromRoom } from "#agent/core/room/messages.ts";
import type { AgentDatabase } from "#agent/platform/agent-database.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { ConnectionReport } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";

export interface RoomNewsDeps {
  readonly config: AgentConfig;
  readonly database: AgentDatabase;
  readonly history: AgentHistory;
  readonly clock: Clock;
}

export class RoomNews {
  readonly #deps: RoomNewsDeps;
  readonly #reports = new Map<string, ConnectionReport>();
  readonly #descriptions = new Map<string, ConnectionDescription>();
  /** By the connection's name. */
  readonly #checks = new Map<string, FileCheck>();
  readonly #committedAtMs = new Map<string, number>();

  constructor(deps: RoomNewsDeps) {
    this.#deps = deps;
  }

  /** The last of each room that runs, by connection id. */
  get reports(): ReadonlyMap<string, ConnectionReport> {
    return this.#reports;
  }

  /** Of rooms' files, by the connection's name. */
  get checks(): AgentStatus["checks"] {
    return Object.fromEntries(this.#checks);
  }

  /** When the connection's room last stored something in this run of the agent. */
  committedAtMs(connectionId: string): number | undefined {
    return this.#committedAtMs.get(connectionId);
  }

  /** Notes what is news; the rest is for others. */
  take(connectionId: string, name: string, message: FromRoom): void {
    if (message.type === "report") this.#reports.set(connectionId, message.report);
    else if (message.type === "description") this.#descriptions.set(connectionId, message.description);
    else if (message.type === "file_checked") this.#checks.set(name, message.check);
    else if (message.type === "committed") this.#committedAtMs.set(connectionId, this.#deps.clock.nowMs());
    else if (message.type === "egress") this.#countEgress(connectionId, name, message.counts);
  }

  roomEnded(connectionId: string): void {
    this.#reports.delete(connectionId);
  }

  #countEgress(connectionId: string, connection: string, counts: readonly EgressCount[]): void {
    const { config, database, history, clock } = this.#deps;
    const day = new Date(clock.nowMs()).toISOString().slice(0, 10);
    const description = this.#descriptions.get(connectionId);
    const protection = config.connections.find(({ name }) => name === connection)?.protection;
    const entries = counts.map((count): EgressEntry => {
      const fields = egressFields(description, count.entity, protection);
      return { ...count, connection, day, fields };
    });
    history.unlessFull(() => database.countEgress(entries));
  }
}
