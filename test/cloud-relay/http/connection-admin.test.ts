// Changing, disconnecting, reconnecting and deleting connections, and tokens that see a part of a workspace.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitRecords, get, relayFixture, send, type RelayFixture } from "./relay-fixture.ts";

const relay: RelayFixture = await relayFixture();
const { acme, rival } = relay;
const admin = acme.workspaceAdminToken;
const url = (id: string, action = ""): string => `/admin/v1/connections/${id}${action}`;

beforeAll(async () => {
  for (const connectionId of [acme.connectionId, acme.otherConnectionId]) {
    const at = { workspaceId: acme.workspaceId, connectionId };
    await commitRecords(relay, at, [
      { entity: "work_order", key: "1", fields: {} },
      { entity: "vendor", key: "1", fields: {} },
    ]);
  }
});
afterAll(() => relay[Symbol.asyncDispose]());

async function makeConnection(name: string, more: object = {}): Promise<string> {
  return (await send(relay, "POST", "/admin/v1/connections", admin, { name, ...more })).body.id;
}

async function makeToken(body: object): Promise<string> {
  return (await send(relay, "POST", "/admin/v1/tokens", admin, body)).body.token;
}

describe("changing", () => {
  test("sets what is given and leaves the rest", async () => {
    const id = await makeConnection("changing", { customer: "North", metadata: { crm: "1" } });
    const changed = await send(relay, "PATCH", url(id), admin, {
      labels: { site: "north" },
      when_offline: "refuse",
    });
    expect(changed.body).toMatchObject({
      customer: "North",
      labels: { site: "north" },
      metadata: { crm: "1" },
      when_offline: "refuse",
      kind: "agent",
      disconnected_at: null,
    });
    const cleared = await send(relay, "PATCH", url(id), admin, { customer: null });
    expect([cleared.body.customer, cleared.body.when_offline]).toEqual([null, "refuse"]);
  });

  test("refuses another environment, unknown members and an empty change", async () => {
    const id = await makeConnection("fixed");
    const environment = await send(relay, "PATCH", url(id), admin, { environment: "test" });
    expect([environment.status, environment.body.code]).toEqual([409, "CONFLICT"]);
    expect(environment.body.errors[0].pointer).toBe("#/environment");
    expect((await send(relay, "PATCH", url(id), admin, { environment: "production" })).status).toBe(200);
    expect((await send(relay, "PATCH", url(id), admin, { colour: "red" })).status).toBe(400);
    expect((await send(relay, "PATCH", url(id), admin, {})).status).toBe(400);
  });
});

