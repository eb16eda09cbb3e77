// Happy paths of everything that is not a plain record, each answer checked against its documented schema.
import { Compile } from "typebox/compile";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { parseEnrollmentCode } from "#common/contract/enrollment-code.ts";
import { fingerprintOf } from "#common/contract/identity-key.ts";
import { hashEnrollmentSecret } from "#common/contract/enrollment-code.ts";
import {
  commitRecords,
  get,
  relayFixture,
  send,
  type JsonAnswer,
  type RelayFixture,
} from "./relay-fixture.ts";

const relay: RelayFixture = await relayFixture();
const { acme, adminToken } = relay;
const POINT = '["urn:plant;s=Temp"]';
let pointId = "";
let agentId = "agt_1";

beforeAll(async () => {
  const [point] = await commitRecords(relay, acme, [
    { entity: "telemetry_point", key: "urn:plant;s=Temp", fields: { name: "Temp" } },
    ...ENTITY_NAMES.map((entity) => ({ entity, key: `k-${entity}`, fields: {}, raw: "{}" })),
  ]);
  pointId = point?.id ?? "";
  await seedAgent();
  await seedSync();
});
afterAll(() => relay[Symbol.asyncDispose]());

describe("telemetry", () => {
  test("last_value in list and get, with quality and both timestamps to the microsecond", async () => {
    const last = {
      value: 21.5,
      quality: "uncertain",
      status_code: 0x40_00_00_00,
      source_timestamp: "2026-03-02T08:00:09.000250Z",
      server_timestamp: "2026-03-02T08:00:09.001Z",
      backfilled: false,
    };
    const one = await documentedGet(`/v1/telemetry-points/${pointId}`, "/v1/telemetry-points/{id}");
    expect(one.body.last_value).toEqual(last);
    const list = await documentedGet("/v1/telemetry-points?limit=200", "/v1/telemetry-points");
    expect(list.body.data.find((record: { id: string }) => record.id === pointId).last_value).toEqual(last);
    const silent = list.body.data.find((record: { id: string }) => record.id !== pointId);
    expect(silent.last_value).toBeNull();
  });

  test("a new value changes the ETag, though the record's revision stays", async () => {
    const url = `/v1/telemetry-points/${pointId}`;
    const before = await get(relay, url, acme.connectionToken);
    const etag = String(before.headers["etag"]);
    expect((await get(relay, url, acme.connectionToken, { "if-none-match": etag })).status).toBe(304);
    await putSample(Date.parse("2026-03-02T09:00:00Z"), 22);
    const after = await get(relay, url, acme.connectionToken, { "if-none-match": etag });
    expect([after.status, after.body.revision, after.body.last_value.value]).toEqual([
      200,
      before.body.revision,
      22,
    ]);
  });

  test("history: every sample once across pages, with the gaps that touch it", async () => {
    const url = `/v1/telemetry-points/${pointId}/samples?after=2026-03-02T08:00:00Z&before=2026-03-02T08:30:00Z`;
    const values: unknown[] = [];
    const gaps = new Set<string>();
    for (let cursor: string | null = ""; cursor !== null;) {
      const { body }: JsonAnswer = await documentedGet(
        `${url}&limit=4${cursor === "" ? "" : `&cursor=${cursor}`}`,
        "/v1/telemetry-points/{id}/samples",
      );
      values.push(...body.data.map((sample: { value: unknown }) => sample.value));
      for (const gap of body.gaps) gaps.add(gap.reason);
      cursor = body.next_cursor;
    }
    expect(values).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 21.5]);
    expect([...gaps]).toEqual(["reconnect"]);
  });
});

