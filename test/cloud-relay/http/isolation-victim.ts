// One of everything in a tenant, with a canary in each text: what no stranger may ever see.
import { createConnection, createToken } from "#relay/core/administration.ts";
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import { newId } from "#relay/core/identifiers.ts";
import { commitRecords, entropy, type RelayFixture } from "./relay-fixture.ts";

export const CANARY = "canary-7f3a";
/** An entity beyond the model. */
export const CUSTOM = "tool";
const ALL_ENTITIES = [...ENTITY_NAMES, CUSTOM];

export interface Victim {
  readonly workspaceId: string;
  readonly connectionId: string;
  /** One that may come to an end. */
  readonly spareId: string;
  readonly linkId: string;
  readonly agentId: string;
  readonly tokenId: string;
  readonly userId: string;
  readonly requestId: string;
  readonly operationId: string;
  readonly endpointId: string;
  readonly secretId: string;
  readonly deliveryId: string;
  readonly recordIds: Readonly<Record<string, string>>;
}

let plants = 0;

/** Each call replaces what has no copies, such as the description of the connection. */
export async function plantVictim(fixture: RelayFixture): Promise<Victim> {
  const { acme, store } = fixture;
  const { workspaceId, connectionId } = acme;
  plants += 1;
  const records = await commitRecords(
    fixture,
    acme,
    ALL_ENTITIES.map((entity) => ({
      entity,
      key: CANARY,
      fields: { name: CANARY },
      raw: `{"X":"${CANARY}"}`,
    })),
  );
  const agentId = await addAgent(fixture, CANARY, connectionId);
  await store.directory.putDescription(description(connectionId));
  await plantTrouble(fixture);
  const { tokenId, spareId, linkId } = await plantDirectory(fixture);
  const { user } = await fixture.deps.users.create({
    workspaceId,
    email: `${CANARY}-${plants}@example.com`,
    name: CANARY,
    role: "viewer",
  });
  const { requestId, operationId } = await plantLogs(fixture, tokenId);
  const webhook = await plantWebhook(fixture);
  const recordIds = Object.fromEntries(records.map((record) => [record.entity, record.id]));
  return {
    workspaceId,
    connectionId,
    spareId,
    linkId,
    agentId,
    tokenId,
    userId: user.id,
    requestId,
    operationId,
    ...webhook,
    recordIds,
  };
}

/** All that a refused request must leave as it was. */
export async function stateOf({ store }: RelayFixture, victim: Victim): Promise<unknown> {
  const { directory } = store;
  const { workspaceId, connectionId } = victim;
  const scope = { workspaceId };
  const records = ALL_ENTITIES.map((entity) =>
    store.reader.getRecord(scope, entity, victim.recordIds[entity] ?? "", false),
  );
  return {
    workspaces: await directory.workspaces(),
    connections: await directory.connections(scope),
    agents: await directory.agents(scope),
    tokens: await directory.tokens(workspaceId),
    links: await store.links.list(workspaceId),
    users: await store.users.list(workspaceId),
    operations: await store.operations.list(scope, { limit: 200 }),
    endpoints: await store.webhooks.endpoints(scope),
    deliveries: await store.webhooks.deliveries(scope, { limit: 200 }),
    messages: await store.webhooks.messages(scope, [victim.deliveryId]),
    settings: await store.settings.get(scope, connectionId),
    records: await Promise.all(records),
  };
}

/** An endpoint of the connection with an old secret, and a delivery of it. */
async function plantWebhook({ deps, acme }: RelayFixture) {
  const { webhooks } = deps;
  const { workspaceId, connectionId } = acme;
  if (webhooks === undefined) throw new Error("the fixture has no webhooks");
  const url = `https://example.com/${CANARY}`;
  const headers = { "x-key": CANARY };
  const made = await webhooks.endpoints.create({ workspaceId, connectionId, url, name: CANARY, headers });
  const endpointId = made.endpoint.row.id;
  const { deliveryId } = await webhooks.sendTest({ workspaceId }, endpointId, "vendor.created");
  await webhooks.endpoints.rotate({ workspaceId }, endpointId, {});
  return { endpointId, secretId: made.secretId, deliveryId };
}

export async function addAgent(fixture: RelayFixture, name: string, connectionId: string): Promise<string> {
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

/** A plant that takes every write of every entity. */
function description(connectionId: string): ConnectionDescription {
  const fields = [{ name: "name", type: "text", required: false }] as const;
  const writes = (["create", "update", "delete", "rename"] as const).map((operation) => ({
    operation,
    form: "update",
    policy: "apply",
    exactly_once: true,
    fields: operation === "delete" ? [] : [...fields],
  }));
  return {
    type: "connection_description",
    connection_id: connectionId,
    connector: "sqlite",
    mapping_version: "1",
    browse: false,
    settings_allowed: ["entities"],
    entities: ALL_ENTITIES.map((entity) => ({
      entity,
      table: CANARY,
      key: ["ID"],
      live: true,
      fields: [],
      custom_fields: [],
      writes,
    })),
    queries: [{ query: "open_orders", description: CANARY, parameters: [] }],
  } as ConnectionDescription;
}

async function plantTrouble({ store, acme: { connectionId } }: RelayFixture): Promise<void> {
  await store.ingest(async (tx) => {
    await tx.setConnectionStatus(connectionId, { state: "online", reason: CANARY, advice: CANARY }, 1);
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
}

async function plantDirectory(
  fixture: RelayFixture,
): Promise<{ readonly tokenId: string; readonly spareId: string; readonly linkId: string }> {
  const { store, acme } = fixture;
  const { workspaceId } = acme;
  const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
  const { row } = await createToken(administration, { kind: "workspace", workspaceId, name: CANARY });
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
  return { tokenId: row.id, spareId: spare.id, linkId };
}

async function plantLogs(
  { store, acme: { workspaceId, connectionId } }: RelayFixture,
  tokenId: string,
): Promise<{ readonly requestId: string; readonly operationId: string }> {
  const atMs = Date.now();
  const requestId = newId("req", atMs, entropy.randomBytes);
  const operationId = newId("op", atMs, entropy.randomBytes);
  const desired = await store.settings.get({ workspaceId }, connectionId);
  await store.settings.putDesired({
    connectionId,
    revision: (desired.desired?.revision ?? 0) + 1,
    document: { entities: [CANARY] },
    atMs,
    by: tokenId,
  });
  const body = { entity: "vendor", operation: "create", values: { name: CANARY } };
  const row = {
    id: operationId,
    workspaceId,
    connectionId,
    entity: "vendor",
    operation: "create",
    state: "queued_offline",
    detail: CANARY,
    body,
    mayQueue: true,
    createdAtMs: atMs,
    expiresAtMs: atMs + 3_600_000,
    requestId,
    idempotencyKey: CANARY,
  } as const;
  await store.operations.create([row], undefined);
  await store.requests.append([
    {
      id: requestId,
      atMs,
      workspaceId,
      connectionId,
      tokenId,
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
    atMs,
    actor: tokenId,
    action: CANARY,
    requestId,
    target: { id: CANARY },
    members: [],
    digest: undefined,
  });
  return { requestId, operationId };
}
