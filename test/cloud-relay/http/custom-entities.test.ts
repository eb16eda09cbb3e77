// Entities beyond the model: which there are, their lists and single records, and who may not see them.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createToken } from "#relay/core/administration.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import {
  commitRecords,
  entropy,
  get,
  relayFixture,
  type JsonAnswer,
  type RelayFixture,
} from "./relay-fixture.ts";

let relay: RelayFixture;
let ids: readonly string[] = [];

beforeAll(async () => {
  relay = await relayFixture();
  const { acme, rival, store } = relay;
  await store.directory.putDescription(described(acme.connectionId, ["vendor", "tool"]));
  await store.directory.putDescription(described(acme.otherConnectionId, ["tool", "die"]));
  await store.directory.putDescription(described(rival.connectionId, ["secret"]));
  const tools = [1, 2, 3].map((n) => ({
    entity: "tool",
    key: `T${n}`,
    fields: { custom_fields: { SIZE: n, NAME: `Wrench ${n}` } },
    raw: `{"SIZE":${n}.50}`,
  }));
  ids = (await commitRecords(relay, acme, tools)).map(({ id }) => id);
  await commitRecords(relay, rival, [{ entity: "secret", key: "S1", fields: {} }]);
});
afterAll(() => relay[Symbol.asyncDispose]());

function described(connectionId: string, entities: readonly string[]): ConnectionDescription {
  return {
    type: "connection_description",
    connection_id: connectionId,
    connector: "sqlite",
    mapping_version: "1",
    browse: false,
    settings_allowed: [],
    entities: entities.map((entity) => ({
      entity,
      table: entity.toUpperCase(),
      key: ["ID"],
      live: false,
      fields: [],
      custom_fields: ["SIZE", "NAME"],
      writes: [],
    })),
    queries: [],
  };
}

const ask = (path: string, token = relay.acme.workspaceToken): Promise<JsonAnswer> =>
  get(relay, `/v1/custom${path}`, token);
const remoteIds = ({ body }: JsonAnswer): readonly string[] =>
  body.data.map(({ remote_id: id }: { readonly remote_id: string }) => id);

test("lists which there are, with the connections that offer them; the model's are not among them", async () => {
  const { acme } = relay;
  const whole = (await ask("")).body.data;
  const short = whole.map(({ entity, path, connections }: Record<string, object[]>) => [
    entity,
    path,
    connections?.length,
  ]);
  expect(short).toEqual([
    ["die", "/v1/custom/die", 1],
    ["tool", "/v1/custom/tool", 2],
  ]);
  const { body } = await ask("", acme.connectionToken);
  const offer = { table: "TOOL", key: ["ID"], live: false, custom_fields: ["SIZE", "NAME"] };
  const connections = [{ connection_id: acme.connectionId, ...offer }];
  expect(body.data).toEqual([{ entity: "tool", path: "/v1/custom/tool", connections }]);
  const other = await ask(`?connection_id=${acme.otherConnectionId}`, acme.connectionToken);
  expect(other.status).toBe(404);
});

test("a list goes by cursor and takes what all lists take", async () => {
  const first = await ask("/tool?limit=2");
  expect(remoteIds(first)).toEqual(["T1", "T2"]);
  expect(first.body.data[0]).toMatchObject({ id: ids[0], custom_fields: { SIZE: 1, NAME: "Wrench 1" } });
  const cursor = encodeURIComponent(first.body.next_cursor);
  const second = await ask(`/tool?limit=2&cursor=${cursor}`);
  expect([remoteIds(second), second.body.next_cursor]).toEqual([["T3"], null]);
  // A cursor is its own list's.
  expect((await ask(`/die?limit=2&cursor=${cursor}`)).status).toBe(400);
  expect(remoteIds(await ask("/tool?remote_id=T2"))).toEqual(["T2"]);
  expect(remoteIds(await ask("/tool?modified_after=2999-01-01"))).toEqual([]);
  expect(remoteIds(await ask("/tool?modified_before=2999-01-01"))).toHaveLength(3);
  expect(remoteIds(await ask(`/tool?connection_id=${relay.acme.otherConnectionId}`))).toEqual([]);
  const chosen = await ask("/tool?limit=1&fields=custom_fields.SIZE");
  expect(chosen.body.data).toEqual([
    { id: ids[0], revision: expect.any(Number), custom_fields: { SIZE: 1 } },
  ]);
  expect((await ask("/tool?limit=1&include=raw")).text).toContain('"raw":{"SIZE":1.50}');
  const withSource = await ask("/tool?limit=1&include=provenance");
  expect(withSource.body.data[0].provenance.table).toBe("TOOL");
});

