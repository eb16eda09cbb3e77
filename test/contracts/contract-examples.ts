// One example for each operation of the API's document, made by really calling it: what Specmatic begins its tests from.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import type { Called, ContractRelay } from "./contract-relay.ts";

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: Schema;
}
export interface OperationObject {
  operationId: string;
  security?: readonly object[];
  parameters?: readonly Parameter[];
  responses: Record<string, { description: string; content?: Record<string, unknown> }>;
  requestBody?: { content: Record<string, { schema: Schema }> };
}
export interface Document {
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, Schema> };
}

interface Request {
  readonly path: string;
  readonly body?: object;
}

/** Makes what the operation needs, anew with each call. */
type Prepare = () => Promise<Request> | Request;

let made = 0;
const fresh = (): string => `made-${(made += 1)}`;

/** Writes the examples of these operations into the folder. Resolves with their bodies, by operation. */
export async function writeExamples(
  relay: ContractRelay,
  document: Document,
  folder: string,
): Promise<ReadonlyMap<string, object>> {
  mkdirSync(folder, { recursive: true });
  const bodies = new Map<string, object>();
  const prepared = { ...(await fixedCalls(relay)), ...(await recordCalls(relay)), ...webhookCalls(relay) };
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { operationId }] of Object.entries(operations)) {
      const prepare: Prepare = prepared[`${method.toUpperCase()} ${path}`] ?? (() => ({ path }));
      const first = await prepare();
      const answer = await relay.call(method.toUpperCase(), first.path, first.body);
      // Pages for people, lines and metrics are no JSON that a schema could be held against; the document itself is free in form.
      if (path === "/v1/openapi.json") continue;
      if (answer.type !== "" && !/[/+]json$/.test(answer.type)) continue;
      // What was called may be gone by it: the test calls another one.
      const request = await prepare();
      if (request.body !== undefined) bodies.set(operationId, request.body);
      const file = join(folder, `${operationId}.json`);
      writeFileSync(file, JSON.stringify(example(method, request, answer)));
    }
  }
  return bodies;
}

function example(method: string, { path, body }: Request, answer: Called): object {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return {
    "http-request": {
      method: method.toUpperCase(),
      path,
      headers,
      ...(body === undefined ? {} : { body }),
    },
    "http-response": {
      status: answer.status,
      ...(answer.type === "" ? {} : { headers: { "Content-Type": answer.type } }),
      ...(answer.type === "" ? {} : { body: answer.body }),
    },
  };
}

