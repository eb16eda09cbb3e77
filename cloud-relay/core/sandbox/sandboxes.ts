// All sandboxes of this node: fills and resets them, lets them live while somebody looks, and makes them be as they are told.
import type { OperateBody } from "#common/contract/commands.ts";
import { ENTITY_NAMES, type Entity } from "#common/contract/model/entities.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { setStatus } from "../agents/connection-status.ts";
import { subjects, type Bus } from "../bus.ts";
import { newId } from "../identifiers.ts";
import type { OperationJournal } from "../operations/operation-journal.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Scope } from "../store.ts";
import { Dice } from "./dice.ts";
import { HeldWrites } from "./held-writes.ts";
import { keyOf } from "./plant-book.ts";
import { samplePlant } from "./sample-plant.ts";
import { SAMPLE_EVERY_MS, samplesBetween } from "./sample-telemetry.ts";
import { SandboxConditions, USUAL, type Condition, type SandboxState } from "./sandbox-conditions.ts";
import { resumeWrites } from "./resumed-writes.ts";
import { fillSandbox, isConnected, report, seedOf } from "./sandbox-fill.ts";
import { nextChange } from "./sandbox-life.ts";
import type { SourceRecord } from "./sandbox-product.ts";
import { SandboxSource } from "./sandbox-source.ts";
import { markEntry, sendEntries, sendSamples, upsertEntry, type StreamDeps } from "./sandbox-stream.ts";
import { SandboxTarget } from "./sandbox-target.ts";

export interface SandboxesDeps extends StreamDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: OperationJournal;
}

/** A change comes so often, unless the connection's settings say otherwise (`schedules.*.poll_s`). */
const CHANGE_EVERY_MS = 60_000;
/** A sandbox that nobody has asked for so long comes to rest. */
const AWAKE_MS = 3_600_000;
const LOOK_EVERY_MS = 5_000;
/** Callers that are remembered; beyond it the one that was silent longest is forgotten. */
const MAX_CALLERS = 10_000;
/** Changes that one request may ask for. */
export const MAX_CHANGES = 100;

interface Pulse {
  nextAtMs: number;
  sampledAtMs: number;
}

export class Sandboxes {
  readonly target: SandboxTarget;
  readonly #deps: SandboxesDeps;
  readonly #conditions: SandboxConditions;
  readonly #held: HeldWrites;
  /** By connection: what is being done to it, one after the other. */
  readonly #work = new Map<string, Promise<unknown>>();
  /** When somebody last asked, by connection or whole workspace. */
  readonly #callers = new Map<string, { readonly scope: Scope; readonly atMs: number }>();
  readonly #pulses = new Map<string, Pulse>();
  /** Told to be otherwise. */
  readonly #known = new Map<string, ConnectionRow>();
  readonly #ids = new Set<string>();

  constructor(deps: SandboxesDeps) {
    this.#deps = deps;
    const { clock, ingest, entropy, bus, journal } = deps;
    this.#conditions = new SandboxConditions(clock, (id) => this.#heal(id));
    this.#held = new HeldWrites({ bus, clock, journal, operations: ingest.store.operations });
    this.target = new SandboxTarget({
      clock,
      reader: ingest.store.reader,
      recordId: ingest.recordId,
      randomBytes: entropy.randomBytes,
      conditions: this.#conditions,
      held: this.#held,
      operate: (connection, body) => this.#operate(connection, body),
    });
  }

  /** Fills a new sandbox, or one that came back; it is online soon. */
  begin(connection: ConnectionRow): void {
    this.fill(connection).catch((error: unknown) => {
      const words = messageOf(error);
      this.#deps.logger.error({ connection: connection.id }, `sandbox: could not be filled: ${words}`);
    });
  }

  /** As `begin`; resolves with the number of records when it is online again. All its records are as at first. */
  fill(connection: ConnectionRow): Promise<number> {
    return this.#inTurn(connection.id, () => this.#fillNow(connection));
  }

