// Who may not see what: every operation of the OpenAPI document against every wrong caller. A new route without an
// entry in OPERATIONS fails.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConnection, createToken, revokeToken } from "#relay/core/administration.ts";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import {
  commitRecords,
  entropy,
  relayFixture,
  send,
  type JsonAnswer,
  type RelayFixture,
} from "./relay-fixture.ts";

const CANARY = "canary-7f3a";

interface Victim {
  readonly workspaceId: string;
  readonly connectionId: string;
  /** One that may come to an end. */
  readonly spareId: string;
  readonly linkId: string;
  readonly agentId: string;
  readonly tokenId: string;
  readonly requestId: string;
  readonly recordIds: Readonly<Record<string, string>>;
}

interface Operation {
  /** The address with the victim's ids in it. */
  url(victim: Victim): string;
  body?(victim: Victim): object;
  /** What another tenant's rightful token gets for the victim's ids; lists answer 200 without the victim's rows. */
  readonly foreign: 200 | 403 | 404;
}

const lists = (path: string): Operation => ({ url: () => path, foreign: 200 });
const ofVictim = (url: Operation["url"], foreign: 403 | 404 = 404): Operation => ({ url, foreign });

const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...Object.fromEntries(
    ENTITY_NAMES.flatMap((entity) => {
      const path = `/v1/${ENTITIES[entity].path}`;
      return [
        [`GET ${path}`, ofVictim(({ connectionId }) => `${path}?connection_id=${connectionId}`)],
        [`GET ${path}/{id}`, ofVictim(({ recordIds }) => `${path}/${recordIds[entity]}?include=raw`)],
        [
          `GET ${path}/{id}/history`,
          ofVictim(({ recordIds }) => `${path}/${recordIds[entity]}/history?include=record`),
        ],
        [`GET ${path}/{id}/trace`, ofVictim(({ recordIds }) => `${path}/${recordIds[entity]}/trace`)],
      ];
    }),
  ),
  "GET /v1/telemetry-points/{id}/samples": ofVictim(
    ({ recordIds }) => `/v1/telemetry-points/${recordIds["telemetry_point"]}/samples`,
  ),
  "GET /v1/export": ofVictim(({ connectionId }) => `/v1/export?include=raw&connection_id=${connectionId}`),
  "GET /v1/metadata/entities": lists("/v1/metadata/entities"),
  "GET /v1/metadata/entities/{entity}": ofVictim(
    ({ connectionId }) => `/v1/metadata/entities/vendor?connection_id=${connectionId}`,
  ),
  "GET /v1/connections": lists("/v1/connections"),
  "GET /v1/connections/{id}": ofVictim(({ connectionId }) => `/v1/connections/${connectionId}`),
  ...Object.fromEntries(
    [
      ...["health", "capabilities", "mapping", "syncs", "settings"].map((path) => `GET ${path}`),
      ...["sync", "resync", "cancel", "pause", "resume", "test"].map((path) => `POST ${path}`),
    ].map((route) => {
      const [verb = "", path = ""] = route.split(" ");
      return [
        `${verb} /v1/connections/{id}/${path}`,
        ofVictim(({ connectionId }) => `/v1/connections/${connectionId}/${path}`),
      ];
    }),
  ),
  ...Object.fromEntries(
    ["PUT", "PATCH"].map((verb) => [
      `${verb} /v1/connections/{id}/settings`,
      {
        url: ({ connectionId }: Victim) => `/v1/connections/${connectionId}/settings`,
        body: () => ({ entities: ["vendor"] }),
        foreign: 404,
      } as const,
    ]),
  ),
  "GET /v1/connections/{id}/syncs/{run}": ofVictim(
    ({ connectionId }) => `/v1/connections/${connectionId}/syncs/run`,
  ),
  "GET /v1/agents": lists("/v1/agents"),
  "GET /v1/agents/{id}": ofVictim(({ agentId }) => `/v1/agents/${agentId}`),
  "GET /v1/sync-status": ofVictim(({ connectionId }) => `/v1/sync-status?connection_id=${connectionId}`),
  "GET /v1/gaps": ofVictim(({ connectionId }) => `/v1/gaps?connection_id=${connectionId}`),
  "GET /v1/rejects": ofVictim(({ connectionId }) => `/v1/rejects?connection_id=${connectionId}`),
  "GET /v1/events": ofVictim(({ connectionId }) => `/v1/events?connection_id=${connectionId}`),
  "GET /admin/v1/workspaces": lists("/admin/v1/workspaces"),
  "POST /admin/v1/workspaces": {
    url: () => "/admin/v1/workspaces",
    body: () => ({ name: "intruder" }),
    foreign: 403,
  },
  "GET /admin/v1/connections": ofVictim(
    ({ workspaceId }) => `/admin/v1/connections?workspace_id=${workspaceId}`,
  ),
  "POST /admin/v1/connections": {
    url: () => "/admin/v1/connections",
    body: ({ workspaceId }) => ({ workspace_id: workspaceId, name: "intruder" }),
    foreign: 404,
  },
  "PATCH /admin/v1/connections/{id}": {
    url: ({ connectionId }) => `/admin/v1/connections/${connectionId}`,
    body: () => ({ customer: "intruder" }),
    foreign: 404,
  },
  "DELETE /admin/v1/connections/{id}": ofVictim(({ spareId }) => `/admin/v1/connections/${spareId}`),
  "POST /admin/v1/connections/{id}/disconnect": ofVictim(
    ({ spareId }) => `/admin/v1/connections/${spareId}/disconnect`,
  ),
  "POST /admin/v1/connections/{id}/reconnect": ofVictim(
    ({ spareId }) => `/admin/v1/connections/${spareId}/reconnect`,
  ),
  "GET /admin/v1/connection-links": ofVictim(
    ({ workspaceId }) => `/admin/v1/connection-links?workspace_id=${workspaceId}`,
  ),
  "POST /admin/v1/connection-links": {
    url: () => "/admin/v1/connection-links",
    body: ({ spareId }) => ({ connection_id: spareId }),
    foreign: 404,
  },
  "DELETE /admin/v1/connection-links/{id}": ofVictim(({ linkId }) => `/admin/v1/connection-links/${linkId}`),
  "POST /admin/v1/enrollment-codes": {
    url: () => "/admin/v1/enrollment-codes",
    body: ({ connectionId }) => ({ connections: [connectionId] }),
    foreign: 404,
  },
  "GET /admin/v1/tokens": ofVictim(({ workspaceId }) => `/admin/v1/tokens?workspace_id=${workspaceId}`),
  "POST /admin/v1/tokens": {
    url: () => "/admin/v1/tokens",
    body: ({ connectionId }) => ({ kind: "connection", connection_id: connectionId }),
    foreign: 404,
  },
  "DELETE /admin/v1/tokens/{id}": ofVictim(({ tokenId }) => `/admin/v1/tokens/${tokenId}`),
  "GET /admin/v1/requests": ofVictim(({ workspaceId }) => `/admin/v1/requests?workspace_id=${workspaceId}`),
  "GET /admin/v1/requests/{id}": ofVictim(
    ({ workspaceId, requestId }) => `/admin/v1/requests/${requestId}?workspace_id=${workspaceId}`,
  ),
  "GET /admin/v1/audit": ofVictim(({ workspaceId }) => `/admin/v1/audit?workspace_id=${workspaceId}`),
  "GET /admin/v1/audit/verdict": ofVictim(
    ({ workspaceId }) => `/admin/v1/audit/verdict?workspace_id=${workspaceId}`,
  ),
  "GET /admin/v1/agents": ofVictim(({ workspaceId }) => `/admin/v1/agents?workspace_id=${workspaceId}`),
  "POST /admin/v1/agents/{id}/revoke": ofVictim(({ agentId }) => `/admin/v1/agents/${agentId}/revoke`),
  "POST /admin/v1/agents/{id}/release": ofVictim(({ agentId }) => `/admin/v1/agents/${agentId}/release`),
};

