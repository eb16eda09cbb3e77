// The demo's pack writes to the demo plant through the real sqlite connector, and reads back what it wrote.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sqliteDefinition } from "#agent/connectors/sqlite/definition.ts";
import type { CompiledEntity } from "#agent/core/mapping/mapping.ts";
import type { Connector, SourceKey } from "#agent/core/source/connector.ts";
import type { WriteOutcome } from "#agent/core/source/write.ts";
import { loadPack } from "#agent/packs/load-pack.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError } from "#common/runtime/errors.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { openOrSeedPlant } from "#test/demo/plant/database.ts";

const ZONE = "Europe/Berlin";
const NOW_MS = Date.parse("2026-05-04T08:00:00Z");
const directory = mkdtempSync(join(tmpdir(), "millrace-pack-writes-"));
const loaded = loadPack("demo-cmms");
if (!loaded.ok) throw new ConfigError("demo-cmms", loaded.issues);
const { pack } = loaded;
let db: Database;
let connector: Connector;

beforeAll(async () => {
  const file = join(directory, "plant.db");
  db = openOrSeedPlant(file, { seed: 3, scale: 0.1, nowMs: NOW_MS - 60_000 });
  const settings = sqliteDefinition.parseConfig({ file, write: { allow: true } });
  if (!settings.ok) throw new ConfigError("sqlite", settings.issues);
  const parts = { connection: "plant", clock: systemClock, logger: silentLogger, dataDir: directory };
  const plans = pack.entities.map(({ plan }) => plan);
  connector = sqliteDefinition.create(settings.value, { ...parts, plans, timeZone: ZONE });
  await connector.open(new AbortController().signal);
});
afterAll(async () => {
  await connector[Symbol.asyncDispose]();
  db.close();
  rmSync(directory, { recursive: true });
});

interface Written {
  readonly key?: SourceKey;
  readonly ifVersion?: string;
}

let commands = 0;

/** @throws with every problem if the pack does not take the values */
async function write(
  entity: string,
  operation: string,
  values: Record<string, unknown>,
  { key, ifVersion }: Written = {},
): Promise<WriteOutcome> {
  commands += 1;
  const commandId = `command-${commands}`;
  const encoded = writeOf(entity, operation).encode(
    { key, values, commandId },
    { timeZone: ZONE, nowMs: NOW_MS },
  );
  if (!encoded.ok) throw new Error(JSON.stringify(encoded.problems));
  return await connector.write!({
    commandId,
    entity,
    operation,
    key,
    values: encoded.values,
    ...(encoded.children === undefined ? {} : { children: encoded.children }),
    ...(ifVersion === undefined ? {} : { ifVersion }),
    dryRun: false,
    signal: new AbortController().signal,
  });
}

function entityOf(name: string): CompiledEntity {
  return pack.entities.find(({ plan }) => plan.entity === name)!;
}

function writeOf(entity: string, operation: string): NonNullable<CompiledEntity["writes"]>[number] {
  return entityOf(entity).writes!.find((one) => one.operation === operation)!;
}

/** The record as the relay would get it. */
function recordOf(entity: string, outcome: WriteOutcome): Record<string, unknown> {
  if (outcome.status !== "applied" || outcome.row === undefined) throw new Error(JSON.stringify(outcome));
  const map = entityOf(entity).mapper({
    connectionId: "6f1c1c1e-0b0a-4f6e-9d63-0d1c4a5b6c7d",
    timeZone: ZONE,
    raw: false,
    hidden: [],
    keyRules: (name) => connector.keyRules(name),
  });
  const mapped = map(outcome.row);
  if (!mapped.ok) throw new Error(mapped.detail);
  return JSON.parse(mapped.record) as Record<string, unknown>;
}

function keyOf(outcome: WriteOutcome): SourceKey {
  if (outcome.status !== "applied" || outcome.row === undefined) throw new Error(JSON.stringify(outcome));
  return outcome.row.key;
}

function one(sql: string, ...values: readonly unknown[]): string[] {
  return db
    .prepare(sql)
    .raw()
    .get(...values) as string[];
}

