// Methods of a real server, called by the names that the plant's settings give them.
import { StatusCodes } from "node-opcua";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { opcUaPack } from "#agent/connectors/opc-ua/point-mapper.ts";
import type { EncodedWrite } from "#agent/core/mapping/write-encoder.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { nodeOf, startPlant, type Plant } from "./harness.ts";
import { addWritableNodes, type WritableNodes } from "./writable-nodes.ts";

const OBJECT = nodeOf("W");
const at = (name: string): string => nodeOf(`W.${name}`);
const INPUTS = [
  { name: "speed", type: "Double", min: 0, max: 3000 },
  { name: "recipe", type: "String", values: ["A-1", "B-2"] },
  { name: "pieces", type: "Int64", min: 1, max: "9007199254740993" },
];
const METHODS = [
  { name: "start_job", object: OBJECT, method: at("start"), inputs: INPUTS },
  {
    name: "start_loosely",
    object: OBJECT,
    method: at("start"),
    inputs: [...INPUTS.slice(0, 2), { ...INPUTS[2], required: false }],
  },
  { name: "start_wrongly", object: OBJECT, method: at("start"), inputs: INPUTS.slice(0, 2) },
  {
    name: "start_mistyped",
    object: OBJECT,
    method: at("start"),
    inputs: [...INPUTS.slice(0, 2), { name: "pieces", type: "Boolean" }],
  },
  {
    name: "start_oddly",
    object: OBJECT,
    method: at("start"),
    inputs: [INPUTS[0], { ...INPUTS[1], name: "constructor" }, INPUTS[2]],
  },
  { name: "trap", object: OBJECT, method: at("trap"), points: [at("Setpoint")] },
  { name: "locked", object: OBJECT, method: at("locked") },
  { name: "foreign", object: OBJECT, method: at("foreign") },
  { name: "elsewhere", object: nodeOf("Line1"), method: at("trap") },
  { name: "nowhere", object: OBJECT, method: at("nothing") },
  { name: "homeless", object: nodeOf("Nothing"), method: at("trap") },
  { name: "variable", object: OBJECT, method: at("Setpoint") },
];
const GOOD = { speed: 1200.5, recipe: "B-2", pieces: "9007199254740993" };