describe("status", () => {
  test("connections", async () => {
    const list = await documentedGet("/v1/connections", "/v1/connections");
    expect(list.body.data.map((row: { name: string }) => row.name)).toEqual(["maximo", "press"]);
    const one = await documentedGet(`/v1/connections/${acme.connectionId}`, "/v1/connections/{id}");
    expect(one.body).toMatchObject({
      status: "degraded",
      status_reason: "slow",
      status_advice: "look",
      system: "sqlite",
      agent_id: agentId,
      backlog: { batches: 3, bytes: 4_096 },
    });
    const first = await get(relay, "/v1/connections?limit=1", acme.workspaceToken);
    const second = await get(
      relay,
      `/v1/connections?limit=1&cursor=${first.body.next_cursor}`,
      acme.workspaceToken,
    );
    expect([first.body.data[0].name, second.body.data[0].name, second.body.next_cursor]).toEqual([
      "maximo",
      "press",
      null,
    ]);
  });

  test("a missing record's problem says when its connection is not well", async () => {
    const answer = await get(relay, "/v1/vendors/00000000-0000-5000-8000-000000000000", acme.connectionToken);
    expect(answer.body).toMatchObject({
      code: "NOT_FOUND",
      connection_status: { state: "degraded", reason: "slow", advice: "look" },
    });
  });

  test("agents", async () => {
    const list = await documentedGet("/v1/agents", "/v1/agents");
    expect(list.body.data).toHaveLength(1);
    const one = await documentedGet(`/v1/agents/${agentId}`, "/v1/agents/{id}");
    expect(one.body).toEqual(list.body.data[0]);
    expect(one.body).toMatchObject({
      name: "plant-1",
      status: "online",
      connection_ids: [acme.connectionId],
    });
  });

  test("sync status joins the agent's report, the passes and the records", async () => {
    const { body } = await documentedGet("/v1/sync-status?entity=vendor", "/v1/sync-status");
    expect(body.data).toHaveLength(1);
    expect(body.data[0]).toMatchObject({
      connection_id: acme.connectionId,
      connection_status: "degraded",
      entity: "vendor",
      state: "running",
      strategy: "timestamp",
      records: 1,
      progress: { read: 10, total: 40 },
      error: "locked",
      last_success_at: "2026-03-02T08:00:02.000Z",
      last_run: { run: "r2", outcome: "failed", duration_ms: 1_000, error: "locked" },
    });
    expect(body.data[0].runs.map((run: { run: string }) => run.run)).toEqual(["r2", "r1"]);
    const all = await documentedGet("/v1/sync-status", "/v1/sync-status");
    expect(all.body.data.map((row: { entity: string }) => row.entity)).toEqual(["vendor"]);
  });

  test("gaps: pages never cut an instant in two", async () => {
    const ids: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const { body }: JsonAnswer = await documentedGet(
        `/v1/gaps?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`,
        "/v1/gaps",
      );
      ids.push(...body.data.map((gap: { id: string }) => gap.id));
      cursor = body.next_cursor;
    }
    expect(ids).toEqual(["g1", "g2", "g3", "g4", "g5"]);
  });

  test("rejects", async () => {
    const { body } = await documentedGet("/v1/rejects", "/v1/rejects");
    expect(body.data).toEqual([
      {
        connection_id: acme.connectionId,
        entity: "vendor",
        key: '["r"]',
        code: "BAD_VALUE",
        detail: "not a number",
        read_at: "2026-03-02T08:00:00.000Z",
      },
    ]);
  });

  test.each(ENTITY_NAMES)("%s fits its documented schema, raw included", async (entity) => {
    const path = `/v1/${ENTITIES[entity].path}`;
    const list = await documentedGet(`${path}?include=raw`, path);
    expect(list.body.data.length).toBeGreaterThan(0);
  });

  test("events fit their documented schema", async () => {
    const { body } = await documentedGet("/v1/events", "/v1/events");
    expect(body.data.length).toBeGreaterThan(5);
  });
});

