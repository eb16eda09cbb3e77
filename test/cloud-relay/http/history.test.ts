// A record's history, its state at a moment, and its trace from source to feed.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recordId } from "#common/contract/record-id.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { commitRecords, get, relayFixture, type RelayFixture } from "./relay-fixture.ts";

const START_MS = Date.parse("2026-03-02T08:00:00Z");
const clock = new FakeClock(START_MS);
let relay: RelayFixture;
let url = "";
const at = (seconds: number): string => new Date(START_MS + seconds * 1_000).toISOString();

beforeAll(async () => {
  relay = await relayFixture({ clock });
  url = `/v1/work-orders/${recordId(relay.acme.connectionId, "work_order", '["WO1"]')}`;
  for (const [n, status] of ["draft", "approved", "in_progress", "completed"].entries()) {
    clock.advance(n === 0 ? 0 : 60_000);
    const parts = [{ quantity: String(n) }, { quantity: "same" }];
    await commitRecords(relay, relay.acme, [
      { entity: "work_order", key: "WO1", fields: { status, title: "Belt", parts } },
      { entity: "vendor", key: `V${n}`, fields: { name: `v${n}` } },
    ]);
  }
});
afterAll(() => relay[Symbol.asyncDispose]());

const read = (path: string) => get(relay, url + path, relay.acme.connectionToken);

describe("history", () => {
  test("every version, newest first, with when and what changed", async () => {
    const { body } = await read("/history");
    expect(body.next_cursor).toBeNull();
    expect(body.data.map(({ at: when, until }: { at: string; until: string }) => [when, until])).toEqual([
      [at(180), null],
      [at(120), at(180)],
      [at(60), at(120)],
      [at(0), at(60)],
    ]);
    expect(body.data[0].changes).toEqual([
      { field: "status", from: "in_progress", to: "completed" },
      { field: "parts.0.quantity", from: "2", to: "3" },
    ]);
    expect(body.data[3].changes).toBeNull();
    expect(body.data[0]).not.toHaveProperty("record");
  });

  test("page by page the changes are the same, and fields come on request", async () => {
    const whole = await read("/history?include=record");
    const walked: unknown[] = [];
    let cursor = "";
    do {
      const page = await read(`/history?include=record&limit=1${cursor === "" ? "" : `&cursor=${cursor}`}`);
      walked.push(...page.body.data);
      cursor = page.body.next_cursor ?? "";
    } while (cursor !== "");
    expect(walked).toEqual(whole.body.data);
    expect(whole.body.data[2].record).toMatchObject({ status: "approved", title: "Belt" });
  });

  test("as_of gives what held then", async () => {
    const statusAt = async (when: string): Promise<unknown> => (await read(`?as_of=${when}`)).body.status;
    expect(await statusAt(at(0))).toBe("draft");
    expect(await statusAt(at(59.999))).toBe("draft");
    expect(await statusAt(at(61))).toBe("approved");
    expect(await statusAt(at(9_999))).toBe("completed");
    expect((await read(`?as_of=${at(61)}&fields=status`)).body).toEqual({
      id: expect.any(String),
      revision: expect.any(Number),
      status: "approved",
    });
    const before = await read(`?as_of=${at(-1)}`);
    expect([before.status, before.body.detail]).toEqual([404, expect.stringContaining("not there yet")]);
  });

  test("what is no longer held is said so", async () => {
    const own = await relayFixture({ clock });
    await using _own = own;
    const key = { entity: "asset", key: "A1" };
    const [record] = await commitRecords(own, own.acme, [{ ...key, fields: { name: "old" } }]);
    clock.advance(1_000);
    await commitRecords(own, own.acme, [{ ...key, fields: { name: "mid" } }]);
    const midMs = clock.nowMs();
    clock.advance(1_000);
    await commitRecords(own, own.acme, [{ ...key, fields: { name: "new" } }]);
    await own.store.prune({ eventsMs: 0, samplesMs: 0, versionsMs: midMs + 500 });
    const asset = `/v1/assets/${record?.id}`;
    const history = await get(own, `${asset}/history`, own.acme.connectionToken);
    expect(history.body.data).toHaveLength(2);
    const old = await get(
      own,
      `${asset}?as_of=${new Date(midMs - 500).toISOString()}`,
      own.acme.connectionToken,
    );
    expect([old.status, old.body.detail]).toEqual([404, expect.stringContaining("not held any more")]);
  });
});

