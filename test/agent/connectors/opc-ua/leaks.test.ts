// Reconnecting again and again leaves nothing behind.
import { describe, expect, it, vi } from "vitest";
import { Subscriber, WAIT, nodeOf, startPlant } from "./harness.ts";

const RECONNECTS = 20;

/** Sockets and timers that the process holds. */
function handles(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate/.test(name)).length;
}

describe("reconnecting", () => {
  it(`${RECONNECTS} times leaves no listener, socket, session or subscription behind`, async () => {
    await using plant = await startPlant();
    const node = "Line1.Press.Speed";
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", onWarning);
    await using connector = plant.connector({ nodes: [{ node: nodeOf(node) }] });
    await connector.open(AbortSignal.timeout(10_000));
    const reader = new Subscriber(connector);
    await vi.waitFor(() => expect(reader.points).toBe(1), WAIT);
    let before = 0;
    for (let round = 1; round <= RECONNECTS; round += 1) {
      if (round % 4 === 0) plant.server.killSessions(true);
      else if (round % 4 === 2) plant.server.killSessions(false);
      else plant.server.cutConnections();
      plant.server.step();
      const seen = reader.samples.length;
      await vi.waitUntil(() => reader.samples.length > seen, WAIT);
      if (round === 4) before = handles();
    }
    expect(plant.server.sessionCount).toBe(1);
    expect(plant.server.monitoredItemCount()).toBe(1);
    await vi.waitFor(() => expect(handles()).toBeLessThanOrEqual(before + 2), WAIT);
    await reader.stop();
    expect(reader.error).toBeUndefined();
    process.removeListener("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});
