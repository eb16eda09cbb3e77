// What somebody should look at first: the worst at the top, each with what to do.
import { phraseOf } from "../parts/status.ts";
import { shownStatus } from "./connection-filter.ts";

export interface Attention {
  readonly key: string;
  readonly tone: "bad" | "warn";
  readonly title: string;
  readonly detail: string;
  readonly advice: string | undefined;
  readonly since: string | null;
  /** Path of the screen, and the connection it is about. */
  readonly connectionId: string | undefined;
  /** The webhook endpoint that it is about. */
  readonly endpointId?: string;
}

interface SeenConnection {
  readonly id: string;
  readonly name: string;
  readonly customer: string | null;
  readonly status: string;
  readonly status_reason: string | null;
  readonly status_advice: string | null;
  readonly status_changed_at: string;
  readonly disconnected_at: string | null;
}

interface SeenSync {
  readonly connection_id: string;
  readonly connection_name: string;
  readonly connection_status: string;
  readonly entity: string;
  readonly error: string | null;
  readonly last_success_at: string | null;
  readonly last_run: { readonly outcome: string | null } | null;
}

interface SeenAgent {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly quarantined_at: string | null;
}

interface SeenEndpoint {
  readonly id: string;
  readonly name: string;
  readonly disabled: { readonly reason: string; readonly detail: string; readonly at: string } | null;
  readonly health: { readonly breaker: string; readonly failing_since: string | null };
}

/** Worse first. States that are not here need nobody. */
const WORDS: Readonly<Record<string, readonly [rank: number, tone: "bad" | "warn", text: string]>> = {
  reauthorization_required: [0, "bad", "needs a new login to its source"],
  offline: [2, "bad", "is offline"],
  degraded: [4, "warn", "is degraded"],
};

/** Ordered: logins that were refused, quarantined agents, what is offline, held deletes, what is degraded, failed syncs, webhooks that fail. */
export function attentionOf(
  connections: readonly SeenConnection[],
  syncs: readonly SeenSync[],
  agents: readonly SeenAgent[],
  endpoints: readonly SeenEndpoint[] = [],
): readonly Attention[] {
  const found: { readonly rank: number; readonly item: Attention }[] = [];
  for (const connection of connections) {
    const words = WORDS[shownStatus(connection)];
    if (words !== undefined)
      found.push({ rank: words[0], item: ofConnection(connection, words[1], words[2]) });
  }
  for (const agent of agents)
    if (agent.status === "quarantined") found.push({ rank: 1, item: ofAgent(agent) });
  for (const sync of syncs) {
    const isHeld = sync.last_run?.outcome === "held";
    // What is wrong with the whole connection is said once, above.
    const isSaid = WORDS[sync.connection_status] !== undefined && !isHeld;
    if ((sync.error === null && !isHeld) || isSaid) continue;
    found.push({ rank: isHeld ? 3 : 5, item: ofSync(sync, isHeld) });
  }
  for (const endpoint of endpoints) {
    const item = ofEndpoint(endpoint);
    if (item !== undefined) found.push({ rank: 6, item });
  }
  return found.toSorted((a, b) => a.rank - b.rank).map(({ item }) => item);
}

function ofConnection(connection: SeenConnection, tone: "bad" | "warn", text: string): Attention {
  const { id, name, customer, status_reason: reason, status_advice: advice } = connection;
  return {
    key: id,
    tone,
    title: `${name}${customer === null ? "" : ` (${customer})`} ${text}`,
    detail: reason ?? "",
    advice: advice ?? undefined,
    since: connection.status_changed_at,
    connectionId: id,
  };
}

function ofAgent({ id, name, quarantined_at: since }: SeenAgent): Attention {
  return {
    key: id,
    tone: "bad",
    title: `${name} is quarantined`,
    detail: "Two running copies of this agent took turns, so both are turned away.",
    advice: "Stop one of them for good, then release it on the screen Agents.",
    since,
    connectionId: undefined,
  };
}

function ofSync(sync: SeenSync, isHeld: boolean): Attention {
  const { connection_id: connectionId, connection_name: name, entity, error, last_success_at: since } = sync;
  const words = phraseOf(entity);
  return {
    key: `${connectionId} ${entity}`,
    tone: "warn",
    title: isHeld ? `${name}: deletes of ${words} wait for a decision` : `${name}: ${words} cannot be read`,
    detail: error ?? "More than half of what is known would be deleted.",
    advice: isHeld ? "Look at the source; then confirm the deletes, or put back what is missing." : undefined,
    since,
    connectionId,
  };
}

/** One failure needs nobody: it is tried again. So it is when its breaker has opened, or it was disabled by none of us. */
function ofEndpoint({ id, name, disabled, health }: SeenEndpoint): Attention | undefined {
  const of = { key: id, connectionId: undefined, endpointId: id };
  if (disabled !== null)
    return disabled.reason === "by_user"
      ? undefined
      : {
          ...of,
          tone: "bad",
          title: `${name} was disabled`,
          detail: disabled.detail,
          advice: "Mend the receiver, then enable the endpoint and recover what it missed.",
          since: disabled.at,
        };
  if (health.breaker === "closed") return undefined;
  return {
    ...of,
    tone: "warn",
    title: `${name} fails`,
    detail: "Its receiver does not accept deliveries; they wait and are tried again.",
    advice: "Look at what it answers, and mend the receiver.",
    since: health.failing_since,
  };
}
