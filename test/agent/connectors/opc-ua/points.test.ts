// Points found by browsing or named in the settings, and what is known of each.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { opcUaPack } from "#agent/connectors/opc-ua/point-mapper.ts";
import type { SourceRow } from "#agent/core/source/connector.ts";
import { canonicalKey } from "#agent/core/source/key-rules.ts";
import type { MappedRow } from "#agent/core/mapping/mapping.ts";
import { RecordEnvelope } from "#common/contract/model/entities.ts";
import { TelemetryPoint } from "#common/contract/model/telemetry-point.ts";
import { recordId } from "#common/contract/record-id.ts";
import { Value } from "typebox/value";
import { MACHINES_NAMESPACE } from "#test/support/opcua-server.ts";
import { nodeOf, rowsOf, startPlant, type Plant } from "./harness.ts";

const CONNECTION_ID = "6ba7b810-9dad-41d1-80b4-00c04fd430c8";
/** Line1.Press.SpeedSetpoint */
const SETPOINTS = 1;
const MACHINE_POINTS = 3 * 5 * 6 + SETPOINTS;
const SPECIAL_POINTS = 10;

function map(row: SourceRow, hidden: readonly string[] = [], raw = false): MappedRow {
  const [entity] = opcUaPack(undefined).entities;
  if (entity === undefined) throw new Error("the pack has no entity");
  return entity.mapper({ connectionId: CONNECTION_ID, timeZone: "UTC", raw, hidden, keyRules: () => [] })(
    row,
  );
}

function record(row: SourceRow, hidden: readonly string[] = []): Record<string, unknown> {
  const mapped = map(row, hidden);
  if (!mapped.ok) throw new Error(mapped.detail);
  return JSON.parse(mapped.record) as Record<string, unknown>;
}

