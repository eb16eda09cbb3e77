// Every operation of the API with a victim's ids in it, and what a stranger's rightful token gets for them.
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { CUSTOM, type Victim } from "./isolation-victim.ts";

export interface Operation {
  /** The address with the victim's ids in it. */
  url(victim: Victim): string;
  body?(victim: Victim): object;
  /** What another tenant's rightful token gets for the victim's ids; lists answer 200 without the victim's rows. */
  readonly foreign: 200 | 403 | 404;
  /** What a token of the workspace that sees vendors only gets; absent: what the rightful one gets, without other records. */
  readonly narrowed?: 403;
}

const lists = (path: string): Operation => ({ url: () => path, foreign: 200 });
const ofVictim = (url: Operation["url"]): Operation => ({ url, foreign: 404 });
const sends = (url: Operation["url"], body: NonNullable<Operation["body"]>): Operation => ({
  url,
  body,
  foreign: 404,
});
/** Shows more than single entities. */
const whole = (operation: Operation): Operation => ({ ...operation, narrowed: 403 });

const CONNECTION_ROUTES: readonly (readonly [route: string, body?: object])[] = [
  ...["health", "capabilities", "mapping", "syncs", "settings", "sandbox"].map(
    (path) => [`GET ${path}`] as const,
  ),
  ...["sync", "resync", "cancel", "pause", "resume", "test", "sandbox/reset"].map(
    (path) => [`POST ${path}`] as const,
  ),
  ["PUT settings", { entities: ["vendor"] }],
  ["PATCH settings", { entities: ["vendor"] }],
  ["POST sandbox/state", { state: "degraded" }],
  ["POST sandbox/approve", { approve: false }],
  ["POST sandbox/changes", {}],
];
/** Not for a token that sees some entities, or only where it names one of them. */
const WHOLE_CONNECTION = /(settings|sync|resync|cancel|pause|resume)$/;

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...Object.assign({}, ...ENTITY_NAMES.map(recordOperations)),
  "GET /v1/telemetry-points/{id}/samples": whole(
    ofVictim(({ recordIds }) => `/v1/telemetry-points/${recordIds["telemetry_point"]}/samples`),
  ),
  "GET /v1/custom": ofVictim(({ connectionId }) => `/v1/custom?connection_id=${connectionId}`),
  "GET /v1/custom/{entity}": whole(
    ofVictim(({ connectionId }) => `/v1/custom/${CUSTOM}?connection_id=${connectionId}`),
  ),
  "GET /v1/custom/{entity}/{id}": whole(
    ofVictim(({ recordIds }) => `/v1/custom/${CUSTOM}/${recordIds[CUSTOM]}?include=raw`),
  ),
  "GET /v1/custom/{entity}/{id}/history": whole(
    ofVictim(({ recordIds }) => `/v1/custom/${CUSTOM}/${recordIds[CUSTOM]}/history?include=record`),
  ),
  "GET /v1/export": ofVictim(({ connectionId }) => `/v1/export?include=raw&connection_id=${connectionId}`),
  "GET /v1/metadata/entities": lists("/v1/metadata/entities"),
  "GET /v1/metadata/entities/{entity}": ofVictim(
    ({ connectionId }) => `/v1/metadata/entities/vendor?connection_id=${connectionId}`,
  ),
  "GET /v1/operations": whole(ofVictim(({ connectionId }) => `/v1/operations?connection_id=${connectionId}`)),
  "GET /v1/operations/{id}": ofVictim(({ operationId }) => `/v1/operations/${operationId}`),
  "POST /v1/operations/{id}/cancel": ofVictim(({ operationId }) => `/v1/operations/${operationId}/cancel`),
  "GET /v1/queries": whole(ofVictim(({ connectionId }) => `/v1/queries?connection_id=${connectionId}`)),
  "POST /v1/queries/{name}": whole(
    sends(
      () => "/v1/queries/open_orders",
      ({ connectionId }) => ({ connection_id: connectionId, parameters: {} }),
    ),
  ),
  "GET /v1/connections": lists("/v1/connections"),
  "GET /v1/connections/{id}": ofVictim(({ connectionId }) => `/v1/connections/${connectionId}`),
  ...connectionOperations(),
  "GET /v1/connections/{id}/syncs/{run}": ofVictim(
    ({ connectionId }) => `/v1/connections/${connectionId}/syncs/run`,
  ),
  "GET /v1/overview": whole(lists("/v1/overview")),
  "GET /v1/agents": whole(lists("/v1/agents")),
  "GET /v1/agents/{id}": whole(ofVictim(({ agentId }) => `/v1/agents/${agentId}`)),
  ...Object.fromEntries(
    ["sync-status", "gaps", "rejects", "events"].map((path) => [
      `GET /v1/${path}`,
      ofVictim(({ connectionId }) => `/v1/${path}?connection_id=${connectionId}`),
    ]),
  ),
  ...webhookOperations(),
  ...adminOperations(),
};

