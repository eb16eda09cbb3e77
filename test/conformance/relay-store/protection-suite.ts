// The request log and the audit trail of a store: found again, kept apart, sealed.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { verifyAudit, type AuditStore, type NewAuditEntry } from "#relay/core/audit/audit-store.ts";
import type { LoggedRequest } from "#relay/core/requests/request-store.ts";
import type { Scope, Store } from "#relay/core/store.ts";
import { ALL, CONNECTION, NOW_MS, SECOND_CONNECTION, WORKSPACE } from "./harness.ts";

const sha256Hex = (text: string): string => createHash("sha256").update(text).digest("hex");

function logged(id: string, changes: Partial<LoggedRequest> = {}): LoggedRequest {
  return {
    id,
    atMs: NOW_MS,
    workspaceId: WORKSPACE,
    connectionId: CONNECTION,
    tokenId: "tok_1",
    method: "PATCH",
    route: "/v1/work-orders/{id}",
    url: "/v1/work-orders/1?x=%25_",
    status: 422,
    code: "REFUSED_BY_SOURCE",
    durationMs: 12.5,
    sentBytes: 300,
    remoteAddress: "127.0.0.1",
    userAgent: "curl/8",
    traceparent: undefined,
    requestBody: '{"title":"x"}',
    answerBody: '{"code":"REFUSED_BY_SOURCE"}',
    ...changes,
  };
}

function entry(action: string, changes: Partial<NewAuditEntry> = {}): NewAuditEntry {
  return {
    workspaceId: WORKSPACE,
    atMs: NOW_MS,
    actor: "tok_1",
    action,
    requestId: "req_1",
    target: { id: "x" },
    members: ["name"],
    digest: "d",
    ...changes,
  };
}

