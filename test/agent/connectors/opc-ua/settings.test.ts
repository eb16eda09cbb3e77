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

function messages(change: object): readonly string[] {
  const result = parseOpcUaSettings({ ...GOOD, ...change });
  return result.ok ? [] : result.issues.map(({ path, message }) => `${path}: ${message}`);
}

const METHOD = { name: "reset", object: "i=1", method: "i=2" };
const method = (change: object): object => ({ write: { methods: [{ ...METHOD, ...change }] } });
const point = (change: object): object => ({ write: { points: [{ node: "i=2258", ...change }] } });

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
        write: { isAllowed: false, points: [], methods: [] },
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
    [{ write: true }, "write: a mapping"],
    [{ write: { alow: true } }, 'write.alow: is not known here (did you mean "allow"'],
    [{ write: { allow: true } }, "write.allow: allows nothing by itself"],
    [{ write: { command_log: "X" } }, "write.command_log: is not known"],
    [point({ node: "ns=2;s=a" }), "write.points[0].node: ns=2;s=a uses a namespace index"],
    [point({ node: "i=7" }), "write.points[0].node: i=7 is no point of this connection; list it in `nodes`"],
    [point({ min: 5, max: 1 }), "write.points[0].max: 1 is below min 5"],
    [point({ min: "five" }), 'write.points[0].min: "five" is no exact number'],
    [point({ max: 2 ** 60 }), "write.points[0].max: 1152921504606847000 is no exact number"],
    [point({ max_step: 0 }), "write.points[0].max_step: 0 lets nothing change"],
    [point({ values: [] }), "write.points[0].values: a list of 1 to"],
    [point({ values: [null] }), "write.points[0].values: a list of 1 to"],
    [point({ array: "yes" }), "write.points[0].array: true or false"],
    [point({ step: 1 }), "write.points[0].step: is not known"],
    [
      { write: { points: [{ node: "i=2258" }, { node: "i=2258" }] } },
      "write.points[1].node: i=2258 is listed",
    ],
    [method({ name: "Reset!" }), "write.methods[0].name: "],
    [method({ name: "update" }), "write.methods[0].name: update has a meaning already"],
    [method({ points: ["i=7"] }), "write.methods[0].points: i=7 is no point of this connection"],
    [method({ object: undefined }), "write.methods[0].object: is missing"],
    [method({ inputs: [{ name: "a" }] }), "write.methods[0].inputs[0].type: is missing"],
    [method({ inputs: [{ name: "a", type: "Real" }] }), '"Real" is not one of Boolean'],
    [
      method({ inputs: [{ name: "a", type: "Double", min: 1 }] }),
      "inputs[0].type: a number (Double) needs `min`",
    ],
    [method({ inputs: [{ name: "a", type: "String", max: 1 }] }), "min and max are for numbers"],
    [method({ inputs: [{ name: "a", type: "Byte", values: [300] }] }), "inputs[0].values: 300 is no Byte"],
    [
      method({
        inputs: [
          { name: "a", type: "String", required: false },
          { name: "b", type: "String" },
        ],
      }),
      "write.methods[0].inputs[0].required: only inputs at the end",
    ],
    [{ write: { methods: [METHOD, METHOD] } }, "write.methods[1].name: reset is listed twice"],
  ])("%j is refused with a reason", (change, reason) => {
    expect(messages(change).join("\n")).toContain(reason);
  });

  it("report every problem at once", () => {
    expect(messages({ endpoint: "x", queue_size: 0, nodes: [{ node: "ns=1;i=1" }] })).toHaveLength(3);
  });

  it("name what may be written, with exact limits", () => {
    const points = [
      { node: "i=2258", min: -0.5, max: "9223372036854775807", max_step: 1e-7, values: [1, "2", true] },
    ];
    const inputs = [{ name: "speed", type: "Float", min: 0, max: 10 }];
    const result = parseOpcUaSettings({
      ...GOOD,
      write: { allow: true, points, methods: [{ ...METHOD, inputs }] },
    });
    expect(result).toMatchObject({
      ok: true,
      value: {
        write: {
          isAllowed: true,
          points: [{ min: "-0.5", max: "9223372036854775807", maxStep: "0.0000001", isArrayAllowed: false }],
          methods: [{ name: "reset", inputs: [{ type: "Float", min: "0", max: "10", isRequired: true }] }],
        },
      },
    });
  });

  it("may name points to write that only discovery knows", () => {
    expect(messages({ discover: {}, ...point({ node: "i=7" }) })).toEqual([]);
  });

  it("of the example are good", () => {
    const file = new URL("../../../../agent/connectors/opc-ua/example.yaml", import.meta.url);
    const example = parse(readFileSync(file, "utf8")) as { connections: { settings: unknown }[] };
    expect(parseOpcUaSettings(example.connections[0]?.settings)).toMatchObject({ ok: true });
  });
});