  /** Lets it be otherwise for a while. */
  async put(
    connection: ConnectionRow,
    condition: Omit<Condition, "untilMs">,
    forMs: number,
  ): Promise<Condition> {
    const isUsual = condition.state === USUAL.state && condition.delayMs === 0 && condition.errorRate === 0;
    if (isUsual) {
      this.#conditions.clear(connection.id);
      await this.#inTurn(connection.id, () => Promise.resolve());
      return USUAL;
    }
    this.#known.set(connection.id, connection);
    const own = this.#conditions.set(connection.id, condition, forMs);
    await this.#inTurn(connection.id, () => this.#show(connection, condition.state));
    return own;
  }

  condition({ id }: ConnectionRow): Condition {
    return this.#conditions.of(id);
  }

  /** Writes that wait for approval, oldest first. */
  held({ id }: ConnectionRow): readonly string[] {
    return this.#held.of(id);
  }

  /** All that wait, or one. @throws Problem NOT_FOUND */
  decide({ id }: ConnectionRow, operationId: string | undefined, isApproved: boolean): readonly string[] {
    const wanted = operationId === undefined ? this.#held.of(id) : [operationId];
    const decided = wanted.filter((one) => this.#held.decide(id, one, isApproved));
    if (operationId === undefined || decided.length > 0) return decided;
    throw new Problem("NOT_FOUND", `No write ${operationId} waits for approval in this sandbox.`);
  }

  /** Something happens at the plant, so many times; the number of records that changed. */
  async live(connection: ConnectionRow, times: number): Promise<number> {
    return this.#inTurn(connection.id, async () => {
      let changed = 0;
      for (let at = 0; at < times; at += 1) changed += await this.#change(connection, at);
      return changed;
    });
  }

  /** Somebody asked for data of the scope. */
  noticed(scope: Scope): void {
    const [only] = scope.connectionIds ?? [];
    const caller = only ?? scope.workspaceId;
    this.#callers.delete(caller);
    this.#callers.set(caller, { scope, atMs: this.#deps.clock.nowMs() });
    if (this.#callers.size <= MAX_CALLERS) return;
    const oldest = this.#callers.keys().next().value;
    if (oldest !== undefined) this.#callers.delete(oldest);
  }

  /** Whether the scope is that of one sandbox, as far as this node knows. */
  isOnly({ connectionIds = [] }: Scope): boolean {
    const [only] = connectionIds;
    return only !== undefined && connectionIds.length === 1 && this.#ids.has(only);
  }

  /** Heals what an earlier run left behind; then lets sandboxes live, until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    await this.#recover().catch((error: unknown) => {
      logger.error({}, `sandboxes: those of an earlier run could not be looked at: ${messageOf(error)}`);
    });
    while (!signal.aborted) {
      await sleep(clock, LOOK_EVERY_MS, signal);
      try {
        if (!signal.aborted) await this.#look();
      } catch (error) {
        logger.error({}, `sandboxes: could not go on living; tried again: ${messageOf(error)}`);
      }
    }
    await Promise.allSettled(this.#work.values());
  }

  async #recover(): Promise<void> {
    const { directory } = this.#deps.ingest.store;
    for (const { id: workspaceId } of await directory.workspaces()) {
      for (const connection of await directory.connections({ workspaceId })) {
        if (connection.kind !== "sandbox" || connection.disconnectedAtMs !== undefined) continue;
        this.#ids.add(connection.id);
        const isUnfilled = connection.state === "pending" || connection.state === "synchronizing";
        if (isUnfilled) await this.#inTurn(connection.id, () => this.#fillUnfilled(connection));
        else if (connection.state !== "online" && connection.state !== "paused") {
          await this.#show(connection, "online");
        }
        this.#resume(connection, true).catch((error: unknown) => {
          const words = messageOf(error);
          this.#deps.logger.error({ connection: connection.id }, `sandbox: writes could not go on: ${words}`);
        });
      }
    }
  }

  #fillNow(connection: ConnectionRow): Promise<number> {
    this.#ids.add(connection.id);
    this.#conditions.clear(connection.id);
    return fillSandbox(this.#deps, connection, (events) => this.#told(connection, events));
  }

  /** Unless it was filled meanwhile. */
  async #fillUnfilled({ id, workspaceId }: ConnectionRow): Promise<void> {
    const now = await this.#deps.ingest.store.directory.connection({ workspaceId }, id);
    if (now?.state === "pending" || now?.state === "synchronizing") await this.#fillNow(now);
  }

  async #look(): Promise<void> {
    const { clock, ingest } = this.#deps;
    const nowMs = clock.nowMs();
    const awake = new Map<string, ConnectionRow>();
    for (const [caller, { scope, atMs }] of this.#callers) {
      if (atMs + AWAKE_MS <= nowMs) this.#callers.delete(caller);
      else for (const row of await this.#sandboxesOf(scope)) awake.set(row.id, row);
    }
    for (const id of this.#pulses.keys()) if (!awake.has(id)) this.#pulses.delete(id);
    for (const connection of awake.values()) {
      if (connection.state !== "online") continue;
      const pulse = this.#pulses.get(connection.id) ?? { nextAtMs: nowMs, sampledAtMs: nowMs };
      this.#pulses.set(connection.id, pulse);
      if (pulse.nextAtMs > nowMs) continue;
      const scope = { workspaceId: connection.workspaceId };
      const { desired } = await ingest.store.settings.get(scope, connection.id);
      const pollS = desired?.document.schedules?.["*"]?.poll_s;
      pulse.nextAtMs = nowMs + (pollS === undefined ? CHANGE_EVERY_MS : pollS * 1_000);
      await this.live(connection, 1);
      await this.#sample(connection, pulse, nowMs);
    }
  }

  async #sandboxesOf(scope: Scope): Promise<readonly ConnectionRow[]> {
    const rows = await this.#deps.ingest.store.directory.connections(scope);
    const own = rows.filter(
      ({ kind, disconnectedAtMs }) => kind === "sandbox" && disconnectedAtMs === undefined,
    );
    for (const { id } of own) this.#ids.add(id);
    return own;
  }

  async #change(connection: ConnectionRow, index: number): Promise<number> {
    const { ingest, entropy, clock } = this.#deps;
    const nowMs = clock.nowMs() + index;
    const source = new SandboxSource(ingest.store.reader, ingest.recordId, connection);
    const dice = new Dice(`${connection.id}/${nowMs}`);
    const changes = await nextChange({ source, dice, nowMs });
    const run = newId("cmd", nowMs, entropy.randomBytes).replace("cmd_", "run_");
    const entities = new Set(changes.map(({ entity }) => entity));
    const entries = [
      ...changes.map((change) => upsertEntry(this.#deps, change, "change", nowMs)),
      ...[...entities].map((entity) => sync(run, entity, nowMs, changes)),
    ];
    this.#told(connection, await sendEntries(this.#deps, connection, entries));
    return changes.length;
  }

  async #sample(connection: ConnectionRow, pulse: Pulse, nowMs: number): Promise<void> {
    if (nowMs - pulse.sampledAtMs < SAMPLE_EVERY_MS) return;
    const { points } = samplePlant(seedOf(this.#deps, connection));
    const samples = samplesBetween(points, pulse.sampledAtMs, nowMs, undefined);
    pulse.sampledAtMs = nowMs;
    const keys = points.map(({ number }) => keyOf(number));
    await this.#inTurn(connection.id, () => sendSamples(this.#deps, connection, keys, samples));
  }

  async #operate(connection: ConnectionRow, { action, entity }: OperateBody): Promise<void> {
    if (action === "resync") this.begin(connection);
    else if (action === "pause") {
      const words = { reason: "Somebody paused it.", advice: "Resume it: POST /v1/connections/{id}/resume." };
      this.#told(connection, await report(this.#deps, connection, "paused", words));
    } else if (action === "resume") this.#told(connection, await report(this.#deps, connection, "online"));
    else if (action === "sync") {
      const nowMs = this.#deps.clock.nowMs();
      const run = newId("cmd", nowMs, this.#deps.entropy.randomBytes).replace("cmd_", "run_");
      const entities = ENTITY_NAMES.filter((name) => (entity ?? name) === name);
      const entries = entities.map((name) => sync(run, name, nowMs, []));
      await this.#inTurn(connection.id, async () =>
        this.#told(connection, await sendEntries(this.#deps, connection, entries)),
      );
    }
  }

  async #show(connection: ConnectionRow, state: SandboxState): Promise<void> {
    const { ingest, clock } = this.#deps;
    if (state === "agent_offline") {
      if (!(await isConnected(this.#deps, connection))) return;
      const words = {
        reason: "the agent is not connected to the relay",
        advice: "This sandbox was told to be so: POST /v1/connections/{id}/sandbox/state.",
      };
      this.#told(
        connection,
        await setStatus(ingest.store, connection.id, { state: "offline", ...words }, clock.nowMs()),
      );
      return;
    }
    const status = state === "source_offline" ? "offline" : state;
    this.#told(connection, await report(this.#deps, connection, status, WORDS[state]));
  }

  #heal(connectionId: string): void {
    const connection = this.#known.get(connectionId);
    this.#known.delete(connectionId);
    if (connection === undefined) return;
    const healed = this.#inTurn(connectionId, () => this.#show(connection, USUAL.state));
    const resumed = healed.then(() => this.#resume(connection, false));
    resumed.catch((error: unknown) => {
      this.#deps.logger.error(
        { connection: connectionId },
        `sandbox: could not be healed: ${messageOf(error)}`,
      );
    });
  }

  #resume(connection: ConnectionRow, all: boolean): Promise<void> {
    const { clock, journal, ingest } = this.#deps;
    const { operations } = ingest.store;
    return resumeWrites({ operations, journal, clock, target: this.target }, connection, all);
  }

  #told({ workspaceId }: ConnectionRow, events: number): void {
    if (events > 0) this.#deps.bus.publish(subjects.feed(workspaceId), events);
  }

  /** What is done to one sandbox is done one after the other. */
  #inTurn<T>(connectionId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#work.get(connectionId) ?? Promise.resolve();
    const own = before.then(work, work);
    const ended = own
      .catch(() => undefined)
      .finally(() => {
        if (this.#work.get(connectionId) === ended) this.#work.delete(connectionId);
      });
    this.#work.set(connectionId, ended);
    return own;
  }
}

const WORDS: Readonly<Record<SandboxState, { readonly reason?: string; readonly advice?: string }>> = {
  online: {},
  agent_offline: {},
  source_offline: {
    reason: "SB-0001: no listener at cmms-db:1521",
    advice: "This sandbox was told to be so: POST /v1/connections/{id}/sandbox/state.",
  },
  reauthorization_required: {
    reason: "SB-0002: the password has expired",
    advice: "This sandbox was told to be so: POST /v1/connections/{id}/sandbox/state.",
  },
  degraded: {
    reason: "SB-0003: the source answers slowly",
    advice: "This sandbox was told to be so: POST /v1/connections/{id}/sandbox/state.",
  },
};

function sync(run: string, entity: Entity, atMs: number, changes: readonly SourceRecord[]) {
  const changed = changes.filter((change) => change.entity === entity).length;
  const counts = { read: changed, changed, deleted: 0, rejected: 0 };
  const times = { started_ms: atMs, ended_ms: atMs };
  return markEntry({ mark: "sync", run, entity, pass: "incremental", ...times, outcome: "ok", ...counts });
}