async function fixedCalls(relay: ContractRelay): Promise<Record<string, Prepare>> {
  const { connectionId } = relay;
  const idOf = async (method: string, path: string, body?: object): Promise<string> => {
    const { body: answer } = await relay.call(method, path, body);
    const row = answer as { id?: string; data?: readonly { id: string }[] };
    return row.id ?? row.data?.[0]?.id ?? "none";
  };
  const at =
    (path: string, body?: object): Prepare =>
    () =>
      body === undefined ? { path } : { path, body };
  const connection = () => idOf("POST", "/admin/v1/connections", { name: fresh() });
  const disconnected = async () => {
    const id = await connection();
    await relay.call("POST", `/admin/v1/connections/${id}/disconnect`);
    return id;
  };
  const token = () => idOf("POST", "/admin/v1/tokens", { kind: "connection", connection_id: connectionId });
  const user = () => idOf("POST", "/admin/v1/users", { email: `${fresh()}@example.com`, role: "viewer" });
  const link = async () => idOf("POST", "/admin/v1/connection-links", { connection_id: await connection() });
  const own = `/v1/connections/${connectionId}`;
  const { body: syncs } = await relay.call("GET", `${own}/syncs`);
  const run = (syncs as { data: readonly { run: string }[] }).data[0]?.run ?? "none";
  const { body: queries } = await relay.call("GET", "/v1/queries");
  const query = (queries as { data: readonly { query: string; parameters: readonly { name: string }[] }[] })
    .data[0];
  const point = await idOf("GET", "/v1/telemetry-points?limit=1");
  const paths = ["health", "capabilities", "mapping", "syncs", "settings", "sandbox"];
  return {
    ...Object.fromEntries(paths.map((path) => [`GET /v1/connections/{id}/${path}`, at(`${own}/${path}`)])),
    ...Object.fromEntries(
      ["sync", "resync", "cancel", "pause", "resume", "test", "sandbox/reset"].map((path) => [
        `POST /v1/connections/{id}/${path}`,
        at(`${own}/${path}`),
      ]),
    ),
    "GET /v1/connections/{id}": at(own),
    "GET /v1/connections/{id}/syncs/{run}": at(`${own}/syncs/${run}`),
    "PUT /v1/connections/{id}/settings": at(`${own}/settings`, { initial_window_days: 30 }),
    "PATCH /v1/connections/{id}/settings": at(`${own}/settings`, { initial_window_days: 30 }),
    "POST /v1/connections/{id}/sandbox/state": at(`${own}/sandbox/state`, { state: "online" }),
    "POST /v1/connections/{id}/sandbox/approve": at(`${own}/sandbox/approve`, { approve: false }),
    "POST /v1/connections/{id}/sandbox/changes": at(`${own}/sandbox/changes`, { count: 1 }),
    "GET /v1/agents/{id}": at("/v1/agents/agt_none"),
    "GET /v1/metadata/entities/{entity}": at("/v1/metadata/entities/vendor"),
    "GET /v1/custom/{entity}": at("/v1/custom/none"),
    "GET /v1/custom/{entity}/{id}": at("/v1/custom/none/none"),
    "GET /v1/custom/{entity}/{id}/history": at("/v1/custom/none/none/history"),
    "GET /docs/{page}": at("/docs/problems"),
    "GET /v1/telemetry-points/{id}/samples": at(`/v1/telemetry-points/${point}/samples`),
    "GET /v1/operations/{id}": async () => ({
      path: `/v1/operations/${await idOf("GET", "/v1/operations?limit=1")}`,
    }),
    "POST /v1/operations/{id}/cancel": async () => ({
      path: `/v1/operations/${await idOf("GET", "/v1/operations?limit=1")}/cancel`,
    }),
    "POST /v1/queries/{name}": at(`/v1/queries/${query?.query ?? "none"}`, {
      connection_id: connectionId,
      parameters: Object.fromEntries((query?.parameters ?? []).map(({ name }) => [name, "1"])),
    }),
    "POST /admin/v1/workspaces": () => ({ path: "/admin/v1/workspaces", body: { name: fresh() } }),
    "POST /admin/v1/connections": () => ({ path: "/admin/v1/connections", body: { name: fresh() } }),
    "PATCH /admin/v1/connections/{id}": async () => ({
      path: `/admin/v1/connections/${await connection()}`,
      body: { customer: "acme" },
    }),
    "DELETE /admin/v1/connections/{id}": async () => ({
      path: `/admin/v1/connections/${await disconnected()}`,
    }),
    "POST /admin/v1/connections/{id}/disconnect": async () => ({
      path: `/admin/v1/connections/${await connection()}/disconnect`,
    }),
    "POST /admin/v1/connections/{id}/reconnect": async () => ({
      path: `/admin/v1/connections/${await disconnected()}/reconnect`,
    }),
    "POST /admin/v1/connection-links": async () => ({
      path: "/admin/v1/connection-links",
      body: { connection_id: await connection() },
    }),
    "DELETE /admin/v1/connection-links/{id}": async () => ({
      path: `/admin/v1/connection-links/${await link()}`,
    }),
    "POST /admin/v1/enrollment-codes": async () => ({
      path: "/admin/v1/enrollment-codes",
      body: { connections: [await connection()] },
    }),
    "POST /admin/v1/tokens": at("/admin/v1/tokens", { kind: "connection", connection_id: connectionId }),
    "POST /admin/v1/users": () => ({
      path: "/admin/v1/users",
      body: { email: `${fresh()}@example.com`, role: "viewer" },
    }),
    "PATCH /admin/v1/users/{id}": async () => ({
      path: `/admin/v1/users/${await user()}`,
      body: { name: "Ada" },
    }),
    "DELETE /admin/v1/users/{id}": async () => ({ path: `/admin/v1/users/${await user()}` }),
    "DELETE /admin/v1/tokens/{id}": async () => ({ path: `/admin/v1/tokens/${await token()}` }),
    "POST /admin/v1/agents/{id}/revoke": at("/admin/v1/agents/agt_none/revoke"),
    "POST /admin/v1/agents/{id}/release": at("/admin/v1/agents/agt_none/release"),
    "GET /admin/v1/requests/{id}": async () => ({
      path: `/admin/v1/requests/${await idOf("GET", "/admin/v1/requests?limit=1")}`,
    }),
  };
}

