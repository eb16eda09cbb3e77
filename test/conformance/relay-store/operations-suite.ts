// What a store of operations must do: all or nothing with the key, one transaction for a change and its event, bounded lists.
import { expect, test } from "vitest";
import type { OperationRow } from "#relay/core/operations/operation.ts";
import type { IdempotencyClaim } from "#relay/core/operations/operation-store.ts";
import type { Store } from "#relay/core/store.ts";
import { ALL, CONNECTION, FOREIGN_CONNECTION, NOW_MS, SECOND_CONNECTION, WORKSPACE } from "./harness.ts";

function operation(id: string, changes: Partial<OperationRow> = {}): OperationRow {
  return {
    id,
    workspaceId: WORKSPACE,
    connectionId: CONNECTION,
    entity: "work_order",
    operation: "update",
    state: "accepted",
    body: { entity: "work_order", operation: "update", key: '["1"]', values: { title: "x" } },
    mayQueue: false,
    createdAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 60_000,
    requestId: "req_1",
    ...changes,
  };
}

function claim(key: string, fingerprint = "f1", atMs = NOW_MS): IdempotencyClaim {
  return { workspaceId: WORKSPACE, connectionId: CONNECTION, key, fingerprint, atMs };
}

const ended = (row: OperationRow): OperationRow => ({ ...row, state: "succeeded", finishedAtMs: NOW_MS + 5 });

export function operationsSuite(open: () => Promise<Store>, reopen: (store: Store) => Promise<Store>): void {
  test("operations: a key is taken once, however many ask at once, and nothing of the others is kept", async () => {
    const store = await open();
    const all = Array.from({ length: 20 }, (_, n) =>
      store.operations.create([operation(`op_${n}`)], claim("k", n < 10 ? "f1" : "f2")),
    );
    const answers = await Promise.all(all);
    expect(answers.map(({ kind }) => kind).filter((kind) => kind === "created")).toHaveLength(1);
    expect(answers[15]).toMatchObject({ kind: "taken", fingerprint: "f1", operations: [{ id: "op_0" }] });
    expect(await store.operations.list(ALL, { limit: 100 })).toEqual([operation("op_0")]);
    expect(await store.operations.claimed(claim("k"))).toMatchObject({ kind: "taken" });
    // Another connection's key is another key.
    const other = { ...claim("k"), connectionId: SECOND_CONNECTION };
    expect(await store.operations.create([operation("op_x")], other)).toEqual({ kind: "created" });
  });

  test("operations: they survive a restart, with their keys", async () => {
    let store = await open();
    const row = operation("op_1", { state: "held", detail: "waits", idempotencyKey: "k" });
    await store.operations.create([row, operation("op_2")], claim("k"));
    store = await reopen(store);
    expect(await store.operations.byId("op_1")).toEqual(row);
    expect(await store.operations.claimed(claim("k"))).toMatchObject({
      operations: [{ id: "op_1" }, { id: "op_2" }],
    });
    expect((await store.operations.unfinished(CONNECTION, undefined, 10)).map(({ id }) => id)).toEqual([
      "op_1",
      "op_2",
    ]);
  });

  test("operations: a change and its event are one; a decision against it changes nothing", async () => {
    const store = await open();
    await store.operations.create([operation("op_1")], claim("k"));
    const event = {
      type: "command.finished",
      workspaceId: WORKSPACE,
      connectionId: CONNECTION,
      entity: "work_order",
      recordId: undefined,
      origin: undefined,
      atMs: NOW_MS,
      data: '{"operation_id":"op_1"}',
    };
    const changed = await store.operations.change("op_1", (row) => ({ row: ended(row), event }));
    expect(changed).toEqual(ended(operation("op_1")));
    const again = await store.operations.change("op_1", (row) =>
      row.finishedAtMs === undefined ? { row: ended(row), event } : undefined,
    );
    expect(again).toEqual(changed);
    expect(await store.operations.change("op_9", () => undefined)).toBeUndefined();
    const [first, ...others] = await store.reader.listEvents(ALL, 0, 10);
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      type: "command.finished",
      id: `evt_r_${first?.position}`,
      data: event.data,
    });
    expect(await store.operations.unfinished(CONNECTION, undefined, 10)).toEqual([]);
  });

  test("operations: a change that frees its key lets it be taken anew; a key of several stays", async () => {
    const store = await open();
    await store.operations.create([operation("op_1")], claim("one"));
    await store.operations.create([operation("op_2"), operation("op_3")], claim("two"));
    for (const id of ["op_1", "op_2"]) {
      await store.operations.change(id, (row) => ({ row: ended(row), freesKey: true }));
    }
    expect(await store.operations.claimed(claim("one"))).toEqual({ kind: "created" });
    expect(await store.operations.claimed(claim("two"))).toMatchObject({ kind: "taken" });
    expect(await store.operations.create([operation("op_4")], claim("one", "f2"))).toEqual({
      kind: "created",
    });
  });

  test("operations: lists are newest first, page by page, by state, time and scope", async () => {
    const store = await open();
    for (let n = 1; n <= 5; n += 1) {
      const state = n === 2 ? "held" : "accepted";
      await store.operations.create([operation(`op_${n}`, { state, createdAtMs: NOW_MS + n })], undefined);
    }
    const elsewhere = { workspaceId: "ws_b", connectionId: FOREIGN_CONNECTION };
    await store.operations.create([operation("op_b", elsewhere)], undefined);
    const ids = async (query: object): Promise<readonly string[]> =>
      (await store.operations.list(ALL, { limit: 10, ...query })).map(({ id }) => id);
    expect(await ids({})).toEqual(["op_5", "op_4", "op_3", "op_2", "op_1"]);
    expect(await ids({ limit: 2 })).toEqual(["op_5", "op_4"]);
    expect(await ids({ limit: 2, afterId: "op_4" })).toEqual(["op_3", "op_2"]);
    expect(await ids({ states: ["held"] })).toEqual(["op_2"]);
    expect(await ids({ createdAfterMs: NOW_MS + 2, createdBeforeMs: NOW_MS + 5 })).toEqual(["op_4", "op_3"]);
    const narrowed = { ...ALL, connectionIds: [SECOND_CONNECTION] };
    expect(await store.operations.list(narrowed, { limit: 10 })).toEqual([]);
    expect(await store.operations.get(narrowed, "op_1")).toBeUndefined();
    expect(await store.operations.get(ALL, "op_b")).toBeUndefined();
    expect(await store.operations.get(ALL, "op_1")).toMatchObject({ id: "op_1" });
    const after = await store.operations.unfinished(undefined, "op_4", 10);
    expect(after.map(({ id }) => id)).toEqual(["op_5", "op_b"]);
  });

  test("operations: pruning removes what is finished and old, and old keys; nothing that still runs", async () => {
    const store = await open();
    await store.operations.create([operation("op_1")], claim("old", "f", NOW_MS));
    await store.operations.create([operation("op_2")], claim("new", "f", NOW_MS + 10));
    await store.operations.change("op_1", (row) => ({ row: ended(row) }));
    expect(await store.operations.prune({ operationsMs: NOW_MS + 6, keysMs: NOW_MS + 10 })).toBe(false);
    expect(await store.operations.byId("op_1")).toBeUndefined();
    expect(await store.operations.byId("op_2")).toBeDefined();
    expect(await store.operations.claimed(claim("old"))).toEqual({ kind: "created" });
    expect(await store.operations.claimed(claim("new"))).toMatchObject({ kind: "taken" });
  });
}
