// Every entity's records with their envelope.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENTITIES, ENTITY_NAMES } from "#common/contract/model/entities.ts";
import { commitRecords, get, relayFixture, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
beforeAll(async () => {
  relay = await relayFixture();
});
afterAll(() => relay[Symbol.asyncDispose]());

describe("records", () => {
  test.each(ENTITY_NAMES)("%s: list and get give the same record with its envelope", async (entity) => {
    const { acme } = relay;
    const [record] = await commitRecords(relay, acme, [
      {
        entity,
        key: `k-${entity}`,
        fields: { custom_fields: { Größe: "7 µm" } },
        raw: '{"ID":"k","X":1.50}',
      },
    ]);
    const path = `/v1/${ENTITIES[entity].path}`;
    const list = await get(relay, path, acme.connectionToken);
    expect(list.status).toBe(200);
    expect(list.body.next_cursor).toBeNull();
    const one = await get(relay, `${path}/${record?.id}`, acme.connectionToken);
    expect(one.body).toEqual(list.body.data[0]);
    expect(one.body).toMatchObject({
      id: record?.id,
      connection_id: acme.connectionId,
      remote_id: `k-${entity}`,
      remote_key: { ID: `k-${entity}` },
      source: { system: "test", table: "T" },
      revision: record?.revision,
      presence: "present",
      deleted_at: null,
      delete_reason: null,
      incarnation: 1,
      origin: "change",
      remote_version: "7",
      content_hash: record?.hash,
      mapping_version: "0011223344556677",
      custom_fields: { Größe: "7 µm" },
    });
    expect(one.body.updated_at).toBe(new Date(Math.floor((record?.revision ?? 0) / 1000)).toISOString());
    expect(one.body).not.toHaveProperty("raw");
    const raw = await get(relay, `${path}/${record?.id}?include=raw`, acme.connectionToken);
    expect(raw.text).toContain('"raw":{"ID":"k","X":1.50}');
    expect(raw.headers["etag"]).not.toBe(one.headers["etag"]);
  });

  test("a number that is taken for an id is answered with where it belongs, an unknown id is not", async () => {
    const detail = async (path: string): Promise<string> => {
      const answer = await get(relay, path, relay.acme.connectionToken);
      expect([path, answer.status]).toEqual([path, 404]);
      return String(answer.body.detail);
    };
    expect(await detail("/v1/purchase-orders/PO%201")).toContain("GET /v1/purchase-orders?number=PO%201");
    expect(await detail("/v1/vendors/V1")).toContain("GET /v1/vendors?code=V1");
    const id = "00000000-0000-5000-8000-000000000000";
    expect(await detail(`/v1/vendors/${id}`)).not.toContain("GET");
  });
});
