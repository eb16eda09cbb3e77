// Relay and plants sign each other's audit trails: each writes the other's newest entry into its own chain of hashes.
import type { PlantAudit } from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { AgentPeer, AgentWatcher, SideMessage } from "../agents/agent-watcher.ts";
import type { AuditEntry, AuditStore } from "./audit-store.ts";

/** Action of the entries that hold a plant's head. */
export const PLANT_HEAD_ACTION = "plantAuditHead";
/** With an agent, heads are exchanged this often, and when it comes back after longer; never when nothing was added. */
const EVERY_MS = 3_600_000;
const PAGE = 500;

export interface HeadExchangeDeps {
  readonly audit: AuditStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The newest entry of a plant's trail, as its agent said. */
export interface PlantHead {
  readonly agentId: string;
  readonly seq: number;
  readonly hash: string;
  readonly atMs: number;
}

interface Exchanged {
  readonly atMs: number;
  /** Number of the relay's entry that holds the plant's head. */
  readonly number: number;
}

export class HeadExchange implements AgentWatcher {
  readonly #deps: HeadExchangeDeps;
  readonly #exchanged = new Map<string, Exchanged>();
  /** Sessions that were told the relay's head and have not answered. */
  readonly #told = new Set<AgentPeer>();
  readonly #timers = new Map<AgentPeer, () => void>();

  constructor(deps: HeadExchangeDeps) {
    this.#deps = deps;
  }

  async opened(peer: AgentPeer): Promise<void> {
    const last = this.#exchanged.get(peer.agentId);
    const sinceMs = last === undefined ? EVERY_MS : this.#deps.clock.monotonicMs() - last.atMs;
    if (sinceMs >= EVERY_MS) await this.#offer(peer);
    else this.#later(peer, EVERY_MS - sinceMs);
  }

  async received(peer: AgentPeer, message: SideMessage): Promise<void> {
    if (message.type !== "plant_audit" || !this.#told.delete(peer)) return;
    const { audit, clock } = this.#deps;
    const { number } = await audit.append({
      workspaceId: peer.workspaceId,
      atMs: clock.nowMs(),
      actor: peer.agentId,
      action: PLANT_HEAD_ACTION,
      requestId: undefined,
      target: await this.#targetOf(peer, message),
      members: [],
      digest: undefined,
    });
    this.#exchanged.set(peer.agentId, { atMs: clock.monotonicMs(), number });
  }

  closed(peer: AgentPeer): void {
    this.#timers.get(peer)?.();
    this.#timers.delete(peer);
    this.#told.delete(peer);
  }

  async #offer(peer: AgentPeer): Promise<void> {
    this.#later(peer, EVERY_MS);
    const [newest] = await this.#deps.audit.list(peer.workspaceId, { limit: 1 });
    if (newest === undefined || newest.number === this.#exchanged.get(peer.agentId)?.number) return;
    this.#told.add(peer);
    peer.send({ type: "relay_audit", seq: newest.number, hash: newest.hash });
  }

  #later(peer: AgentPeer, delayMs: number): void {
    const cancel = this.#deps.clock.setTimer(delayMs, () => {
      this.#offer(peer).catch((error: unknown) => {
        this.#deps.logger.error({ agent: peer.agentId }, `audit: no heads exchanged: ${messageOf(error)}`);
      });
    });
    this.#timers.set(peer, cancel);
  }

  async #targetOf({ agentId, workspaceId }: AgentPeer, { seq, hash }: PlantAudit) {
    const heads = await plantHeads(this.#deps.audit, workspaceId, agentId);
    const last = heads.find((head) => head.agentId === agentId);
    const isOther = last !== undefined && (seq < last.seq || (seq === last.seq && hash !== last.hash));
    const target = { agent: agentId, seq: String(seq), hash };
    if (!isOther) return target;
    this.#deps.logger.warn(
      { agent: agentId, heard: seq, before: last.seq },
      "a plant's audit trail is not the one that it was: its newest entry stands before the one heard last, or has another hash",
    );
    return { ...target, instead_of: String(last.seq), instead_of_hash: last.hash };
  }
}

/** Of every agent the newest head that the trail has; reading ends with the one that is looked for. */
export async function plantHeads(
  audit: AuditStore,
  workspaceId: string,
  wanted?: string,
): Promise<readonly PlantHead[]> {
  const heads = new Map<string, PlantHead>();
  for (let below: number | undefined; ;) {
    const page: readonly AuditEntry[] = await audit.list(workspaceId, { below, limit: PAGE });
    for (const { action, actor, target, atMs } of page) {
      if (action !== PLANT_HEAD_ACTION || heads.has(actor)) continue;
      heads.set(actor, { agentId: actor, seq: Number(target["seq"]), hash: target["hash"] ?? "", atMs });
    }
    below = page.at(-1)?.number;
    if (page.length < PAGE || (wanted !== undefined && heads.has(wanted))) return [...heads.values()];
  }
}
