// The sandbox's imagined plant fits together: references exist, sums add up exactly, statuses and dates agree.
import { describe, expect, it } from "vitest";
import { recordProblem } from "#common/contract/checks.ts";
import { ENTITIES, ENTITY_NAMES, type Entity } from "#common/contract/model/entities.ts";
import { recordId } from "#common/contract/record-id.ts";
import { hundredths } from "#relay/core/sandbox/hundredths.ts";
import { keyOf, rowsOf, type Fields, type SampleRecord } from "#relay/core/sandbox/plant-book.ts";
import { samplePlant } from "#relay/core/sandbox/sample-plant.ts";
import { samplesBetween } from "#relay/core/sandbox/sample-telemetry.ts";
import { sourceRecord } from "#relay/core/sandbox/sandbox-product.ts";
import { qualityOf } from "#common/contract/samples.ts";

const CONNECTION = "0198c2a4-6f00-7a3e-9d51-2f6b1c9e0a11";
const AT_MS = Date.parse("2026-03-02T11:17:00Z");
const { records, points } = samplePlant({ connectionId: CONNECTION, atMs: AT_MS, recordId });

function of(entity: Entity): readonly SampleRecord[] {
  return records.filter((record) => record.entity === entity);
}

function exact(value: unknown): number {
  const amount = hundredths(value);
  if (amount === undefined) throw new TypeError(`${String(value)} is no decimal of two places`);
  return amount;
}

function sum(rows: readonly Fields[], member: string): number {
  return rows.reduce((total, row) => total + exact(row[member]), 0);
}

function keyIn(reference: unknown): string {
  return (reference as { readonly remote_id: string }).remote_id;
}

describe("as a whole", () => {
  it("has some 3,000 records of all entities, each one fit for the model", () => {
    expect(records.length).toBeGreaterThan(2_800);
    expect(new Set(records.map(({ entity }) => entity))).toEqual(new Set(ENTITY_NAMES));
    const problems = records.flatMap((record) => {
      const problem = recordProblem(record.entity, sourceRecord(record).record);
      return problem === undefined ? [] : [`${record.entity} ${record.number}: ${problem}`];
    });
    expect(problems).toEqual([]);
  });

  it("is the same for the same connection, and another one for another", () => {
    const again = samplePlant({ connectionId: CONNECTION, atMs: AT_MS, recordId });
    expect(again.records).toEqual(records);
    const other = samplePlant({ connectionId: CONNECTION.replace("0198", "0199"), atMs: AT_MS, recordId });
    const totals = (plant: readonly SampleRecord[]) => plant.map(({ fields }) => fields["total"]);
    expect(totals(other.records)).not.toEqual(totals(records));
  });

  it("names no record that is not there, by its right id", () => {
    const ids = new Map(
      records.map(({ entity, number }) => [recordId(CONNECTION, entity, keyOf(number)), number]),
    );
    const lost = records.flatMap(({ entity, number, fields }) =>
      referencesIn(fields)
        .filter(({ id, remote_id }) => ids.get(id) !== remote_id)
        .map(({ remote_id }) => `${entity} ${number} → ${remote_id}`),
    );
    expect(lost).toEqual([]);
    expect(records.flatMap(({ fields }) => referencesIn(fields)).length).toBeGreaterThan(5_000);
  });

  it("has no change after the plant's today, and none before its creation", () => {
    const wrong = records.filter(
      ({ createdAtMs, changedAtMs }) => changedAtMs > AT_MS || createdAtMs > changedAtMs,
    );
    expect(wrong.map(({ number }) => number)).toEqual([]);
  });

  it("has every status of the model for orders, work and vendors", () => {
    for (const entity of ["purchase_order", "work_order", "vendor"] as const) {
      const known = statusesOf(entity).filter((status) => status !== "unknown");
      const seen = new Set(of(entity).map(({ fields }) => String(fields["status"])));
      expect([entity, seen]).toEqual([entity, new Set(known)]);
    }
  });
});