describe("administration", () => {
  test("workspace, connection, enrolment code and token, end to end", async () => {
    const workspace = await documentedPost("/admin/v1/workspaces", { name: "newcomer" });
    const workspaceId = workspace.body.id;
    const connection = await documentedPost("/admin/v1/connections", {
      workspace_id: workspaceId,
      name: "erp",
      customer: "Plant 9",
      environment: "test",
      labels: { line: "3" },
    });
    expect(connection.body).toMatchObject({ status: "pending", customer: "Plant 9", labels: { line: "3" } });
    const again = await send(relay, "POST", "/admin/v1/connections", adminToken, {
      workspace_id: workspaceId,
      name: "erp",
    });
    expect([again.status, again.body.code]).toEqual([409, "CONFLICT"]);

    const code = await documentedPost("/admin/v1/enrollment-codes", {
      workspace_id: workspaceId,
      connections: ["erp"],
      ttl_seconds: 90,
    });
    const parsed = parseEnrollmentCode(code.body.code);
    expect(parsed.fingerprint).toBe(fingerprintOf(relay.deps.relayPublicKey));
    const used = await relay.store.directory.useEnrollmentCode(
      hashEnrollmentSecret(parsed.secret),
      "agt_x",
      Date.now(),
    );
    expect(used?.connectionIds).toEqual([connection.body.id]);
    expect(Date.parse(code.body.expires_at) - Date.parse(code.body.created_at)).toBe(90_000);

    const token = await documentedPost("/admin/v1/tokens", {
      kind: "connection",
      workspace_id: workspaceId,
      connection_id: connection.body.id,
    });
    expect(token.body.token).toMatch(/^mr_test_[0-9A-Za-z]{38}$/);
    const seen = await get(relay, "/v1/connections", token.body.token);
    expect(seen.body.data.map((row: { id: string }) => row.id)).toEqual([connection.body.id]);
    const tokens = await documentedGet(
      `/admin/v1/tokens?workspace_id=${workspaceId}`,
      "/admin/v1/tokens",
      adminToken,
    );
    expect(JSON.stringify(tokens.body)).not.toContain(token.body.token);
    await documentedGet("/admin/v1/workspaces", "/admin/v1/workspaces", adminToken);
    await documentedGet(
      `/admin/v1/connections?workspace_id=${workspaceId}`,
      "/admin/v1/connections",
      adminToken,
    );
  });

  test("an admin token must name the workspace; a workspace's admin token need not", async () => {
    const unnamed = await get(relay, "/admin/v1/connections", adminToken);
    expect([unnamed.status, unnamed.body.errors[0].pointer]).toEqual([400, "#/query/workspace_id"]);
    const own = await get(relay, "/admin/v1/connections", acme.workspaceAdminToken);
    expect(own.body.data.map((row: { name: string }) => row.name)).toEqual(["maximo", "press"]);
  });

  test("every problem of a body at once", async () => {
    const answer = await send(relay, "POST", "/admin/v1/tokens", adminToken, {
      kind: "master",
      scopse: ["read"],
    });
    expect(answer.status).toBe(400);
    const pointers = answer.body.errors.map((issue: { pointer: string }) => issue.pointer);
    expect(pointers).toEqual(expect.arrayContaining(["#/kind", "#/scopse"]));
    expect(answer.body.detail).toContain('did you mean "scopes"?');
    const scopes = await send(relay, "POST", "/admin/v1/tokens", adminToken, {
      kind: "workspace",
      workspace_id: acme.workspaceId,
      scopes: ["raed"],
      expires_at: "2020-01-01",
    });
    expect(scopes.body.errors.map((issue: { pointer: string }) => issue.pointer)).toEqual([
      "#/scopes/0",
      "#/expires_at",
    ]);
  });

  test("an agent is released from quarantine once, and revoked for good", async () => {
    const url = `/admin/v1/agents/${agentId}`;
    expect((await send(relay, "POST", `${url}/release`, adminToken)).body.code).toBe("CONFLICT");
    await relay.store.directory.setAgentQuarantined(agentId, Date.now());
    expect((await get(relay, `/v1/agents/${agentId}`, acme.workspaceToken)).body.status).toBe("quarantined");
    expect((await send(relay, "POST", `${url}/release`, acme.workspaceAdminToken)).body.status).toBe(
      "online",
    );
    expect((await send(relay, "POST", `${url}/revoke`, adminToken)).body.status).toBe("revoked");
    agentId = "";
  });
});

test("system: health, readiness, metrics", async () => {
  expect((await documentedGet("/healthz", "/healthz")).body).toEqual({ status: "ok" });
  expect((await documentedGet("/readyz", "/readyz")).body).toEqual({ status: "ready" });
  const metrics = await get(relay, "/metrics");
  expect(metrics.text).toMatch(
    /millrace_relay_http_requests_total\{route="\/v1\/connections",method="GET",status="200"\} \d/,
  );
  expect(metrics.text).not.toContain(acme.workspaceId);
  await get(relay, "/nowhere");
  const later = (await get(relay, "/metrics")).text;
  expect(later).toMatch(/millrace_relay_http_requests_total\{route="none",method="GET",status="404"\} 1\n/);
  expect(later).toMatch(
    /request_duration_seconds_sum\{route="\/v1\/connections",method="GET"\} (?!0\n)[\d.e-]+\n/,
  );
  const counts = /request_duration_seconds_count\{route="\/v1\/connections",method="GET"\} (\d+)/.exec(later);
  const answered = /requests_total\{route="\/v1\/connections",method="GET",status="200"\} (\d+)/.exec(later);
  expect(Number(counts?.[1])).toBeGreaterThanOrEqual(Number(answered?.[1]));
});

async function documentedGet(
  url: string,
  path: string,
  token: string = acme.workspaceToken,
): Promise<JsonAnswer> {
  const answer = await get(relay, url, token);
  expect([url, answer.status, answer.body?.errors]).toEqual([url, 200, undefined]);
  expectFits(answer, path, "get", 200);
  return answer;
}

async function documentedPost(path: string, body: object): Promise<JsonAnswer> {
  const answer = await send(relay, "POST", path, adminToken, body);
  expect([path, answer.status, answer.body?.errors]).toEqual([path, 201, undefined]);
  expectFits(answer, path, "post", 201);
  return answer;
}

