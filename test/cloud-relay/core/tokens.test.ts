// Tokens, their checksums, and the ids that the relay makes.
import { crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32 } from "#relay/core/crc32.ts";
import { newId, uuidV7 } from "#relay/core/identifiers.ts";
import { isTokenText, principalOf, tokenPrefix, tokenText, type Entropy } from "#relay/core/tokens.ts";
import type { TokenRow } from "#relay/core/directory.ts";
import { systemEntropy } from "#relay/entropy.ts";

const ROW: TokenRow = {
  id: "tok_1",
  kind: "connection",
  workspaceId: "ws_1",
  connectionId: "c_1",
  name: "n",
  hash: "h",
  hint: "mr_live_abcd",
  scopes: ["read"],
  createdAtMs: 0,
  expiresAtMs: 2_000,
  revokedAtMs: undefined,
};

describe("the text of a token", () => {
  test.each(["mr_live_", "mr_test_", "mr_ws_", "mr_admin_"])(
    "%s: 32 random and 6 check characters",
    (prefix) => {
      const token = tokenText(prefix, systemEntropy);
      expect(token).toMatch(new RegExp(`^${prefix}[0-9A-Za-z]{38}$`));
      expect(isTokenText(token)).toBe(true);
      expect(tokenText(prefix, systemEntropy)).not.toBe(token);
    },
  );

  test("any single mistyped, swapped or missing character is noticed", () => {
    const token = tokenText("mr_live_", systemEntropy);
    for (let at = 0; at < token.length; at += 1) {
      const wrong = token[at] === "x" ? "y" : "x";
      expect(isTokenText(token.slice(0, at) + wrong + token.slice(at + 1))).toBe(false);
      expect(isTokenText(token.slice(0, at) + token.slice(at + 1))).toBe(false);
    }
    expect(isTokenText(`${token} `)).toBe(false);
    expect(isTokenText("")).toBe(false);
  });

  test("characters are evenly drawn: bytes that would favour the first ones are thrown away", () => {
    const bytes = [
      ...Array.from({ length: 8 }, (_, n) => 248 + n),
      ...Array.from({ length: 32 }, (_, n) => n),
    ];
    let at = 0;
    const entropy: Entropy = {
      ...systemEntropy,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => bytes[at++ % bytes.length] ?? 0),
    };
    expect(tokenText("mr_ws_", entropy).slice(6, 38)).toBe("0123456789ABCDEFGHIJKLMNOPQRSTUV");
  });

  test("tokens of production are live, all others are tests", () => {
    expect(tokenPrefix("connection", "production")).toBe("mr_live_");
    expect(tokenPrefix("connection", "staging")).toBe("mr_test_");
    expect(tokenPrefix("workspace", undefined)).toBe("mr_ws_");
    expect(tokenPrefix("admin", undefined)).toBe("mr_admin_");
  });
});

describe("what a token lets see", () => {
  test("a connection's token its connection, a workspace's its workspace, an admin's no data", () => {
    expect(principalOf(ROW, 0).scope).toEqual({ workspaceId: "ws_1", connectionIds: ["c_1"] });
    expect(principalOf({ ...ROW, kind: "workspace" }, 0).scope).toEqual({ workspaceId: "ws_1" });
    expect(principalOf({ ...ROW, kind: "admin", workspaceId: undefined }, 0).scope).toBeUndefined();
  });

  test("a connection's token without a connection sees nothing rather than everything", () => {
    expect(principalOf({ ...ROW, connectionId: undefined }, 0).scope?.connectionIds).toEqual([""]);
  });

  test("expiry and revocation count from their very instant", () => {
    expect(principalOf(ROW, 1_999).tokenId).toBe("tok_1");
    expect(() => principalOf(ROW, 2_000)).toThrow(expect.objectContaining({ code: "TOKEN_EXPIRED" }));
    const revoked = { ...ROW, revokedAtMs: 500 };
    expect(() => principalOf(revoked, 500)).toThrow(expect.objectContaining({ code: "TOKEN_REVOKED" }));
  });
});

test("crc32 is that of zlib", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
      expect(crc32(text)).toBe(zlibCrc32(text));
    }),
  );
});

test("ids are UUIDs of version 7 and order by time", () => {
  const at = (ms: number) => uuidV7(ms, systemEntropy.randomBytes);
  // The example of RFC 9562, appendix A.6.
  expect(at(1_645_557_742_000)).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(at(1_000) < at(1_001)).toBe(true);
  expect(newId("ws", 1_000, systemEntropy.randomBytes)).toMatch(/^ws_[0-9a-f]{32}$/);
});

test("drawn bytes never come twice and fill any length", () => {
  const drawn = new Set(
    Array.from({ length: 2_000 }, () => Buffer.from(systemEntropy.randomBytes(10)).toString("hex")),
  );
  expect(drawn.size).toBe(2_000);
  expect(systemEntropy.randomBytes(5_000)).toHaveLength(5_000);
});