describe("purchasing", () => {
  it("adds up to the hundredth, line by line and order by order", () => {
    for (const { number, fields } of of("purchase_order")) {
      const lines = rowsOf(fields["lines"]);
      for (const line of lines) {
        const product = (exact(line["quantity"]) * exact(line["unit_price"])) / 100;
        expect([number, exact(line["line_total"])]).toEqual([number, product]);
      }
      const [subtotal, tax] = [sum(lines, "line_total"), sum(lines, "tax_amount")];
      expect([number, exact(fields["subtotal"]), exact(fields["tax_total"])]).toEqual([
        number,
        subtotal,
        tax,
      ]);
      const total = subtotal + tax + exact(fields["freight_total"]) - exact(fields["discount_total"]);
      expect([number, exact(fields["total"])]).toEqual([number, total]);
    }
  });

  it("has as much received as its receipts say, and the rest open", () => {
    const received = new Map<string, number>();
    for (const { fields } of of("goods_receipt")) {
      for (const line of rowsOf(fields["lines"])) {
        const at = `${keyIn(line["purchase_order"])}/${String(line["purchase_order_line"])}`;
        received.set(at, (received.get(at) ?? 0) + exact(line["quantity"]));
      }
    }
    for (const { number, fields } of of("purchase_order")) {
      const isOver = fields["status"] === "cancelled" || fields["status"] === "rejected";
      for (const line of rowsOf(fields["lines"])) {
        const got = received.get(`${number}/${String(line["line_number"])}`) ?? 0;
        expect([number, exact(line["received_qty"])]).toEqual([number, got]);
        const open = isOver ? 0 : exact(line["quantity"]) - got;
        expect([number, exact(line["open_qty"])]).toEqual([number, open]);
      }
    }
    expect(received.size).toBeGreaterThan(100);
  });

  it("has statuses that agree with what was received, invoiced and approved", () => {
    for (const { number, fields } of of("purchase_order")) {
      const { status, receipt_status, invoice_status, approval_status, approved_at, closed_at } = fields;
      const isPending = status === "draft" || status === "pending_approval";
      const expected = {
        receipt: status === "partially_received" ? "partial" : receivedFully(status) ? "full" : "none",
        invoice: status === "closed" || status === "invoiced" ? "full" : "none",
        approval: status === "rejected" ? "rejected" : isPending ? "pending" : "approved",
        isApproved: !isPending && status !== "rejected",
        isClosed: status === "closed",
      };
      const found = {
        receipt: receipt_status,
        invoice: invoice_status,
        approval: approval_status,
        isApproved: approved_at !== null,
        isClosed: closed_at !== null,
      };
      expect([number, found]).toEqual([number, expected]);
    }
  });

  it("has invoices that add up, for what was invoiced of their orders", () => {
    for (const { number, fields } of of("invoice")) {
      const lines = rowsOf(fields["lines"]);
      const total = sum(lines, "line_total") + sum(lines, "tax_amount") + exact(fields["freight_total"]);
      expect([number, exact(fields["total"])]).toEqual([number, total]);
      expect([number, exact(fields["open_amount"])]).toEqual([
        number,
        fields["status"] === "paid" ? 0 : total,
      ]);
    }
  });
});

describe("stock", () => {
  it("is on each level the sum of its movements, and of each item the sum of its levels", () => {
    const moved = new Map<string, number>();
    for (const { fields } of of("stock_movement")) {
      const at = `${String(fields["item_code"])}@${keyIn(fields["location"])}`;
      moved.set(at, (moved.get(at) ?? 0) + exact(fields["quantity"]));
    }
    const onHand = new Map<string, number>();
    for (const { number, fields } of of("stock_level")) {
      const level = exact(fields["on_hand"]);
      expect([number, level]).toEqual([number, moved.get(number) ?? 0]);
      expect([number, exact(fields["available"])]).toEqual([number, level - exact(fields["reserved"])]);
      expect(exact(fields["available"])).toBeGreaterThanOrEqual(0);
      const item = String(fields["item_code"]);
      onHand.set(item, (onHand.get(item) ?? 0) + level);
    }
    for (const { number, fields } of of("inventory_item")) {
      expect([number, exact(fields["quantity_on_hand"])]).toEqual([number, onHand.get(number)]);
      expect(sum(rowsOf(fields["stock_levels"]), "on_hand")).toBe(onHand.get(number));
    }
  });

  it("never goes below zero, in the order of its movements", () => {
    const balances = new Map<string, number>();
    const moves = of("stock_movement").toSorted((a, b) => a.createdAtMs - b.createdAtMs);
    for (const { fields } of moves) {
      const at = `${String(fields["item_code"])}@${keyIn(fields["location"])}`;
      const balance = (balances.get(at) ?? 0) + exact(fields["quantity"]);
      expect([at, balance >= 0]).toEqual([at, true]);
      balances.set(at, balance);
    }
  });

  it("has on order what the open lines of orders promise", () => {
    const open = new Map<string, number>();
    for (const { fields } of of("purchase_order")) {
      if (!["approved", "sent", "partially_received", "on_hold"].includes(String(fields["status"]))) continue;
      for (const line of rowsOf(fields["lines"])) {
        if (line["item"] === null) continue;
        const at = `${String(line["item_code"])}@${keyIn(line["storeroom"])}`;
        open.set(at, (open.get(at) ?? 0) + exact(line["open_qty"]));
      }
    }
    for (const { number, fields } of of("stock_level")) {
      expect([number, exact(fields["on_order"])]).toEqual([number, open.get(number) ?? 0]);
    }
  });
});