describe("disconnecting", () => {
  test("kills its tokens at once, keeps its records, and reconnecting does not revive tokens", async () => {
    const id = acme.connectionId;
    const second = await makeToken({ kind: "connection", connection_id: id });
    expect((await get(relay, "/v1/work-orders", second)).status).toBe(200);
    const disconnected = await send(relay, "POST", url(id, "/disconnect"), admin);
    expect(disconnected.body).toMatchObject({ status: "offline", disconnected_at: expect.any(String) });
    for (const token of [second, acme.connectionToken]) {
      expect((await get(relay, "/v1/work-orders", token)).body.code).toBe("TOKEN_REVOKED");
    }
    const kept = await get(relay, `/v1/work-orders?connection_id=${id}`, acme.workspaceToken);
    expect(kept.body.data).toHaveLength(1);
    expect((await send(relay, "POST", url(id, "/disconnect"), admin)).status).toBe(409);
    const back = await send(relay, "POST", url(id, "/reconnect"), admin);
    expect(back.body).toMatchObject({ status: "pending", disconnected_at: null });
    expect((await get(relay, "/v1/work-orders", second)).body.code).toBe("TOKEN_REVOKED");
    const fresh = await makeToken({ kind: "connection", connection_id: id });
    expect((await get(relay, "/v1/work-orders", fresh)).status).toBe(200);
    expect((await send(relay, "POST", url(id, "/reconnect"), admin)).status).toBe(409);
  });

  test("deleting needs it first, and takes everything out of sight", async () => {
    const id = await makeConnection("short-lived");
    const at = { workspaceId: acme.workspaceId, connectionId: id };
    const [record] = await commitRecords(relay, at, [{ entity: "asset", key: "gone", fields: {} }]);
    const early = await send(relay, "DELETE", url(id), admin);
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining("Disconnect it first")]);
    await send(relay, "POST", url(id, "/disconnect"), admin);
    expect((await send(relay, "DELETE", url(id), admin)).status).toBe(204);
    expect((await get(relay, `/v1/connections/${id}`, acme.workspaceToken)).status).toBe(404);
    expect((await get(relay, `/v1/assets/${record?.id}`, acme.workspaceToken)).status).toBe(404);
    expect((await get(relay, "/v1/assets", acme.workspaceToken)).body.data).toEqual([]);
    expect((await send(relay, "DELETE", url(id), admin)).status).toBe(404);
    expect(await makeConnection("short-lived")).not.toBe(id);
  });

  test("another workspace's connection is not there", async () => {
    for (const action of ["/disconnect", "/reconnect"]) {
      const answer = await send(relay, "POST", url(rival.connectionId, action), admin);
      expect(answer.status).toBe(404);
    }
  });
});

