// A source that is away, and rows that cannot be mapped: said in the API and the feed, and healed by themselves.
import { renameSync } from "node:fs";
import { expect, test } from "vitest";
import { feedOf, feedProblems, Plant, plantStack, untilEqual } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import type { ProcessStack } from "#test/support/process-stack.ts";

interface ConnectionView {
  readonly name: string;
  readonly status: string;
  readonly status_reason: string | null;
}

interface Rejects {
  readonly data: readonly { readonly entity: string; readonly key: string; readonly code: string }[];
}

async function connection(stack: ProcessStack): Promise<ConnectionView | undefined> {
  const { body } = await stack.get("/v1/connections");
  return (body as { readonly data: readonly ConnectionView[] }).data[0];
}

async function untilStatus(stack: ProcessStack, status: string): Promise<ConnectionView> {
  return until(
    `the connection to be ${status}`,
    async () => {
      const view = await connection(stack);
      return view?.status === status ? view : undefined;
    },
    40_000,
  );
}

test.concurrent("a source whose file is away: offline with its reason, then back by itself, and what was missed comes", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  const agent = stack.startAgent();
  await untilEqual(stack, "plant", plant);
  await untilStatus(stack, "online");
  plant.close();
  renameSync(plant.file, `${plant.file}.away`);
  const { status_reason: reason } = await untilStatus(stack, "offline");
  expect(reason).toContain(plant.file);
  await until(
    "a second attempt",
    () => agent.output.filter((line) => line.includes("unavailable")).length >= 2,
  );
  renameSync(`${plant.file}.away`, plant.file);
  plant.reopen();
  plant.change(20);
  await untilStatus(stack, "online");
  await untilEqual(stack, "plant", plant);
  const told = (await feedOf(stack)).map(({ type }) => type).filter((type) => type.startsWith("connection."));
  expect(told).toEqual(["connection.online", "connection.offline", "connection.online"]);
  // It is the same file: nothing had to be compared again.
  expect((await feedOf(stack)).some(({ type }) => type === "gap.recorded")).toBe(false);
});

test.concurrent("a row that cannot be mapped is dead-lettered alone, and heals when it is corrected", async () => {
  using plant = new Plant();
  await using stack = await plantStack({ plant });
  const row = plant.db
    .prepare("SELECT rowid AS id, SITEID, PONUM, ORDERDATE FROM PO WHERE STATUS <> 'REVISD' LIMIT 1")
    .get() as {
    readonly id: number;
    readonly SITEID: string;
    readonly PONUM: string;
    readonly ORDERDATE: string | null;
  };
  const set = plant.db.prepare("UPDATE PO SET ORDERDATE = ? WHERE rowid = ?");
  set.run("the day after tomorrow", row.id);
  stack.startAgent();
  const letters = async (): Promise<Rejects["data"]> =>
    ((await stack.get("/v1/rejects")).body as Rejects).data;
  await until("the dead letter", async () => (await letters()).length > 0, 30_000);
  expect(await letters()).toMatchObject([
    { entity: "purchase_order", key: JSON.stringify([row.SITEID, row.PONUM]) },
  ]);
  set.run(row.ORDERDATE, row.id);
  await untilEqual(stack, "plant", plant);
  expect(await letters()).toEqual([]);
  expect(feedProblems(await feedOf(stack))).toEqual([]);
});
