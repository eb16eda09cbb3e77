// Fills the rest of the demo plant from what stands there already: paper around orders, requests, schedules, readings.
import type { Database } from "better-sqlite3";
import type { PlantWorld, Row } from "./plant-rows.ts";
import type { Random } from "./random.ts";
import type { RowInserter } from "./row-inserter.ts";
import { invoiceRows, movementRow, receiptRow, requisitionRows } from "./supply-rows.ts";
import { documentRow, personRows, readingRow, scheduleRow, ticketRow } from "./upkeep-rows.ts";
import * as words from "./vocabulary.ts";

export interface MoreCounts {
  readonly requisitions: number;
  readonly receipts: number;
  readonly invoices: number;
  readonly requests: number;
  readonly schedules: number;
  readonly readings: number;
  readonly movements: number;
  readonly attachments: number;
}

const DAY_MS = 86_400_000;
const FIRST_PR = 2_001;
const FIRST_INVOICE = 70_001;
const FIRST_TICKET = 4_001;
const FIRST_PM = 101;

export function seedMore(db: Database, rows: RowInserter, world: PlantWorld, counts: MoreCounts): void {
  const plant = new Rest(db, rows, world);
  for (const person of personRows(world.random)) rows.insert("PERSON", person);
  plant.supply(counts);
  plant.upkeep(counts);
}

class Rest {
  readonly #db: Database;
  readonly #rows: RowInserter;
  readonly #world: PlantWorld;

  constructor(db: Database, rows: RowInserter, world: PlantWorld) {
    this.#db = db;
    this.#rows = rows;
    this.#world = world;
  }

  supply(counts: MoreCounts): void {
    const world = this.#world;
    const { random } = world;
    const orders = this.#all("SELECT * FROM PO WHERE STATUS IN ('APPR', 'INPRG', 'CLOSE')");
    const linesOf = this.#db.prepare("SELECT * FROM POLINE WHERE rowid IN (SELECT value FROM json_each(?))");
    const lineIds = new Map<string, number[]>();
    for (const line of this.#all("SELECT POLINEID, SITEID, PONUM, REVISIONNUM FROM POLINE"))
      push(lineIds, orderId(line), Number(line["POLINEID"]));
    const order = (po: Row): { po: Row; lines: readonly Row[] } => ({
      po,
      lines: linesOf.all(JSON.stringify(lineIds.get(orderId(po)) ?? [])) as Row[],
    });
    times(counts.requisitions, (at) => {
      const status = random.weighted(words.PR_STATUSES);
      const from = status === "CLOSE" && orders.length > 0 ? order(random.pick(orders)) : undefined;
      const { pr, lines } = requisitionRows(world, FIRST_PR + at, status, from);
      this.#rows.insert("PR", pr);
      for (const line of lines) this.#rows.insert("PRLINE", line);
    });
    const arrived = this.#all(
      `SELECT L.*, P.VENDOR AS VENDOR, P.CURRENCYCODE AS CURRENCYCODE, P.ORDERDATE AS ORDERDATE FROM POLINE L
       JOIN PO P ON P.SITEID = L.SITEID AND P.PONUM = L.PONUM AND P.REVISIONNUM = L.REVISIONNUM
       WHERE L.RECEIVEDQTY > 0 ORDER BY L.POLINEID`,
    );
    for (const line of sample(arrived, counts.receipts)) {
      const quantity = random.chance(0.05) ? -1 : Number(line["RECEIVEDQTY"]);
      const atMs = world.nowMs - random.int(1, 300) * DAY_MS;
      this.#rows.insert("MATRECTRANS", receiptRow(random, line, line, quantity, atMs));
    }
    times(orders.length === 0 ? 0 : counts.invoices, (at) => {
      const status = random.weighted(words.INVOICE_STATUSES);
      const made = invoiceRows(world, FIRST_INVOICE + at, status, order(random.pick(orders)));
      this.#rows.insert("INVOICE", made.invoice);
      for (const line of made.lines) this.#rows.insert("INVOICELINE", line);
    });
    this.#movements(counts.movements);
  }