describe("tokens that see a part of the workspace", () => {
  const names = async (token: string): Promise<string[]> => {
    const { body } = await get(relay, "/v1/connections", token);
    return body.data.map((row: { name: string }) => row.name);
  };

  test("by connection: other connections are not there", async () => {
    const token = await makeToken({
      kind: "workspace",
      filter: { connection_ids: [acme.otherConnectionId] },
    });
    expect(await names(token)).toEqual(["press"]);
    const { body } = await get(relay, "/v1/work-orders", token);
    expect(body.data.map((row: { connection_id: string }) => row.connection_id)).toEqual([
      acme.otherConnectionId,
    ]);
    const foreign = await get(relay, `/v1/work-orders?connection_id=${acme.connectionId}`, token);
    expect(foreign.status).toBe(404);
  });

  test("by label: also connections that get the label later, and no more once it is taken", async () => {
    const token = await makeToken({ kind: "workspace", filter: { labels: { site: "south" } } });
    expect(await names(token)).toEqual([]);
    const id = await makeConnection("southern", { labels: { site: "south", line: "2" } });
    expect(await names(token)).toEqual(["southern"]);
    await send(relay, "PATCH", url(id), admin, { labels: {} });
    expect(await names(token)).toEqual([]);
  });

  test("by entity: other entities and what shows all of them are refused", async () => {
    const token = await makeToken({ kind: "workspace", filter: { entities: ["vendor"] } });
    expect((await get(relay, "/v1/vendors", token)).body.data).toHaveLength(2);
    const refused = await get(relay, "/v1/work-orders", token);
    expect([refused.status, refused.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"]);
    for (const path of ["/v1/vendors?expand=parent", "/v1/operations"]) {
      expect([path, (await get(relay, path, token)).status]).toEqual([path, 403]);
    }
    const exported = await get(relay, "/v1/export", token);
    expect(exported.text).not.toContain('"entity":"work_order"');
    expect((await get(relay, "/v1/connections", token)).status).toBe(200);
  });

  test("by entity: the feed, the syncs, the gaps and the rejects show what is of these entities, or of none", async () => {
    const { connectionId, workspaceId } = acme;
    const atMs = Date.now();
    const gap = { connectionId, reason: "reset", to_ms: 1, detail: "", recordedAtMs: atMs };
    const reject = { op: "reject", key: "1", code: "BAD_VALUE", detail: "", read_ms: 1 } as const;
    const run = {
      connectionId,
      run: "r1",
      pass: "snapshot",
      started_ms: 1,
      ended_ms: 2,
      outcome: "ok",
    } as const;
    await relay.store.ingest(async (tx) => {
      const kinds = ["work_order", "vendor", undefined] as const;
      const first = await tx.revisions(kinds.length * 2, atMs);
      const about = { workspaceId, connectionId, recordId: undefined, origin: undefined, atMs, data: "{}" };
      const types = ["gap.recorded", "connection.offline"];
      await tx.appendEvents(
        types.flatMap((type, at) =>
          kinds.map((entity, n) => {
            const position = first + at * kinds.length + n;
            return { ...about, type, entity, position, id: `evt_r_${position}` };
          }),
        ),
      );
      await tx.putGaps(
        kinds.map((entity, n) => Object.assign({}, gap, { id: `gap_${n}` }, entity && { entity })),
      );
      await tx.putRejects(connectionId, [
        { ...reject, entity: "asset" },
        { ...reject, entity: "vendor" },
      ]);
      await tx.putSyncRuns([
        { ...run, entity: "vendor" },
        { ...run, entity: "work_order" },
      ]);
    });
    const token = await makeToken({ kind: "workspace", filter: { entities: ["vendor"] } });
    const seen = async (path: string): Promise<readonly unknown[]> => {
      const { status, body } = await get(relay, path, token);
      expect([path, status]).toEqual([path, 200]);
      return body.data.map(({ type, entity }: { type?: string; entity: unknown }) =>
        type === undefined ? entity : `${type} ${String(entity)}`,
      );
    };
    const events = await seen("/v1/events?limit=200");
    expect(new Set(events)).toEqual(
      new Set([
        "vendor.created vendor",
        "gap.recorded vendor",
        "gap.recorded null",
        "connection.offline vendor",
        "connection.offline null",
      ]),
    );
    expect(await seen("/v1/events?types=work_order.created,gap.recorded")).toEqual([
      "gap.recorded vendor",
      "gap.recorded null",
    ]);
    expect(await seen("/v1/events?types=work_order.created")).toEqual([]);
    expect(await seen("/v1/gaps")).toEqual(["vendor", null]);
    expect(await seen("/v1/rejects?limit=1")).toEqual(["vendor"]);
    expect(new Set(await seen("/v1/sync-status"))).toEqual(new Set(["vendor"]));
    // A page may hold less than its limit: what follows is still reached, and nothing twice.
    const walked: string[] = [];
    for (let cursor = "", hasMore = true; hasMore;) {
      const { body } = await get(relay, `/v1/events?limit=1${cursor}`, token);
      for (const { type, entity } of body.data) walked.push(`${type} ${entity}`);
      cursor = `&cursor=${body.next_cursor}`;
      hasMore = body.has_more;
    }
    expect(walked).toEqual(events);
  });

  test("are checked when they are made, and shown in the list", async () => {
    const make = (body: object) => send(relay, "POST", "/admin/v1/tokens", admin, body);
    const typo = await make({ kind: "workspace", filter: { entities: ["vendors"] } });
    expect([typo.status, typo.body.errors[0].detail]).toEqual([400, expect.stringContaining('"vendor"')]);
    const foreign = await make({ kind: "workspace", filter: { connection_ids: [rival.connectionId] } });
    expect(foreign.status).toBe(404);
    const filter = { entities: ["vendor"] };
    expect((await make({ kind: "workspace", scopes: ["admin"], filter })).status).toBe(400);
    const bound = { kind: "connection", connection_id: acme.connectionId };
    expect((await make({ ...bound, filter })).status).toBe(400);
    expect((await make({ kind: "workspace", filter: {} })).status).toBe(400);
    const { body } = await get(relay, "/admin/v1/tokens?limit=200", admin);
    const filters = body.data.map((row: { filter: unknown }) => row.filter);
    expect(filters).toContainEqual({ labels: { site: "south" } });
    expect(filters).toContainEqual(null);
  });
});