function recordOperations(entity: (typeof ENTITY_NAMES)[number]): Record<string, Operation> {
  const path = `/v1/${ENTITIES[entity].path}`;
  const one = ({ recordIds }: Victim) => `${path}/${recordIds[entity]}`;
  const name = () => ({ name: "intruder" });
  const operations = {
    [`GET ${path}`]: ofVictim(({ connectionId }) => `${path}?connection_id=${connectionId}`),
    [`GET ${path}/{id}`]: ofVictim((victim) => `${one(victim)}?include=raw`),
    [`GET ${path}/{id}/history`]: ofVictim((victim) => `${one(victim)}/history?include=record`),
    [`GET ${path}/{id}/trace`]: ofVictim((victim) => `${one(victim)}/trace`),
    [`POST ${path}`]: sends(
      () => path,
      ({ connectionId }) => ({ connection_id: connectionId, ...name() }),
    ),
    [`PATCH ${path}/{id}`]: sends(one, name),
    [`DELETE ${path}/{id}`]: ofVictim(one),
    [`POST ${path}/{id}/actions/{operation}`]: sends((victim) => `${one(victim)}/actions/rename`, name),
    [`POST ${path}/bulk`]: sends(
      () => `${path}/bulk`,
      ({ recordIds }) => ({ items: [{ op: "update", id: recordIds[entity], values: name() }] }),
    ),
  };
  if (entity === "vendor") return operations;
  return Object.fromEntries(Object.entries(operations).map(([key, operation]) => [key, whole(operation)]));
}

function connectionOperations(): Record<string, Operation> {
  return Object.fromEntries(
    CONNECTION_ROUTES.map(([route, body]) => {
      const [verb = "", path = ""] = route.split(" ");
      const url = ({ connectionId }: Victim) => `/v1/connections/${connectionId}/${path}`;
      const operation = body === undefined ? ofVictim(url) : sends(url, () => body);
      const isWhole = WHOLE_CONNECTION.test(route);
      return [`${verb} /v1/connections/{id}/${path}`, isWhole ? whole(operation) : operation];
    }),
  );
}

function webhookOperations(): Record<string, Operation> {
  const endpoints = "/v1/webhook-endpoints";
  const deliveries = "/v1/webhook-deliveries";
  const one = ({ endpointId }: Victim) => `${endpoints}/${endpointId}`;
  const ofConnection = ({ connectionId }: Victim) => ({ connection_id: connectionId });
  const operations: Record<string, Operation> = {
    [`GET ${endpoints}`]: ofVictim(({ connectionId }) => `${endpoints}?connection_id=${connectionId}`),
    [`POST ${endpoints}`]: sends(
      () => endpoints,
      (victim) => ({ ...ofConnection(victim), url: "https://example.com/intruder" }),
    ),
    [`GET ${endpoints}/{id}`]: ofVictim(one),
    [`PATCH ${endpoints}/{id}`]: sends(one, () => ({ name: "intruder" })),
    [`DELETE ${endpoints}/{id}`]: ofVictim(one),
    [`POST ${endpoints}/{id}/secrets`]: sends(
      (victim) => `${one(victim)}/secrets`,
      () => ({ expire_now: true }),
    ),
    [`DELETE ${endpoints}/{id}/secrets/{signer_id}`]: ofVictim(
      (victim) => `${one(victim)}/secrets/${victim.secretId}`,
    ),
    [`POST ${endpoints}/{id}/enable`]: ofVictim((victim) => `${one(victim)}/enable`),
    [`POST ${endpoints}/{id}/disable`]: ofVictim((victim) => `${one(victim)}/disable`),
    [`POST ${endpoints}/{id}/test`]: sends(
      (victim) => `${one(victim)}/test`,
      () => ({ type: "vendor.created" }),
    ),
    [`POST ${endpoints}/{id}/recover`]: sends(
      (victim) => `${one(victim)}/recover`,
      () => ({ since: "2026-01-01T00:00:00Z" }),
    ),
    [`GET ${deliveries}`]: ofVictim(({ connectionId }) => `${deliveries}?connection_id=${connectionId}`),
    [`GET ${deliveries}/{id}`]: ofVictim(({ deliveryId }) => `${deliveries}/${deliveryId}`),
    [`POST ${deliveries}/{id}/retry`]: ofVictim(({ deliveryId }) => `${deliveries}/${deliveryId}/retry`),
    [`POST ${deliveries}/retry`]: sends(() => `${deliveries}/retry`, ofConnection),
    [`POST ${deliveries}/erase`]: sends(() => `${deliveries}/erase`, ofConnection),
    "GET /v1/webhook-event-types": lists("/v1/webhook-event-types"),
    "GET /v1/webhook-listeners/{id}/deliveries": ofVictim(
      ({ endpointId }) => `/v1/webhook-listeners/${endpointId}/deliveries`,
    ),
    "POST /v1/webhook-listeners/{id}/answers": sends(
      ({ endpointId }) => `/v1/webhook-listeners/${endpointId}/answers`,
      () => ({ ticket: "intruder", status: 200 }),
    ),
  };
  return Object.fromEntries(Object.entries(operations).map(([key, operation]) => [key, whole(operation)]));
}

