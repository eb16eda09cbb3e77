// The wire of a released version never changes: each schema and layout is held to a hash beside its version.
import { describe, expect, it } from "vitest";
import { CONTENT_VERSION, PROTOCOL_VERSION } from "#common/contract/protocol-version.ts";
import { contentHashes, hashOf, protocolHashes, type Hashes } from "#test/support/contract-hashes.ts";
import frozen from "./frozen-contract.json" with { type: "json" };

describe.each([
  ["protocol", PROTOCOL_VERSION, protocolHashes, frozen.protocol as Record<string, Hashes>],
  ["content", CONTENT_VERSION, contentHashes, frozen.content as Record<string, Hashes>],
] as const)("%s %i", (kind, version, now, recorded) => {
  it("is as it was when its version was released", () => {
    const name = kind === "protocol" ? "PROTOCOL_VERSION" : "CONTENT_VERSION";
    const advice = `the ${kind} changed: raise ${name} and record under "${version + 1}" in frozen-contract.json (only while ${version} has never been released may its own entry be replaced):\n${JSON.stringify(now, undefined, 2)}`;
    const changed = [...new Set([...Object.keys(now), ...Object.keys(recorded[version] ?? {})])].filter(
      (key) => now[key] !== recorded[version]?.[key],
    );
    // The advice travels in the compared value, so that the failure shows it.
    expect(changed.length === 0 ? "as released" : `${changed.join(", ")}: ${advice}`).toBe("as released");
  });

  it("has a record for this version and for no later one", () => {
    expect(Math.max(...Object.keys(recorded).map(Number))).toBe(version);
  });
});

describe("the hashes", () => {
  it("change with what passes, and not with words", () => {
    const schema = { type: "string", maxLength: 5, description: "a" };
    expect(hashOf({ ...schema, description: "b" })).toBe(hashOf(schema));
    expect(hashOf({ ...schema, maxLength: 6 })).not.toBe(hashOf(schema));
    expect(Object.keys(protocolHashes)).toContain("UpMessage");
    expect(Object.keys(contentHashes)).toContain("SamplesBody");
  });
});