/** Receivers at a port of this machine where nothing listens. */
function webhookCalls(relay: ContractRelay): Record<string, Prepare> {
  const endpoints = "/v1/webhook-endpoints";
  const deliveries = "/v1/webhook-deliveries";
  const settings = () => ({ name: fresh(), url: "https://127.0.0.1:9/hook", types: ["vendor.*"] });
  const make = async (): Promise<string> => idIn(await relay.call("POST", endpoints, settings()));
  const one =
    (path: string, body?: object): Prepare =>
    async () => ({ path: `${endpoints}/${await make()}${path}`, ...(body === undefined ? {} : { body }) });
  const sent = async (): Promise<string> => {
    const answer = await relay.call("POST", `${endpoints}/${await make()}/test`, { type: "vendor.created" });
    return (answer.body as { readonly delivery_id: string }).delivery_id;
  };
  const oldSecret = async (): Promise<string> => {
    const id = await make();
    const { body } = await relay.call("POST", `${endpoints}/${id}/secrets`, {});
    const { secrets } = body as { secrets: { id: string; expires_at: string | null }[] };
    return `${id}/secrets/${secrets.find(({ expires_at }) => expires_at !== null)?.id}`;
  };
  return {
    [`POST ${endpoints}`]: () => ({ path: endpoints, body: settings() }),
    [`GET ${endpoints}/{id}`]: one(""),
    [`PATCH ${endpoints}/{id}`]: one("", { name: "ERP bridge" }),
    [`DELETE ${endpoints}/{id}`]: one(""),
    [`POST ${endpoints}/{id}/secrets`]: one("/secrets", { expire_now: true }),
    [`DELETE ${endpoints}/{id}/secrets/{signer_id}`]: async () => ({
      path: `${endpoints}/${await oldSecret()}`,
    }),
    [`POST ${endpoints}/{id}/enable`]: one("/enable"),
    [`POST ${endpoints}/{id}/disable`]: one("/disable"),
    [`POST ${endpoints}/{id}/test`]: one("/test", { type: "vendor.created" }),
    [`POST ${endpoints}/{id}/recover`]: one("/recover", { since: "2026-03-02T08:15:00Z" }),
    [`GET ${deliveries}/{id}`]: async () => ({ path: `${deliveries}/${await sent()}` }),
    [`POST ${deliveries}/{id}/retry`]: async () => ({ path: `${deliveries}/${await sent()}/retry` }),
    [`POST ${deliveries}/retry`]: () => ({ path: `${deliveries}/retry`, body: { state: "exhausted" } }),
    [`POST ${deliveries}/erase`]: () => ({ path: `${deliveries}/erase`, body: { event_id: "evt_none" } }),
    // A line that is open never ends its answer; nobody listens here.
    "GET /v1/webhook-listeners/{id}/deliveries": () => ({
      path: "/v1/webhook-listeners/whe_none/deliveries",
    }),
    "POST /v1/webhook-listeners/{id}/answers": () => ({
      path: "/v1/webhook-listeners/whe_none/answers",
      body: { ticket: "none", status: 200 },
    }),
  };
}

function idIn({ body }: Called): string {
  return (body as { readonly id: string }).id;
}

/** Of every entity: the first records, and values that their sandbox takes. */
async function recordCalls(relay: ContractRelay): Promise<Record<string, Prepare>> {
  const calls: Record<string, Prepare> = {};
  for (const entity of ENTITY_NAMES) {
    const path = `/v1/${ENTITIES[entity].path}`;
    const { body } = await relay.call("GET", `${path}?limit=50`);
    const ids = (body as { data: readonly { id: string }[] }).data.map(({ id }) => id);
    const [first = "none"] = ids;
    const { create = { name: "Seal" }, update: values = { name: "Seal" } } = WRITTEN[entity] ?? {};
    const next = () => ids.pop() ?? first;
    calls[`GET ${path}/{id}`] = () => ({ path: `${path}/${first}` });
    calls[`GET ${path}/{id}/history`] = () => ({ path: `${path}/${first}/history` });
    calls[`GET ${path}/{id}/trace`] = () => ({ path: `${path}/${first}/trace` });
    calls[`POST ${path}`] = () => ({ path, body: { connection_id: relay.connectionId, ...create } });
    calls[`PATCH ${path}/{id}`] = () => ({ path: `${path}/${first}`, body: values });
    calls[`DELETE ${path}/{id}`] = () => ({ path: `${path}/${next()}` });
    calls[`POST ${path}/{id}/actions/{operation}`] = () => ({
      path: `${path}/${first}/actions/change_status`,
      body: { status: "in_progress" },
    });
    calls[`POST ${path}/bulk`] = () => ({
      path: `${path}/bulk`,
      body: { items: [{ op: "update", id: first, values }] },
    });
  }
  return calls;
}

/** What the sandbox takes of each entity, for creating and changing; entities that are not here answer 501 or 422. */
const WRITTEN: Readonly<Record<string, { readonly create?: object; readonly update?: object }>> = {
  work_order: {
    create: { type: "corrective", title: "Seal leaks" },
    update: { title: "Seal replaced", priority: "high" },
  },
  vendor: { create: { name: "Seals Ltd", kind: "supplier", currency: "EUR" }, update: { name: "Seals Ltd" } },
  purchase_order: { update: { description: "Seals" } },
  maintenance_request: { create: { title: "It leaks" }, update: { title: "It leaks" } },
  asset: { update: { name: "Pump 7" } },
  inventory_item: { update: { name: "Seal 40 mm" } },
};
