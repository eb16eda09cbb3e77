// Exports: everything once, resumable, in one's own scope only, with the feed cursor that follows; and what fields there are.
import { afterAll, beforeAll, expect, test } from "vitest";
import { commitRecords, get, relayFixture, type JsonAnswer, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
beforeAll(async () => {
  relay = await relayFixture();
  const { acme, rival } = relay;
  const many = Array.from({ length: 1_200 }, (_, n) => ({
    entity: "vendor",
    key: `V${n}`,
    fields: { name: `v${n}` },
    raw: '{"X":1.50}',
  }));
  await commitRecords(relay, acme, many);
  await commitRecords(relay, acme, [{ entity: "asset", key: "A1", fields: { name: "pump" } }]);
  await commitRecords(relay, rival, [{ entity: "vendor", key: "canary", fields: { name: "canary" } }]);
});
afterAll(() => relay[Symbol.asyncDispose]());

interface Line {
  readonly entity?: string;
  readonly record?: { readonly id: string; readonly remote_id: string; readonly revision: number };
  readonly cursor?: string;
  readonly end?: boolean;
  readonly feed_cursor?: string;
  readonly records?: number;
}

const exported = (query: string, token = relay.acme.connectionToken): Promise<JsonAnswer> =>
  get(relay, `/v1/export?${query}`, token);

function linesOf({ status, headers, text }: JsonAnswer): Line[] {
  expect([status, headers["content-type"]]).toEqual([200, "application/x-ndjson; charset=utf-8"]);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

test("gives every record once, and the feed cursor from which on nothing is missed", async () => {
  const lines = linesOf(await exported(""));
  const records = lines.flatMap(({ record }) => record ?? []);
  expect(new Set(records.map(({ id }) => id)).size).toBe(1_201);
  expect(records).toHaveLength(1_201);
  const end = lines.at(-1);
  expect(end).toMatchObject({ end: true, records: 1_201 });
  expect(lines.filter(({ cursor }) => cursor !== undefined)).toHaveLength(4);
  const nothing = await get(relay, `/v1/events?cursor=${end?.feed_cursor}`, relay.acme.connectionToken);
  expect([nothing.status, nothing.body.data]).toEqual([200, []]);
  await commitRecords(relay, relay.acme, [{ entity: "asset", key: "A1", fields: { name: "pump 2" } }]);
  const next = await get(relay, `/v1/events?cursor=${end?.feed_cursor}`, relay.acme.connectionToken);
  expect(next.body.data).toHaveLength(1);
});

test("goes on after any cursor line, and the two parts are the whole", async () => {
  const lines = linesOf(await exported("entities=vendor"));
  const cut = lines.findIndex(({ cursor }) => cursor !== undefined);
  const before = lines.slice(0, cut).flatMap(({ record }) => record?.remote_id ?? []);
  const rest = linesOf(await exported(`entities=vendor&cursor=${lines[cut]?.cursor}`));
  const after = rest.flatMap(({ record }) => record?.remote_id ?? []);
  expect([...before, ...after]).toEqual(Array.from({ length: 1_200 }, (_, n) => `V${n}`));
  // The feed cursor is that of the beginning, not of the second part.
  expect(rest.at(-1)).toEqual(lines.at(-1));
});

test("takes entities, raw rows and nothing of others", async () => {
  const assets = linesOf(await exported("entities=asset"));
  expect(assets.flatMap(({ entity }) => entity ?? [])).toEqual(["asset"]);
  expect((await exported("entities=vendor&include=raw")).text).toContain('"raw":{"X":1.50}');
  expect((await exported("", relay.acme.workspaceToken)).text).not.toContain("canary");
  expect(linesOf(await exported("", relay.rival.workspaceToken)).at(-1)).toMatchObject({ records: 1 });
  const wrong = await exported("entities=vendr");
  expect([wrong.status, wrong.body.detail]).toEqual([400, expect.stringContaining('did you mean "vendor"')]);
  const cursor = assets.find((line) => line.cursor !== undefined)?.cursor;
  expect((await exported(`entities=vendor&cursor=${cursor}`)).body.code).toBe("INVALID_CURSOR");
});

test("two at once with one token; a third is told to wait", async () => {
  const { app, acme } = relay;
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const stop = new AbortController();
  const open = () =>
    fetch(`http://127.0.0.1:${port}/v1/export?include=raw`, {
      headers: { authorization: `Bearer ${acme.workspaceToken}` },
      signal: stop.signal,
    });
  // Held up by who does not read: 1,200 records are more than the sockets' buffers only with longer rows.
  const long = { name: "x".repeat(60_000) };
  await commitRecords(
    relay,
    acme,
    Array.from({ length: 400 }, (_, n) => ({ entity: "location", key: `L${n}`, fields: long })),
  );
  const held = [await open(), await open()];
  const third = await open();
  expect([third.status, third.headers.get("retry-after")]).toEqual([429, "30"]);
  expect(((await third.json()) as { code: string }).code).toBe("TOO_MANY_STREAMS");
  for (const answer of held) await answer.body?.cancel();
  await expect.poll(async () => (await exported("entities=asset", acme.workspaceToken)).status).toBe(200);
  stop.abort();
});

test("metadata: entities, and fields with type, options, filter and who they name", async () => {
  const all = await get(relay, "/v1/metadata/entities", relay.acme.connectionToken);
  const order = all.body.data.find(({ entity }: { entity: string }) => entity === "purchase_order");
  expect(order).toMatchObject({
    path: "/v1/purchase-orders",
    references: expect.arrayContaining(["lines.item"]),
  });
  expect(order).not.toHaveProperty("fields");
  const { body } = await get(relay, "/v1/metadata/entities/purchase_order", relay.acme.workspaceToken);
  const field = (name: string) => body.fields.find((each: { name: string }) => each.name === name);
  expect(field("status")).toMatchObject({ type: "enum", filter: "status", personal: false });
  expect(field("status").options).toContain("pending_approval");
  expect(field("buyer")).toMatchObject({ type: "text", personal: true });
  expect(field("vendor")).toMatchObject({ type: "reference", filter: "vendor" });
  expect(field("lines.quantity")).toMatchObject({ type: "decimal" });
  expect(field("order_date")).toMatchObject({ type: "date" });
  const unknown = await get(relay, "/v1/metadata/entities/purchase_ordr", relay.acme.workspaceToken);
  expect([unknown.status, unknown.body.detail]).toEqual([404, expect.stringContaining("purchase_order")]);
});

test("metadata and provenance of a connection: what it fills, from where, and what writes take", async () => {
  const { acme, store } = relay;
  await store.directory.putDescription({
    type: "connection_description",
    connection_id: acme.connectionId,
    connector: "sql-server",
    pack: "maximo",
    mapping_version: "0011223344556677",
    entities: [
      {
        entity: "vendor",
        table: "COMPANIES",
        key: ["COMPANY"],
        live: true,
        fields: [
          { name: "name", sources: ["COMPANIES.NAME"] },
          { name: "email", sources: ["COMPANIES.EMAIL"], protection: "mask" },
        ],
        custom_fields: ["RATING"],
        writes: [
          {
            operation: "update",
            form: "table",
            policy: "apply",
            exactly_once: false,
            fields: [{ name: "name", required: true, values: ["a", "b"] }],
          },
          { operation: "delete", form: "table", policy: "refuse", exactly_once: false, fields: [] },
        ],
      },
    ],
    queries: [],
    browse: false,
    settings_allowed: [],
  });
  const { body } = await get(relay, "/v1/metadata/entities/vendor", acme.connectionToken);
  expect(body).toMatchObject({
    connection_id: acme.connectionId,
    table: "COMPANIES",
    live: true,
    operations: ["update"],
  });
  const field = (name: string) => body.fields.find((each: { name: string }) => each.name === name);
  expect(field("name")).toMatchObject({
    provided: true,
    sources: ["COMPANIES.NAME"],
    writable_by: ["update"],
    required_by: ["update"],
    allowed_values: ["a", "b"],
  });
  expect(field("email")).toMatchObject({ protection: "mask", writable_by: [] });
  expect(field("phone")).toMatchObject({ provided: false });
  expect(field("custom_fields.RATING")).toMatchObject({ custom: true, type: "any" });
  const list = await get(relay, "/v1/vendors?limit=1&include=provenance", acme.connectionToken);
  expect(list.body.data[0].provenance).toEqual({
    table: "COMPANIES",
    fields: {
      name: { sources: ["COMPANIES.NAME"] },
      email: { sources: ["COMPANIES.EMAIL"], protection: "mask" },
    },
  });
});
