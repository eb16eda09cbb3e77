// The initial window through a real agent and a real relay: recent documents and all master data, then all of it, then less again.
import { expect, test } from "vitest";
import { feedOf, feedProblems, Plant, untilEqual } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { WritingStack } from "#test/support/writing-stack.ts";

const DAYS = 30;
const WAIT_MS = 90_000;
const PAGE = 500;

/** Rows of the demo's tables that are within a window from `:from` on. */
const WITHIN = {
  goods_receipt: "SELECT count(*) FROM MATRECTRANS WHERE TRANSDATE >= :from",
  stock_movement: "SELECT count(*) FROM INVTRANS WHERE TRANSDATE >= :from",
  invoice:
    "SELECT count(*) FROM INVOICE WHERE INVOICEDATE >= :from OR STATUS NOT IN ('PAID', 'CANCEL') OR INVOICEDATE IS NULL",
} as const;
const WHOLE = {
  goods_receipt: "SELECT count(*) FROM MATRECTRANS",
  stock_movement: "SELECT count(*) FROM INVTRANS",
  invoice: "SELECT count(*) FROM INVOICE",
  vendor: "SELECT count(*) FROM COMPANIES",
  asset: "SELECT count(*) FROM ASSET",
} as const;

interface Held {
  readonly present: number;
  readonly outOfScope: number;
  readonly others: number;
}

/** What the relay has of an entity, by presence. */
async function heldOf({ stack, connectionId }: WritingStack, entity: string): Promise<Held> {
  await using store = await stack.openStore();
  const scope = { workspaceId: stack.workspaceId, connectionIds: [connectionId] };
  const wanted = { entity, beforeRevision: undefined, includeDeleted: true, includeRaw: false, limit: PAGE };
  const page = await store.reader.listRecords(scope, { ...wanted, afterRevision: 0 });
  const count = (presence: string): number => page.filter((one) => one.presence === presence).length;
  const [present, outOfScope] = [count("present"), count("out_of_scope")];
  return { present, outOfScope, others: page.length - present - outOfScope };
}

test("30 days: recent documents and all master data; all: the rest, nothing twice; 30 days again: out of scope and not deleted", async () => {
  using plant = new Plant();
  const count = (statement: string, from?: string): number =>
    plant.db
      .prepare(statement)
      .pluck()
      .get(from === undefined ? {} : { from }) as number;
  const allow = { settings: ["initial_window_days"] };
  await using api = await WritingStack.start(plant, { allow, more: { initial_window_days: DAYS } });
  const settings = `/v1/connections/${api.connectionId}/settings`;
  /** The first day, as the agent says it. */
  const firstDay = (): Promise<string> =>
    until(
      "the window in the status",
      async () => {
        const { body } = await api.send("GET", "/v1/sync-status?entity=goods_receipt");
        return /Documents from (\d{4}-\d\d-\d\d) on/.exec(JSON.stringify(body))?.[1];
      },
      WAIT_MS,
    );
  const untilPresent = async (entity: string, wanted: number): Promise<void> => {
    let last: Held | undefined;
    await until(
      `${wanted} of ${entity}`,
      async () => {
        last = await heldOf(api, entity);
        return last.present === wanted;
      },
      WAIT_MS,
    ).catch((cause: unknown) => {
      throw new TypeError(`${entity}: wanted ${wanted} present, there are ${JSON.stringify(last)}`, {
        cause,
      });
    });
  };

  const from = await firstDay();
  for (const [entity, statement] of Object.entries(WITHIN)) {
    await untilPresent(entity, count(statement, from));
    expect((await heldOf(api, entity)).outOfScope).toBe(0);
  }
  await untilPresent("vendor", count(WHOLE.vendor));
  await untilPresent("asset", count(WHOLE.asset));
  expect(count(WITHIN.goods_receipt, from)).toBeLessThan(count(WHOLE.goods_receipt));

  expect((await api.send("PUT", settings, { initial_window_days: null })).status).toBe(200);
  await untilEqual(api.stack, "plant", plant, WAIT_MS);
  expect((await api.send("GET", settings)).body).toMatchObject({ state: "in_effect" });

  expect((await api.send("PUT", settings, { initial_window_days: DAYS })).status).toBe(200);
  const again = await firstDay();
  for (const [entity, statement] of Object.entries(WITHIN)) {
    const within = count(statement, again);
    await untilPresent(entity, within);
    const whole = count(WHOLE[entity as keyof typeof WITHIN]);
    expect(await heldOf(api, entity)).toEqual({ present: within, outOfScope: whole - within, others: 0 });
  }
  expect((await heldOf(api, "vendor")).present).toBe(count(WHOLE.vendor));
  const feed = await feedOf(api.stack);
  expect(feed.filter(({ type }) => type.endsWith(".deleted"))).toEqual([]);
  expect(feed.filter(({ type }) => type === "sync.failed")).toEqual([]);
  expect(feedProblems(feed)).toEqual([]);
});