const PUBLIC = new Set([
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

interface Documented {
  readonly name: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
}

let plants = 0;
const relay: RelayFixture = await relayFixture();
const victim: Victim = await plant(relay);
const operations = documented(relay);

let expired = "";
/** Workspace tokens with the scope write. */
let ownWrite = "";
let rivalWrite = "";
let revoked = "";
beforeAll(async () => {
  const { acme, store } = relay;
  let nowMs = Date.now() - 60_000;
  const administration = { directory: store.directory, entropy, nowMs: () => nowMs };
  const scopes = ["read", "admin"];
  const own = { kind: "workspace" as const, workspaceId: acme.workspaceId, scopes };
  expired = (await createToken(administration, { ...own, expiresAtMs: nowMs + 1_000 })).token;
  nowMs = Date.now();
  const minted = await createToken(administration, own);
  await revokeToken(administration, undefined, minted.row.id);
  revoked = minted.token;
  const scoped = (workspaceId: string) =>
    createToken(administration, { kind: "workspace", workspaceId, scopes: ["read", "write"] });
  ownWrite = (await scoped(acme.workspaceId)).token;
  rivalWrite = (await scoped(relay.rival.workspaceId)).token;
  relay.plants.commands.answer = () => ({ outcome: "succeeded", result: {} });
});
afterAll(() => relay[Symbol.asyncDispose]());

test("every operation has an entry, and every entry is an operation", () => {
  const known = [...Object.keys(OPERATIONS), ...PUBLIC].toSorted();
  expect(operations.map(({ name }) => name).toSorted()).toEqual(known);
});

describe.each(operations.filter(({ name }) => PUBLIC.has(name)))("$name", ({ name, security }) => {
  test("is public by intent and shows nothing of a tenant", async () => {
    expect(security).toEqual([]);
    const answer = await send(relay, "GET", name.slice(4).replace("{page}", "problems"));
    // A link that nobody made.
    const status = name.includes("{link}") ? 404 : 200;
    expect([answer.status, leaksOf(answer)]).toEqual([status, []]);
  });
});

describe.each(operations.filter(({ name }) => !PUBLIC.has(name)))("$name", ({ name, security }) => {
  const operation = OPERATIONS[name];
  const isAdmin = security.some((scheme) => "admin" in scheme);
  const isWrite = !isAdmin && !name.startsWith("GET ");
  const call = (token: string | undefined, headers: Record<string, string> = {}) =>
    send(relay, method(name), operation?.url(victim) ?? "", token, operation?.body?.(victim), headers);

  test("says which token it wants", () => {
    expect(security).toHaveLength(1);
    expect(Object.keys(security[0] ?? {})).toEqual([isAdmin ? "admin" : "data"]);
  });

  test.each([
    ["no token", () => undefined, "AUTHENTICATION_REQUIRED"],
    ["garbage", () => "garbage", "AUTHENTICATION_FAILED"],
    ["an expired token", () => expired, "TOKEN_EXPIRED"],
    ["a revoked token", () => revoked, "TOKEN_REVOKED"],
  ])("%s: 401", async (_name, token, code) => {
    expect(await refusal(() => call(token()))).toEqual({ status: 401, code, leaks: [] });
  });

  test("the wrong kind or scope: 403", async () => {
    const { acme, adminToken } = relay;
    const wrong = isAdmin
      ? [acme.workspaceToken, acme.connectionToken]
      : [acme.workspaceAdminToken, adminToken];
    for (const token of wrong) {
      expect(await refusal(() => call(token))).toEqual({
        status: 403,
        code: "INSUFFICIENT_SCOPE",
        leaks: [],
      });
    }
  });

  test("another tenant's token finds nothing of the victim's", async () => {
    const { rival } = relay;
    const dataTokens = isWrite ? [rivalWrite] : [rival.workspaceToken, rival.connectionToken];
    const tokens = isAdmin ? [rival.workspaceAdminToken] : dataTokens;
    for (const token of tokens) {
      const { status, leaks } = await refusal(() => call(token));
      expect({ status, leaks }).toEqual({ status: operation?.foreign, leaks: [] });
    }
  });

  test("the rightful token is let in, so that the refusals above mean something", async () => {
    const { acme, adminToken } = relay;
    const own = await plant(relay);
    const operator = name === "POST /admin/v1/workspaces" ? adminToken : acme.workspaceAdminToken;
    const dataTokens = isWrite ? [ownWrite] : [acme.workspaceToken, acme.connectionToken];
    for (const token of isAdmin ? [operator] : dataTokens) {
      const answer = await send(
        relay,
        method(name),
        operation?.url(own) ?? "",
        token,
        operation?.body?.(own),
      );
      // 409: an agent that is not in quarantine cannot be released; let in all the same.
      expect([200, 201, 202, 204, 409]).toContain(answer.status);
    }
  });
});

test("a connection's token sees its own connection only, also within its workspace", async () => {
  const { acme } = relay;
  const other = { workspaceId: acme.workspaceId, connectionId: acme.otherConnectionId };
  const [record] = await commitRecords(relay, other, [
    { entity: "vendor", key: "sibling", fields: { name: "sibling" } },
  ]);
  const siblingAgent = await addAgent(relay, "sibling", acme.otherConnectionId);
  const token = acme.connectionToken;
  expect((await send(relay, "GET", `/v1/agents/${siblingAgent}`, token)).status).toBe(404);
  expect((await send(relay, "GET", `/v1/vendors/${record?.id}`, token)).status).toBe(404);
  expect((await send(relay, "GET", `/v1/connections/${acme.otherConnectionId}`, token)).status).toBe(404);
  expect(
    (await send(relay, "GET", `/v1/vendors?connection_id=${acme.otherConnectionId}`, token)).status,
  ).toBe(404);
  for (const url of [
    "/v1/vendors",
    "/v1/events",
    "/v1/connections",
    "/v1/sync-status",
    "/v1/gaps",
    "/v1/rejects",
  ]) {
    const answer = await send(relay, "GET", url, token);
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain("sibling");
    expect(answer.text).not.toContain(acme.otherConnectionId);
  }
});

interface Refusal {
  readonly status: number;
  readonly code: string | undefined;
  /** What should not be there: the victim's texts and ids, another content type, a changed directory. */
  readonly leaks: readonly string[];
}

async function refusal(call: () => Promise<JsonAnswer>): Promise<Refusal> {
  const before = JSON.stringify(await state());
  const answer = await call();
  const leaks = leaksOf(answer);
  if (JSON.stringify(await state()) !== before) leaks.push("the directory changed");
  const isProblem = String(answer.headers["content-type"]).startsWith("application/problem+json");
  if (answer.status >= 400 && !isProblem) leaks.push("not a problem document");
  return { status: answer.status, code: answer.body?.code, leaks };
}

function leaksOf(answer: JsonAnswer): string[] {
  // A refusal repeats the id that was asked for.
  const ids = answer.status === 200 ? [victim.connectionId, victim.agentId, victim.tokenId] : [];
  return [CANARY, ...ids].filter((text) => answer.text.includes(text));
}

async function state(): Promise<unknown> {
  const { directory } = relay.store;
  const { workspaceId } = victim;
  return {
    workspaces: await directory.workspaces(),
    connections: await directory.connections({ workspaceId }),
    agents: await directory.agents({ workspaceId }),
    tokens: await directory.tokens(workspaceId),
  };
}

function method(name: string): "GET" | "POST" | "DELETE" {
  return name.split(" ")[0] as "GET" | "POST" | "DELETE";
}

function documented(fixture: RelayFixture): readonly Documented[] {
  const { paths } = fixture.app.swagger() as {
    paths: Record<string, Record<string, { security?: Documented["security"] }>>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, { security }]) => ({
      name: `${verb.toUpperCase()} ${path}`,
      security: security ?? [{ missing: [] }],
    })),
  );
}

