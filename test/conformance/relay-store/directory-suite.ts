// Conformance of the directory and of the store's life.
import { describe, expect, it } from "vitest";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { EnrollmentCodeRow, TokenRow } from "#relay/core/directory.ts";
import { DuplicateError, type Store } from "#relay/core/store.ts";
import * as h from "./harness.ts";

const token: TokenRow = {
  id: "tok_1",
  kind: "connection",
  workspaceId: h.WORKSPACE,
  connectionId: h.CONNECTION,
  name: "first",
  hash: "aa".repeat(32),
  hint: "mr_live_abc",
  scopes: ["read", "write"],
  createdAtMs: h.NOW_MS,
  expiresAtMs: undefined,
  revokedAtMs: undefined,
};
const code: EnrollmentCodeRow = {
  id: "enr_1",
  workspaceId: h.WORKSPACE,
  hash: "bb".repeat(32),
  connectionIds: [h.CONNECTION, h.SECOND_CONNECTION],
  createdAtMs: h.NOW_MS,
  expiresAtMs: h.NOW_MS + 1_000,
  usedAtMs: undefined,
  agentId: undefined,
};

export function directorySuite(open: () => Promise<Store>, reopen: (store: Store) => Promise<Store>): void {
  connectionsSuite(open);
  agentsSuite(open);
  secretsSuite(open);

  describe("a store's life", () => {
    it("keeps everything across a reopening, and revisions go on growing under a clock that stepped back", async () => {
      const before = await open();
      const [last = 0] = await h.putRecords(before, ["a"]);
      await h.appendEvents(before, [{ id: `evt_${h.EPOCH}_3_1` }]);
      await before.directory.createAgent(h.agentRow("agent"));
      await before.directory.claimSession("agent", "i", "1", "linux", h.NOW_MS);
      const generation = await before.generation();
      const rows = await before.reader.listRecords(h.ALL, h.EVERY_RECORD);
      const events = await before.reader.listEvents(h.ALL, 0, 10);
      const store = await reopen(before);
      expect(await store.reader.listRecords(h.ALL, h.EVERY_RECORD)).toEqual(rows);
      expect(await store.reader.listEvents(h.ALL, 0, 10)).toEqual(events);
      expect(await store.generation()).toBe(generation);
      expect(await store.ingest((tx) => tx.revisions(1, h.NOW_MS - 10_000))).toBeGreaterThan(last);
      expect(await store.directory.claimSession("agent", "i", "1", "linux", h.NOW_MS)).toBe(2);
      await h.putRecords(store, ["a", "b"]);
      expect(await store.reader.countRecords(h.ALL, "work_order")).toBe(2);
    });

    it("has one generation until it is renewed", async () => {
      const store = await open();
      const [first, same] = await Promise.all([store.generation(), store.generation()]);
      expect(first).toMatch(/^\S{8,}$/);
      expect(same).toBe(first);
      const renewed = await store.renewGeneration();
      expect(renewed).not.toBe(first);
      expect(await store.generation()).toBe(renewed);
    });

    it("is ready while it is open, and refuses everything afterwards", async () => {
      const store = await open();
      await store.check();
      const last = h.putRecords(store, ["accepted"]);
      const closing = store[Symbol.asyncDispose]();
      await expect(last).resolves.toHaveLength(1);
      await closing;
      await store[Symbol.asyncDispose]();
      await expect(store.generation()).rejects.toThrow(/closed/);
      await expect(store.prune({ eventsMs: 1, samplesMs: 1 })).rejects.toThrow(/closed/);
      await expect(store.check()).rejects.toThrow(/closed/);
      await expect(store.ingest(async () => 1)).rejects.toThrow(/closed/);
      await expect(store.directory.createWorkspace({ id: "w", name: "w", createdAtMs: 1 })).rejects.toThrow(
        /closed/,
      );
      await expect(store.reader.countRecords(h.ALL, "vendor")).rejects.toThrow(/closed/);
    });
  });
}