describe("trace", () => {
  test("from the read at the source to the event, each with its time", async () => {
    const { acme, store } = relay;
    const readMs = clock.nowMs() - 40;
    const record = await store.ingest(async (tx) => {
      const revision = await tx.revisions(1, clock.nowMs());
      const id = recordId(acme.connectionId, "asset", '["P7"]');
      const own = {
        id,
        connectionId: acme.connectionId,
        entity: "asset",
        key: '["P7"]',
        text: '{"remote_id":"P7","remote_key":{"NUM":"P7"},"remote_updated_at":"2026-03-02T07:59:00Z","source":{"system":"maximo","table":"ASSET"}}',
        raw: undefined,
        hash: "h".repeat(22),
        version: "12",
        revision,
        createdAtMs: clock.nowMs(),
        updatedAtMs: clock.nowMs(),
        deletedAtMs: undefined,
        presence: "present" as const,
        deleteReason: undefined,
        incarnation: 1,
        origin: "change" as const,
        mappingVersion: "0011223344556677",
        readAtMs: readMs,
        epochNo: 1,
      };
      await tx.putRecords([own]);
      await tx.appendEvents([
        {
          position: revision,
          id: "evt_0123456789abcdef_42_3",
          type: "asset.created",
          workspaceId: acme.workspaceId,
          connectionId: acme.connectionId,
          entity: "asset",
          recordId: id,
          origin: "change",
          atMs: clock.nowMs(),
          data: "{}",
        },
      ]);
      await tx.putSyncRuns([
        {
          connectionId: acme.connectionId,
          entity: "asset",
          run: "run-1",
          pass: "incremental",
          started_ms: readMs - 10,
        },
      ]);
      return own;
    });
    const trace = await get(relay, `/v1/assets/${record.id}/trace`, acme.connectionToken);
    expect(trace.body).toEqual({
      id: record.id,
      entity: "asset",
      revision: record.revision,
      origin: "change",
      source: {
        connection_id: acme.connectionId,
        connection: "maximo",
        system: "maximo",
        table: "ASSET",
        remote_key: { NUM: "P7" },
        remote_version: "12",
        remote_updated_at: "2026-03-02T07:59:00Z",
        read_at: new Date(readMs).toISOString(),
        sync_run: {
          run: "run-1",
          pass: "incremental",
          started_at: new Date(readMs - 10).toISOString(),
          ended_at: null,
        },
      },
      mapping: { mapping_version: "0011223344556677", pack: null, is_current: null },
      batch: { agent_id: null, epoch: "0123456789abcdef", seq: 42, entry: 3 },
      commit: {
        at: new Date(record.updatedAtMs).toISOString(),
        revision: record.revision,
        content_hash: record.hash,
      },
      event: {
        id: "evt_0123456789abcdef_42_3",
        type: "asset.created",
        position: record.revision,
        at: new Date(record.updatedAtMs).toISOString(),
      },
    });
  });

  test("of an earlier version too; of none where there is none", async () => {
    const history = await read("/history");
    const { revision } = history.body.data[2];
    const trace = await read(`/trace?revision=${revision}`);
    expect([trace.body.revision, trace.body.commit.at]).toEqual([revision, at(60)]);
    expect(trace.body.event.position).toBe(revision);
    expect((await read(`/trace?revision=${revision + 1}`)).status).toBe(404);
  });
});