/** Expects the product's own refusal. */
function refusedWith(outcome: WriteOutcome, said: string): void {
  expect(outcome).toMatchObject({ status: "rejected", code: "REFUSED" });
  expect(outcome).toHaveProperty("message", expect.stringContaining(said));
}

const vendor = (): { readonly remote_key: readonly string[] } => ({
  remote_key: one("SELECT ORGID, COMPANY FROM COMPANIES WHERE DISABLED = 0 LIMIT 1"),
});

describe("work orders", () => {
  test("an update reads back as the unified values that were written, under a new version", async () => {
    const [site, number, stamp] = one(
      "SELECT SITEID, WONUM, ROWSTAMP FROM WORKORDER WHERE ISTASK = 0 AND STATUS = 'WAPPR' LIMIT 1",
    );
    const key = [site!, number!];
    const values = {
      title: "Pumpe P-101 prüfen",
      priority: "critical",
      target_start: "2026-05-05T06:30:00Z",
      target_finish: null,
      custom_fields: { ACME_PERMIT: "HOT-7" },
    };
    const outcome = await write("work_order", "update", values, { key, ifVersion: String(stamp) });
    expect(recordOf("work_order", outcome)).toMatchObject({
      ...values,
      remote_updated_at: "2026-05-04T08:00:00Z",
    });
    const row = "SELECT DESCRIPTION, TARGSTARTDATE, CHANGEBY FROM WORKORDER WHERE SITEID = ? AND WONUM = ?";
    expect(one(row, ...key)).toEqual(["Pumpe P-101 prüfen", "2026-05-05 08:30:00", "MILLRACE"]);
    const late = await write("work_order", "update", { title: "late" }, { key, ifVersion: String(stamp) });
    expect(late).toMatchObject({ status: "conflict" });
  });

  test("are created under the next number of their site, change their status, and are cancelled rather than removed", async () => {
    const [site, asset] = one("SELECT SITEID, ASSETNUM FROM ASSET WHERE SITEID = 'ULM' LIMIT 1");
    const values = { site: "ULM", title: "Grease the bearings", asset: { remote_key: [site, asset] } };
    const outcome = await write("work_order", "create", { ...values, custom_fields: { ACME_PERMIT: null } });
    const key = keyOf(outcome);
    expect(key).toEqual(["ULM", "EXT000001"]);
    expect(recordOf("work_order", outcome)).toMatchObject({
      number: "EXT000001",
      title: "Grease the bearings",
      type: "corrective",
      status: "waiting_approval",
      asset: { remote_id: `ULM/${asset}` },
    });
    const approved = await write("work_order", "change_status", { status: "approved" }, { key });
    expect(recordOf("work_order", approved)).toMatchObject({
      status: "approved",
      status_changed_at: "2026-05-04T08:00:00Z",
    });
    const gone = await write("work_order", "delete", {}, { key });
    expect(recordOf("work_order", gone)).toMatchObject({ status: "cancelled", is_history: true });
    refusedWith(await write("work_order", "update", { title: "once more" }, { key }), "WO-2001");
  });

  test("an asset of another site is not taken, nor one that there is not", async () => {
    const elsewhere = { site: "ULM", title: "T", asset: { remote_key: ["BRNO", "1"] } };
    await expect(write("work_order", "create", elsewhere)).rejects.toThrow('whose key has \\"ULM\\" at 1');
    const unknown = { site: "ULM", title: "T", asset: { remote_key: ["ULM", "no such"] } };
    refusedWith(await write("work_order", "create", unknown), "WO-2002");
  });
});

