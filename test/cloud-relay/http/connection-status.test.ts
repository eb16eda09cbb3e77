// Health, capabilities, mapping, sync history and sync control of a connection.
import { Compile } from "typebox/compile";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { SyncRun } from "#relay/core/store.ts";
import { CapabilitiesSchema, MappingSchema } from "#relay/http/capability-routes.ts";
import { HealthSchema } from "#relay/http/health-routes.ts";
import { SyncRunSchema } from "#relay/http/sync-run-routes.ts";
import { setStatus } from "#relay/core/agents/connection-status.ts";
import { commitRecords, get, relayFixture, send, type RelayFixture } from "./relay-fixture.ts";

const relay: RelayFixture = await relayFixture();
const { acme, rival } = relay;
const { commands } = relay.plants;
const id = acme.connectionId;
const at = `/v1/connections/${id}`;
const AGENT = "agt_1";
let writeToken = "";

const DESCRIPTION: ConnectionDescription = {
  type: "connection_description",
  connection_id: id,
  connector: "oracle",
  pack: "maximo",
  mapping_version: "0011223344556677",
  entities: [
    {
      entity: "work_order",
      table: "WORKORDER",
      key: ["SITEID", "WONUM"],
      live: true,
      fields: [
        { name: "number", sources: ["WORKORDER.WONUM"] },
        { name: "lines.quantity", sources: ["WPMATERIAL.ITEMQTY"] },
        { name: "requested_by", sources: ["WORKORDER.REPORTEDBY"], protection: "pseudonymised" },
        { name: "description", sources: ["WORKORDER.DESCRIPTION"] },
      ],
      custom_fields: ["WOEXT1"],
      writes: [
        {
          operation: "update",
          form: "rows",
          policy: "apply",
          exactly_once: true,
          fields: [{ name: "status", required: true, values: ["APPR", "COMP"] }],
        },
        {
          operation: "change_status",
          form: "procedure",
          policy: "window",
          windows: ["mon-fri 06:00-18:00"],
          exactly_once: false,
          fields: [],
        },
        {
          operation: "create",
          form: "rows",
          policy: "refuse",
          reason: "not here",
          exactly_once: true,
          fields: [],
        },
      ],
    },
    {
      entity: "vendor",
      table: "COMPANIES",
      key: ["COMPANY"],
      live: false,
      fields: [],
      custom_fields: [],
      writes: [],
    },
  ],
  queries: [{ query: "open_orders", parameters: [{ name: "vendor", type: "text", required: true }] }],
  browse: true,
  settings_allowed: ["schedules"],
};

