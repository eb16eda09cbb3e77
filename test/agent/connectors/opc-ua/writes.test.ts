// Values written to a real server: within the plant's limits, exactly, and read back.
import { StatusCodes } from "node-opcua";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { opcUaPack } from "#agent/connectors/opc-ua/point-mapper.ts";
import type { CompiledWrite } from "#agent/core/mapping/mapping.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { WriteOutcome, WriteRequest, WriteValue } from "#agent/core/source/write.ts";
import { nodeOf, parsed, rowsOf, startPlant, type Plant } from "./harness.ts";
import { addWritableNodes, type WritableNodes } from "./writable-nodes.ts";

const at = (name: string): string => nodeOf(`W.${name}`);
const RANGE = { min: 0, max: 100 };
const POINTS = [
  { node: at("Setpoint"), ...RANGE },
  { node: at("Level"), ...RANGE },
  { node: at("Count"), min: "-9223372036854775808", max: "9223372036854775807" },
  { node: at("Total"), min: 0, max: "18446744073709551615" },
  { node: at("Small"), min: 0, max: 300 },
  { node: at("Enabled") },
  { node: at("Recipe"), values: ["A-1", "B-2"] },
  { node: at("Mode"), values: ["Off", "Auto"] },
  { node: at("When") },
  { node: at("Bytes") },
  { node: at("Label") },
  { node: at("Any"), ...RANGE },
  { node: at("Number"), ...RANGE },
  { node: at("Duration"), ...RANGE, max_step: 2.5 },
  { node: at("Profile"), ...RANGE, array: true },
  { node: at("Longs"), ...RANGE },
  { node: at("Fixed"), ...RANGE },
  { node: at("Foreign"), ...RANGE },
  { node: at("Blind"), ...RANGE },
  { node: at("Stubborn"), ...RANGE },
  { node: at("Picky"), ...RANGE },
  { node: at("Clamped"), ...RANGE },
  { node: at("Answering"), ...RANGE },
  { node: at("Late"), ...RANGE },
  { node: at("Doubtful"), ...RANGE },
  { node: at("Lost"), ...RANGE, max_step: 1 },
  { node: at("Nowhere"), ...RANGE },
];
/** Not in the plant's list. */
const SILENT = nodeOf("Line1.Press.State");
const SETTINGS = {
  nodes: [...POINTS.map(({ node }) => ({ node })), { node: SILENT }],
  write: { allow: true, points: POINTS },
};