describe("purchase orders", () => {
  const lines = (): readonly Record<string, unknown>[] => {
    const [item] = one("SELECT ITEMNUM FROM ITEM LIMIT 1");
    return [
      { item_code: item, description: "Seals", quantity: "12", unit_price: "3.25", uom: "EA" },
      {
        type: "service",
        description: "Fitting",
        quantity: "1.5",
        unit_price: "80",
        custom_fields: { ACME_COSTCODE: "C-1" },
      },
    ];
  };

  test("are created with their lines in one transaction; the product does the sums", async () => {
    const outcome = await write("purchase_order", "create", {
      site: "ULM",
      vendor: vendor(),
      description: "Spring overhaul",
      order_date: "2026-05-04",
      custom_fields: { ACME_PROJECT: "P-7" },
      lines: lines(),
    });
    expect(recordOf("purchase_order", outcome)).toMatchObject({
      number: "EXT000001",
      status: "pending_approval",
      type: "standard",
      order_date: "2026-05-04",
      subtotal: "159",
      total: "189.21",
      custom_fields: { ACME_PROJECT: "P-7" },
      lines: [
        { line_number: "1", description: "Seals", quantity: "12", line_total: "39", received_qty: "0" },
        { line_number: "2", type: "service", quantity: "1.5", custom_fields: { ACME_COSTCODE: "C-1" } },
      ],
    });
  });

  test("lines are changed by their number, added, and removed where they say so", async () => {
    const created = await write("purchase_order", "create", {
      site: "ULM",
      vendor: vendor(),
      lines: lines(),
    });
    const key = keyOf(created);
    const [added] = lines();
    const outcome = await write(
      "purchase_order",
      "update",
      {
        description: "Changed",
        lines: [
          { line_number: "1", quantity: "20" },
          { ...added, description: "More", quantity: "2" },
          { line_number: "2", is_deleted: true },
        ],
      },
      { key },
    );
    const record = recordOf("purchase_order", outcome);
    expect(record).toMatchObject({
      description: "Changed",
      subtotal: "71.5",
      lines: [
        { line_number: "1", quantity: "20", line_total: "65" },
        { line_number: "3", description: "More", line_total: "6.5" },
      ],
    });
    expect(record["lines"]).toHaveLength(2);
  });

  test("once approved, the product refuses changes, and nothing of them stays", async () => {
    const created = await write("purchase_order", "create", {
      site: "ULM",
      vendor: vendor(),
      lines: lines(),
    });
    const key = keyOf(created);
    const approved = await write("purchase_order", "change_status", { status: "approved" }, { key });
    expect(recordOf("purchase_order", approved)).toMatchObject({
      status: "approved",
      approval_status: "approved",
    });
    refusedWith(await write("purchase_order", "update", { description: "late" }, { key }), "PO-1003");
    const more = { lines: [{ line_number: "1", quantity: "99" }] };
    refusedWith(await write("purchase_order", "update", more, { key }), "PO-1003");
    const [quantity] = one("SELECT ORDERQTY FROM POLINE WHERE PONUM = ? AND POLINENUM = 1", key[1]);
    expect(quantity).toBe(12);
    const gone = await write("purchase_order", "delete", {}, { key });
    expect(recordOf("purchase_order", gone)).toMatchObject({ status: "cancelled" });
    refusedWith(await write("purchase_order", "change_status", { status: "approved" }, { key }), "PO-1004");
  });

  test.each([
    ["an unknown vendor", { vendor: { remote_key: ["EURO", "nobody"] } }, "PO-1001"],
    ["an unknown item", { lines: [{ item_code: "no such", quantity: "1", unit_price: "1" }] }, "PO-1006"],
    ["a quantity of nothing", { lines: [{ quantity: "0", unit_price: "1" }] }, "PO-1007"],
  ])("%s is refused by the product, and no number is used up", async (_, wrong, said) => {
    const before = one("SELECT SEED FROM AUTOKEY WHERE AUTOKEYNAME = 'PONUM' AND SITEID = 'ULM'");
    refusedWith(await write("purchase_order", "create", { site: "ULM", vendor: vendor(), ...wrong }), said);
    expect(one("SELECT SEED FROM AUTOKEY WHERE AUTOKEYNAME = 'PONUM' AND SITEID = 'ULM'")).toEqual(before);
  });

  test("one without lines is not approved", async () => {
    const key = keyOf(await write("purchase_order", "create", { site: "ULM", vendor: vendor() }));
    const outcome = await write("purchase_order", "change_status", { status: "approved" }, { key });
    expect(outcome).toMatchObject({ status: "rejected", code: "REFUSED" });
    refusedWith(outcome, "PO-1005");
  });
});