test("what a list of the model only takes is refused, and so is a field that is not there", async () => {
  for (const query of ["status=open", "expand=vendor", "fields=number", "include_deleted=perhaps"]) {
    const { status, body } = await ask(`/tool?${query}`);
    expect([query, status, body.code]).toEqual([query, 400, "INVALID_REQUEST"]);
  }
});

test("a single record, with its ETag and its chosen fields", async () => {
  const one = await ask(`/tool/${ids[1]}`);
  expect([one.status, one.body.remote_id, one.body.custom_fields.SIZE]).toEqual([200, "T2", 2]);
  const again = await get(relay, `/v1/custom/tool/${ids[1]}`, relay.acme.workspaceToken, {
    "if-none-match": String(one.headers["etag"]),
  });
  expect(again.status).toBe(304);
  const chosen = await ask(`/tool/${ids[1]}?fields=custom_fields.NAME`);
  expect(chosen.body.custom_fields).toEqual({ NAME: "Wrench 2" });
  expect((await ask(`/die/${ids[1]}`)).status).toBe(404);
});

test("an entity that is not there: what there is, but nothing of others", async () => {
  for (const path of ["/tol", `/tol/${ids[0]}`, "/secret"]) {
    const { status, body } = await ask(path);
    expect([status, body.code]).toEqual([404, "NOT_FOUND"]);
    expect(body.detail).toContain("offered: die, tool.");
  }
  expect((await ask("/die", relay.acme.connectionToken)).body.detail).toContain("offered: tool.");
  expect((await ask("/vendor")).body.detail).toContain("GET /v1/vendors");
});

test("a token for other entities is refused, and shown none", async () => {
  const { acme, store } = relay;
  const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
  const { token } = await createToken(administration, {
    kind: "workspace",
    workspaceId: acme.workspaceId,
    filter: { entities: ["vendor"] },
  });
  for (const path of ["/tool", `/tool/${ids[0]}`, "/nothing"]) {
    const { status, body } = await ask(path, token);
    expect([status, body.code]).toEqual([403, "INSUFFICIENT_SCOPE"]);
  }
  expect((await ask("", token)).body).toEqual({ data: [] });
});

test("a token may be narrowed to one of them that its workspace has; it reads it, and its changes", async () => {
  const { acme, store } = relay;
  const administration = { directory: store.directory, entropy, nowMs: () => Date.now() };
  const narrowed = (entity: string) =>
    createToken(administration, {
      kind: "workspace",
      workspaceId: acme.workspaceId,
      filter: { entities: [entity] },
    });
  const { token } = await narrowed("tool");
  expect(remoteIds(await ask("/tool", token))).toHaveLength(3);
  expect((await ask("", token)).body.data).toMatchObject([{ entity: "tool" }]);
  expect((await ask("/die", token)).status).toBe(403);
  expect((await get(relay, "/v1/vendors", token)).status).toBe(403);
  const events = await get(relay, "/v1/events?limit=200", token);
  expect(new Set(events.body.data.map(({ type }: { readonly type: string }) => type))).toEqual(
    new Set(["tool.created"]),
  );
  await expect(narrowed("tol")).rejects.toMatchObject({ code: "INVALID_REQUEST" });
  await expect(narrowed("secret")).rejects.toMatchObject({ code: "INVALID_REQUEST" });
});

test("the history of a record: its versions with what changed, to whom sees it", async () => {
  const { acme, rival } = relay;
  const [first] = await commitRecords(relay, acme, [
    { entity: "tool", key: "T9", fields: { custom_fields: { SIZE: 1 } } },
  ]);
  await commitRecords(relay, acme, [{ entity: "tool", key: "T9", fields: { custom_fields: { SIZE: 2 } } }]);
  const path = `/tool/${first?.id}/history`;
  const { status, body } = await ask(path);
  expect(status).toBe(200);
  expect(body.data[0].changes).toEqual([{ field: "custom_fields.SIZE", from: 1, to: 2 }]);
  expect(body.data).toHaveLength(2);
  expect((await ask(path, rival.workspaceToken)).status).toBe(404);
  expect((await ask("/tool/none/history")).status).toBe(404);
});
