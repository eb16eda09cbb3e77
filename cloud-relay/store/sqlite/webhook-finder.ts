// Finds webhook deliveries by any filter: each filter has an index that it is read by, the rest is looked at row by row.
import type Database from "better-sqlite3";
import type { DeliveryPage, DeliveryQuery } from "../../core/webhooks/webhook-store.ts";
import type { Scope } from "../../core/store.ts";
import { idColumn } from "./columns.ts";
import {
  ALL_STATES,
  DELIVERY_COLUMNS,
  DELIVERY_JOINS,
  IS_ALIVE,
  stateNo,
  type DeliveryColumns,
} from "./webhook-tables.ts";

/** An ordered run of an index, and what it is bound by. */
interface Source {
  readonly index: string;
  readonly where: string;
  readonly values: readonly unknown[];
}

export interface FoundDelivery extends DeliveryColumns {
  readonly endpointNo: number;
  readonly ordered: number;
  readonly recordId: Uint8Array | string | null;
}

/** More types than this are looked for row by row. */
const MAX_TYPE_RUNS = 16;
/** Statements that are held prepared. */
const MAX_PREPARED = 200;

export class WebhookFinder {
  readonly #db: Database.Database;
  readonly #prepared = new Map<string, Database.Statement>();
  readonly #workspace: Database.Statement<[string], number>;
  readonly #endpoint: Database.Statement<[string, number], number>;
  readonly #endpointsOf: Database.Statement<[number, string], number>;
  readonly #types: Database.Statement<[string], number>;
  readonly #place: Database.Statement<[string], { readonly createdMs: number; readonly deliveryNo: number }>;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#workspace = db
      .prepare<[string], number>("SELECT workspace_no FROM workspaces WHERE id = ?")
      .pluck();
    this.#endpoint = db
      .prepare<[string, number], number>(
        "SELECT endpoint_no FROM webhook_endpoints WHERE id = ? AND workspace_no = ?",
      )
      .pluck();
    this.#endpointsOf = db
      .prepare<[number, string], number>(
        `SELECT e.endpoint_no FROM webhook_endpoints e JOIN connections c USING (connection_no)
         WHERE e.workspace_no = ? AND c.id IN (SELECT value FROM json_each(?))`,
      )
      .pluck();
    this.#types = db
      .prepare<[string], number>("SELECT term_no FROM terms WHERE text IN (SELECT value FROM json_each(?))")
      .pluck();
    this.#place = db.prepare(
      "SELECT created_ms AS createdMs, delivery_no AS deliveryNo FROM webhook_deliveries WHERE id = ?",
    );
  }

  /** `also` is a condition of the caller's own over `d`, `m`, `e`. */
  find(scope: Scope, query: DeliveryPage, order: "newest" | "oldest", also = ""): readonly FoundDelivery[] {
    const { skip = 0, limit } = query;
    const direction = order === "newest" ? "DESC" : "ASC";
    const rows: FoundDelivery[] = [];
    for (const { from, values } of this.#runs(scope, query, also)) {
      const statement = this.#prepare(`SELECT ${DELIVERY_COLUMNS}, d.endpoint_no AS endpointNo, e.ordered,
        m.record_id AS recordId ${from} ORDER BY d.created_ms ${direction}, d.delivery_no ${direction} LIMIT ?`);
      rows.push(...(statement.all(...values, skip + limit) as FoundDelivery[]));
    }
    const sign = order === "newest" ? -1 : 1;
    const inOrder = rows.sort(
      (a, b) => sign * (a.createdAtMs - b.createdAtMs || a.deliveryNo - b.deliveryNo),
    );
    return inOrder.slice(skip, skip + limit);
  }

  /** Up to `query.limit`. */
  count(scope: Scope, query: DeliveryQuery): number {
    let count = 0;
    for (const { from, values } of this.#runs(scope, query)) {
      const statement = this.#prepare(`SELECT count(*) AS count FROM (SELECT 1 ${from} LIMIT ?)`);
      const found = statement.get(...values, query.limit - count) as { readonly count: number };
      count += found.count;
      if (count >= query.limit) break;
    }
    return count;
  }

  /** Parts of the answer that have no row in common, each an ordered run of an index. */
  #runs(scope: Scope, query: DeliveryQuery, also = ""): readonly { from: string; values: unknown[] }[] {
    const workspaceNo = this.#workspace.get(scope.workspaceId);
    if (workspaceNo === undefined || query.limit <= 0) return [];
    const filter = this.#filter(workspaceNo, scope, query);
    if (filter === undefined) return [];
    const conditions = [...filter.map(([sql]) => sql), IS_ALIVE, ...(also === "" ? [] : [also])].join(
      " AND ",
    );
    const bound = filter.flatMap(([, ...values]) => values);
    return this.#sources(workspaceNo, scope, query).map(({ index, where, values }) => ({
      from: `FROM webhook_deliveries d INDEXED BY ${index} ${DELIVERY_JOINS} WHERE ${where} AND ${conditions}`,
      values: [...values, ...bound],
    }));
  }

  /** In order of how much they leave over. */
  #sources(workspaceNo: number, scope: Scope, query: DeliveryQuery): readonly Source[] {
    const { eventId, recordId, endpointId, states, types } = query;
    if (eventId !== undefined || recordId !== undefined) {
      const [where, value] =
        eventId === undefined
          ? ["record_id = ? AND workspace_no = ?", idColumn(recordId ?? "")]
          : ["event_id = ? AND workspace_no = ?", eventId];
      const of = `d.message_no IN (SELECT message_no FROM webhook_messages WHERE ${where})`;
      const values = [value, workspaceNo];
      return [
        { index: "webhook_deliveries_once", where: `${of} AND d.is_test = 0`, values },
        { index: "webhook_deliveries_test", where: `${of} AND d.is_test = 1`, values },
      ];
    }
    const stateNos = (states ?? ALL_STATES).map(stateNo);
    if (endpointId !== undefined || scope.connectionIds !== undefined) {
      const index = "webhook_deliveries_endpoint";
      const where = "d.endpoint_no = ? AND d.state_no = ?";
      return this.#endpoints(workspaceNo, scope, endpointId).flatMap((endpointNo) =>
        stateNos.map((no) => ({ index, where, values: [endpointNo, no] })),
      );
    }
    if (states !== undefined && !states.includes("delivered")) {
      const where = "d.workspace_no = ? AND d.state_no = ? AND d.state_no <> 1";
      return stateNos.map((no) => ({ index: "webhook_deliveries_open", where, values: [workspaceNo, no] }));
    }
    if (types !== undefined && types.length <= MAX_TYPE_RUNS) {
      const where = "d.workspace_no = ? AND d.type_no = ?";
      return this.#types
        .all(JSON.stringify(types))
        .map((no) => ({ index: "webhook_deliveries_type", where, values: [workspaceNo, no] }));
    }
    return [{ index: "webhook_deliveries_workspace", where: "d.workspace_no = ?", values: [workspaceNo] }];
  }

  #endpoints(
    workspaceNo: number,
    { connectionIds }: Scope,
    endpointId: string | undefined,
  ): readonly number[] {
    const one = endpointId === undefined ? undefined : this.#endpoint.get(endpointId, workspaceNo);
    if (connectionIds === undefined) return one === undefined ? [] : [one];
    const own = this.#endpointsOf.all(workspaceNo, JSON.stringify(connectionIds));
    return endpointId === undefined ? own : own.filter((no) => no === one);
  }

  /** Undefined: nothing can match. */
  #filter(
    workspaceNo: number,
    { connectionIds }: Scope,
    query: DeliveryQuery,
  ): readonly (readonly [sql: string, ...values: unknown[]])[] | undefined {
    const { connectionId, states, types, status, afterMs, beforeMs, afterId, endpointId, recordId } = query;
    const conditions: [string, ...unknown[]][] = [["d.workspace_no = ?", workspaceNo]];
    const inList = (column: string, list: readonly unknown[]): [string, unknown] => [
      `${column} IN (SELECT value FROM json_each(?))`,
      JSON.stringify(list),
    ];
    if (connectionIds !== undefined) {
      const [sql, value] = inList("id", connectionIds);
      conditions.push([`e.connection_no IN (SELECT connection_no FROM connections WHERE ${sql})`, value]);
    }
    if (endpointId !== undefined) conditions.push(["e.id = ?", endpointId]);
    if (recordId !== undefined) conditions.push(["m.record_id = ?", idColumn(recordId)]);
    if (connectionId !== undefined) conditions.push(["c.id = ?", connectionId]);
    if (states !== undefined) conditions.push(inList("d.state_no", states.map(stateNo)));
    if (types !== undefined) conditions.push(inList("d.type_no", this.#types.all(JSON.stringify(types))));
    if (status !== undefined) conditions.push(["coalesce(d.last_status, 0) = ?", status]);
    if (afterMs !== undefined) conditions.push(["d.created_ms >= ?", afterMs]);
    if (beforeMs !== undefined) conditions.push(["d.created_ms < ?", beforeMs]);
    if (afterId === undefined) return conditions;
    const place = this.#place.get(afterId);
    if (place === undefined) return undefined;
    const { createdMs, deliveryNo } = place;
    return [...conditions, ["(d.created_ms, d.delivery_no) < (?, ?)", createdMs, deliveryNo]];
  }

  #prepare(sql: string): Database.Statement {
    const found = this.#prepared.get(sql);
    if (found !== undefined) return found;
    if (this.#prepared.size >= MAX_PREPARED) this.#prepared.clear();
    const made = this.#db.prepare(sql);
    this.#prepared.set(sql, made);
    return made;
  }
}
