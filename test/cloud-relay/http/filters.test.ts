// Filters, chosen fields, references put in place, page numbers, and what is said when they are wrong.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { enumValues, fieldAt, recordFields } from "#relay/core/records/model-field.ts";
import { commitRecords, get, relayFixture, type JsonAnswer, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
let vendorId = "";
const idOf = (entity: string, key: string): string =>
  recordId(relay.acme.connectionId, entity, JSON.stringify([key]));

beforeAll(async () => {
  relay = await relayFixture();
  const { acme, rival } = relay;
  vendorId = idOf("vendor", "V1");
  await commitRecords(relay, acme, [
    { entity: "vendor", key: "V1", fields: { name: "Nordkugel", code: "V1", status: "active" } },
    { entity: "inventory_item", key: "I1", fields: { code: "I1", active: true } },
    { entity: "inventory_item", key: "I2", fields: { code: "I2", active: false } },
    ...Array.from({ length: 12 }, (_, n) => order(n)),
  ]);
  await commitRecords(relay, rival, [order(99)]);
});
afterAll(() => relay[Symbol.asyncDispose]());

function order(n: number) {
  const vendor = { id: n % 2 === 0 ? vendorId : idOf("vendor", "V2"), remote_id: n % 2 === 0 ? "V1" : "V2" };
  const item = { id: idOf("inventory_item", "I1"), remote_id: "I1" };
  return {
    entity: "purchase_order",
    key: `PO${n}`,
    fields: {
      number: `PO-${n}`,
      status: n < 4 ? "draft" : "approved",
      native_status: n < 4 ? "WAPPR" : "APPR",
      vendor,
      order_date: `2026-03-${String(n + 1).padStart(2, "0")}`,
      approved_at: `2026-03-${String(n + 1).padStart(2, "0")}T08:00:00Z`,
      lines: [{ line_number: "1", item, quantity: "10" }, { line_number: "2" }],
      custom_fields: { PROJECT: `P${n}`, SIZE: 7 },
    },
    raw: '{"TOTAL":1.50}',
  };
}

const list = (query: string, token = relay.acme.connectionToken): Promise<JsonAnswer> =>
  get(relay, `/v1/purchase-orders?${query}`, token);
const numbers = async (query: string): Promise<string[]> => {
  const answer = await list(query);
  expect([query, answer.status]).toEqual([query, 200]);
  return answer.body.data.map((record: { remote_id: string }) => record.remote_id);
};

describe("filters", () => {
  test("each narrows, and all must hold", async () => {
    expect(await numbers("status=draft")).toEqual(["PO0", "PO1", "PO2", "PO3"]);
    expect(await numbers("status=draft,rejected")).toHaveLength(4);
    expect(await numbers("native_status=WAPPR")).toHaveLength(4);
    expect(await numbers("number=PO-7")).toEqual(["PO7"]);
    expect(await numbers("remote_id=PO7")).toEqual(["PO7"]);
    expect(await numbers(`vendor=${vendorId}&status=draft`)).toEqual(["PO0", "PO2"]);
    expect(await numbers(`vendor=${vendorId.toUpperCase()},${idOf("vendor", "V2")}`)).toHaveLength(12);
    expect(await numbers("vendor=V2&status=draft")).toEqual(["PO1", "PO3"]);
    expect(await numbers("vendor=nobody")).toEqual([]);
    expect(await numbers(`ids=${idOf("purchase_order", "PO3")},${idOf("purchase_order", "PO1")}`)).toEqual([
      "PO1",
      "PO3",
    ]);
  });

  test("dates and instants are ranges without their ends", async () => {
    expect(await numbers("order_date_after=2026-03-10")).toEqual(["PO10", "PO11"]);
    expect(await numbers("order_date_after=2026-03-10&order_date_before=2026-03-12")).toEqual(["PO10"]);
    expect(await numbers("approved_at_after=2026-03-11T08:00:00Z")).toEqual(["PO11"]);
    expect(await numbers("approved_at_after=2026-03-11T07:59:59.999999Z")).toEqual(["PO10", "PO11"]);
    expect(await numbers("approved_at_before=2026-03-01T09:00:00%2B01:00")).toEqual([]);
    expect(await numbers("approved_at_before=2026-03-01T09:00:01%2B01:00")).toEqual(["PO0"]);
    expect(await numbers("created_after=2020-01-01&created_before=2021-01-01")).toEqual([]);
    expect(await numbers("created_after=2020-01-01")).toHaveLength(12);
    expect(await numbers("remote_updated_after=2020-01-01")).toEqual([]);
  });

  test("truth values, customers and labels", async () => {
    const active = await get(relay, "/v1/inventory-items?active=true", relay.acme.connectionToken);
    expect(active.body.data.map((item: { code: string }) => item.code)).toEqual(["I1"]);
    const passive = await get(relay, "/v1/inventory-items?active=false", relay.acme.connectionToken);
    expect(passive.body.data.map((item: { code: string }) => item.code)).toEqual(["I2"]);
    expect(await numbers("customer=nobody")).toEqual([]);
    expect(await numbers("label=region:north")).toEqual([]);
  });

  test("walk by cursor with their list; another filter is refused with it", async () => {
    const first = await list("status=approved&limit=3");
    expect(first.body.data).toHaveLength(3);
    const cursor = first.body.next_cursor as string;
    expect(await numbers(`status=approved&limit=30&cursor=${cursor}`)).toEqual([
      "PO7",
      "PO8",
      "PO9",
      "PO10",
      "PO11",
    ]);
    expect((await list(`status=draft&cursor=${cursor}`)).body.code).toBe("INVALID_CURSOR");
    expect((await list(`cursor=${cursor}`)).body.code).toBe("INVALID_CURSOR");
  });

  test("what is not a filter is told with the nearest one, and bad values with what they should be", async () => {
    const cases: readonly (readonly [query: string, pointer: string, words: string])[] = [
      ["vendr=V1", "#/query/vendr", 'did you mean "vendor"'],
      ["asset=A", "#/query/asset", "is not a parameter"],
      ["order_date_after=2026-03-02T08:15:00Z", "#/query/order_date_after", "no time of day"],
      ["approved_at_after=soon", "#/query/approved_at_after", "must be a date"],
      ["ids=1,2", "#/query/ids", "is not an id"],
      ["fields=numbr", "#/query/fields", 'did you mean "number"'],
      ["fields=vendor.nam", "#/query/fields", "there is no nam"],
      ["fields=vendor.name", "#/query/fields", "with expand=vendor"],
      ["fields=,", "#/query/fields", "empty name"],
      ["expand=vendr", "#/query/expand", 'did you mean "vendor"'],
      ["expand=lines", "#/query/expand", "there is no such reference"],
      ["include=rawr", "#/query/include", 'knows no "rawr" (did you mean "raw"?)'],
      ["status=sent,aproved", "#/query/status", 'knows no "aproved" (did you mean "approved"?)'],
      ["status=urgent", "#/query/status", "possible: draft, pending_approval"],
      ["include_deleted=yes", "#/query/include_deleted", "must be true or false"],
      ["limit=ten", "#/query/limit", "must be a whole number"],
      ["cursor=", "#/query/cursor", "must not be empty"],
      ["page=2&cursor=abc", "#/query/cursor", "one way"],
      ["page=2&limit=10", "#/query/limit", "per_page"],
      ["page=51&per_page=200", "#/query/page", "by cursor"],
    ];
    for (const [query, pointer, words] of cases) {
      const answer = await list(query);
      expect([query, answer.status, answer.body.code]).toEqual([query, 400, "INVALID_REQUEST"]);
      expect(answer.body.errors).toContainEqual({ pointer, detail: expect.stringContaining(words) });
    }
  });

  test.each(ENTITY_NAMES)("%s: every filter and date of the model is taken", async (entity) => {
    const { filters, dates, path } = ENTITIES[entity];
    const names = [...Object.keys(filters), ...dates.map((name) => `${name}_after`)];
    for (const name of names) {
      const field = fieldAt(
        recordFields(entity),
        (ENTITIES[entity].filters as Record<string, string>)[name]?.split(".") ?? [],
      );
      const [known] = "schema" in field ? (enumValues(field.schema) ?? []) : [];
      const plain = name.endsWith("_after") ? "2026-01-01" : "x";
      const value = /^(active|writable)$/.test(name) ? "true" : (known ?? plain);
      const answer = await get(relay, `/v1/${path}?${name}=${value}`, relay.acme.connectionToken);
      expect([name, answer.status]).toEqual([name, 200]);
    }
  });
});

describe("shapes", () => {
  test("fields: only what was asked for, with id and revision", async () => {
    const answer = await list(
      "fields=number,vendor.remote_id,lines.quantity,custom_fields.PROJECT&number=PO-4",
    );
    expect(answer.body.data).toEqual([
      {
        id: idOf("purchase_order", "PO4"),
        revision: expect.any(Number),
        number: "PO-4",
        vendor: { remote_id: "V1" },
        lines: [{ quantity: "10" }, {}],
        custom_fields: { PROJECT: "P4" },
      },
    ]);
  });

  test("expand: the referenced record in place, also within lists; one that is not there stays a reference", async () => {
    const answer = await list("expand=vendor,lines.item&status=draft&fields=vendor,lines.item.code");
    const [even, odd] = answer.body.data;
    expect(even.vendor).toMatchObject({
      id: vendorId,
      remote_id: "V1",
      name: "Nordkugel",
      presence: "present",
    });
    expect(odd.vendor).toEqual({ id: idOf("vendor", "V2"), remote_id: "V2" });
    expect(even.lines).toEqual([{ item: { code: "I1" } }, {}]);
  });

  test("expand shows nothing that the token may not see", async () => {
    const foreign = { id: vendorId, remote_id: "V1" };
    const [record] = await commitRecords(relay, relay.rival, [
      { entity: "purchase_order", key: "spy", fields: { vendor: foreign } },
    ]);
    const url = `/v1/purchase-orders/${record?.id}?expand=vendor`;
    const answer = await get(relay, url, relay.rival.connectionToken);
    expect(answer.body.vendor).toEqual(foreign);
  });

  test("the source's own row stays as it was written", async () => {
    const answer = await list("include=raw,freshness&fields=raw&number=PO-4");
    expect(answer.text).toContain('"raw":{"TOTAL":1.50}');
    expect(answer.body.data[0]).toHaveProperty("id");
    expect((await list("include=raw&fields=number&number=PO-4")).text).not.toContain("TOTAL");
  });

  test("a single record takes the same, with an ETag of its own", async () => {
    const url = `/v1/purchase-orders/${idOf("purchase_order", "PO4")}`;
    const token = relay.acme.connectionToken;
    const some = await get(relay, `${url}?fields=number`, token);
    expect(Object.keys(some.body)).toEqual(["id", "revision", "number"]);
    const etag = String(some.headers["etag"]);
    expect((await get(relay, `${url}?fields=number`, token, { "if-none-match": etag })).status).toBe(304);
    expect((await get(relay, url, token, { "if-none-match": etag })).status).toBe(200);
    const expanded = await get(relay, `${url}?expand=vendor`, token);
    expect(expanded.body.vendor.name).toBe("Nordkugel");
    const before = String(expanded.headers["etag"]);
    await commitRecords(relay, relay.acme, [{ entity: "vendor", key: "V1", fields: { name: "Südkugel" } }]);
    const after = await get(relay, `${url}?expand=vendor`, token, { "if-none-match": before });
    expect([after.status, after.body.vendor.name]).toEqual([200, "Südkugel"]);
  });
});

describe("pages by number", () => {
  test("say where they are and how many there are", async () => {
    const first = await list("page=1&per_page=5");
    expect(first.body.meta).toEqual({ current_page: 1, last_page: 3, per_page: 5, total: 12 });
    // From a page one can go on by cursor.
    const rest = await list(`limit=50&cursor=${first.body.next_cursor}`);
    expect(rest.body.data).toHaveLength(7);
    const pages = [first];
    for (const page of [2, 3]) pages.push(await list(`page=${page}&per_page=5`));
    expect(pages.map(({ body }) => body.data.length)).toEqual([5, 5, 2]);
    expect(pages[2]?.body.next_cursor).toBeNull();
    expect(pages[2]?.body.meta).toEqual({ current_page: 3, last_page: 3, per_page: 5, total: 12 });
    const beyond = await list("page=9&per_page=5");
    expect([beyond.body.data, beyond.body.meta.last_page]).toEqual([[], 3]);
    expect((await list("per_page=100")).body.meta).toMatchObject({ current_page: 1, last_page: 1 });
  });

  test("count with filters too, and any page can be the first", async () => {
    const third = await list("status=approved&page=3&per_page=3");
    expect(third.body.data.map(({ number }: { number: string }) => number)).toEqual(["PO-10", "PO-11"]);
    expect(third.body.meta).toEqual({ current_page: 3, last_page: 3, per_page: 3, total: 8 });
    const none = await list("status=closed&page=1");
    expect(none.body.meta).toEqual({ current_page: 1, last_page: 1, per_page: 50, total: 0 });
  });
});
