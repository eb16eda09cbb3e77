// What a connection says that it offers: at once, again when more is known, and never more than a message holds.
import { expect, test } from "vitest";
import { ConnectionDescriber } from "#agent/core/commands/connection-describer.ts";
import { describeConnection, type DescriptionFacts } from "#agent/core/commands/describe-connection.ts";
import { SourceLoad } from "#agent/core/load/source-load.ts";
import type { CompiledEntity, CompiledPack } from "#agent/core/mapping/mapping.ts";
import { OpenSource } from "#agent/core/room/open-source.ts";
import { decodeUpFrame, encodeControl } from "#common/contract/frame.ts";
import { MAX_FRAME_BYTES } from "#common/contract/limits.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { TableConnector, TestTable, testPack } from "../room/harness.ts";
import { POLICY } from "./desk-rig.ts";

function openOver(
  pack: CompiledPack,
  table = new TestTable(),
): { source: OpenSource; facts: DescriptionFacts } {
  const source = new OpenSource({
    connector: new TableConnector(table),
    load: new SourceLoad({}, "UTC", new FakeClock()),
    pack,
    context: { connectionId: "c1", timeZone: "UTC", raw: false, hidden: [] },
    signal: new AbortController().signal,
  });
  const facts = {
    connectionId: "c1",
    connector: "test",
    pack,
    hidden: [],
    policy: POLICY,
    isWritable: true,
    hasCommandLog: false,
  };
  return { source, facts };
}

/** Every column is read, and what is not mapped is a custom field. */
function packOfAll(more: Partial<CompiledEntity> = {}): CompiledPack {
  const pack = testPack();
  const [entity] = pack.entities;
  if (entity === undefined) throw new TypeError("the test's pack has an entity");
  const record = (text: string): string => JSON.stringify({ remote_id: text, custom_fields: { ACME_X: 1 } });
  const all: CompiledEntity = {
    ...entity,
    plan: { ...entity.plan, columns: ["*"] },
    mapper: () => (row) => ({ ok: true, record: record(row.key[0] ?? ""), raw: undefined, isDeleted: false }),
    ...more,
  };
  return { ...pack, entities: [all] };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1)
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
}

test("custom fields that a table shows only later are told when everything has been read", async () => {
  const table = new TestTable();
  const { source, facts } = openOver(packOfAll(), table);
  const told: ConnectionDescription[] = [];
  const describer = new ConnectionDescriber({
    facts,
    tell: (one) => told.push(one),
    logger: recordingLogger(),
  });
  const report = (status: "synchronizing" | "online") =>
    describer.reported({ type: "connection_report", connection_id: "c1", status });
  describer.opened(source);
  await settled();
  expect(told.map(({ entities }) => entities[0]?.custom_fields)).toEqual([[]]);
  table.set("a");
  report("synchronizing");
  await settled();
  expect(told).toHaveLength(1);
  report("online");
  await settled();
  expect(told.at(-1)?.entities[0]?.custom_fields).toEqual(["ACME_X"]);
  const asked = table.asked.length;
  report("online");
  await settled();
  expect([told.length, table.asked.length]).toEqual([2, asked]);
});

test("a source that cannot be read now is described all the same", async () => {
  const table = new TestTable();
  const { source, facts } = openOver(packOfAll(), table);
  table.failures.set("snapshot", new TypeError("a bug"));
  const told: ConnectionDescription[] = [];
  const logger = recordingLogger();
  new ConnectionDescriber({ facts, tell: (one) => told.push(one), logger }).opened(source);
  await settled();
  expect(told).toHaveLength(1);
  expect(logger.lines).toContainEqual(expect.objectContaining({ level: "error" }));
});

test("what is too large is shortened, least needed first, and fits the wire and its schema", () => {
  const fields = Array.from({ length: 2_000 }, (_, at) => ({
    name: `field_${at}`,
    sources: Array.from({ length: 60 }, (_one, n) => `TABLE_${at}.${"C".repeat(600)}${n}`),
  }));
  const { source, facts } = openOver(packOfAll({ describe: () => fields }));
  const names = Array.from({ length: 3_000 }, (_, at) => `N${at}${"X".repeat(300)}`);
  const description = describeConnection(facts, source, new Map([["vendor", names]]));
  expect(description.is_shortened).toBe(true);
  const frame = encodeControl(description);
  expect(frame.length).toBeLessThan(MAX_FRAME_BYTES);
  expect(decodeUpFrame(frame)).toEqual(description);
  const small = describeConnection(
    facts,
    openOver(testPack()).source,
    new Map([["vendor", names.slice(0, 5)]]),
  );
  expect(small).not.toHaveProperty("is_shortened");
  expect(decodeUpFrame(encodeControl(small))).toEqual(small);
  expect(small.entities[0]?.custom_fields.every((name) => name.length === 200)).toBe(true);
});