  #movements(count: number): void {
    const { random, nowMs } = this.#world;
    const stock = this.#all("SELECT * FROM INVENTORY");
    const work = this.#bySite(
      "SELECT SITEID, WONUM, ASSETNUM FROM WORKORDER WHERE ISTASK = 0 AND ACTSTART IS NOT NULL",
    );
    const receipts = this.#bySite("SELECT MATRECTRANSID, SITEID, PONUM FROM MATRECTRANS");
    const issues: { readonly number: number; readonly place: Row; readonly size: number }[] = [];
    times(stock.length === 0 ? 0 : count, (at) => {
      const kind = random.weighted(words.MOVEMENTS);
      const atMs = nowMs - random.int(1, 300) * DAY_MS;
      const issue = kind === "RETURN" && issues.length > 0 ? random.pick(issues) : undefined;
      const place = issue?.place ?? random.pick(stock);
      const size = issue?.size ?? random.int(1, 12);
      const site = String(place["SITEID"]);
      const leaves = kind === "ISSUE" || kind === "TRANSFER" || (kind.endsWith("ADJ") && random.chance(0.5));
      if (kind === "ISSUE") issues.push({ number: at + 1, place, size });
      const reason: Readonly<Record<string, () => Row>> = {
        RETURN: () => ({ REVERSES: issue?.number ?? null }),
        ISSUE: () => issueReason(random, work.get(site) ?? []),
        RECEIPT: () => receiptReason(random, receipts.get(site) ?? []),
      };
      const facts = { kind, stock: place, quantity: leaves ? -size : size, atMs };
      this.#rows.insert("INVTRANS", movementRow(random, { ...facts, more: reason[kind]?.() ?? {} }));
    });
  }

  upkeep(counts: MoreCounts): void {
    const world = this.#world;
    const { random, nowMs } = world;
    times(counts.requests, (at) =>
      this.#rows.insert(
        "TICKET",
        ticketRow(world, FIRST_TICKET + at, random.weighted(words.TICKET_STATUSES)),
      ),
    );
    const meters = this.#all("SELECT * FROM ASSETMETER");
    times(counts.schedules, (at) =>
      this.#rows.insert(
        "PM",
        scheduleRow(
          world,
          FIRST_PM + at,
          at % 4 === 3 && meters.length > 0 ? random.pick(meters) : undefined,
        ),
      ),
    );
    times(meters.length === 0 ? 0 : counts.readings, (at) => {
      const meter = meters[at % meters.length] ?? {};
      const back = Math.floor(at / meters.length);
      const delta = random.int(1, 200);
      const reading = Math.max(0, Number(meter["LASTREADING"]) - back * 200);
      this.#rows.insert(
        "METERREADING",
        readingRow(random, meter, reading, delta, nowMs - (20 + back * 7) * DAY_MS),
      );
    });
    this.#tie();
    const owners = [
      ...this.#all("SELECT SITEID, WONUM, DESCRIPTION FROM WORKORDER WHERE ISTASK = 0"),
      ...sample(this.#all("SELECT SITEID, ASSETNUM, DESCRIPTION FROM ASSET"), 100),
    ];
    times(counts.attachments, (at) =>
      this.#rows.insert(
        "DOCLINKS",
        documentRow(random, random.pick(owners), at + 1, nowMs - random.int(1, 400) * DAY_MS),
      ),
    );
  }

  /** Preventive work names its schedule, some trouble the request that it began with. */
  #tie(): void {
    const { random } = this.#world;
    const link = (worktypes: string, targets: string, set: (work: Row, target: Row) => void): void => {
      const bySite = this.#bySite(targets);
      for (const work of this.#all(
        `SELECT rowid AS ROW_ID, SITEID, WONUM FROM WORKORDER WHERE ISTASK = 0 AND WORKTYPE IN (${worktypes})`,
      )) {
        const near = bySite.get(String(work["SITEID"])) ?? [];
        if (near.length > 0 && random.chance(0.5)) set(work, random.pick(near));
      }
    };
    const schedule = this.#db.prepare("UPDATE WORKORDER SET PMNUM = ? WHERE rowid = ?");
    const request = this.#db.prepare("UPDATE WORKORDER SET ORIGTICKET = ? WHERE rowid = ?");
    const back = this.#db.prepare("UPDATE TICKET SET WONUM = ? WHERE CLASS = 'SR' AND TICKETID = ?");
    link("'PM'", "SELECT SITEID, PMNUM FROM PM", (work, pm) => schedule.run(pm["PMNUM"], work["ROW_ID"]));
    link("'CM', 'EM'", "SELECT SITEID, TICKETID FROM TICKET", (work, ticket) => {
      request.run(ticket["TICKETID"], work["ROW_ID"]);
      back.run(work["WONUM"], ticket["TICKETID"]);
    });
  }

  #bySite(sql: string): ReadonlyMap<string, readonly Row[]> {
    return Map.groupBy(this.#all(sql), (row) => String(row["SITEID"]));
  }

  #all(sql: string): readonly Row[] {
    return this.#db.prepare(sql).all() as Row[];
  }
}

function issueReason(random: Random, work: readonly Row[]): Row {
  if (work.length === 0) return {};
  const order = random.pick(work);
  return { REFWO: order["WONUM"] ?? null, ASSETNUM: order["ASSETNUM"] ?? null };
}

function receiptReason(random: Random, receipts: readonly Row[]): Row {
  if (receipts.length === 0) return {};
  const receipt = random.pick(receipts);
  return { PONUM: receipt["PONUM"] ?? null, MATRECTRANSID: receipt["MATRECTRANSID"] ?? null };
}

function orderId(row: Row): string {
  return `${row["SITEID"]} ${row["PONUM"]} ${row["REVISIONNUM"]}`;
}

function push(map: Map<string, number[]>, key: string, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function times(count: number, make: (at: number) => void): void {
  for (let at = 0; at < count; at += 1) make(at);
}

/** At most that many of the rows, spread evenly. */
function sample(rows: readonly Row[], count: number): readonly Row[] {
  if (rows.length <= count) return rows;
  return Array.from({ length: count }, (_, at) => rows[Math.floor((at * rows.length) / count)] ?? {});
}
