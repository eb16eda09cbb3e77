// Live values come back after trouble, and what was missed is a gap.
import { DataType, Variant } from "node-opcua";
import { describe, expect, it, vi } from "vitest";
import type { Connector } from "#agent/core/source/connector.ts";
import { ITEMS_NAMESPACE, type TestOpcUaServer } from "#test/support/opcua-server.ts";
import { Subscriber, WAIT, nodeOf, startPlant } from "./harness.ts";

/** One point with history, one without. */
const KEPT = "Line1.Press.Temperature";
const LIVE = "Line1.Press.Pressure";
const NODES = { nodes: [{ node: nodeOf(KEPT) }, { node: nodeOf(LIVE) }] };

const double = (value: number): Variant => new Variant({ dataType: DataType.Double, value });

function set(server: TestOpcUaServer, value: number, atMs = Date.now()): void {
  server.set(KEPT, double(value), atMs);
  server.set(LIVE, double(value), atMs);
}

/** Connected, and both points seen with the value 1. */
async function started(connector: Connector, server: TestOpcUaServer): Promise<Subscriber> {
  await connector.open(AbortSignal.timeout(10_000));
  const reader = new Subscriber(connector);
  await vi.waitFor(() => expect(reader.points).toBe(2), WAIT);
  set(server, 1);
  await reader.value(KEPT, 1);
  await reader.value(LIVE, 1);
  return reader;
}

const valuesOf = (reader: Subscriber, id: string): readonly unknown[] =>
  reader.of(id).map(({ value }) => value);