/** Gives acme one of everything, with a canary in each text. */
async function plant(fixture: RelayFixture): Promise<Victim> {
  const { acme, store } = fixture;
  const { workspaceId, connectionId } = acme;
  const records = await commitRecords(
    fixture,
    acme,
    ENTITY_NAMES.map((entity) => ({
      entity,
      key: CANARY,
      fields: { name: CANARY },
      raw: `{"X":"${CANARY}"}`,
    })),
  );
  const agentId = await addAgent(fixture, CANARY, connectionId);
  const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
  const { row } = await createToken(administration, { kind: "workspace", workspaceId, name: CANARY });
  plants += 1;
  const spare = await createConnection(administration, {
    workspaceId,
    name: `spare-${plants}`,
    customer: CANARY,
  });
  const linkId = `lnk_${plants}`;
  await store.links.create({
    id: linkId,
    workspaceId,
    connectionId: spare.id,
    hash: CANARY + String(plants),
    codeId: CANARY,
    system: undefined,
    webhookUrl: `https://${CANARY}.example.com`,
    createdAtMs: 1,
    expiresAtMs: 2,
    revokedAtMs: undefined,
  });
  await store.ingest(async (tx) => {
    await tx.putSamples(connectionId, [
      {
        pointKey: `["${CANARY}"]`,
        value: CANARY,
        status: 0,
        sourceMs: 1_000,
        serverMs: 1_000,
        backfilled: false,
      },
    ]);
    await tx.putSyncRuns([
      { connectionId, entity: "vendor", run: "run", pass: "snapshot", started_ms: 1, error: CANARY },
    ]);
    await tx.putRejects(connectionId, [
      { op: "reject", entity: "vendor", key: '["r"]', code: "BAD", detail: CANARY, read_ms: 1 },
    ]);
  });
  const requestId = `req_${entropy.sha256Hex(agentId).slice(0, 16)}`;
  await store.requests.append([
    {
      id: requestId,
      atMs: Date.now(),
      workspaceId,
      connectionId,
      tokenId: row.id,
      method: "GET",
      route: "/v1/vendors",
      url: `/v1/vendors?q=${CANARY}`,
      status: 200,
      code: undefined,
      durationMs: 1,
      sentBytes: 1,
      remoteAddress: "127.0.0.1",
      userAgent: CANARY,
      traceparent: undefined,
      requestBody: undefined,
      answerBody: undefined,
    },
  ]);
  await store.audit.append({
    workspaceId,
    atMs: Date.now(),
    actor: row.id,
    action: CANARY,
    requestId,
    target: { id: CANARY },
    members: [],
    digest: undefined,
  });
  return {
    workspaceId,
    connectionId,
    spareId: spare.id,
    linkId,
    agentId,
    tokenId: row.id,
    requestId,
    recordIds: Object.fromEntries(records.map((record) => [record.entity, record.id])),
  };
}

async function addAgent(fixture: RelayFixture, name: string, connectionId: string): Promise<string> {
  const { store, acme } = fixture;
  const { workspaceId } = acme;
  const agentId = `agt_${entropy.sha256Hex(String(Math.random())).slice(0, 12)}`;
  await store.directory.createAgent({
    id: agentId,
    workspaceId,
    name,
    publicKey: "k",
    createdAtMs: Date.now(),
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 0,
    instanceId: undefined,
    version: undefined,
    platform: undefined,
    connectedAtMs: undefined,
    lastSeenAtMs: undefined,
    isOnline: false,
  });
  await store.directory.bindConnections(workspaceId, [connectionId], agentId);
  return agentId;
}