function adminOperations(): Record<string, Operation> {
  const ofWorkspace = (path: string) =>
    ofVictim(({ workspaceId }) => `/admin/v1/${path}?workspace_id=${workspaceId}`);
  return {
    "GET /admin/v1/workspaces": lists("/admin/v1/workspaces"),
    "POST /admin/v1/workspaces": {
      url: () => "/admin/v1/workspaces",
      body: () => ({ name: "intruder" }),
      foreign: 403,
    },
    "GET /admin/v1/connections": ofWorkspace("connections"),
    "POST /admin/v1/connections": sends(
      () => "/admin/v1/connections",
      ({ workspaceId }) => ({ workspace_id: workspaceId, name: "intruder" }),
    ),
    "PATCH /admin/v1/connections/{id}": sends(
      ({ connectionId }) => `/admin/v1/connections/${connectionId}`,
      () => ({ customer: "intruder" }),
    ),
    "DELETE /admin/v1/connections/{id}": ofVictim(({ spareId }) => `/admin/v1/connections/${spareId}`),
    "POST /admin/v1/connections/{id}/disconnect": ofVictim(
      ({ spareId }) => `/admin/v1/connections/${spareId}/disconnect`,
    ),
    "POST /admin/v1/connections/{id}/reconnect": ofVictim(
      ({ spareId }) => `/admin/v1/connections/${spareId}/reconnect`,
    ),
    "GET /admin/v1/connection-links": ofWorkspace("connection-links"),
    "POST /admin/v1/connection-links": sends(
      () => "/admin/v1/connection-links",
      ({ spareId }) => ({ connection_id: spareId }),
    ),
    "DELETE /admin/v1/connection-links/{id}": ofVictim(
      ({ linkId }) => `/admin/v1/connection-links/${linkId}`,
    ),
    "POST /admin/v1/enrollment-codes": sends(
      () => "/admin/v1/enrollment-codes",
      ({ connectionId }) => ({ connections: [connectionId] }),
    ),
    "GET /admin/v1/tokens": ofWorkspace("tokens"),
    "POST /admin/v1/tokens": sends(
      () => "/admin/v1/tokens",
      ({ connectionId }) => ({ kind: "connection", connection_id: connectionId }),
    ),
    "DELETE /admin/v1/tokens/{id}": ofVictim(({ tokenId }) => `/admin/v1/tokens/${tokenId}`),
    "GET /admin/v1/users": ofWorkspace("users"),
    "POST /admin/v1/users": sends(
      () => "/admin/v1/users",
      ({ workspaceId }) => ({ workspace_id: workspaceId, email: "intruder@example.com", role: "admin" }),
    ),
    "PATCH /admin/v1/users/{id}": sends(
      ({ userId }) => `/admin/v1/users/${userId}`,
      () => ({ role: "admin" }),
    ),
    "DELETE /admin/v1/users/{id}": ofVictim(({ userId }) => `/admin/v1/users/${userId}`),
    "GET /admin/v1/requests": ofWorkspace("requests"),
    "GET /admin/v1/requests/{id}": ofVictim(
      ({ workspaceId, requestId }) => `/admin/v1/requests/${requestId}?workspace_id=${workspaceId}`,
    ),
    "GET /admin/v1/audit": ofWorkspace("audit"),
    "GET /admin/v1/audit/verdict": ofWorkspace("audit/verdict"),
    "GET /admin/v1/agents": ofWorkspace("agents"),
    "POST /admin/v1/agents/{id}/revoke": ofVictim(({ agentId }) => `/admin/v1/agents/${agentId}/revoke`),
    "POST /admin/v1/agents/{id}/release": ofVictim(({ agentId }) => `/admin/v1/agents/${agentId}/release`),
  };
}

export const PUBLIC: ReadonlySet<string> = new Set([
  "GET /healthz",
  "GET /readyz",
  "GET /metrics",
  "GET /v1/openapi.json",
  "GET /docs",
  "GET /docs/style.css",
  "GET /docs/{page}",
  "GET /connect/style.css",
  "GET /connect/{link}",
]);