describe("after trouble", () => {
  it("a cut connection loses nothing: the session is taken up and messages are asked for again", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    for (let round = 2; round <= 5; round += 1) {
      plant.server.cutConnections();
      set(plant.server, round);
      await reader.value(KEPT, round);
      await reader.value(LIVE, round);
    }
    expect(valuesOf(reader, KEPT).slice(1)).toEqual([1, 2, 3, 4, 5]);
    expect(valuesOf(reader, LIVE).slice(1)).toEqual([1, 2, 3, 4, 5]);
    expect(reader.gaps).toEqual([]);
    expect(reader.samples.some(({ backfilled }) => backfilled)).toBe(false);
    expect(plant.server.sessionCount).toBe(1);
  });

  it("a killed session hands its subscriptions over without loss", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    plant.server.killSessions(true);
    set(plant.server, 2);
    await reader.value(KEPT, 2);
    await reader.value(LIVE, 2);
    set(plant.server, 3);
    await reader.value(LIVE, 3);
    await reader.value(KEPT, 3);
    expect(valuesOf(reader, LIVE).slice(1)).toEqual([1, 2, 3]);
    expect(reader.gaps).toEqual([]);
  });

  const troubles: readonly [string, (server: TestOpcUaServer) => void][] = [
    [
      "transfers refused",
      (server) => {
        server.refuseTransfers();
        server.killSessions(true);
      },
    ],
    ["session and subscriptions killed", (server) => server.killSessions(false)],
    ["subscriptions deleted", (server) => server.deleteSubscriptions()],
  ];

  it.each(troubles)(
    "%s: history fills one point, a gap tells of the other, both live again",
    async (_, makeTrouble) => {
      await using plant = await startPlant();
      await using connector = plant.connector(NODES);
      await using reader = await started(connector, plant.server);
      const startMs = Date.now() + 1;
      makeTrouble(plant.server);
      for (let value = 2; value <= 6; value += 1) set(plant.server, value, startMs + value);
      await reader.value(KEPT, 6);
      await reader.value(LIVE, 6);
      await vi.waitFor(() => expect(reader.gaps).toHaveLength(1), WAIT);
      await reader.value(KEPT, 5);
      set(plant.server, 7);
      await reader.value(KEPT, 7);
      await reader.value(LIVE, 7);
      const kept = new Set(valuesOf(reader, KEPT));
      expect([1, 2, 3, 4, 5, 6, 7].filter((value) => !kept.has(value))).toEqual([]);
      expect(valuesOf(reader, KEPT)).toHaveLength(8);
      expect(reader.of(KEPT).some(({ backfilled }) => backfilled)).toBe(true);
      const [gap] = reader.gaps;
      expect(gap).toMatchObject({ reason: "reconnect", point: nodeOf(LIVE), toMs: startMs + 6 });
      expect(gap?.fromMs).toBe(reader.of(LIVE)[1]?.sourceMs);
    },
  );

  it("an item that the server has dropped is missed after the next reconnect, and made anew", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    const startMs = Date.now() + 1;
    plant.server.dropMonitoredItem();
    plant.server.cutConnections();
    for (let value = 2; value <= 4; value += 1) set(plant.server, value, startMs + value);
    await reader.value(KEPT, 4);
    await reader.value(KEPT, 2);
    await reader.value(LIVE, 4);
    set(plant.server, 5);
    await reader.value(KEPT, 5);
    await reader.value(LIVE, 5);
    expect(plant.server.monitoredItemCount()).toBe(2);
    expect(reader.of(KEPT).some(({ backfilled }) => backfilled)).toBe(true);
  });

  it("a message lost on its way is asked for again", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    plant.server.loseNextNotification();
    set(plant.server, 2);
    await reader.value(LIVE, 2);
    await reader.value(KEPT, 2);
    set(plant.server, 3);
    await reader.value(LIVE, 3);
    expect(reader.gaps).toEqual([]);
  });

  it("a lost message that the server has forgotten (BadMessageNotAvailable) becomes history and a gap", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    plant.server.loseNextNotification();
    plant.server.forgetMessages();
    set(plant.server, 2);
    await reader.value(KEPT, 2);
    await vi.waitFor(() => expect(reader.gaps).toHaveLength(1), WAIT);
    expect(reader.gaps[0]).toMatchObject({ reason: "reconnect", point: nodeOf(LIVE) });
    expect(valuesOf(reader, LIVE)).not.toContain(2);
    set(plant.server, 3);
    await reader.value(LIVE, 3);
    await reader.value(KEPT, 3);
    expect(valuesOf(reader, KEPT).slice(1)).toEqual([1, 2, 3]);
  });

  it("a server that takes only one publish request is served with one", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await connector.open(AbortSignal.timeout(10_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(2), WAIT);
    plant.server.limitPublishRequests(1);
    for (let value = 1; value <= 10; value += 1) {
      set(plant.server, value);
      await reader.value(LIVE, value);
    }
    expect(reader.gaps).toEqual([]);
    expect(reader.error).toBeUndefined();
  });

  it("a request on a session that is gone fails: the driver makes none behind our back", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await connector.open(AbortSignal.timeout(10_000));
    plant.server.killSessions(false);
    await expect(connector.browse?.([], AbortSignal.timeout(5_000))).rejects.toMatchObject({
      kind: "unavailable",
    });
    expect(plant.server.sessionCount).toBe(0);
  });

  it("silence is noticed by the watchdog although the session lives", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    plant.server.mutePublishing();
    set(plant.server, 2);
    await reader.value(LIVE, 2);
    await reader.value(KEPT, 2);
    expect(reader.error).toBeUndefined();
  });

  it("a restarted server is live again, with other namespace indexes and nothing lost that it archived", async () => {
    await using plant = await startPlant();
    const { server } = plant;
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, server);
    await server.stop();
    await reader.ended();
    expect(reader.error).toMatchObject({ kind: "unavailable" });
    await server.restart({ extraNamespaces: ["urn:first", "urn:second"] });
    expect(server.raw.engine.addressSpace?.getNamespaceIndex("urn:demo-plant:machines")).toBe(4);

    // What the runner does next: open anew, go on from the cursor.
    await using again = plant.connector(NODES);
    for (let value = 2; value <= 4; value += 1) set(server, value, Date.now() + value);
    await again.open(AbortSignal.timeout(10_000));
    await using second = new Subscriber(again, reader.cursor);
    await second.value(KEPT, 4);
    await second.value(KEPT, 2);
    await second.value(LIVE, 4);
    set(server, 5, Date.now() + 10);
    await second.value(KEPT, 5);
    const all = [...valuesOf(reader, KEPT), ...valuesOf(second, KEPT)];
    expect([1, 2, 3, 4, 5].map((value) => all.filter((one) => one === value).length)).toEqual([
      1, 1, 1, 1, 1,
    ]);
    expect(second.gaps).toMatchObject([{ reason: "no_history", point: nodeOf(LIVE) }]);
  });

  it("a quick restart with other namespace indexes is survived without the runner", async () => {
    await using plant = await startPlant({ items: 5 });
    const { server } = plant;
    const item = nodeOf("Item3", ITEMS_NAMESPACE);
    await using connector = plant.connector({ nodes: [...NODES.nodes, { node: item }] });
    await connector.open(AbortSignal.timeout(10_000));
    await using reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(3), WAIT);
    await server.restart({ extraNamespaces: [ITEMS_NAMESPACE, "urn:another"] });
    server.setItems(41);
    set(server, 42);
    await reader.value(item, 41);
    await reader.value(KEPT, 42);
    await reader.value(LIVE, 42);
    expect(valuesOf(reader, LIVE)).not.toContain(41);
    expect(reader.error).toBeUndefined();
  });

  it("a replaced server certificate stops the connection until the operator trusts it", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    await plant.server.restart({ newCertificate: true });
    await reader.ended();
    expect(reader.error).toMatchObject({ kind: "misconfigured" });
    expect(String(reader.error)).toContain(plant.server.certificate.fingerprint);
  });

  it("a server that stays away ends the reading as `unavailable`", async () => {
    await using plant = await startPlant();
    await using connector = plant.connector(NODES);
    await using reader = await started(connector, plant.server);
    await plant.server.stop();
    await reader.ended();
    expect(reader.error).toMatchObject({ kind: "unavailable" });
  });
});