describe("points", () => {
  let plant: Plant;
  let nodes: WritableNodes;
  let connector: Connector;
  beforeAll(async () => {
    plant = await startPlant();
    nodes = addWritableNodes(plant.server);
    connector = plant.connector(SETTINGS);
    await connector.open(AbortSignal.timeout(20_000));
  });
  afterAll(async () => {
    await connector[Symbol.asyncDispose]();
    await plant[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    nodes.writes.length = 0;
    nodes.answer = StatusCodes.Good;
  });

  /** As the layer above does it: through the pack's encoder, which may refuse by itself. */
  async function write(node: string, value: unknown, more: Partial<Request> = {}): Promise<WriteOutcome> {
    const encoded = updateOf(SETTINGS).encode(
      { key: [node], values: { value }, commandId: "c" },
      { timeZone: "UTC", nowMs: 0 },
    );
    if (!encoded.ok) throw new Error(encoded.problems.map(({ message }) => message).join());
    return send(connector, { key: [node], values: encoded.values, ...more });
  }

  it("are written in their own type and read back, with status and time", async () => {
    const outcome = await write(at("Setpoint"), 72.5);
    expect(outcome).toMatchObject({
      status: "applied",
      isDry: false,
      outputs: {
        value: "72.5",
        status: "Good",
        source_timestamp: expect.stringMatching(/^20.*Z$/) as string,
      },
      row: { key: [at("Setpoint")], columns: { DisplayName: "Setpoint", Writable: true } },
    });
    expect(nodes.variables.get("Setpoint")?.readValue().value.value).toBe(72.5);
  });

  it.each([
    ["Count", "9007199254740993", "9007199254740993"],
    ["Count", "-9223372036854775808", "-9223372036854775808"],
    ["Total", "18446744073709551615", "18446744073709551615"],
    ["Total", 7, "7"],
    ["Setpoint", "12.5", "12.5"],
    ["Level", 0.1, "0.10000000149011612"],
    ["Small", 255, "255"],
    ["Enabled", true, "true"],
    ["Enabled", false, "false"],
    ["Recipe", "B-2", "B-2"],
    ["Mode", "Auto", "1"],
    ["Mode", 0, "0"],
    ["When", "2026-03-04T05:06:07.125+01:00", "2026-03-04T04:06:07.125Z"],
    ["Bytes", "AP8Q", "AP8Q"],
    ["Label", "neu", "neu"],
    ["Any", 42, "42"],
    ["Number", 43, "43"],
    ["Duration", 12.5, "12.5"],
    ["Profile", [3, 4.5, 6], "[3,4.5,6]"],
    ["Late", 9, "9"],
    ["Label", "", null],
    ["Bytes", "", ""],
  ])("%s takes %j", async (name, value, shown) => {
    expect(await write(at(name), value)).toMatchObject({
      status: "applied",
      outputs: { value: shown, status: "Good" },
    });
    expect(nodes.writes).toEqual([name]);
  });

  it.each([
    ["Setpoint", "high", "expected a number"],
    ["Setpoint", true, "expected a number"],
    ["Setpoint", [1], "expected one value"],
    ["Count", 1.5, "expected a whole number"],
    ["Count", 2 ** 60, "give it as text"],
    ["Count", "9223372036854775808", "outside"],
    ["Small", 256, "256 is outside Byte (0 to 255)"],
    ["Enabled", "true", "expected true or false"],
    ["Enabled", 1, "expected true or false"],
    ["Recipe", "C-3", 'not among the values that the plant allows: "A-1", "B-2"'],
    ["Recipe", 5, "expected text"],
    ["Mode", "Manual", "not among the values"],
    ["Mode", 2, "not among the values"],
    ["Mode", "Sleeping", "expected a whole number"],
    ["When", "2026-03-04", "expected an instant"],
    ["Bytes", "not base64!", "base64"],
    ["Any", "x", "expected a whole number"],
    ["Duration", 15.1, "is more than the plant allows in one write (2.5)"],
    ["Profile", 3, "expected a list (Double), not 3"],
    ["Profile", [1, "x"], "[1] expected a number"],
    ["Lost", 1, "BadNoCommunication"],
  ])("%s refuses %j", async (name, value, reason) => {
    // Past the encoder, which says some of this by itself: the connector is the last guard.
    const outcome = await send(connector, { key: [at(name)], values: { value: JSON.stringify(value) } });
    expect(outcome).toMatchObject({ status: "rejected", code: "VALUE" });
    expect(outcome).toHaveProperty("message", expect.stringContaining(reason));
    expect(nodes.writes).toEqual([]);
  });

  it.each([
    ["Setpoint", 100.01],
    ["Setpoint", "-0.000001"],
    ["Level", 101],
    ["Profile", [1, 200]],
  ])("%s keeps to its range: %j", async (name, value) => {
    const outcome = await send(connector, { key: [at(name)], values: { value: JSON.stringify(value) } });
    expect(outcome).toMatchObject({ status: "rejected", code: "VALUE" });
    expect(outcome).toHaveProperty("message", expect.stringContaining("0 to 100"));
    await expect(write(at(name), value)).rejects.toThrow("0 to 100");
    expect(nodes.writes).toEqual([]);
  });

  it.each([
    ["Fixed", "AccessLevel"],
    ["Foreign", "UserAccessLevel"],
    ["Blind", "cannot be read"],
    ["Longs", "`array: true` is not set"],
    ["Nowhere", "BadNodeIdUnknown"],
  ])("%s is refused, and told when the connection opens", async (name, reason) => {
    const outcome = await write(at(name), 1);
    expect(outcome).toMatchObject({ status: "rejected", code: "NOT_WRITABLE" });
    expect(outcome).toHaveProperty("message", expect.stringContaining(reason));
    const [points] = connector.strategies();
    expect(points?.warning).toContain(`${at(name)}: `);
    expect(points?.warning).toContain(reason);
    expect(nodes.writes).toEqual([]);
  });

  it.each([
    ["Stubborn", "BadNotWritable: the server does not let this node be written"],
    ["Picky", "BadTypeMismatch"],
  ])("%s: what the server refuses is told in its words", async (name, words) => {
    const outcome = await write(at(name), 5);
    expect(outcome).toMatchObject({ status: "rejected", code: "REFUSED" });
    expect(outcome).toHaveProperty("message", expect.stringContaining(words));
    expect(nodes.writes).toEqual([name]);
  });

  it("what reads back differently is no success", async () => {
    expect(await write(at("Clamped"), 5)).toMatchObject({
      status: "unknown_outcome",
      message: expect.stringContaining("reads back 1 (Good) instead of 5") as string,
    });
  });

  it("an answer that leaves it open is decided by the value, where that can be", async () => {
    expect(await write(at("Doubtful"), 5)).toMatchObject({ status: "applied", outputs: { value: "5" } });
    expect(await write(at("Doubtful"), 5)).toMatchObject({
      status: "unknown_outcome",
      message: expect.stringContaining("BadTimeout") as string,
    });
    nodes.answer = StatusCodes.BadCommunicationError;
    expect(await write(at("Answering"), 5)).toMatchObject({ status: "unknown_outcome" });
  });

  it("a dry run checks everything and writes nothing", async () => {
    expect(await write(at("Setpoint"), 33, { dryRun: true })).toMatchObject({
      status: "applied",
      isDry: true,
      outputs: { value: "33", status: null },
      row: { key: [at("Setpoint")] },
    });
    expect(await write(at("Duration"), 90, { dryRun: true })).toMatchObject({ code: "VALUE" });
    expect(await write(at("Fixed"), 1, { dryRun: true })).toMatchObject({ code: "NOT_WRITABLE" });
    expect(nodes.writes).toEqual([]);
  });

  it("two writes to one node wait for each other, so that the step holds for both", async () => {
    expect(await write(at("Duration"), 12.5)).toMatchObject({ status: "applied" });
    const outcomes = await Promise.all([write(at("Duration"), 15), write(at("Duration"), 10)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["applied", "rejected"]);
    expect(await write(at("Duration"), 12.5)).toMatchObject({ status: "applied" });
  });

  it("nothing else is writable: other nodes, operations, entities, fields, versions", async () => {
    const refused = { status: "rejected", code: "NOT_WRITABLE" };
    const values = { value: "1" };
    expect(await send(connector, { key: [SILENT], values: { value: '"x"' } })).toMatchObject(refused);
    expect(await send(connector, { key: undefined, values })).toMatchObject(refused);
    expect(await send(connector, { key: [at("Setpoint"), "x"], values })).toMatchObject(refused);
    expect(await send(connector, { operation: "create", values })).toMatchObject(refused);
    expect(await send(connector, { entity: "vendor", values })).toMatchObject(refused);
    expect(await send(connector, { values, children: { lines: [{ values }] } })).toMatchObject(refused);
    expect(await send(connector, { values: { value: "1", name: '"x"' } })).toMatchObject(refused);
    expect(await send(connector, { values, ifVersion: "1" })).toMatchObject({ code: "NO_VERSION" });
    expect(await send(connector, { values: { value: "not json" } })).toMatchObject({ code: "VALUE" });
    expect(await send(connector, { values: {} })).toMatchObject({ code: "VALUE" });
    expect(nodes.writes).toEqual([]);
  });

  it("an ended signal writes nothing and says so", async () => {
    const signal = AbortSignal.abort();
    await expect(write(at("Setpoint"), 1, { signal })).rejects.toMatchObject({ kind: "unavailable" });
    expect(nodes.writes).toEqual([]);
  });

  it("one that waits for its turn can be called off", async () => {
    const time = new AbortController();
    const first = write(at("Late"), 3);
    const second = write(at("Late"), 4, { signal: time.signal });
    time.abort();
    await expect(second).rejects.toMatchObject({ kind: "unavailable" });
    expect(await first).toMatchObject({ status: "applied", outputs: { value: "3" } });
    expect(await write(at("Late"), 5)).toMatchObject({ status: "applied", outputs: { value: "5" } });
    expect(nodes.writes).toEqual(["Late", "Late"]);
  });

  it("more than fifty at once are turned away", async () => {
    const all = Array.from({ length: 51 }, () => write(at("Setpoint"), 1, { dryRun: true }));
    const settled = await Promise.allSettled(all);
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(50);
    expect(settled[50]).toMatchObject({ reason: { kind: "unavailable" } });
    expect(await write(at("Setpoint"), 1)).toMatchObject({ status: "applied" });
  });

  it("records say truthfully which points are writable", async () => {
    const rows = await rowsOf(connector);
    const writable = rows.filter(({ columns }) => columns["Writable"] === true).map(({ key }) => key[0]);
    const blocked = new Set(["Fixed", "Foreign", "Blind", "Longs", "Nowhere"].map(at));
    expect(writable).toEqual(POINTS.map(({ node }) => node).filter((node) => !blocked.has(node)));
    expect(connector.strategies()[0]?.reason).toContain(`points that may be written: ${writable.length}`);
  });

  it("nothing at all is written without leave", async () => {
    await using silent = plant.connector({ ...SETTINGS, write: { points: POINTS } });
    await silent.open(AbortSignal.timeout(20_000));
    expect(await send(silent, { values: { value: "1" } })).toMatchObject({
      status: "rejected",
      code: "NOT_WRITABLE",
      message: expect.stringContaining("write: { allow: true") as string,
    });
    const rows = await rowsOf(silent);
    expect(rows.some(({ columns }) => columns["Writable"] === true)).toBe(false);
    expect(nodes.writes).toEqual([]);
  });
});

interface Request {
  entity: string;
  operation: string;
  key: readonly string[] | undefined;
  values: Readonly<Record<string, WriteValue>>;
  children: WriteRequest["children"] & object;
  ifVersion: string;
  dryRun: boolean;
  signal: AbortSignal;
}

async function send(connector: Connector, request: Partial<Request>): Promise<WriteOutcome> {
  const outcome = await connector.write?.({
    commandId: "c",
    entity: "telemetry_point",
    operation: "update",
    key: [at("Setpoint")],
    values: {},
    dryRun: false,
    signal: AbortSignal.timeout(20_000),
    ...request,
  });
  if (outcome === undefined) throw new Error("the connector does not write");
  return outcome;
}

function updateOf(settings: Readonly<Record<string, unknown>>): CompiledWrite {
  const { write } = parsed({ endpoint: "opc.tcp://plc", server_fingerprint: "0".repeat(64), ...settings });
  const update = opcUaPack(write).entities[0]?.writes?.find(({ operation }) => operation === "update");
  if (update === undefined) throw new Error("the pack writes nothing");
  return update;
}