beforeAll(async () => {
  const { store } = relay;
  writeToken = (
    await send(relay, "POST", "/admin/v1/tokens", acme.workspaceAdminToken, {
      kind: "connection",
      connection_id: id,
      scopes: ["read", "write"],
    })
  ).body.token;
  await store.directory.createAgent({
    id: AGENT,
    workspaceId: acme.workspaceId,
    name: "plant",
    publicKey: "k",
    createdAtMs: 1,
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
  await store.directory.bindConnections(acme.workspaceId, [id], AGENT);
  await store.directory.claimSession(AGENT, "i", "1", "linux", relay.deps.clock.nowMs());
});
afterAll(() => relay[Symbol.asyncDispose]());

async function report(
  status: "online" | "offline" | "reauthorization_required",
  reason?: string,
): Promise<void> {
  const nowMs = relay.deps.clock.nowMs();
  await relay.store.directory.putReport(
    {
      type: "connection_report",
      connection_id: id,
      status,
      backlog_batches: 2,
      backlog_bytes: 99,
      entities: [{ entity: "work_order", state: "snapshot", read: 40, total: 100, waits: "its window" }],
    },
    nowMs,
  );
  await setStatus(relay.store, id, { state: status, reason, advice: undefined }, nowMs);
}

describe("health", () => {
  const health = async () => {
    const { status, body } = await get(relay, `${at}/health`, acme.connectionToken);
    expect([status, Compile(HealthSchema).Check(body)]).toEqual([200, true]);
    return body;
  };

  test("of what was never served", async () => {
    const { body } = await get(
      relay,
      `/v1/connections/${acme.otherConnectionId}/health`,
      acme.workspaceToken,
    );
    expect(body).toMatchObject({
      status: "pending",
      agent: null,
      source: { reachable: null },
      freshness: { as_of: null, when_offline: "serve" },
      reauthorization: { required: false, instructions: [] },
    });
  });

  test("of one that runs", async () => {
    await report("online");
    expect(await health()).toMatchObject({
      status: "online",
      agent: { id: AGENT, connected: true },
      source: { reachable: true },
      backlog: { batches: 2, bytes: 99 },
      entities: [{ entity: "work_order", state: "snapshot", waits: "its window" }],
    });
  });

  test("says how to reconnect, by the kind of source, here, in the event and where the source is needed", async () => {
    await relay.store.directory.putDescription(DESCRIPTION);
    await report("reauthorization_required", "ORA-28001: the password has expired");
    const { reauthorization, source } = await health();
    expect(source.reachable).toBe(false);
    expect(reauthorization).toMatchObject({ required: true, reason: "ORA-28001: the password has expired" });
    expect(reauthorization.instructions[0]).toContain("ALTER USER");
    const events = await get(relay, "/v1/events?limit=200", acme.connectionToken);
    const told = events.body.data.find(
      (event: { type: string }) => event.type === "connection.authentication_required",
    );
    expect(JSON.stringify(told)).toContain("ALTER USER");
    const refused = await send(relay, "POST", `${at}/sync`, writeToken);
    expect([refused.status, refused.body.code]).toEqual([403, "CONNECTION_REAUTH_REQUIRED"]);
    expect(refused.body.detail).toContain("1. On the Oracle database");
    expect(refused.body.connection_status.state).toBe("reauthorization_required");
    await report("online");
    expect((await health()).reauthorization).toEqual({ required: false, reason: null, instructions: [] });
  });

  test("tells a source that is down from an agent that is away", async () => {
    await report("offline", "connection refused");
    expect((await health()).source.reachable).toBe(false);
    const refused = await send(relay, "POST", `${at}/sync`, writeToken);
    expect([refused.status, refused.body.code]).toEqual([503, "SYSTEM_UNREACHABLE"]);
    expect(refused.headers["retry-after"]).toBeDefined();
    await report("online");
    await setStatus(relay.store, id, { state: "offline", reason: "gone", advice: undefined }, 1);
    expect((await health()).source.reachable).toBeNull();
    await report("online");
  });
});

describe("capabilities and mapping", () => {
  test("are unknown until the agent has described the connection", async () => {
    const path = `/v1/connections/${acme.otherConnectionId}`;
    const capabilities = await get(relay, `${path}/capabilities`, acme.workspaceToken);
    expect(capabilities.body).toMatchObject({ known: false, entities: [], settings_allowed: [] });
    expect(Compile(CapabilitiesSchema).Check(capabilities.body)).toBe(true);
    const mapping = await get(relay, `${path}/mapping`, acme.workspaceToken);
    expect(mapping.body).toMatchObject({ mapping_version: null, entities: [] });
  });

  test("say what can be written, by the plant's policy", async () => {
    await relay.store.directory.putDescription(DESCRIPTION);
    const { body } = await get(relay, `${at}/capabilities`, acme.connectionToken);
    expect(Compile(CapabilitiesSchema).Check(body)).toBe(true);
    const [order, vendor] = body.entities;
    expect(order).toMatchObject({
      entity: "work_order",
      live: true,
      create: false,
      update: true,
      delete: false,
      actions: ["change_status"],
      read_only_reason: null,
    });
    expect(order.operations[2]).toMatchObject({ operation: "create", allowed: false, reason: "not here" });
    expect(order.operations[0].fields[0].values).toEqual(["APPR", "COMP"]);
    expect(vendor).toMatchObject({ update: false, read_only_reason: expect.stringContaining("nothing") });
    const only = await get(relay, `${at}/capabilities?entity=vendor`, acme.connectionToken);
    expect(only.body.entities).toHaveLength(1);
  });

  test("show each field with its columns and a value that is stored", async () => {
    await commitRecords(relay, acme, [
      { entity: "work_order", key: "a", fields: { description: null } },
      { entity: "work_order", key: "b", fields: { number: "WO-1", lines: [{ quantity: "2.5" }] } },
    ]);
    const { body } = await get(relay, `${at}/mapping?entity=work_order`, acme.connectionToken);
    expect(Compile(MappingSchema).Check(body)).toBe(true);
    expect(body.entities[0].fields).toEqual([
      { field: "number", sources: ["WORKORDER.WONUM"], protection: null, preview: "WO-1" },
      { field: "lines.quantity", sources: ["WPMATERIAL.ITEMQTY"], protection: null, preview: "2.5" },
      {
        field: "requested_by",
        sources: ["WORKORDER.REPORTEDBY"],
        protection: "pseudonymised",
        preview: null,
      },
      { field: "description", sources: ["WORKORDER.DESCRIPTION"], protection: null, preview: null },
    ]);
    const unknown = await get(relay, `${at}/mapping?entity=asset`, acme.connectionToken);
    expect(unknown.status).toBe(404);
  });

  test("show a token that sees one entity no other", async () => {
    const { body } = await send(relay, "POST", "/admin/v1/tokens", acme.workspaceAdminToken, {
      kind: "workspace",
      filter: { entities: ["vendor"] },
    });
    const seen = await get(relay, `${at}/capabilities`, body.token);
    expect(seen.body.entities.map(({ entity }: { entity: string }) => entity)).toEqual(["vendor"]);
    expect((await get(relay, `${at}/mapping?entity=work_order`, body.token)).status).toBe(403);
    expect((await get(relay, `${at}/health`, body.token)).body.entities).toEqual([]);
  });
});

describe("sync history", () => {
  const T = Date.parse("2026-03-02T08:00:00Z");
  const run = (name: string, more: Partial<SyncRun>): SyncRun => ({
    connectionId: id,
    entity: "work_order",
    run: name,
    pass: "incremental",
    started_ms: T,
    ...more,
  });
  beforeAll(async () => {
    await relay.store.ingest((tx) =>
      tx.putSyncRuns([
        run("r1", { ended_ms: T + 2_000, outcome: "ok", read: 1_000, rejected: 2, changed: 5 }),
        run("r2", { started_ms: T + 10_000, ended_ms: T + 11_000, outcome: "failed", error: "lost" }),
        run("v1", { entity: "vendor", started_ms: T + 10_000, ended_ms: T + 10_500, outcome: "ok" }),
        run("r3", { started_ms: T + 20_000, pass: "snapshot" }),
        run("r4", { started_ms: T + 30_000, pass: "snapshot" }),
      ]),
    );
  });

  test("newest first, each once across pages, with counts, duration and error rate", async () => {
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const query: string = cursor === "" ? "" : `&cursor=${cursor}`;
      const { body } = await get(relay, `${at}/syncs?limit=2${query}`, acme.connectionToken);
      for (const item of body.data) {
        expect(Compile(SyncRunSchema).Check(item)).toBe(true);
        seen.push(item.run);
      }
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(["r4", "r3", "v1", "r2", "r1"]);
    const { body } = await get(relay, `${at}/syncs/r1`, acme.connectionToken);
    expect(body).toMatchObject({ state: "ok", duration_ms: 2_000, error_rate: 0.002, rows_per_second: 500 });
  });

  test("by entity, with progress of the one that runs; one that never ended is told apart", async () => {
    const { body } = await get(relay, `${at}/syncs?entity=work_order`, acme.connectionToken);
    expect(body.data.map((item: { run: string; state: string }) => [item.run, item.state])).toEqual([
      ["r4", "running"],
      ["r3", "abandoned"],
      ["r2", "failed"],
      ["r1", "ok"],
    ]);
    expect(body.data[0].progress).toEqual({ read: 40, total: 100 });
    for (const path of [`${at}/syncs?entity=vendo`, "/v1/sync-status?entity=vendo"]) {
      const wrong = await get(relay, path, acme.connectionToken);
      const detail = expect.stringContaining('did you mean "vendor"');
      expect([path, wrong.status, wrong.body.errors]).toEqual([
        path,
        400,
        [{ pointer: "#/query/entity", detail }],
      ]);
    }
    const unknown = await get(relay, `${at}/syncs/none`, acme.connectionToken);
    expect([unknown.status, unknown.body.code]).toEqual([404, "NOT_FOUND"]);
    expect((await get(relay, `${at}/syncs`, rival.connectionToken)).status).toBe(404);
  });
});

describe("sync control", () => {
  test("asks the agent and says where to follow it", async () => {
    commands.answer = () => ({ outcome: "succeeded", result: {} });
    for (const [path, action] of [
      ["sync?entity=work_order", "sync"],
      ["resync", "resync"],
      ["cancel", "cancel"],
      ["pause", "pause"],
      ["resume", "resume"],
    ]) {
      commands.calls.length = 0;
      const answer = await send(relay, "POST", `${at}/${path}`, writeToken);
      expect([answer.status, answer.body.action]).toEqual([202, action]);
      const entity = path?.includes("entity") === true ? { entity: "work_order" } : {};
      expect(commands.calls).toMatchObject([{ kind: "operate", body: { action, ...entity } }]);
    }
  });

  test("passes on what the plant says against it", async () => {
    commands.answer = () => ({ outcome: "failed", code: "NOT_ALLOWED", detail: "allow.sync is not set" });
    const answer = await send(relay, "POST", `${at}/pause`, writeToken);
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
      403,
      "NOT_ALLOWED_BY_PLANT",
      "allow.sync is not set",
    ]);
  });

  test("what cannot be called off, because nothing is under way, is a conflict", async () => {
    const detail = "nothing is under way that could be called off";
    commands.answer = () => ({ outcome: "failed", code: "NOTHING_UNDER_WAY", detail });
    const answer = await send(relay, "POST", `${at}/cancel`, writeToken);
    expect([answer.status, answer.body.code, answer.body.retryable]).toEqual([409, "CONFLICT", false]);
    expect(answer.body.detail).toContain(detail);
  });

  test("tests the source", async () => {
    commands.answer = () => ({ outcome: "succeeded", result: { took_ms: 12 } });
    const good = await send(relay, "POST", `${at}/test`, writeToken);
    expect(good.body).toEqual({ connection_id: id, reachable: true, took_ms: 12 });
    commands.answer = () => ({ outcome: "failed", code: "SYSTEM_UNREACHABLE", detail: "refused" });
    expect((await send(relay, "POST", `${at}/test`, writeToken)).status).toBe(503);
  });

  test("needs the scope write, and a connection that is there and not disconnected", async () => {
    commands.calls.length = 0;
    expect((await send(relay, "POST", `${at}/sync`, acme.connectionToken)).status).toBe(403);
    expect((await send(relay, "POST", `${at}/pause?entity=x`, writeToken)).status).toBe(400);
    const foreign = `/v1/connections/${rival.connectionId}/sync`;
    expect((await send(relay, "POST", foreign, writeToken)).status).toBe(404);
    await relay.store.directory.disconnectConnection(acme.workspaceId, id, relay.deps.clock.nowMs());
    const { body } = await send(relay, "POST", "/admin/v1/tokens", acme.workspaceAdminToken, {
      kind: "workspace",
      scopes: ["write"],
    });
    const refused = await send(relay, "POST", `${at}/resume`, body.token);
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining("disconnected")]);
    expect(commands.calls).toEqual([]);
  });
});