function connectionsSuite(open: () => Promise<Store>): void {
  describe("workspaces and connections", () => {
    it("are created once", async () => {
      const { directory } = await open();
      const row = { id: h.WORKSPACE, name: "again", createdAtMs: 1 };
      await expect(directory.createWorkspace(row)).rejects.toThrow(DuplicateError);
      await expect(
        directory.createConnection(h.connectionRow("new-id", h.WORKSPACE, "maximo")),
      ).rejects.toThrow(DuplicateError);
      await expect(
        directory.createConnection(h.connectionRow(h.CONNECTION, h.OTHER_WORKSPACE, "new-name")),
      ).rejects.toThrow(DuplicateError);
      await expect(directory.createConnection(h.connectionRow("x", "ws_none", "new-name"))).rejects.toThrow(
        /workspace/,
      );
      expect((await directory.workspaces()).map(({ id }) => id)).toEqual([h.WORKSPACE, h.OTHER_WORKSPACE]);
      expect(await directory.workspace(h.WORKSPACE)).toEqual({
        id: h.WORKSPACE,
        name: `Name of ${h.WORKSPACE}`,
        createdAtMs: h.NOW_MS,
      });
      expect(await directory.workspace("ws_none")).toBeUndefined();
    });

    it("come back exactly and only within their scope, in order of creation", async () => {
      const { directory } = await open();
      const row = {
        ...h.connectionRow("01900000-0000-7000-8000-000000000000", h.WORKSPACE, "Zürich 🏭"),
        customer: "Acme",
        labels: { site: "north", "a b": "ü" },
        createdAtMs: h.NOW_MS - 1,
        connectedAtMs: 5,
        lastSyncAtMs: 6,
        report: { type: "connection_report", connection_id: "c", status: "online", backlog_bytes: 1.5 },
      } as const;
      await directory.createConnection(row);
      expect(await directory.connection(h.ALL, row.id)).toEqual(row);
      const names = async (scope: object) =>
        (await directory.connections(scope as typeof h.ALL)).map(({ name }) => name);
      expect(await names(h.ALL)).toEqual(["Zürich 🏭", "maximo", "scada"]);
      expect(
        await names({ workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION, h.FOREIGN_CONNECTION] }),
      ).toEqual(["scada"]);
      expect(await directory.connection(h.ALL, h.FOREIGN_CONNECTION)).toBeUndefined();
      const narrow = { workspaceId: h.WORKSPACE, connectionIds: [h.SECOND_CONNECTION] };
      expect(await directory.connection(narrow, h.CONNECTION)).toBeUndefined();
    });

    it("are bound to an agent within the workspace, and take its reports", async () => {
      const { directory } = await open();
      await directory.createAgent(h.agentRow("agent"));
      await directory.bindConnections(h.WORKSPACE, [h.CONNECTION, h.FOREIGN_CONNECTION], "agent");
      expect((await directory.connectionsOfAgent("agent")).map(({ id }) => id)).toEqual([h.CONNECTION]);
      const report = { type: "connection_report", connection_id: h.CONNECTION, status: "online" } as const;
      await directory.putReport({ ...report, system: "Maximo 7.6" }, h.NOW_MS);
      await directory.putReport(report, h.NOW_MS);
      await directory.putReport({ ...report, connection_id: "nowhere" }, h.NOW_MS);
      const row = await directory.connection(h.ALL, h.CONNECTION);
      expect([row?.report, row?.system, row?.state]).toEqual([report, "Maximo 7.6", "pending"]);
    });

    it("keep what they offer, read once for every change of it", async () => {
      const { directory } = await open();
      const description = {
        type: "connection_description",
        connection_id: h.CONNECTION,
        connector: "sql-server",
        mapping_version: "1",
        entities: [],
        queries: [],
        browse: false,
        settings_allowed: ["schedules"],
      } as const satisfies ConnectionDescription;
      expect((await directory.connection(h.ALL, h.CONNECTION))?.description).toBeUndefined();
      await directory.putDescription({ ...description, mapping_version: "0" });
      expect((await directory.connection(h.ALL, h.CONNECTION))?.description?.mapping_version).toBe("0");
      await directory.putDescription(description);
      await directory.putDescription(description);
      await directory.putDescription({ ...description, connection_id: "nowhere" });
      expect((await directory.connection(h.ALL, h.CONNECTION))?.description).toEqual(description);
      expect((await directory.connections(h.ALL)).map((row) => row.description?.connector)).toEqual([
        "sql-server",
        undefined,
      ]);
    });

    it("are changed within their workspace", async () => {
      const { directory } = await open();
      const change = (changes: object) => directory.changeConnection(h.WORKSPACE, h.CONNECTION, changes);
      const before = await directory.connection(h.ALL, h.CONNECTION);
      expect(await change({})).toEqual(before);
      const all = { labels: { a: "b" }, metadata: { ticket: "7" }, whenOffline: "refuse" } as const;
      expect(await change({ ...all, customer: "Acme" })).toEqual({ ...before, ...all, customer: "Acme" });
      expect(await change({ customer: null, labels: {} })).toEqual({ ...before, ...all, labels: {} });
      expect(await directory.changeConnection(h.WORKSPACE, h.FOREIGN_CONNECTION, all)).toBeUndefined();
      expect(
        await directory.connection({ workspaceId: h.OTHER_WORKSPACE }, h.FOREIGN_CONNECTION),
      ).toMatchObject({ labels: {}, whenOffline: "serve" });
    });

    it("are disconnected with their tokens, and connected again without them", async () => {
      const store = await open();
      const { directory } = store;
      await directory.createToken(token);
      await directory.createToken({ ...token, id: "tok_9", hash: "ee", connectionId: h.SECOND_CONNECTION });
      await store.ingest((tx) =>
        tx.putStream({ connectionId: h.CONNECTION, epoch: h.EPOCH, epochNo: 1, ackedSeq: 4, ackedId: "x" }),
      );
      expect(await directory.disconnectConnection(h.OTHER_WORKSPACE, h.CONNECTION, 5)).toBe(false);
      expect(await directory.reconnectConnection(h.WORKSPACE, h.CONNECTION)).toBe(false);
      expect(await directory.disconnectConnection(h.WORKSPACE, h.CONNECTION, 6)).toBe(true);
      expect(await directory.disconnectConnection(h.WORKSPACE, h.CONNECTION, 7)).toBe(false);
      expect((await directory.connection(h.ALL, h.CONNECTION))?.disconnectedAtMs).toBe(6);
      expect((await directory.tokenByHash(token.hash))?.revokedAtMs).toBe(6);
      expect((await directory.tokenByHash("ee"))?.revokedAtMs).toBeUndefined();
      expect(await store.ingest((tx) => tx.stream(h.CONNECTION))).toBeUndefined();
      expect(await directory.reconnectConnection(h.WORKSPACE, h.CONNECTION)).toBe(true);
      expect((await directory.connection(h.ALL, h.CONNECTION))?.disconnectedAtMs).toBeUndefined();
      expect((await directory.tokenByHash(token.hash))?.revokedAtMs).toBe(6);
      expect(await store.ingest((tx) => tx.stream(h.CONNECTION))).toMatchObject({ ackedSeq: 4 });
    });

    it("are deleted with all that they held, and nothing of it shows at once", async () => {
      const store = await open();
      const { directory, reader } = store;
      const none = { eventsMs: 0, samplesMs: 0 };
      await h.putRecords(store, ["gone", "too"]);
      await h.putRecords(store, ["stays"], { connectionId: h.SECOND_CONNECTION });
      await h.appendEvents(store, [{}, { connectionId: h.SECOND_CONNECTION }]);
      const [gone] = await reader.listRecords(h.ALL, { ...h.EVERY_RECORD, limit: 1 });
      const find = () => reader.getRecord(h.ALL, "work_order", gone?.id ?? "", false);
      // Asked often, so that it is remembered.
      for (let times = 0; times < 3; times += 1) expect(await find()).toBeDefined();
      const sample = { pointKey: "p", value: 1, status: 0, sourceMs: 1, serverMs: 1, backfilled: false };
      await store.ingest(async (tx) => {
        await tx.putSamples(h.CONNECTION, [sample]);
        await tx.putSyncRuns([
          { connectionId: h.CONNECTION, entity: "e", run: "r", pass: "snapshot", started_ms: 1 },
        ]);
      });
      expect(await directory.deleteConnection(h.WORKSPACE, h.CONNECTION)).toBe(false);
      await directory.disconnectConnection(h.WORKSPACE, h.CONNECTION, 6);
      expect(await directory.deleteConnection(h.OTHER_WORKSPACE, h.CONNECTION)).toBe(false);
      expect(await directory.deleteConnection(h.WORKSPACE, h.CONNECTION)).toBe(true);
      const isGone = async (): Promise<void> => {
        expect(await directory.connection(h.ALL, h.CONNECTION)).toBeUndefined();
        expect(await find()).toBeUndefined();
        const left = await reader.listRecords(h.ALL, h.EVERY_RECORD);
        expect(left.map(({ key }) => key)).toEqual(["stays"]);
        const events = await reader.listEvents(h.ALL, 0, 10);
        expect(events.map(({ connectionId }) => connectionId)).toEqual([h.SECOND_CONNECTION]);
        expect(await reader.syncRuns(h.ALL, h.CONNECTION, undefined, 10)).toEqual([]);
      };
      await isGone();
      for (let steps = 0; await store.prune(none); steps += 1) expect(steps).toBeLessThan(20);
      await isGone();
      expect(await reader.samples(h.CONNECTION, "p", 0, 10, 10)).toEqual([]);
      await directory.createConnection(h.connectionRow("another", h.WORKSPACE, "maximo"));
      expect(await reader.countRecords({ ...h.ALL, connectionIds: ["another"] }, "work_order")).toBe(0);
    });

    it("take a status from ingest", async () => {
      const store = await open();
      const set = (state: "pending" | "online" | "offline", atMs: number) =>
        store.ingest((tx) =>
          tx.setConnectionStatus(h.CONNECTION, { state, reason: "r", advice: undefined }, atMs),
        );
      const row = () => store.directory.connection(h.ALL, h.CONNECTION);
      await set("pending", h.NOW_MS + 1);
      expect(await row()).toMatchObject({ reason: "r", statusAtMs: h.NOW_MS + 1, connectedAtMs: undefined });
      await set("online", h.NOW_MS + 2);
      await set("offline", h.NOW_MS + 3);
      expect(await row()).toMatchObject({
        state: "offline",
        advice: undefined,
        statusAtMs: h.NOW_MS + 3,
        connectedAtMs: h.NOW_MS + 2,
      });
      expect(await store.ingest((tx) => tx.connection(h.CONNECTION))).toEqual(await row());
      expect(await store.ingest((tx) => tx.connection("nowhere"))).toBeUndefined();
    });
  });
}