describe("methods", () => {
  let plant: Plant;
  let nodes: WritableNodes;
  let connector: Connector;
  beforeAll(async () => {
    plant = await startPlant();
    nodes = addWritableNodes(plant.server);
    connector = plant.connector({
      nodes: [{ node: at("Setpoint") }],
      write: { allow: true, methods: METHODS },
    });
    await connector.open(AbortSignal.timeout(20_000));
  });
  afterAll(async () => {
    await connector[Symbol.asyncDispose]();
    await plant[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    nodes.calls.length = 0;
    nodes.onTrap = () => {};
    nodes.startStatus = StatusCodes.Good;
    nodes.argumentStatus = undefined;
  });

  function encode(
    operation: string,
    values: Readonly<Record<string, unknown>>,
    key?: readonly string[],
  ): EncodedWrite {
    const { write } = plant.settings({
      nodes: [{ node: at("Setpoint") }],
      write: { allow: true, methods: METHODS },
    });
    const found = opcUaPack(write).entities[0]?.writes?.find((one) => one.operation === operation);
    if (found === undefined) throw new Error(`no operation ${operation}`);
    return found.encode({ key, values, commandId: "c" }, { timeZone: "UTC", nowMs: 0 });
  }

  async function call(
    operation: string,
    values: Readonly<Record<string, unknown>> = {},
    more: Partial<WriteRequest> = {},
  ): Promise<WriteOutcome> {
    const encoded = Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]);
    const outcome = await connector.write?.({
      commandId: "c",
      entity: "telemetry_point",
      operation,
      key: undefined,
      values: Object.fromEntries(encoded) as Readonly<Record<string, string>>,
      dryRun: false,
      signal: AbortSignal.timeout(20_000),
      ...more,
    });
    if (outcome === undefined) throw new Error("the connector does not write");
    return outcome;
  }

  it("are called with exact inputs, and give their outputs by name", async () => {
    const encoded = encode("start_job", GOOD);
    expect(encoded.ok).toBe(true);
    const values = encoded.ok ? encoded.values : {};
    expect(await call("start_job", {}, { values })).toEqual({
      status: "applied",
      row: undefined,
      outputs: { Job: "18446744073709551615", Message: "started" },
      isRepeat: false,
      isPending: false,
      isDry: false,
    });
    expect(nodes.calls).toEqual([{ name: "start", values: [1200.5, "B-2", [2_097_152, 1]] }]);
  });

  it.each([
    [{ ...GOOD, speed: 3000.1 }, "speed: 3000.1 is outside what the plant allows, 0 to 3000"],
    [{ ...GOOD, speed: "fast" }, "speed: expected a number"],
    [{ ...GOOD, recipe: "C" }, "recipe: "],
    [{ ...GOOD, pieces: "9007199254740994" }, "pieces: "],
    [{ ...GOOD, pieces: undefined }, "pieces: is required"],
    [{ ...GOOD, colour: "red" }, "colour: "],
  ])("refuse %j before the server hears of it", async (values, reason) => {
    const outcome = await call("start_job", values);
    expect(outcome).toMatchObject({ status: "rejected", code: "VALUE" });
    expect(outcome).toHaveProperty("message", expect.stringContaining(reason));
    const encoded = encode("start_job", values);
    expect(encoded.ok ? [] : encoded.problems.map(({ field }) => field)).toEqual([reason.split(":")[0]]);
    expect(nodes.calls).toEqual([]);
  });

  it("take no input from what every object has", async () => {
    const { recipe: _, ...values } = GOOD;
    const missing = { field: "constructor", message: "is required" };
    expect(encode("start_oddly", values)).toEqual({ ok: false, problems: [missing] });
    expect(await call("start_oddly", values)).toMatchObject({ message: "constructor: is required" });
  });

  it("name every bad input at once", async () => {
    const values = { speed: -1, recipe: 5, pieces: 0, more: 1 };
    const outcome = await call("start_job", values);
    for (const name of Object.keys(values))
      expect(outcome).toHaveProperty("message", expect.stringContaining(`${name}: `));
    const encoded = encode("start_job", values);
    expect(encoded.ok ? [] : encoded.problems.map(({ field }) => field).toSorted()).toEqual(
      Object.keys(values).toSorted(),
    );
  });

  it("may leave out inputs at the end, where the settings say so; the server judges", async () => {
    const { pieces: _, ...short } = GOOD;
    expect(await call("start_loosely", short)).toMatchObject({
      status: "rejected",
      code: "VALUE",
      message: expect.stringContaining("BadArgumentsMissing") as string,
    });
    expect(await call("start_loosely", GOOD)).toMatchObject({ status: "applied" });
  });

  it("that the machine refuses say why", async () => {
    nodes.startStatus = StatusCodes.BadInvalidState;
    expect(await call("start_job", GOOD)).toMatchObject({
      status: "rejected",
      code: "REFUSED",
      message: expect.stringContaining("BadInvalidState: the machine is not in a state") as string,
    });
    nodes.startStatus = StatusCodes.BadInvalidArgument;
    nodes.argumentStatus = StatusCodes.BadOutOfRange;
    const outcome = await call("start_job", GOOD);
    expect(outcome).toMatchObject({ status: "rejected", code: "VALUE" });
    expect(outcome).toHaveProperty("message", expect.stringContaining("speed: BadOutOfRange"));
    nodes.startStatus = StatusCodes.BadTimeout;
    nodes.argumentStatus = undefined;
    expect(await call("start_job", GOOD)).toMatchObject({ status: "unknown_outcome" });
  });

  it.each([
    ["start_wrongly", "it takes 3 inputs (Speed, Recipe, Pieces), and the settings list 2"],
    ["start_mistyped", "input pieces (Pieces): the server wants Int64, and the settings say Boolean"],
    ["locked", "(Executable)"],
    ["foreign", "(UserExecutable)"],
    ["nowhere", "BadNodeIdUnknown"],
    ["homeless", "its object"],
    ["variable", "it is no method"],
  ])("%s is refused, and told when the connection opens", async (operation, reason) => {
    expect(await call(operation)).toMatchObject({ status: "rejected", code: "NOT_WRITABLE" });
    const [report] = connector.strategies();
    expect(report?.warning).toContain(`${operation} (`);
    expect(report?.warning).toContain(reason);
    expect(report?.reason).toContain("methods: start_job, start_loosely, start_oddly, trap, elsewhere");
    expect(nodes.calls).toEqual([]);
  });

  it("belong to their object, and to the points that the settings name", async () => {
    const other = [at("Recipe")];
    const point = [at("Setpoint")];
    expect(await call("trap", {}, { key: other })).toMatchObject({ code: "NOT_WRITABLE" });
    expect(encode("trap", {}, other)).toMatchObject({ ok: false });
    // Without a list at any point, but it must be one of this connection: only the connector knows.
    expect(encode("locked", {}, other)).toMatchObject({ ok: true });
    expect(await call("locked", {}, { key: other })).toHaveProperty(
      "message",
      expect.stringContaining(`is not called at ${at("Recipe")}`),
    );
    expect(await call("start_job", GOOD, { key: [...point, "x"] })).toMatchObject({ code: "NOT_WRITABLE" });
    expect(await call("elsewhere")).toMatchObject({ status: "rejected", code: "REFUSED" });
    expect(nodes.calls).toEqual([]);
    for (const key of [undefined, [OBJECT], [at("Setpoint")]])
      expect(encode("trap", {}, key)).toMatchObject({ ok: true, values: {} });
    expect(await call("trap", {}, { key: [OBJECT] })).toMatchObject({ status: "applied", row: undefined });
    expect(await call("trap", {}, { key: point })).toMatchObject({ status: "applied", row: { key: point } });
    // Without a list any point of the connection will do.
    expect(await call("start_job", GOOD, { key: point })).toMatchObject({
      status: "applied",
      row: { key: point },
    });
    expect(nodes.calls).toHaveLength(3);
  });

  it("are not called in a dry run, which checks everything else", async () => {
    expect(await call("start_job", GOOD, { dryRun: true })).toMatchObject({ status: "applied", isDry: true });
    expect(await call("start_job", {}, { dryRun: true })).toMatchObject({ code: "VALUE" });
    expect(await call("locked", {}, { dryRun: true })).toMatchObject({ code: "NOT_WRITABLE" });
    expect(nodes.calls).toEqual([]);
  });

  it("without an answer in time are neither done nor refused, and never called again", async () => {
    const time = new AbortController();
    nodes.onTrap = () => time.abort();
    expect(await call("trap", {}, { signal: time.signal })).toMatchObject({
      status: "unknown_outcome",
      message: expect.stringContaining("the time for it ran out") as string,
    });
    expect(nodes.calls).toHaveLength(1);
  });

  it("are described to callers", () => {
    const { write } = plant.settings({
      nodes: [{ node: at("Setpoint") }],
      write: { allow: true, methods: METHODS },
    });
    const [start] = opcUaPack(write).entities[0]?.writes ?? [];
    expect(start).toMatchObject({
      operation: "start_job",
      form: "procedure",
      fields: [
        { name: "speed", isRequired: true, type: "number", min: "0", max: "3000" },
        { name: "recipe", isRequired: true, type: "text", values: ["A-1", "B-2"] },
        { name: "pieces", isRequired: true, type: "decimal", max: "9007199254740993" },
      ],
    });
  });
});
