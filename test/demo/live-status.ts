// How the demo is doing, looked at once a second: a table redrawn in place on a terminal, now and then a line elsewhere.
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { askAgent } from "#agent/platform/control-socket.ts";
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { formatSize } from "#common/runtime/units.ts";
import type { ConnectionStatus, RelayApi, SyncStatus } from "./relay-api.ts";

export interface ConnectionPicture {
  readonly name: string;
  readonly status: string;
  readonly records: number;
  readonly changesPerSecond: number | undefined;
  readonly backlogBytes: number | undefined;
  /** From the source to the API, as last seen, ms. */
  readonly lagMs: number | undefined;
  /** What is being read for the first time. */
  readonly progress: readonly string[];
  readonly isSynced: boolean;
  readonly note: string | undefined;
}

interface Count {
  readonly count: number;
  readonly atMs: number;
}

const RATE_OVER_MS = 5_000;
const LEAST_RATE_MS = 1_500;

/** Watches relay and agent, and works out rates between looks. */
export class LiveStatus {
  readonly #api: RelayApi;
  readonly #agentDir: string;
  /** What each room had counted at the last looks, oldest first. */
  readonly #counts = new Map<string, readonly Count[]>();
  readonly #lags = new Map<string, number>();
  #feedCursor = "latest";

  constructor(api: RelayApi, agentDir: string) {
    this.#api = api;
    this.#agentDir = agentDir;
  }

  /** @throws when the relay does not answer; an agent that does not leaves its figures out */
  async look(): Promise<readonly ConnectionPicture[]> {
    const [connections, syncs, agent] = await Promise.all([
      this.#api.connections(),
      this.#api.syncStatus(),
      askAgent(this.#agentDir, { command: "status" }).then(
        (status) => status as AgentStatus,
        () => undefined,
      ),
      this.#followPasses(),
      this.#followTelemetry(),
    ]);
    return connections.map((connection) => this.#picture(connection, syncs, agent));
  }

  #picture(
    { id, name, status, status_reason, status_advice }: ConnectionStatus,
    syncs: readonly SyncStatus[],
    agent: AgentStatus | undefined,
  ): ConnectionPicture {
    const own = syncs.filter(({ connection_name }) => connection_name === name);
    const seen = agent?.connections.find((each) => each.name === name);
    return {
      name,
      status,
      records: own.reduce((sum, { records }) => sum + records, 0),
      changesPerSecond: this.#rate(name, seen?.room.changes),
      backlogBytes: seen?.report?.backlog_bytes,
      lagMs: this.#lags.get(id),
      progress: own.filter(({ last_success_at }) => last_success_at === null).map(progressText),
      // The relay remembers how things were; that it is so now, the agent must say.
      isSynced: agent?.relay.state === "online" && seen?.report?.status === "online" && isSynced(status, own),
      note: own.find(({ error }) => error !== null)?.error ?? noteOf(status_reason, status_advice),
    };
  }

  /** Over the last seconds, as a room counts aloud only now and then. A room that started anew counts from 0. */
  #rate(name: string, count: number | undefined): number | undefined {
    const known = this.#counts.get(name) ?? [];
    const last = known.at(-1);
    if (count === undefined || (last !== undefined && count < last.count)) {
      this.#counts.delete(name);
      return undefined;
    }
    const atMs = performance.now();
    const kept = [...known.filter((each) => atMs - each.atMs <= RATE_OVER_MS), { count, atMs }];
    this.#counts.set(name, kept);
    const [first] = kept;
    if (first === undefined || atMs - first.atMs < LEAST_RATE_MS) return undefined;
    return ((count - first.count) * 1000) / (atMs - first.atMs);
  }

  /** From the moment a pass began to ask the source until the relay had what it found. */
  async #followPasses(): Promise<void> {
    try {
      const page = await this.#api.get<{
        readonly data: readonly { connection_id: string; at: string; data: { started_ms: number } }[];
        readonly next_cursor: string;
      }>(`/v1/events?types=sync.completed&limit=200&cursor=${this.#feedCursor}`);
      this.#feedCursor = page.next_cursor;
      for (const { connection_id, at, data } of page.data)
        this.#lags.set(connection_id, Math.max(0, Date.parse(at) - data.started_ms));
    } catch {
      // The relay is away, or its feed is another one: go on from what comes next.
      this.#feedCursor = "latest";
    }
  }

  /** The age of the newest value; the machines move once a second. */
  async #followTelemetry(): Promise<void> {
    try {
      const page = await this.#api.get<{
        readonly data: readonly {
          connection_id: string;
          last_value: { source_timestamp: string | null } | null;
        }[];
      }>("/v1/telemetry-points?limit=20");
      const nowMs = Date.now();
      for (const id of new Set(page.data.map(({ connection_id }) => connection_id))) {
        const own = page.data.filter(({ connection_id }) => connection_id === id);
        const times = own.map(({ last_value }) => Date.parse(last_value?.source_timestamp ?? ""));
        const newest = Math.max(...times.filter((time) => !Number.isNaN(time)));
        if (Number.isFinite(newest)) this.#lags.set(id, Math.max(0, nowMs - newest));
      }
    } catch {
      // What was seen last stays.
    }
  }
}

/** Every entity of the connection has been read once, and something of it is there. */
function isSynced(status: string, own: readonly SyncStatus[]): boolean {
  if (status !== "online") return false;
  const isTelemetry = own.some(({ entity }) => entity === "telemetry_point");
  const wanted = isTelemetry
    ? ["telemetry_point"]
    : ENTITY_NAMES.filter((name) => name !== "telemetry_point");
  return wanted.every((entity) =>
    own.some((sync) => sync.entity === entity && sync.records > 0 && sync.last_success_at !== null),
  );
}

function progressText({ entity, records, progress }: SyncStatus): string {
  const total = progress?.total ?? undefined;
  const name = entity.replaceAll("_", " ");
  return total === undefined
    ? `${name} ${amount(records)}`
    : `${name} ${amount(records)} of ${amount(total)}`;
}

function noteOf(reason: string | null, advice: string | null): string | undefined {
  const words = [reason, advice].filter((each) => each !== null && each !== "");
  return words.length === 0 ? undefined : words.join(" ");
}

export function tableOf(pictures: readonly ConnectionPicture[]): readonly string[] {
  const rows = [
    ["connection", "status", "records", "changes/s", "backlog", "lag"],
    ...pictures.map((each) => [
      each.name,
      each.status,
      amount(each.records),
      each.changesPerSecond === undefined ? "-" : each.changesPerSecond.toFixed(1),
      each.backlogBytes === undefined ? "-" : formatSize(each.backlogBytes),
      each.lagMs === undefined ? "-" : lagText(each.lagMs),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isText = (column: number): boolean => column < 2;
  return rows.map((row) =>
    row
      .map((cell, column) =>
        isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

export function lineOf(pictures: readonly ConnectionPicture[]): string {
  return pictures
    .map(({ name, status, records, changesPerSecond, backlogBytes }) => {
      const rate = changesPerSecond === undefined ? "" : `, ${changesPerSecond.toFixed(1)} changes/s`;
      const backlog =
        backlogBytes === undefined || backlogBytes === 0 ? "" : `, ${formatSize(backlogBytes)} waiting`;
      return `${name} ${status}, ${amount(records)} records${rate}${backlog}`;
    })
    .join(" | ");
}

function lagText(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export function amount(count: number): string {
  return count.toLocaleString("en-US");
}
