// How current a stored answer is, and whether it is given at all while its plant is away.
import { Type } from "typebox";
import { plantStatus } from "#relay/core/commands/command-problem.ts";
import { Problem } from "#relay/core/problem.ts";
import { instantOf } from "#relay/core/revisions.ts";
import type { ConnectionRow, ConnectionState, Scope, Store } from "#relay/core/store.ts";
import type { HttpDeps } from "./http-types.ts";
import { Instant, NullableInstant } from "./schemas.ts";

export const FreshnessSchema = Type.Object(
  {
    as_of: Type.Union([Instant, Type.Null()], {
      description: "What was known of the source at this time is in the answer; null: nothing has come yet",
    }),
    source_watermark: Type.Union([...NullableInstant.anyOf], {
      description:
        "By the plant's clock: what the source had before is in the answer. When the last good pass over the entity began",
    }),
    state: Type.String({ description: "Of the connection", examples: ["online", "offline"] }),
  },
  {
    $id: "Freshness",
    description:
      "How current an answer is. There while the plant is away (offline, reauthorization_required, paused), and with include=freshness",
  },
);

/** A connection is looked up again after this: what a single record costs would double otherwise. */
const REMEMBERED_MS = 250;
const MAX_REMEMBERED = 10_000;
/** Passes of one entity that are looked through for the last good one. */
const RUNS_READ = 20;

interface Remembered {
  readonly connection: ConnectionRow | undefined;
  readonly atMs: number;
}

/** Connections as they were a moment ago. */
export class RecentConnections {
  readonly #deps: Pick<HttpDeps, "clock" | "store">;
  readonly #rows = new Map<string, Remembered>();

  constructor(deps: Pick<HttpDeps, "clock" | "store">) {
    this.#deps = deps;
  }

  /** Whether the connection is known to be there, so that stored answers need say nothing: most of the time, without a look-up. */
  isThere(id: string): boolean {
    const known = this.#rows.get(id);
    if (known?.connection === undefined) return false;
    return !isAway(known.connection.state) && this.#deps.clock.monotonicMs() - known.atMs < REMEMBERED_MS;
  }

  /** Of a record or scope that was checked before. */
  async of(scope: Scope, id: string): Promise<ConnectionRow | undefined> {
    const nowMs = this.#deps.clock.monotonicMs();
    const known = this.#rows.get(id);
    if (known !== undefined && nowMs - known.atMs < REMEMBERED_MS) return known.connection;
    const { workspaceId } = scope;
    const connection = await this.#deps.store.directory.connection({ workspaceId }, id);
    if (this.#rows.size >= MAX_REMEMBERED) this.#rows.clear();
    this.#rows.set(id, { connection, atMs: nowMs });
    return connection;
  }
}

/** @throws Problem AGENT_OFFLINE, SYSTEM_UNREACHABLE, CONNECTION_REAUTH_REQUIRED where stored answers are refused now */
export async function refuseIfAway(store: Store, connection: ConnectionRow | undefined): Promise<void> {
  if (connection === undefined || connection.whenOffline === "serve") return;
  const { state, reason = "its plant is away" } = connection;
  if (state !== "offline" && state !== "reauthorization_required") return;
  const detail = `Stored records of ${connection.name} are not given while its plant is away (when_offline is refuse): ${reason}.`;
  const extras = { connectionStatus: plantStatus(connection) };
  if (state === "reauthorization_required") {
    throw new Problem("CONNECTION_REAUTH_REQUIRED", detail, extras);
  }
  const agent =
    connection.agentId === undefined ? undefined : await store.directory.agentById(connection.agentId);
  const code = agent?.isOnline === true ? "SYSTEM_UNREACHABLE" : "AGENT_OFFLINE";
  throw new Problem(code, detail, { ...extras, retryAfterSeconds: 30 });
}

/** `,"freshness":{…}`, or nothing where it need not be said. */
export async function freshnessMember(
  deps: Pick<HttpDeps, "clock" | "store">,
  connection: ConnectionRow | undefined,
  entity: string,
  isAsked: boolean,
): Promise<string> {
  if (connection === undefined || (!isAsked && !isAway(connection.state))) return "";
  return `,"freshness":${JSON.stringify(await freshnessOf(deps, connection, entity))}`;
}

function isAway(state: ConnectionState): boolean {
  return state === "offline" || state === "reauthorization_required" || state === "paused";
}

async function freshnessOf(
  { clock, store }: Pick<HttpDeps, "clock" | "store">,
  connection: ConnectionRow,
  entity: string,
): Promise<object> {
  const { id, workspaceId, state, statusAtMs, connectedAtMs } = connection;
  const asOfMs = connectedAtMs === undefined ? undefined : isAway(state) ? statusAtMs : clock.nowMs();
  const runs = await store.reader.syncRuns({ workspaceId }, id, entity, RUNS_READ);
  const good = runs.find(({ outcome }) => outcome === "ok");
  return {
    as_of: asOfMs === undefined ? null : instantOf(asOfMs),
    source_watermark: good === undefined ? null : instantOf(good.started_ms),
    state,
  };
}