function agentsSuite(open: () => Promise<Store>): void {
  describe("agents", () => {
    it("are created once and seen within their scope", async () => {
      const { directory } = await open();
      const row = { ...h.agentRow("agent"), version: "1.0", lastSeenAtMs: 4, session: 7 };
      await directory.createAgent(row);
      await directory.createAgent(h.agentRow("foreign", h.OTHER_WORKSPACE));
      await expect(directory.createAgent(row)).rejects.toThrow(DuplicateError);
      await directory.bindConnections(h.WORKSPACE, [h.CONNECTION], "agent");
      expect(await directory.agentById("agent")).toEqual(row);
      expect(await directory.agentById("nobody")).toBeUndefined();
      const ids = async (connectionIds?: string[]) =>
        (await directory.agents({ ...h.ALL, ...(connectionIds && { connectionIds }) })).map(({ id }) => id);
      expect(await ids()).toEqual(["agent"]);
      expect(await ids([h.CONNECTION])).toEqual(["agent"]);
      expect(await ids([h.SECOND_CONNECTION])).toEqual([]);
      expect(await ids([h.FOREIGN_CONNECTION])).toEqual([]);
    });

    it("claim, end and outlive sessions", async () => {
      const { directory } = await open();
      await directory.createAgent(h.agentRow("agent"));
      const claims = await Promise.all(
        [1, 2, 3].map((n) => directory.claimSession("agent", `i${n}`, "1.2", "linux", h.NOW_MS + n)),
      );
      expect(claims).toEqual([1, 2, 3]);
      const online = { session: 3, instanceId: "i3", version: "1.2", platform: "linux", isOnline: true };
      expect(await directory.agentById("agent")).toMatchObject({ ...online, connectedAtMs: h.NOW_MS + 3 });
      await directory.endSession("agent", 2, h.NOW_MS + 50);
      expect(await directory.agentById("agent")).toMatchObject({
        isOnline: true,
        lastSeenAtMs: h.NOW_MS + 3,
      });
      await directory.setAgentSeen("agent", h.NOW_MS + 60);
      await directory.endSession("agent", 3, h.NOW_MS + 70);
      expect(await directory.agentById("agent")).toMatchObject({
        isOnline: false,
        lastSeenAtMs: h.NOW_MS + 70,
      });
      await expect(directory.claimSession("nobody", "i", "1", "linux", 1)).rejects.toThrow(/no agent nobody/);
    });

    it("are revoked once, by their own workspace only", async () => {
      const { directory } = await open();
      await directory.createAgent(h.agentRow("agent"));
      expect(await directory.revokeAgent(h.OTHER_WORKSPACE, "agent", 1)).toBe(false);
      expect(await directory.revokeAgent(h.WORKSPACE, "agent", 2)).toBe(true);
      expect(await directory.revokeAgent(h.WORKSPACE, "agent", 3)).toBe(false);
      await directory.setAgentQuarantined("agent", 9);
      expect(await directory.agentById("agent")).toMatchObject({ revokedAtMs: 2, quarantinedAtMs: 9 });
    });
  });
}