export function protectionSuite(open: () => Promise<Store>, reopen: (store: Store) => Promise<Store>): void {
  test("requests: found by each filter, newest first, page after page, also after a restart", async () => {
    let store = await open();
    await store.requests.append([
      logged("req_1"),
      logged("req_2", { method: "GET", status: 200, code: undefined, url: "/v1/vendors" }),
      logged("req_3", { connectionId: SECOND_CONNECTION, atMs: NOW_MS + 10 }),
      logged("req_4", { workspaceId: "ws_other" }),
    ]);
    store = await reopen(store);
    const ids = async (query: object, scope: Scope = ALL): Promise<string[]> =>
      (await store.requests.list(scope, { limit: 10, ...query })).map(({ id }) => id);
    expect(await ids({})).toEqual(["req_3", "req_2", "req_1"]);
    expect(await ids({ id: "req_1" })).toEqual(["req_1"]);
    expect(await ids({ id: "req_4" })).toEqual([]);
    expect(await ids({ connectionId: SECOND_CONNECTION })).toEqual(["req_3"]);
    expect(await ids({ method: "GET" })).toEqual(["req_2"]);
    expect(await ids({ status: 422 })).toEqual(["req_3", "req_1"]);
    expect(await ids({ code: "REFUSED_BY_SOURCE", beforeMs: NOW_MS + 1 })).toEqual(["req_1"]);
    expect(await ids({ afterMs: NOW_MS + 10 })).toEqual(["req_3"]);
    expect(await ids({ path: "/v1/work" })).toEqual(["req_3", "req_1"]);
    expect(await ids({ path: "/v1/w%" })).toEqual([]);
    expect(await ids({}, { workspaceId: WORKSPACE, connectionIds: [SECOND_CONNECTION] })).toEqual(["req_3"]);
    const [first] = await store.requests.list(ALL, { limit: 1 });
    expect(await ids({ olderThan: first?.place })).toEqual(["req_2", "req_1"]);
    const [found] = await store.requests.list(ALL, { id: "req_1", limit: 1 });
    expect(found).toEqual({ ...logged("req_1"), place: found?.place });
  });

  test("requests: counted by their outcome, within scope and time", async () => {
    const store = await open();
    await store.requests.append([
      logged("old", { atMs: NOW_MS - 1 }),
      logged("refused"),
      logged("failed", { status: 503, connectionId: SECOND_CONNECTION }),
      logged("fine", { status: 200, code: undefined }),
      logged("foreign", { workspaceId: "ws_other" }),
    ]);
    expect(await store.requests.counts(ALL, NOW_MS)).toEqual({
      requests: 3,
      clientErrors: 1,
      serverErrors: 1,
    });
    expect(
      await store.requests.counts({ workspaceId: WORKSPACE, connectionIds: [SECOND_CONNECTION] }, NOW_MS),
    ).toEqual({ requests: 1, clientErrors: 0, serverErrors: 1 });
    expect(await store.requests.counts(ALL, NOW_MS + 1)).toEqual({
      requests: 0,
      clientErrors: 0,
      serverErrors: 0,
    });
  });

  test("requests: what is older than held goes, and only that", async () => {
    const store = await open();
    await store.requests.append([logged("old", { atMs: NOW_MS - 1 }), logged("new")]);
    while (await store.requests.prune(NOW_MS));
    expect((await store.requests.list(ALL, { limit: 10 })).map(({ id }) => id)).toEqual(["new"]);
  });

  test("audit: each trail counts its own entries and is whole, also after a restart", async () => {
    let store = await open();
    await store.audit.append(entry("createToken"));
    await store.audit.append(entry("serve", { workspaceId: undefined, requestId: undefined }));
    store = await reopen(store);
    await store.audit.append(entry("revokeToken"));
    const trail = await store.audit.list(WORKSPACE, { limit: 10 });
    expect(trail.map(({ number, action }) => [number, action])).toEqual([
      [2, "revokeToken"],
      [1, "createToken"],
    ]);
    expect(await store.audit.list(WORKSPACE, { below: 2, limit: 10 })).toHaveLength(1);
    expect(await store.audit.list(undefined, { limit: 10 })).toHaveLength(1);
    const verdict = await verifyAudit(store.audit, WORKSPACE, sha256Hex);
    expect(verdict).toEqual({ entries: 2, brokenAt: undefined, head: trail[0]?.hash });
  });

  test("audit: entries that come at once take turns, and long trails are verified whole", async () => {
    const store = await open();
    await Promise.all(Array.from({ length: 1_100 }, (_, n) => store.audit.append(entry(`action ${n}`))));
    expect(await verifyAudit(store.audit, WORKSPACE, sha256Hex)).toMatchObject({
      entries: 1_100,
      brokenAt: undefined,
    });
  });

  test("audit: a changed, a missing and a moved entry show, each at its place", async () => {
    const store = await open();
    for (const action of ["one", "two", "three", "four"]) await store.audit.append(entry(action));
    const whole = await store.audit.list(WORKSPACE, { limit: 10 });
    const forged = (change: (trail: typeof whole) => typeof whole): AuditStore => ({
      append: (added) => store.audit.append(added),
      list: (_workspace, { below = Infinity, limit }) =>
        Promise.resolve(
          change(whole)
            .filter(({ number }) => number < below)
            .slice(0, limit),
        ),
    });
    const brokenAt = async (change: (trail: typeof whole) => typeof whole): Promise<number | undefined> =>
      (await verifyAudit(forged(change), WORKSPACE, sha256Hex)).brokenAt;
    expect(await brokenAt((trail) => trail)).toBeUndefined();
    const members = ["actor", "action", "atMs", "requestId", "target", "members", "digest", "hash"] as const;
    for (const member of members) {
      const value = { atMs: 1, target: { id: "y" }, members: ["x"] }[member as string] ?? "forged";
      const change = (trail: typeof whole) =>
        trail.map((each) => (each.number === 2 ? { ...each, [member]: value } : each));
      expect([member, await brokenAt(change)]).toEqual([member, 2]);
    }
    expect(await brokenAt((trail) => trail.filter(({ number }) => number !== 3))).toBe(3);
    expect(await brokenAt((trail) => trail.filter(({ number }) => number !== 1))).toBe(1);
    // Cut off at its end it is whole: only who kept the head sees that.
    const cut = await verifyAudit(
      forged((trail) => trail.slice(1)),
      WORKSPACE,
      sha256Hex,
    );
    expect(cut.brokenAt).toBeUndefined();
    expect(cut.head).not.toBe(whole[0]?.hash);
  });
}
