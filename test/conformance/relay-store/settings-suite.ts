// Conformance of desired and reported settings, and of connection links.
import { describe, expect, it } from "vitest";
import type { ReportedSettings } from "#common/contract/settings.ts";
import type { ConnectionLinkRow } from "#relay/core/links/link-store.ts";
import { MAX_KEPT_DOCUMENTS, type DesiredDocument } from "#relay/core/settings/settings-store.ts";
import type { Store } from "#relay/core/store.ts";
import * as h from "./harness.ts";

const OTHERS = { workspaceId: h.OTHER_WORKSPACE } as const;
const NOTHING = { desired: undefined, reported: undefined, reportedAtMs: undefined };

function desired(revision: number, connectionId = h.CONNECTION): DesiredDocument {
  return {
    connectionId,
    revision,
    document: { schedules: { work_order: { poll_s: revision } }, initial_window_days: null },
    atMs: h.NOW_MS + revision,
    by: "tok_1",
  };
}

const LINK: ConnectionLinkRow = {
  id: "lnk_1",
  workspaceId: h.WORKSPACE,
  connectionId: h.CONNECTION,
  hash: "aa",
  codeId: "enr_1",
  system: undefined,
  webhookUrl: "https://example.com/hook",
  createdAtMs: h.NOW_MS,
  expiresAtMs: h.NOW_MS + 1_000,
  revokedAtMs: undefined,
};

export function settingsSuite(open: () => Promise<Store>): void {
  describe("settings", () => {
    it("keep the newest documents of each connection, within their scope", async () => {
      const { settings } = await open();
      expect(await settings.get(h.ALL, h.CONNECTION)).toEqual(NOTHING);
      for (let revision = 1; revision <= MAX_KEPT_DOCUMENTS + 2; revision += 1) {
        expect(await settings.putDesired(desired(revision))).toBe(true);
      }
      await settings.putDesired(desired(1, h.SECOND_CONNECTION));
      const newest = desired(MAX_KEPT_DOCUMENTS + 2);
      expect(await settings.get(h.ALL, h.CONNECTION)).toEqual({ ...NOTHING, desired: newest });
      expect(await settings.document(h.ALL, h.CONNECTION, 3)).toEqual(desired(3));
      expect(await settings.document(h.ALL, h.CONNECTION, 2)).toBeUndefined();
      expect(await settings.document(OTHERS, h.CONNECTION, 3)).toBeUndefined();
      expect(await settings.get(OTHERS, h.CONNECTION)).toEqual(NOTHING);
      const narrow = { ...h.ALL, connectionIds: [h.SECOND_CONNECTION] };
      expect(await settings.get(narrow, h.CONNECTION)).toEqual(NOTHING);
      expect((await settings.get(narrow, h.SECOND_CONNECTION)).desired?.revision).toBe(1);
    });

    it("let one of many writers at once through", async () => {
      const { settings } = await open();
      const wins = await Promise.all(Array.from({ length: 10 }, () => settings.putDesired(desired(1))));
      expect(wins.filter(Boolean)).toHaveLength(1);
      expect(await settings.putDesired(desired(3))).toBe(false);
      expect(await settings.putDesired(desired(2))).toBe(true);
    });

    it("keep the newest report, and nothing of a connection that is gone", async () => {
      const { settings, directory } = await open();
      const report = {
        type: "reported_settings" as const,
        connection_id: h.CONNECTION,
        revision: 1,
        state: "refused" as const,
        in_effect: 0,
        problems: [{ pointer: "/schedules", detail: "no" }],
      } satisfies ReportedSettings;
      await settings.putReported({ ...report, revision: 7 }, 1);
      await settings.putReported(report, 2);
      expect(await settings.get(h.ALL, h.CONNECTION)).toEqual({
        ...NOTHING,
        reported: report,
        reportedAtMs: 2,
      });
      await directory.disconnectConnection(h.WORKSPACE, h.CONNECTION, 3);
      expect(await settings.putDesired(desired(1))).toBe(false);
      await directory.deleteConnection(h.WORKSPACE, h.CONNECTION);
      expect(await settings.get(h.ALL, h.CONNECTION)).toEqual(NOTHING);
    });
  });

  describe("connection links", () => {
    it("are found by their hash, listed by workspace and revoked once, with their code", async () => {
      const { links, directory } = await open();
      await directory.createEnrollmentCode({
        id: "enr_1",
        workspaceId: h.WORKSPACE,
        hash: "bb",
        connectionIds: [h.CONNECTION],
        createdAtMs: h.NOW_MS,
        expiresAtMs: h.NOW_MS + 1_000,
        usedAtMs: undefined,
        agentId: undefined,
      });
      await links.create(LINK);
      const second = { ...LINK, id: "lnk_2", hash: "cc", codeId: "enr_2", system: "maximo" };
      await links.create(second);
      expect(await links.byHash("aa")).toEqual(LINK);
      expect(await links.byHash("dd")).toBeUndefined();
      expect(await links.list(h.WORKSPACE)).toEqual([LINK, second]);
      expect(await links.list(h.OTHER_WORKSPACE)).toEqual([]);
      expect(await links.revoke(h.OTHER_WORKSPACE, LINK.id, 5)).toBe(false);
      expect(await links.revoke(h.WORKSPACE, LINK.id, h.NOW_MS + 5)).toBe(true);
      expect(await links.revoke(h.WORKSPACE, LINK.id, 7)).toBe(false);
      expect((await links.byHash("aa"))?.revokedAtMs).toBe(h.NOW_MS + 5);
      expect(await directory.useEnrollmentCode("bb", "agent", h.NOW_MS + 6)).toBeUndefined();
    });

    it("are gone with their connection", async () => {
      const { links, directory } = await open();
      await links.create(LINK);
      await directory.disconnectConnection(h.WORKSPACE, h.CONNECTION, 3);
      await directory.deleteConnection(h.WORKSPACE, h.CONNECTION);
      expect(await links.byHash("aa")).toBeUndefined();
      expect(await links.list(h.WORKSPACE)).toEqual([]);
    });
  });
}