describe("maintenance", () => {
  it("has costs and hours that are the sums of labour and parts", () => {
    for (const { number, fields } of of("work_order")) {
      const labor = rowsOf(fields["labor"]);
      expect([number, exact(fields["actual_labor_hours"])]).toEqual([number, sum(labor, "hours")]);
      expect([number, exact(fields["actual_labor_cost"])]).toEqual([number, sum(labor, "cost")]);
      const material = rowsOf(fields["parts"]).reduce(
        (total, part) => total + (exact(part["issued_qty"]) * exact(part["unit_cost"])) / 100,
        0,
      );
      expect([number, exact(fields["actual_material_cost"])]).toEqual([number, material]);
    }
  });

  it("begins before it ends, and only what has begun has begun", () => {
    const begun = new Set(["in_progress", "on_hold", "completed", "closed"]);
    const done = new Set(["completed", "closed"]);
    for (const { number, fields } of of("work_order")) {
      const status = String(fields["status"]);
      const { actual_start: start, actual_finish: finish, reported_at: reported } = fields;
      expect([number, start !== null]).toEqual([number, begun.has(status)]);
      expect([number, finish !== null]).toEqual([number, done.has(status)]);
      const times = [reported, start, finish]
        .filter((at) => typeof at === "string")
        .map((at) => Date.parse(at));
      expect([number, times]).toEqual([number, times.toSorted((a, b) => a - b)]);
      expect(new Set(times).size).toBe(times.length);
    }
  });

  it("has assets in a tree from the enterprise down, without a circle", () => {
    const parents = new Map(
      of("asset").map(({ number, fields }) => [
        number,
        fields["parent"] === null ? undefined : keyIn(fields["parent"]),
      ]),
    );
    for (const tag of parents.keys()) {
      const path: string[] = [];
      for (let at: string | undefined = tag; at !== undefined; at = parents.get(at)) {
        expect(path).not.toContain(at);
        path.push(at);
      }
      expect(path.at(-1)).toBe("ENT");
    }
  });

  it("has running hours that only grow, up to what their meter says", () => {
    for (const { number, fields } of of("meter")) {
      const own = of("meter_reading").filter((reading) => keyIn(reading.fields["meter"]) === number);
      expect(own.length).toBeGreaterThan(0);
      expect(fields["last_reading"]).toBe(own.at(-1)?.fields["value"]);
      if (fields["kind"] !== "continuous") continue;
      const values = own.map((reading) => exact(reading.fields["value"]));
      expect(values).toEqual(values.toSorted((a, b) => a - b));
    }
  });
});

describe("telemetry", () => {
  const dayMs = 86_400_000;
  const samples = samplesBetween(points, AT_MS - dayMs, AT_MS, {
    fromMs: AT_MS - dayMs / 2,
    toMs: AT_MS - dayMs / 3,
  });

  it("follows the day: shifts are busier than nights", () => {
    const power = points.findIndex(({ number }) => number.endsWith(".Power"));
    const at = (hour: number): readonly number[] =>
      samples
        .filter(([point, value, , ms]) => {
          return point === power && typeof value === "number" && new Date(ms ?? 0).getUTCHours() === hour;
        })
        .map(([, value]) => Number(value));
    expect(Math.min(...at(8))).toBeGreaterThan(Math.max(...at(2)));
  });

  it("has good, uncertain and bad values, and none where the line was cut", () => {
    expect(new Set(samples.map(([, , status]) => qualityOf(status)))).toEqual(
      new Set(["good", "uncertain", "bad"]),
    );
    const cut = samples.filter(
      ([, , , ms]) => (ms ?? 0) >= AT_MS - dayMs / 2 && (ms ?? 0) < AT_MS - dayMs / 3,
    );
    expect(cut).toEqual([]);
  });
});

function receivedFully(status: unknown): boolean {
  return status === "received" || status === "invoiced" || status === "closed";
}

function statusesOf(entity: Entity): readonly string[] {
  const { status } = ENTITIES[entity].schema.properties as unknown as {
    readonly status: { readonly anyOf: readonly { readonly examples?: readonly string[] }[] };
  };
  return status.anyOf[0]?.examples ?? [];
}

interface Reference {
  readonly id: string;
  readonly remote_id: string;
}

function referencesIn(value: unknown): readonly Reference[] {
  if (typeof value !== "object" || value === null) return [];
  if ("remote_id" in value && "id" in value) return [value as Reference];
  return Object.values(value).flatMap(referencesIn);
}
