// The settings of an OPC UA connection: every problem at once.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseOpcUaSettings } from "#agent/connectors/opc-ua/settings.ts";

const GOOD = {
  endpoint: "opc.tcp://plc-1:4840/path",
  server_fingerprint: `${"AB:".repeat(31)}AB`,
  nodes: [{ node: "nsu=urn:x;s=a", deadband: "2 %" }, { node: "i=2258" }],
};

function messages(change: Readonly<Record<string, unknown>>): readonly string[] {
  const result = parseOpcUaSettings({ ...GOOD, ...change });
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path}: ${message}`);
}

describe("settings", () => {
  it("are secure when nothing is said", () => {
    const result = parseOpcUaSettings(GOOD);
    expect(result).toMatchObject({
      ok: true,
      value: {
        mode: "SignAndEncrypt",
        policy: "Basic256Sha256",
        user: { kind: "anonymous" },
        fingerprints: ["ab".repeat(32)],
        allowExpired: false,
      },
    });
    expect(result.ok && result.value.nodes[0]?.deadband).toEqual({ kind: "percent", value: 2 });
  });

  it.each([
    [{ endpoint: "http://plc" }, "endpoint: "],
    [{ endpoint: undefined }, "endpoint: is missing"],
    [{ security: { mode: "None" } }, "insecure: true"],
    [{ security: { mode: "None", policy: "Basic256Sha256" }, insecure: true }, "exclude each other"],
    [{ security: { polcy: "x" } }, 'did you mean "policy"'],
    [{ sampling: 5 }, "sampling: is not known"],
    [{ server_fingerprint: "abc" }, "64 hex digits"],
    [{ server_fingerprint: undefined }, "say which server to trust"],
    [{ nodes: [{ node: "ns=2;s=a" }] }, "nodes[0].node: ns=2;s=a uses a namespace index"],
    [{ nodes: [{ node: "nsu=urn:x;i=a" }] }, "is not a node id"],
    [{ nodes: [{ node: "i=1" }, { node: "i=1" }] }, "nodes[1].node: i=1 is listed twice"],
    [{ nodes: [{ node: "i=1", deadband: "200%" }] }, "nodes[0].deadband"],
    [{ nodes: [] }, "no point is named"],
    [{ publishing_ms: 1 }, "publishing_ms: a number from 50"],
    [{ queue_size: 1.5 }, "a whole number"],
    [{ user: { name: "a", certificate_file: "/x" } }, "not both"],
    [{ user: { certificate_file: "/x" } }, "user.key_file: is missing"],
    [{ discover: { max: 0 } }, "discover.max"],
  ])("%j is refused with a reason", (change, reason) => {
    expect(messages(change).join("\n")).toContain(reason);
  });

  it("report every problem at once", () => {
    expect(messages({ endpoint: "x", queue_size: 0, nodes: [{ node: "ns=1;i=1" }] })).toHaveLength(3);
  });

  it("of the example are good", () => {
    const file = new URL("../../../../agent/connectors/opc-ua/example.yaml", import.meta.url);
    const example = parse(readFileSync(file, "utf8")) as { connections: { settings: unknown }[] };
    expect(parseOpcUaSettings(example.connections[0]?.settings)).toMatchObject({ ok: true });
  });
});