type Schema = Record<string, unknown>;
interface Document {
  readonly paths: Record<
    string,
    Record<string, { responses: Record<string, { content: Record<string, { schema: Schema }> }> }>
  >;
  readonly components: { readonly schemas: Record<string, Schema> };
}

/** The documented schema with references resolved; members that are not documented count as errors. */
function expectFits(answer: JsonAnswer, path: string, verb: string, status: number): void {
  const document = relay.app.swagger() as unknown as Document;
  const schema = document.paths[path]?.[verb]?.responses[status]?.content["application/json"]?.schema;
  expect([path, schema]).toEqual([path, expect.any(Object)]);
  const errors = Compile(closed(schema, document) as never).Errors(answer.body);
  expect(errors.slice(0, 3)).toEqual([]);
}

function closed(schema: unknown, document: Document): unknown {
  if (Array.isArray(schema)) return schema.map((part) => closed(part, document));
  if (typeof schema !== "object" || schema === null) return schema;
  const { $ref, ...rest } = schema as Schema;
  if (typeof $ref === "string")
    return closed(document.components.schemas[$ref.split("/").at(-1) ?? ""], document);
  const parts = Object.fromEntries(
    Object.entries(rest).map(([name, part]) => [name, name === "examples" ? part : closed(part, document)]),
  );
  return "properties" in rest && !("additionalProperties" in rest)
    ? { ...parts, additionalProperties: false }
    : parts;
}

async function putSample(sourceMs: number, value: number, status = 0): Promise<void> {
  const sample = {
    pointKey: POINT,
    value,
    status,
    sourceMs,
    serverMs: Math.floor(sourceMs) + 1,
    backfilled: false,
  };
  await relay.store.ingest((tx) => tx.putSamples(acme.connectionId, [sample]));
}

async function seedAgent(): Promise<void> {
  const { directory } = relay.store;
  await directory.createAgent({
    id: agentId,
    workspaceId: acme.workspaceId,
    name: "plant-1",
    publicKey: "k",
    createdAtMs: Date.now(),
    revokedAtMs: undefined,
    quarantinedAtMs: undefined,
    session: 0,
    instanceId: undefined,
    version: "0.1.0",
    platform: "linux x64",
    connectedAtMs: Date.now(),
    lastSeenAtMs: Date.now(),
    isOnline: true,
  });
  await directory.bindConnections(acme.workspaceId, [acme.connectionId], agentId);
  await directory.putReport(
    {
      type: "connection_report",
      connection_id: acme.connectionId,
      status: "degraded",
      system: "sqlite",
      backlog_batches: 3,
      backlog_bytes: 4_096,
      entities: [
        { entity: "vendor", strategy: "timestamp", state: "running", read: 10, total: 40, error: "locked" },
      ],
    },
    Date.now(),
  );
}

async function seedSync(): Promise<void> {
  const start = Date.parse("2026-03-02T08:00:00Z");
  for (let n = 1; n <= 8; n += 1) await putSample(start + n * 1_000, n);
  await putSample(start + 9_000.25, 21.5, 0x40_00_00_00);
  const { connectionId } = acme;
  const run = { connectionId, entity: "vendor", pass: "incremental" as const };
  const gap = (id: string, recordedAtMs: number, reason: string, fromMs: number) => ({
    id,
    connectionId,
    recordedAtMs,
    reason,
    from_ms: fromMs,
    to_ms: fromMs + 500,
    detail: "d",
  });
  await relay.store.ingest(async (tx) => {
    await tx.setConnectionStatus(connectionId, { state: "degraded", reason: "slow", advice: "look" }, start);
    await tx.putSyncRuns([
      {
        ...run,
        run: "r1",
        started_ms: start + 1_000,
        ended_ms: start + 2_000,
        outcome: "ok",
        read: 5,
        changed: 5,
      },
      {
        ...run,
        run: "r2",
        started_ms: start + 3_000,
        ended_ms: start + 4_000,
        outcome: "failed",
        error: "locked",
      },
    ]);
    await tx.putGaps([
      { ...gap("g1", 1, "reconnect", start + 5_200), entity: "telemetry_point", key: POINT },
      { ...gap("g2", 2, "queue_overflow", start + 5_200), entity: "telemetry_point", key: '["another"]' },
      gap("g3", 2, "reset", start - 90_000),
      gap("g4", 2, "reset", start - 80_000),
      { ...gap("g5", 3, "cursor_lost", start + 5_000), entity: "vendor" },
    ]);
    await tx.putRejects(connectionId, [
      {
        op: "reject",
        entity: "vendor",
        key: '["r"]',
        code: "BAD_VALUE",
        detail: "not a number",
        read_ms: start,
      },
    ]);
  });
}