describe("vendors and stock", () => {
  test("a vendor is created, changed, and disabled rather than removed", async () => {
    const created = await write("vendor", "create", { name: "Ostsee Hydraulik", currency: "EUR" });
    const key = keyOf(created);
    expect(key).toEqual(["EURO", "EV00001"]);
    const values = { email: "info@ostsee.example", custom_fields: { ACME_RATING: 4 } };
    const changed = await write("vendor", "update", values, { key });
    expect(recordOf("vendor", changed)).toMatchObject({
      name: "Ostsee Hydraulik",
      kind: "supplier",
      ...values,
    });
    const gone = await write("vendor", "delete", {}, { key });
    expect(recordOf("vendor", gone)).toMatchObject({ status: "inactive" });
  });

  test("stock is adjusted in one bin, and never below nothing", async () => {
    const [set, item, site, location, bin, amount] = one(
      `SELECT B.ITEMSETID, B.ITEMNUM, B.SITEID, B.LOCATION, B.BINNUM, B.CURBAL FROM INVBALANCES B JOIN INVENTORY I
       USING (ITEMSETID, ITEMNUM, SITEID, LOCATION) WHERE B.CURBAL > 3 AND B.BINNUM IS NOT NULL LIMIT 1`,
    );
    const key = [set!, item!, site!, location!];
    const outcome = await write("stock_level", "adjust", { quantity: "-2.5", bin }, { key });
    expect(outcome).toMatchObject({ status: "applied" });
    const now = outcome.status === "applied" ? outcome.outputs["CURBAL"] : undefined;
    expect(Number(now)).toBeCloseTo(Number(amount) - 2.5, 6);
    const tooMuch = await write("stock_level", "adjust", { quantity: "-1000000", bin }, { key });
    refusedWith(tooMuch, "not below 0");
    refusedWith(
      await write("stock_level", "adjust", { quantity: "1", bin: "no such" }, { key }),
      "BINNUM no such",
    );
  });
});

test("what each write takes is told as plain data", () => {
  const described = JSON.parse(JSON.stringify(writeOf("purchase_order", "update"))) as unknown;
  expect(described).toMatchObject({
    operation: "update",
    form: "update",
    customFields: ["ACME_PROJECT", "ACME_RUSH"],
    fields: [
      { name: "description", type: "text", maxLength: 100, isRequired: false },
      { name: "vendor", type: "reference", keyLength: 2 },
      { name: "buyer" },
      { name: "required_date", type: "date" },
      { name: "payment_terms" },
      {
        name: "lines",
        type: "list",
        rows: {
          key: ["line_number"],
          isNumbered: true,
          mayDelete: true,
          maxRows: 200,
          customFields: ["ACME_COSTCODE"],
          fields: [
            { name: "line_number", isRequired: false },
            { name: "type", type: "enum", values: ["item", "service"] },
            { name: "item_code" },
            { name: "description" },
            {
              name: "quantity",
              type: "decimal",
              decimals: 2,
              isRequired: false,
              description: "Required of a new row",
            },
            { name: "uom" },
            { name: "unit_price" },
            { name: "required_date" },
            { name: "gl_account" },
            { name: "is_deleted", type: "boolean" },
          ],
        },
      },
    ],
  });
  const rows = writeOf("purchase_order", "create").fields.find(({ name }) => name === "lines")?.rows;
  expect(rows?.fields.find(({ name }) => name === "quantity")).toMatchObject({ isRequired: true });
  expect(rows?.fields.some(({ name }) => name === "is_deleted")).toBe(false);
  expect(writeOf("stock_level", "adjust").fields[0]).toEqual({
    name: "quantity",
    type: "decimal",
    decimals: 3,
    isRequired: true,
    description: "What is added, negative to take away; what is left must be at least 0",
  });
});