describe("points", () => {
  let plant: Plant;
  beforeAll(async () => {
    plant = await startPlant();
  });
  afterAll(() => plant[Symbol.asyncDispose]());

  it("are discovered by namespace, with unit, range, type and revised sampling", async () => {
    await using connector = plant.connector({
      discover: { namespaces: [MACHINES_NAMESPACE] },
      sampling_ms: 20,
    });
    await connector.open(AbortSignal.timeout(10_000));
    const rows = await rowsOf(connector);
    expect(rows).toHaveLength(MACHINE_POINTS + SPECIAL_POINTS);
    expect(new Set(rows.map(({ key }) => key[0])).size).toBe(rows.length);
    const temperature = rows.find(({ key }) => key[0] === nodeOf("Line2.Oven.Temperature"));
    expect(temperature?.columns).toMatchObject({
      NamespaceUri: MACHINES_NAMESPACE,
      BrowsePath: "Line2/Oven/Temperature",
      DisplayName: "Temperature",
      DataType: "Double",
      EngineeringUnits: "°C",
      EngineeringUnitsCode: "CEL",
      EURangeLow: "-20",
      EURangeHigh: "250",
      Historizing: true,
      SamplingMs: 50,
      QueueSize: 10,
      Problem: null,
    });
    const doubles = rows.find(({ key }) => key[0] === nodeOf("Special.Doubles"));
    expect(doubles?.columns).toMatchObject({ DataType: "Double[]", Historizing: false });
    // The server would take it; the plant's settings allow nothing.
    expect(rows.find(({ key }) => key[0] === nodeOf("Line1.Robot.State"))?.columns["Writable"]).toBe(false);
  });

  it("keep to include, exclude and max", async () => {
    const discover = {
      include: ["Line1/*"],
      exclude: ["*/alarm", "*/Stat?"],
      namespaces: [MACHINES_NAMESPACE],
    };
    await using connector = plant.connector({ discover });
    await connector.open(AbortSignal.timeout(10_000));
    const rows = await rowsOf(connector);
    expect(rows).toHaveLength(5 * 4 + SETPOINTS);
    expect(rows.every(({ columns }) => String(columns["BrowsePath"]).startsWith("Line1/"))).toBe(true);

    await using few = plant.connector({ discover: { ...discover, max: 7 } });
    await few.open(AbortSignal.timeout(10_000));
    expect(await rowsOf(few)).toHaveLength(7);
  });

  it("are found one by one, wherever they stand; one that is not there is rejected and the others go on", async () => {
    await using connector = plant.connector({
      nodes: [
        { node: nodeOf("Line3.Robot.Speed"), name: "Robot speed", asset: "ROBOT-3", deadband: "5%" },
        { node: nodeOf("Line9.Nothing") },
        { node: "nsu=urn:elsewhere;s=Thing" },
      ],
    });
    await connector.open(AbortSignal.timeout(10_000));
    const [speed, nothing, elsewhere] = await rowsOf(connector);
    expect(speed?.columns).toMatchObject({ BrowsePath: "Line3/Robot/Speed", DeadbandPercent: "5" });
    expect(map(nothing as SourceRow)).toMatchObject({ ok: false, code: "POINT_UNREADABLE" });
    expect(map(nothing as SourceRow)).toHaveProperty("detail", expect.stringContaining("BadNodeIdUnknown"));
    expect(map(elsewhere as SourceRow)).toHaveProperty("detail", expect.stringContaining("namespace"));
  });

  it("are misconfigured when not one can be read, or the namespace is not there", async () => {
    await using unknown = plant.connector({ nodes: [{ node: nodeOf("Nope") }] });
    await expect(unknown.open(AbortSignal.timeout(10_000))).rejects.toMatchObject({
      kind: "misconfigured",
      message: expect.stringContaining(MACHINES_NAMESPACE) as string,
    });
    await using elsewhere = plant.connector({ discover: { namespaces: ["urn:elsewhere"] } });
    await expect(elsewhere.open(AbortSignal.timeout(10_000))).rejects.toMatchObject({
      kind: "misconfigured",
    });
  });

  it("are read by key and as keys alone", async () => {
    await using connector = plant.connector({ discover: { include: ["Line1/Press/*"] } });
    await connector.open(AbortSignal.timeout(10_000));
    const keys = await rowsOf(connector, "keys");
    expect(keys).toHaveLength(6 + SETPOINTS);
    expect(keys[0]?.columns).toEqual({});
    const request = {
      entity: "telemetry_point",
      pass: "point",
      after: undefined,
      keys: [[nodeOf("Line1.Press.Count")], [nodeOf("Line1.Press.Gone")]],
      maxRows: 10,
      signal: AbortSignal.timeout(10_000),
    } as const;
    for await (const { rows } of connector.read(request)) {
      expect(rows.map(({ key }) => key[0])).toEqual([nodeOf("Line1.Press.Count")]);
    }
    expect.assertions(3);
  });

  it("become unified records that the model accepts", async () => {
    await using connector = plant.connector({
      nodes: [{ node: nodeOf("Line1.Press.Temperature"), asset: "PRESS-1", deadband: 0.5 }],
      asset_connection: "7ba7b810-9dad-41d1-80b4-00c04fd430c8",
    });
    await connector.open(AbortSignal.timeout(10_000));
    const [row] = await rowsOf(connector);
    const unified = record(row as SourceRow);
    expect(Value.Errors(TelemetryPoint, unified)).toEqual([]);
    expect(Value.Errors(RecordEnvelope, unified)).toEqual([]);
    expect(unified).toMatchObject({
      remote_id: nodeOf("Line1.Press.Temperature"),
      name: "Temperature",
      uom: "°C",
      uom_code: "CEL",
      range_low: "-20",
      deadband: "0.5",
      historizing: true,
      mode: "subscribed",
      asset: {
        remote_id: "PRESS-1",
        id: recordId("7ba7b810-9dad-41d1-80b4-00c04fd430c8", "asset", canonicalKey(["PRESS-1"], [])),
      },
    });
    expect(Object.keys(unified).slice(0, 3)).toEqual(["remote_id", "remote_key", "source"]);
    const masked = record(row as SourceRow, ["telemetry_point.asset", "AddressSpace.Description"]);
    expect(masked).not.toHaveProperty("asset");
    expect(masked).not.toHaveProperty("description");
  });

  it("can be browsed level by level", async () => {
    await using connector = plant.connector({ discover: {} });
    await connector.open(AbortSignal.timeout(10_000));
    const signal = AbortSignal.timeout(10_000);
    const top = (await connector.browse?.([], signal)) ?? [];
    const line = top.find(({ name }) => name === "Line1");
    const machines = (await connector.browse?.(line?.path ?? [], signal)) ?? [];
    expect(machines.map(({ name }) => name)).toEqual(["Press", "Conveyor", "Oven", "Compressor", "Robot"]);
    const signals = (await connector.browse?.(machines[0]?.path ?? [], signal)) ?? [];
    expect(signals[0]).toMatchObject({
      kind: "variable",
      detail: { node: nodeOf("Line1.Press.Temperature") },
    });
    await expect(connector.browse?.(["nonsense"], signal)).rejects.toMatchObject({ kind: "bad_data" });
  });
});
