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
  /** For how long something has been waiting for delivery, ms. */
  readonly lagMs: number | undefined;
  /** What is being read for the first time. */
  readonly progress: readonly string[];
  readonly isSynced: boolean;
  readonly note: string | undefined;
}

/** Watches relay and agent, and works out rates between two looks. */
export class LiveStatus {
  readonly #api: RelayApi;
  readonly #agentDir: string;
  readonly #changes = new Map<string, { readonly count: number; readonly atMs: number }>();
  readonly #emptySinceMs = new Map<string, number>();

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
    ]);
    return connections.map((connection) => this.#picture(connection, syncs, agent));
  }

  #picture(
    { name, status, status_reason, status_advice }: ConnectionStatus,
    syncs: readonly SyncStatus[],
    agent: AgentStatus | undefined,
  ): ConnectionPicture {
    const own = syncs.filter(({ connection_name }) => connection_name === name);
    const seen = agent?.connections.find((each) => each.name === name);
    const backlogBytes = seen?.report?.backlog_bytes;
    return {
      name,
      status,
      records: own.reduce((sum, { records }) => sum + records, 0),
      changesPerSecond: this.#rate(name, seen?.room.changes),
      backlogBytes,
      lagMs: this.#lag(name, backlogBytes),
      progress: own.filter(({ last_success_at }) => last_success_at === null).map(progressText),
      isSynced: isSynced(status, own),
      note: own.find(({ error }) => error !== null)?.error ?? noteOf(status_reason, status_advice),
    };
  }

  #rate(name: string, count: number | undefined): number | undefined {
    const before = this.#changes.get(name);
    if (count === undefined) return undefined;
    const atMs = performance.now();
    // A room's figure stands still between its signs of life: look further back than one of them.
    if (before === undefined || count < before.count || atMs - before.atMs > 10_000)
      this.#changes.set(name, { count, atMs });
    return before === undefined || count < before.count || atMs - before.atMs < 900
      ? undefined
      : ((count - before.count) * 1000) / (atMs - before.atMs);
  }

  #lag(name: string, backlogBytes: number | undefined): number | undefined {
    if (backlogBytes === undefined) return undefined;
    const nowMs = performance.now();
    if (backlogBytes === 0) this.#emptySinceMs.set(name, nowMs);
    return nowMs - (this.#emptySinceMs.get(name) ?? nowMs);
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
      each.lagMs === undefined ? "-" : `${(each.lagMs / 1000).toFixed(1)} s`,
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

export function amount(count: number): string {
  return count.toLocaleString("en-US");
}
