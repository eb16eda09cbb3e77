// Writes while lines break, sessions end and servers restart: done once, not at all, or honestly unknown.
import { DataType, Variant } from "node-opcua";
import { describe, expect, it, vi } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import type { WriteOutcome } from "#agent/core/source/write.ts";
import { Subscriber, WAIT, nodeOf, startPlant, type Plant } from "./harness.ts";
import { addWritableNodes, type WritableNodes } from "./writable-nodes.ts";

const SETPOINT = nodeOf("W.Setpoint");
const TRAP = nodeOf("W.Trap");
const STATE = nodeOf("Line1.Press.State");
/** Moves by the test's hand, to see that live values come again. */
const PULSE = "Line1.Press.Pressure";
const SETTINGS = {
  nodes: [SETPOINT, TRAP, STATE, nodeOf(PULSE)].map((node) => ({ node })),
  write: {
    allow: true,
    points: [
      { node: SETPOINT, min: 0, max: 100 },
      { node: TRAP, min: 0, max: 100 },
      { node: STATE, values: ["Idle", "Running"] },
    ],
    methods: [{ name: "trap", object: nodeOf("W"), method: nodeOf("W.trap") }],
  },
};

interface Rig extends AsyncDisposable {
  readonly plant: Plant;
  readonly nodes: WritableNodes;
  readonly connector: Connector;
  readonly reader: Subscriber;
  write(node: string, value: unknown): Promise<WriteOutcome>;
  call(): Promise<WriteOutcome>;
  /** Live values come (again). */
  alive(value: number): Promise<void>;
}

async function started(): Promise<Rig> {
  const plant = await startPlant();
  const nodes = addWritableNodes(plant.server);
  const connector = plant.connector(SETTINGS);
  await connector.open(AbortSignal.timeout(20_000));
  const reader = new Subscriber(connector);
  const request = { commandId: "c", entity: "telemetry_point", dryRun: false } as const;
  const send = async (part: {
    operation: string;
    key?: readonly string[];
    values: Readonly<Record<string, string>>;
  }): Promise<WriteOutcome> => {
    const signal = AbortSignal.timeout(20_000);
    const outcome = await connector.write?.({ ...request, key: undefined, ...part, signal });
    if (outcome === undefined) throw new Error("the connector does not write");
    return outcome;
  };
  const rig: Rig = {
    plant,
    nodes,
    connector,
    reader,
    write: (node, value) =>
      send({ operation: "update", key: [node], values: { value: JSON.stringify(value) } }),
    call: () => send({ operation: "trap", values: {} }),
    async alive(value) {
      const variant = new Variant({ dataType: DataType.Double, value });
      await vi.waitFor(() => {
        plant.server.set(PULSE, variant);
        expect(reader.of(PULSE).at(-1)?.value).toBe(value);
      }, WAIT);
    },
    async [Symbol.asyncDispose]() {
      await reader.stop();
      await connector[Symbol.asyncDispose]();
      await plant[Symbol.asyncDispose]();
    },
  };
  await rig.alive(1);
  return rig;
}

describe("a write", () => {
  it("whose answer is lost with the connection is unknown, and is not sent again after the repair", async () => {
    await using rig = await started();
    rig.nodes.onTrap = () => rig.plant.server.cutConnections();
    expect(await rig.write(TRAP, 5)).toMatchObject({
      status: "unknown_outcome",
      message: expect.stringContaining("no answer came") as string,
    });
    rig.nodes.onTrap = () => {};
    await rig.alive(2);
    await vi.waitFor(
      async () => expect(await rig.write(SETPOINT, 7)).toMatchObject({ status: "applied" }),
      WAIT,
    );
    expect(rig.nodes.writes).toEqual(["Trap", "Setpoint"]);
  });

  it("of a method likewise", async () => {
    await using rig = await started();
    rig.nodes.onTrap = () => rig.plant.server.cutConnections();
    expect(await rig.call()).toMatchObject({ status: "unknown_outcome" });
    rig.nodes.onTrap = () => {};
    await rig.alive(2);
    expect(rig.nodes.calls).toHaveLength(1);
  });

  it("to a server that is gone writes nothing, says so and is not kept for later", async () => {
    await using rig = await started();
    rig.plant.server.cutConnections();
    await expect(rig.write(SETPOINT, 5)).rejects.toMatchObject({ kind: "unavailable" });
    await rig.alive(2);
    expect(rig.nodes.writes).toEqual([]);
  });

  it("after the session was lost writes nothing; it works again once the session is restored", async () => {
    await using rig = await started();
    rig.plant.server.killSessions(true);
    await expect(rig.write(SETPOINT, 5)).rejects.toMatchObject({ kind: "unavailable" });
    expect(rig.nodes.writes).toEqual([]);
    await vi.waitFor(
      async () => expect(await rig.write(SETPOINT, 6)).toMatchObject({ status: "applied" }),
      WAIT,
    );
    await rig.alive(2);
    expect(rig.nodes.writes).toEqual(["Setpoint"]);
  });

  it("whose session ends just before it was not done, and says so", async () => {
    await using rig = await started();
    rig.nodes.onRead = () => {
      rig.nodes.onRead = () => {};
      // After the answer to the reading that goes before the write.
      setImmediate(() => rig.plant.server.killSessions(true));
    };
    await expect(rig.write(TRAP, 5)).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringContaining("BadSessionIdInvalid; nothing was written") as string,
    });
    expect(rig.nodes.writes).toEqual([]);
  });

  it("reaches the right node after a restart that moved the namespaces", async () => {
    await using rig = await started();
    expect(await rig.write(STATE, "Running")).toMatchObject({ status: "applied" });
    await rig.plant.server.restart({ extraNamespaces: ["urn:test:first", "urn:test:second"] });
    await rig.alive(2);
    await vi.waitFor(
      async () => expect(await rig.write(STATE, "Running")).toMatchObject({ status: "applied" }),
      WAIT,
    );
    expect(rig.plant.server.variable("Line1.Press.State").readValue().value.value).toBe("Running");
    // This one is gone with the restart.
    expect(await rig.write(SETPOINT, 5)).toMatchObject({ status: "rejected", code: "NOT_WRITABLE" });
  });
});
