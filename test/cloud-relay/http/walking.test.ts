// Walking lists by cursor and by time while others write.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commitRecords, get, relayFixture, type RelayFixture } from "./relay-fixture.ts";

let relay: RelayFixture;
beforeAll(async () => {
  relay = await relayFixture();
});
afterAll(() => relay[Symbol.asyncDispose]());

const seed = (key: string, n = 0) => ({
  entity: "purchase_order",
  key,
  fields: { number: key, memo: `v${n}` },
});

interface Walked {
  readonly ids: string[];
  readonly revisions: number[];
}

async function walk(
  query: string,
  token: string,
  between: () => Promise<void> = async () => {},
): Promise<Walked> {
  const walked: Walked = { ids: [], revisions: [] };
  let cursor = "";
  do {
    const answer = await get(
      relay,
      `/v1/purchase-orders?${query}${cursor === "" ? "" : `&cursor=${cursor}`}`,
      token,
    );
    expect(answer.status).toBe(200);
    for (const record of answer.body.data) {
      walked.ids.push(record.remote_id);
      walked.revisions.push(record.revision);
    }
    cursor = answer.body.next_cursor ?? "";
    if (cursor !== "") await between();
  } while (cursor !== "");
  return walked;
}

describe("walking a list", () => {
  test("never skips and never repeats a version while records are written, changed and added", async () => {
    const { acme } = relay;
    const other = { workspaceId: acme.workspaceId, connectionId: acme.otherConnectionId };
    await commitRecords(
      relay,
      acme,
      Array.from({ length: 30 }, (_, n) => seed(`a${n}`)),
    );
    await commitRecords(
      relay,
      other,
      Array.from({ length: 30 }, (_, n) => seed(`b${n}`)),
    );
    let round = 0;
    const walked = await walk("limit=7", acme.workspaceToken, async () => {
      round += 1;
      if (round > 12) return;
      await commitRecords(relay, round % 2 === 0 ? acme : other, [
        seed(`new${round}`),
        seed(`a${round}`, round),
      ]);
    });
    expect(new Set(walked.revisions).size).toBe(walked.revisions.length);
    expect(walked.revisions).toEqual(walked.revisions.toSorted((x, y) => x - y));
    const present = await walk("limit=200", acme.workspaceToken);
    expect(new Set(walked.ids)).toEqual(new Set(present.ids));
    // Every record's newest version was seen, also of those that changed on the way.
    expect(present.revisions.filter((revision) => !walked.revisions.includes(revision))).toEqual([]);
  });

  test("modified_after and modified_before are exclusive, to the microsecond", async () => {
    const { rival } = relay;
    const records = await commitRecords(relay, rival, [seed("x"), seed("y"), seed("z")]);
    const micros = (revision: number): string =>
      `${new Date(Math.floor(revision / 1000)).toISOString().slice(0, -1)}${String(revision % 1000).padStart(3, "0")}Z`;
    const [x, y, z] = records.map((record) => micros(record.revision));
    expect((await walk(`modified_after=${x}`, rival.workspaceToken)).ids).toEqual(["y", "z"]);
    expect((await walk(`modified_before=${z}`, rival.workspaceToken)).ids).toEqual(["x", "y"]);
    expect((await walk(`modified_after=${x}&modified_before=${z}`, rival.workspaceToken)).ids).toEqual(["y"]);
    expect(
      (await walk("modified_after=2020-01-01&modified_before=9999-12-31", rival.workspaceToken)).ids,
    ).toHaveLength(3);
    expect(y).toBeDefined();
  });

  test("modified_after of the updated_at of the last record seen never skips a later one", async () => {
    const { rival } = relay;
    const first = await commitRecords(relay, rival, [seed("p1")]);
    const seen = await get(relay, `/v1/purchase-orders/${first[0]?.id}`, rival.workspaceToken);
    const later = await commitRecords(relay, rival, [seed("p2"), seed("p3")]);
    const { ids } = await walk(`modified_after=${seen.body.updated_at}`, rival.workspaceToken);
    expect(ids).toEqual(expect.arrayContaining(["p2", "p3"]));
    expect(later).toHaveLength(2);
  });

  test("a cursor belongs to its query; another filter is refused, another limit is not", async () => {
    const { acme } = relay;
    const page = await get(relay, "/v1/purchase-orders?limit=2", acme.workspaceToken);
    const cursor = page.body.next_cursor as string;
    expect(
      (await get(relay, `/v1/purchase-orders?limit=5&include=raw&cursor=${cursor}`, acme.workspaceToken))
        .status,
    ).toBe(200);
    for (const url of [
      `/v1/purchase-orders?include_deleted=true&cursor=${cursor}`,
      `/v1/purchase-orders?modified_after=2020-01-01&cursor=${cursor}`,
      `/v1/purchase-orders?connection_id=${acme.connectionId}&cursor=${cursor}`,
      `/v1/vendors?cursor=${cursor}`,
      `/v1/events?cursor=${cursor}`,
      `/v1/connections?cursor=${cursor}`,
    ]) {
      const answer = await get(relay, url, acme.workspaceToken);
      expect([url, answer.body.code]).toEqual([url, "INVALID_CURSOR"]);
    }
    const foreign = await get(
      relay,
      `/v1/purchase-orders?limit=2&cursor=${cursor}`,
      relay.rival.workspaceToken,
    );
    expect(foreign.body.code).toBe("INVALID_CURSOR");
  });

  test("a connection's list is its own, whoever asks", async () => {
    const { acme } = relay;
    const narrowed = await walk(`limit=200&connection_id=${acme.connectionId}`, acme.workspaceToken);
    const own = await walk("limit=200", acme.connectionToken);
    expect(narrowed.ids).toEqual(own.ids);
    expect(own.ids.length).toBeGreaterThan(0);
    expect(own.ids.some((id) => id.startsWith("b"))).toBe(false);
  });

  test("deleted records are left out, listed on request, and tell their end", async () => {
    const { rival } = relay;
    const [record] = await commitRecords(relay, rival, [seed("gone")]);
    const id = record?.id ?? "";
    await relay.store.ingest(async (tx) => {
      const revision = await tx.revisions(1, Date.now());
      await tx.deleteRecords([
        {
          id,
          revision,
          presence: "deleted",
          reason: "tombstone",
          origin: "change",
          atMs: Date.now(),
          epochNo: 1,
        },
      ]);
    });
    expect((await walk("", rival.workspaceToken)).ids).not.toContain("gone");
    expect((await walk("include_deleted=true", rival.workspaceToken)).ids).toContain("gone");
    const plain = await get(relay, `/v1/purchase-orders/${id}`, rival.workspaceToken);
    expect([plain.status, plain.body.code]).toEqual([404, "RECORD_DELETED"]);
    const last = await get(relay, `/v1/purchase-orders/${id}?include_deleted=true`, rival.workspaceToken);
    expect(last.body).toMatchObject({ presence: "deleted", delete_reason: "tombstone", number: "gone" });
    expect(last.body.deleted_at).toMatch(/Z$/);
  });

  test("an ETag answers 304 until the record changes", async () => {
    const { acme } = relay;
    const [record] = await commitRecords(relay, acme, [seed("tagged")]);
    const url = `/v1/purchase-orders/${record?.id}`;
    const etag = String((await get(relay, url, acme.connectionToken)).headers["etag"]);
    const same = await get(relay, url, acme.connectionToken, { "if-none-match": `"other", ${etag}` });
    expect([same.status, same.text]).toEqual([304, ""]);
    await commitRecords(relay, acme, [seed("tagged", 2)]);
    const changed = await get(relay, url, acme.connectionToken, { "if-none-match": etag });
    expect([changed.status, changed.body.memo]).toEqual([200, "v2"]);
  });

  test("a store that was restored refuses older cursors with 410", async () => {
    const { acme } = relay;
    const list = await get(relay, "/v1/purchase-orders?limit=2", acme.workspaceToken);
    const feed = await get(relay, "/v1/events?limit=2", acme.workspaceToken);
    await relay.store.renewGeneration();
    for (const url of [
      `/v1/purchase-orders?limit=2&cursor=${list.body.next_cursor}`,
      `/v1/events?cursor=${feed.body.next_cursor}`,
    ]) {
      const answer = await get(relay, url, acme.workspaceToken);
      expect([answer.status, answer.body.code]).toEqual([410, "CURSOR_EXPIRED"]);
    }
  });
});
