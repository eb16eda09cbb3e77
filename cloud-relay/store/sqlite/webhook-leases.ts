// Who holds which endpoint, and what is due of it. One process uses the file: leases live in its memory, and end with it.
import type Database from "better-sqlite3";
import type { DeliveryRow } from "../../core/webhooks/delivery.ts";
import type { DueQuery, StoredEndpoint, WebhookStore } from "../../core/webhooks/webhook-store.ts";
import type { Names } from "./names.ts";
import type { WarmStatement } from "./warm-reads.ts";
import {
  ENDPOINT_COLUMNS,
  storedEndpoint,
  type EndpointColumns,
  type WebhookIo,
} from "./webhook-endpoints.ts";
import { deliveryRow, DUE_COLUMNS, stateNo, type DeliveryColumns } from "./webhook-tables.ts";

const PENDING = stateNo("pending");

type Leases = Pick<WebhookStore, "lease" | "renew" | "release" | "due">;

interface ReadyColumns {
  readonly endpointNo: number;
  readonly id: string;
  readonly readyMs: number;
}

interface HeldEndpoint {
  readonly endpointNo: number;
  readonly workspaceId: string;
}

/** What a pending delivery's row says beside what is known of its endpoint. */
type DueColumns = Omit<DeliveryColumns, "endpointId" | "workspaceId" | "stateNo" | "finishedMs">;

export function webhookLeases({ reader, warm }: WebhookIo, names: Names): Leases {
  const leases = new Leased(reader);
  const held = warm.prepare<HeldEndpoint>(
    `SELECT endpoint_no AS endpointNo, w.id AS workspaceId FROM webhook_endpoints JOIN workspaces w USING (workspace_no)
     WHERE webhook_endpoints.id = ? AND deleted_ms IS NULL`,
  );
  const dueOf = (condition: string): WarmStatement<DueColumns> =>
    warm.prepare(
      `SELECT ${DUE_COLUMNS} FROM webhook_deliveries d INDEXED BY webhook_deliveries_due
       CROSS JOIN webhook_messages m ON m.message_no = d.message_no
       LEFT JOIN connections c ON c.connection_no = d.connection_no
       WHERE d.endpoint_no = ? AND d.due_ms <= ? ${condition} ORDER BY d.due_ms, d.position LIMIT ?`,
    );
  const due = dueOf("");
  const dueBut = dueOf("AND d.id NOT IN (SELECT value FROM json_each(?))");
  const dueOfOne = ({ endpointId, limit, except }: DueQuery, nowMs: number): readonly DeliveryRow[] => {
    const endpoint = held.get(endpointId);
    if (endpoint === undefined) return [];
    const { endpointNo, workspaceId } = endpoint;
    const rows =
      except.size === 0
        ? due.all(endpointNo, nowMs, limit)
        : dueBut.all(endpointNo, nowMs, JSON.stringify([...except]), limit);
    const known = { endpointId, workspaceId, stateNo: PENDING, finishedMs: null };
    return rows.map((row) => deliveryRow({ ...row, ...known }, names));
  };
  return {
    lease: async (nowMs, leaseMs, limit) => leases.lease(nowMs, leaseMs, limit),
    renew: async (endpointId, nowMs, leaseMs) => leases.renew(endpointId, nowMs, leaseMs),
    release: async (endpointIds) => leases.release(endpointIds),
    due: async (asked, nowMs) => warm.together(() => asked.map((one) => dueOfOne(one, nowMs))),
  };
}

class Leased {
  readonly #heldUntilMs = new Map<string, number>();
  readonly #ready: Database.Statement<[number], ReadyColumns>;
  readonly #endpoint: Database.Statement<[number], EndpointColumns>;

  constructor(db: Database.Database) {
    const ready = `SELECT h.endpoint_no AS endpointNo, e.id, h.ready_ms AS readyMs
      FROM webhook_health h INDEXED BY webhook_health_ready CROSS JOIN webhook_endpoints e ON e.endpoint_no = h.endpoint_no`;
    this.#ready = db.prepare(`${ready} WHERE h.ready_ms <= ? ORDER BY h.ready_ms`);
    this.#endpoint = db.prepare(
      `SELECT ${ENDPOINT_COLUMNS} WHERE e.endpoint_no = ? AND e.deleted_ms IS NULL`,
    );
  }

  lease(nowMs: number, leaseMs: number, limit: number): readonly StoredEndpoint[] {
    if (limit <= 0) return [];
    const free: ReadyColumns[] = [];
    // Those that are held are passed over: no more than the caller holds.
    for (const row of this.#ready.iterate(nowMs)) {
      if (!this.#isHeld(row.id, nowMs)) free.push(row);
      if (free.length === limit) break;
    }
    const leased: StoredEndpoint[] = [];
    for (const { endpointNo, id } of free) {
      const found = this.#endpoint.get(endpointNo);
      if (found === undefined) continue;
      this.#heldUntilMs.set(id, nowMs + leaseMs);
      leased.push(storedEndpoint(found));
    }
    return leased;
  }

  renew(endpointId: string, nowMs: number, leaseMs: number): boolean {
    const isMine = this.#isHeld(endpointId, nowMs);
    if (isMine) this.#heldUntilMs.set(endpointId, nowMs + leaseMs);
    return isMine;
  }

  release(endpointIds: readonly string[]): void {
    for (const id of endpointIds) this.#heldUntilMs.delete(id);
  }

  #isHeld(id: string, nowMs: number): boolean {
    return (this.#heldUntilMs.get(id) ?? 0) > nowMs;
  }
}
