// Commands from the relay, through main and room to a real source and back.
import { describe, expect, test } from "vitest";
import { Plant } from "#test/support/plant-stack.ts";
import { AgentAtRelay } from "#test/support/agent-at-relay.ts";

const READS = { live_reads: true, browse: true, sync: true };

function keyOf(plant: Plant): { readonly key: string; readonly site: string; readonly number: string } {
  const row = plant.db.prepare("SELECT SITEID, WONUM FROM WORKORDER WHERE ISTASK = 0 LIMIT 1").get() as {
    SITEID: string;
    WONUM: string;
  };
  return { key: JSON.stringify([row.SITEID, row.WONUM]), site: row.SITEID, number: row.WONUM };
}

function started(plant: Plant, allow: object, more: Record<string, unknown> = {}): Promise<AgentAtRelay> {
  const { connector, pack, settings, more: own } = plant.connection(more);
  return AgentAtRelay.start({ connections: [{ name: "plant", connector, pack, settings, ...own, allow }] });
}

describe("what changes nothing", () => {
  test("a live read shows the record as it is now, by the stream's mapper, and leaves absent ones out", async () => {
    using plant = new Plant();
    await using agent = await started(plant, READS, { hide: ["work_order.title"] });
    await agent.online("plant");
    const { key, site, number } = keyOf(plant);
    plant.db
      .prepare("UPDATE WORKORDER SET LONGDESCRIPTION = ? WHERE SITEID = ? AND WONUM = ?")
      .run("just now", site, number);
    const keys = ['["X","none"]', key, key];
    const read = await agent.ask("plant", "read", { entity: "work_order", keys, raw: true });
    expect(read).toMatchObject({ outcome: "succeeded" });
    const { records } = read.result as { records: { key: string; record: Record<string, unknown> }[] };
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ key, record: { number, description: "just now" } });
    expect(JSON.stringify(records)).not.toContain('"title"');
    // The connection sends no raw rows, so none may be had this way either.
    expect(records[0]).not.toHaveProperty("raw");
  });

  test("browsing, a test of the source, and a sync", async () => {
    using plant = new Plant();
    await using agent = await started(plant, READS);
    await agent.online("plant");
    const top = await agent.ask("plant", "browse", { path: [] });
    expect(top).toMatchObject({ outcome: "succeeded" });
    expect(JSON.stringify(top.result)).toContain("WORKORDER");
    expect(await agent.ask("plant", "test", {})).toMatchObject({
      outcome: "succeeded",
      result: { took_ms: expect.any(Number) },
    });
    expect(await agent.ask("plant", "test", {})).toMatchObject({
      outcome: "failed",
      code: "RATE_LIMITED",
      retry_after_ms: expect.any(Number),
    });
    expect(await agent.ask("plant", "operate", { action: "sync" })).toMatchObject({ outcome: "succeeded" });
  });

  test("nothing is allowed that the plant's file does not name; nonsense is refused", async () => {
    using plant = new Plant();
    await using agent = await started(plant, {});
    await agent.online("plant");
    const { key } = keyOf(plant);
    for (const [kind, body] of [
      ["read", { entity: "work_order", keys: [key] }],
      ["browse", { path: [] }],
      ["test", {}],
      ["operate", { action: "resync" }],
      ["query", { query: "anything", parameters: {} }],
      ["write", { entity: "work_order", operation: "update", key, values: { title: "x" } }],
    ] as const)
      expect(await agent.ask("plant", kind, body)).toMatchObject({ outcome: "failed", code: "NOT_ALLOWED" });
    expect(await agent.ask("plant", "erase", {})).toMatchObject({ code: "UNKNOWN_COMMAND" });
    expect(await agent.ask("plant", "read", { entity: "work_order" })).toMatchObject({
      code: "UNKNOWN_COMMAND",
    });
    expect(await agent.ask("elsewhere", "read", { entity: "a", keys: ["b"] })).toMatchObject({
      code: "SYSTEM_UNREACHABLE",
    });
  });
});
