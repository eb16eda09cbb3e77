// Conformance of users and their sessions.
import { describe, expect, it } from "vitest";
import { DuplicateError, type Store } from "#relay/core/store.ts";
import type { SessionRow, UserRow } from "#relay/core/users/user-store.ts";
import * as h from "./harness.ts";

const ADA: UserRow = {
  id: "usr_1",
  workspaceId: h.WORKSPACE,
  email: "ada@example.com",
  name: "Ada",
  role: "admin",
  passwordHash: "scrypt$1",
  createdAtMs: h.NOW_MS,
  disabledAtMs: undefined,
  lastSignInAtMs: undefined,
};

const session = (hash: string, atMs: number, userId = ADA.id): SessionRow => ({
  hash,
  userId,
  csrfToken: `csrf ${hash}`,
  createdAtMs: atMs,
  seenAtMs: atMs,
  expiresAtMs: atMs + 1_000,
});

export function usersSuite(open: () => Promise<Store>): void {
  describe("users", () => {
    it("are found by id, address and workspace; an address is taken once in the relay", async () => {
      const { users } = await open();
      const bob = { ...ADA, id: "usr_2", email: "bob@example.com", createdAtMs: h.NOW_MS + 1 };
      const eve = { ...ADA, id: "usr_3", email: "eve@example.com", workspaceId: h.OTHER_WORKSPACE };
      for (const user of [ADA, bob, eve]) await users.create(user);
      await expect(users.create({ ...eve, id: "usr_4", email: ADA.email })).rejects.toThrow(DuplicateError);
      expect(await users.byId(ADA.id)).toEqual(ADA);
      expect(await users.byEmail("bob@example.com")).toEqual(bob);
      expect(await users.byEmail("nobody@example.com")).toBeUndefined();
      expect(await users.list(h.WORKSPACE)).toEqual([ADA, bob]);
    });

    it("are changed and removed within their workspace only, with their sessions where asked", async () => {
      const { users } = await open();
      await users.create(ADA);
      await users.openSession(session("a", h.NOW_MS), 5);
      expect(await users.change(h.OTHER_WORKSPACE, ADA.id, { name: "X" }, true)).toBeUndefined();
      expect(await users.remove(h.OTHER_WORKSPACE, ADA.id)).toBe(false);
      const signedIn = { ...ADA, lastSignInAtMs: h.NOW_MS };
      expect(await users.change(h.WORKSPACE, ADA.id, { name: "Ada L." }, false)).toEqual({
        ...signedIn,
        name: "Ada L.",
      });
      expect(await users.session("a")).toEqual(session("a", h.NOW_MS));
      const disabled = await users.change(h.WORKSPACE, ADA.id, { disabledAtMs: 7, role: "viewer" }, true);
      expect(disabled).toMatchObject({ disabledAtMs: 7, role: "viewer", name: "Ada L." });
      expect(await users.session("a")).toBeUndefined();
      expect(await users.change(h.WORKSPACE, ADA.id, { disabledAtMs: null }, false)).toMatchObject({
        disabledAtMs: undefined,
      });
      await users.openSession(session("b", h.NOW_MS), 5);
      expect(await users.remove(h.WORKSPACE, ADA.id)).toBe(true);
      expect(await users.session("b")).toBeUndefined();
      expect(await users.byId(ADA.id)).toBeUndefined();
    });
  });

  describe("sessions", () => {
    it("keep the newest of a user, note when they were seen, and end", async () => {
      const { users } = await open();
      await users.create(ADA);
      for (const [index, hash] of ["a", "b", "c"].entries()) {
        await users.openSession(session(hash, h.NOW_MS + index), 2);
      }
      expect(await users.session("a")).toBeUndefined();
      await users.touchSession("b", h.NOW_MS + 500);
      expect((await users.session("b"))?.seenAtMs).toBe(h.NOW_MS + 500);
      await users.touchSession("b", h.NOW_MS);
      expect((await users.session("b"))?.seenAtMs).toBe(h.NOW_MS + 500);
      await users.closeSession("c");
      expect(await users.session("c")).toBeUndefined();
      expect(await users.pruneSessions(h.NOW_MS, h.NOW_MS + 499)).toBe(0);
      expect(await users.pruneSessions(h.NOW_MS + 1_001, 0)).toBe(1);
    });
  });
}
