// Pages that are kept are never old.
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PageCache } from "#relay/http/page-cache.ts";
import { commitRecords, get, relayFixture, type RelayFixture } from "./relay-fixture.ts";

describe("pages that are kept", () => {
  test("come back only for the same name and the same revisions", () => {
    const cache = new PageCache();
    const bytes = Buffer.from("page");
    cache.put("a", [1, 2], bytes);
    expect(cache.get("a", [1, 2])).toBe(bytes);
    for (const revisions of [[], [1], [1, 3], [1, 2, 3]]) expect(cache.get("a", revisions)).toBeUndefined();
    expect(cache.get("b", [1, 2])).toBeUndefined();
  });

  test("the longest unused go first; the bytes are bounded whatever is put", () => {
    const page = (text: string) => Buffer.from(text.padEnd(1_000, "x"));
    const cache = new PageCache(3 * 3_048);
    for (const name of ["a", "b", "c"]) cache.put(name, [1], page(name));
    cache.put("c", [2], page("c again"));
    expect(cache.get("a", [1])).toBeDefined();
    cache.put("d", [1], page("d"));
    expect(
      ["a", "b", "c", "d"].map((name) => cache.get(name, name === "c" ? [2] : [1]) !== undefined),
    ).toEqual([true, false, true, true]);
    cache.put("large", [1], Buffer.alloc(2_000_000));
    expect(cache.get("large", [1])).toBeUndefined();
    expect(cache.get("d", [1])).toBeDefined();
  });

  test("without room, a page is wanted when it comes again or has changed, not when it comes first", () => {
    const bytes = Buffer.alloc(900_000);
    const cache = new PageCache(2_000_000);
    expect(cache.wants("a")).toBe(true);
    cache.put("a", [1], bytes);
    expect(cache.wants("b")).toBe(true);
    cache.put("b", [1], bytes);
    expect(cache.wants("c")).toBe(false);
    expect(cache.wants("a")).toBe(true);
    expect(cache.wants("c")).toBe(true);
    cache.put("c", [1], bytes);
    expect(["a", "b", "c"].map((name) => cache.has(name))).toEqual([false, true, true]);
  });
});

describe("lists from kept pages", () => {
  let relay: RelayFixture;
  beforeAll(async () => {
    relay = await relayFixture();
  });
  afterAll(() => relay[Symbol.asyncDispose]());

  const seed = (key: string, memo = "") => ({
    entity: "vendor",
    key,
    fields: { name: key, memo },
    raw: `{"K":"${key}"}`,
  });
  const names = async (token: string, query = ""): Promise<readonly string[]> =>
    (await get(relay, `/v1/vendors${query}`, token)).body.data.map((record: { name: string }) => record.name);

  test("the second answer is the first one's bytes, without reading the records again", async () => {
    const { acme, store } = relay;
    await commitRecords(relay, acme, [seed("a"), seed("b")]);
    const reads = vi.spyOn(store.reader, "listRecords");
    const first = await get(relay, "/v1/vendors", acme.connectionToken);
    const second = await get(relay, "/v1/vendors", acme.connectionToken);
    expect(second.text).toBe(first.text);
    expect(reads).toHaveBeenCalledTimes(1);
  });

  test("every kind of change is seen at once: new, changed, deleted", async () => {
    const { acme, store } = relay;
    const token = acme.connectionToken;
    expect(await names(token)).toEqual(["a", "b"]);
    const [c] = await commitRecords(relay, acme, [seed("c")]);
    expect(await names(token)).toEqual(["a", "b", "c"]);
    await commitRecords(relay, acme, [seed("a", "changed")]);
    expect(await names(token)).toEqual(["b", "c", "a"]);
    await store.ingest(async (tx) => {
      const revision = await tx.revisions(1, Date.now());
      const gone = {
        presence: "deleted",
        reason: "tombstone",
        origin: "change",
        atMs: Date.now(),
        epochNo: 1,
      } as const;
      await tx.deleteRecords([{ id: c?.id ?? "", revision, ...gone }]);
    });
    expect(await names(token)).toEqual(["b", "a"]);
    expect(await names(token, "?include_deleted=true")).toEqual(["b", "a", "c"]);
  });

  test("a page's last record may be the same while there is more behind it", async () => {
    const { acme } = relay;
    const last = await get(relay, "/v1/vendors?limit=2", acme.connectionToken);
    expect(last.body.next_cursor).toBeNull();
    await commitRecords(relay, acme, [seed("d")]);
    const more = await get(relay, "/v1/vendors?limit=2", acme.connectionToken);
    expect(more.body.data).toEqual(last.body.data);
    expect(more.body.next_cursor).not.toBeNull();
  });

  test("one address, two tenants: each gets its own; raw is another page", async () => {
    const { acme, rival } = relay;
    await commitRecords(relay, rival, [seed("theirs")]);
    expect(await names(acme.workspaceToken)).toEqual(["b", "a", "d"]);
    expect(await names(rival.workspaceToken)).toEqual(["theirs"]);
    expect(await names(acme.workspaceToken)).toEqual(["b", "a", "d"]);
    const raw = await get(relay, "/v1/vendors?include=raw", rival.workspaceToken);
    expect(raw.body.data[0].raw).toEqual({ K: "theirs" });
    expect((await get(relay, "/v1/vendors", rival.workspaceToken)).body.data[0]).not.toHaveProperty("raw");
  });

  test("after a restore the cursor in a page is a new one", async () => {
    const { acme, store } = relay;
    const before = await get(relay, "/v1/vendors?limit=1", acme.workspaceToken);
    await store.renewGeneration();
    const after = await get(relay, "/v1/vendors?limit=1", acme.workspaceToken);
    expect(after.body.next_cursor).not.toBe(before.body.next_cursor);
    expect(
      (await get(relay, `/v1/vendors?limit=1&cursor=${after.body.next_cursor}`, acme.workspaceToken)).status,
    ).toBe(200);
  });
});