function secretsSuite(open: () => Promise<Store>): void {
  describe("tokens", () => {
    it("are found by hash, listed by workspace and revoked once", async () => {
      const { directory } = await open();
      const admin = {
        ...token,
        id: "tok_2",
        kind: "admin",
        workspaceId: undefined,
        connectionId: undefined,
      } as const;
      await directory.createToken(token);
      await directory.createToken({ ...admin, hash: "cc".repeat(32), expiresAtMs: 7 });
      const filter = { connectionIds: ["c"], labels: { site: "north" }, entities: ["vendor"] };
      const narrow = { ...token, id: "tok_4", hash: "ff", workspaceId: "ws_c", filter };
      await directory.createToken(narrow);
      expect(await directory.tokenByHash("ff")).toEqual(narrow);
      await expect(directory.createToken({ ...token, id: "tok_3" })).rejects.toThrow(DuplicateError);
      await expect(directory.createToken({ ...token, hash: "dd" })).rejects.toThrow(DuplicateError);
      expect(await directory.tokenByHash(token.hash)).toEqual(token);
      expect(await directory.tokenByHash("dd")).toBeUndefined();
      expect(await directory.tokens(h.WORKSPACE)).toEqual([token]);
      expect(await directory.tokens(h.OTHER_WORKSPACE)).toEqual([]);
      expect(await directory.revokeToken(h.OTHER_WORKSPACE, token.id, 1)).toBe(false);
      expect(await directory.revokeToken(h.WORKSPACE, "tok_2", 1)).toBe(false);
      expect(await directory.revokeToken(h.WORKSPACE, token.id, 2)).toBe(true);
      expect(await directory.revokeToken(h.WORKSPACE, token.id, 3)).toBe(false);
      expect(await directory.revokeToken(undefined, "tok_2", 4)).toBe(true);
      expect((await directory.tokenByHash(token.hash))?.revokedAtMs).toBe(2);
    });
  });

  describe("enrolment codes", () => {
    it("are used by exactly one of many at once", async () => {
      const { directory } = await open();
      await directory.createEnrollmentCode(code);
      await expect(directory.createEnrollmentCode(code)).rejects.toThrow(DuplicateError);
      const uses = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          directory.useEnrollmentCode(code.hash, `agent${n}`, h.NOW_MS + 5),
        ),
      );
      const used = uses.filter((row) => row !== undefined);
      expect(used).toEqual([
        { ...code, usedAtMs: h.NOW_MS + 5, agentId: expect.stringMatching(/^agent\d+$/) },
      ]);
    });

    it("are refused when unknown or expired", async () => {
      const { directory } = await open();
      await directory.createEnrollmentCode(code);
      expect(await directory.useEnrollmentCode("unknown", "agent", h.NOW_MS)).toBeUndefined();
      expect(await directory.useEnrollmentCode(code.hash, "agent", code.expiresAtMs)).toBeUndefined();
      expect(await directory.useEnrollmentCode(code.hash, "agent", code.expiresAtMs - 1)).toBeDefined();
    });
  });
}
