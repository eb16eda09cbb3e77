// Changes the demo plant as its people would: one plausible change at a time, each in its own transaction.
import type { Database } from "better-sqlite3";
import { CHANGES, type ChangeKind } from "./changes.ts";
import { PaperChanges } from "./paper-changes.ts";
import {
  cents,
  companyRow,
  itemRow,
  localTime,
  orderTotals,
  purchaseLineRow,
  purchaseOrderRows,
  stockRows,
  type ItemFacts,
  type PlantWorld,
  type Row,
} from "./plant-rows.ts";
import type { Random } from "./random.ts";
import { RowStore } from "./row-store.ts";
import { movementRow, receiptRow } from "./supply-rows.ts";
import { readingRow } from "./upkeep-rows.ts";
import * as words from "./vocabulary.ts";
import { laborRow, usedPartRow, workOrderRows } from "./work-rows.ts";

/** The product lets no order go that was revised or has receipts. */
const NOTHING_HANGS_ON_PO = `REVISIONNUM = 0 AND NOT EXISTS
  (SELECT 1 FROM MATRECTRANS R WHERE R.SITEID = PO.SITEID AND R.PONUM = PO.PONUM)`;

export interface PlantMutator {
  /** Makes one change, of a random kind or of the one given. Returns undefined when there was nothing to change so. */
  mutate(kind?: ChangeKind): ChangeKind | undefined;
}

export function createMutator(db: Database, random: Random, nowMs: () => number): PlantMutator {
  const plant = new Plant(db, random, nowMs);
  const change = db.transaction((kind: ChangeKind): boolean => plant.change(kind));
  return {
    mutate(kind = random.weighted(CHANGES)) {
      return change.immediate(kind) ? kind : undefined;
    },
  };
}

class Plant {
  readonly #rows: RowStore;
  readonly #random: Random;
  readonly #nowMs: () => number;

  constructor(db: Database, random: Random, nowMs: () => number) {
    this.#rows = new RowStore(db, random);
    this.#random = random;
    this.#nowMs = nowMs;
  }

  /** False when the plant has no row to which this could happen. */
  change(kind: ChangeKind): boolean {
    const [subject] = kind.split("_");
    switch (subject) {
      case "order":
        return this.#changeOrder(kind);
      case "work":
        return this.#changeWork(kind);
      case "asset":
        return this.#changeAsset(kind);
      case "vendor":
        return this.#changeVendor(kind);
      case "item":
      case "stock":
        return this.#changeStock(kind);
      default:
        return new PaperChanges(this.#rows, this.#world()).change(kind);
    }
  }

  #changeOrder(kind: ChangeKind): boolean {
    const random = this.#random;
    if (kind === "order_new") {
      const { po, lines } = purchaseOrderRows(
        this.#world(),
        this.#rows.nextNumber("PO", "PONUM"),
        random.pick(["PNDREV", "WAPPR"]),
      );
      const now = this.#now();
      this.#rows.insert("PO", { ...po, ENTERDATE: now, CHANGEDATE: now, STATUSDATE: now });
      for (const line of lines) this.#rows.insert("POLINE", line);
      return true;
    }
    if (kind === "order_status") return this.#advanceOrder();
    if (kind === "order_receipt") return this.#receive();
    if (kind === "order_line_price_only") {
      const line = this.#rows.pick("POLINE");
      const price = cents(Number(line?.["UNITCOST"]) * (0.9 + random.next() * 0.25));
      return this.#rows.set("POLINE", line, {
        UNITCOST: price,
        LINECOST: cents(price * Number(line?.["ORDERQTY"])),
      });
    }
    const statuses = kind === "order_revised" ? ["APPR", "INPRG"] : ["WAPPR", "PNDREV"];
    const isDeletable = kind === "order_deleted" ? ` AND ${NOTHING_HANGS_ON_PO}` : "";
    const po = this.#rows.pick("PO", `STATUS IN ('${statuses.join("', '")}')${isDeletable}`);
    if (po === undefined) return false;
    const lines = this.#rows.all(
      `SELECT * FROM POLINE WHERE SITEID = ? AND PONUM = ? AND REVISIONNUM = ? ORDER BY POLINENUM`,
      [po["SITEID"], po["PONUM"], po["REVISIONNUM"]],
    );
    if (kind === "order_deleted") {
      for (const line of lines) this.#rows.delete("POLINE", line);
      return this.#rows.delete("PO", po);
    }
    if (kind === "order_revised") return this.#revise(po, lines);
    if (kind === "order_line_deleted" || kind === "order_line_deleted_only") {
      if (lines.length < 2) return false;
      this.#rows.delete("POLINE", lines.at(-1));
      if (kind === "order_line_deleted_only") return true;
      return this.#rows.set("PO", po, { ...orderTotals(lines.slice(0, -1)), CHANGEDATE: this.#now() });
    }
    return this.#addLine(po, lines);
  }

  #advanceOrder(): boolean {
    const po = this.#rows.pick("PO", `STATUS IN (${quoted(Object.keys(words.PO_TRANSITIONS))})`);
    if (po === undefined) return false;
    const status = this.#random.pick(words.PO_TRANSITIONS[String(po["STATUS"])] ?? ["CLOSE"]);
    const isOver = status === "CLOSE" || status === "CAN";
    const now = this.#now();
    return this.#rows.set("PO", po, {
      STATUS: status,
      STATUSDATE: now,
      CHANGEDATE: now,
      HISTORYFLAG: isOver ? 1 : 0,
    });
  }

  /** Goods arrive. Only sometimes does the product touch the order itself in the same step. */
  #receive(): boolean {
    const line = this.#rows.pick("POLINE", "RECEIPTSCOMPLETE = 0");
    if (line === undefined) return false;
    const open = Number(line["ORDERQTY"]) - Number(line["RECEIVEDQTY"]);
    const isComplete = open <= 1 || this.#random.chance(0.6);
    const quantity = isComplete ? open : this.#random.int(1, Math.floor(open));
    this.#rows.set("POLINE", line, {
      RECEIVEDQTY: cents(Number(line["RECEIVEDQTY"]) + quantity),
      RECEIPTSCOMPLETE: isComplete ? 1 : 0,
    });
    const po = this.#rows.all(
      "SELECT rowid AS ROW_ID, * FROM PO WHERE SITEID = ? AND PONUM = ? AND REVISIONNUM = ?",
      [line["SITEID"], line["PONUM"], line["REVISIONNUM"]],
    )[0];
    this.#rows.insert("MATRECTRANS", receiptRow(this.#random, po ?? {}, line, quantity, this.#nowMs()));
    if (!this.#random.chance(0.5)) return true;
    return this.#rows.set("PO", po, {
      RECEIPTS: isComplete ? "COMPLETE" : "PARTIAL",
      CHANGEDATE: this.#now(),
    });
  }

  /** The old revision stays as history, the new one takes its place. */
  #revise(po: Row, lines: readonly Row[]): boolean {
    const { ROW_ID: _, ROWSTAMP: _stamp, ...kept } = po;
    const revision = Number(po["REVISIONNUM"]) + 1;
    const now = this.#now();
    this.#rows.set("PO", po, { STATUS: "REVISD", HISTORYFLAG: 1, CHANGEDATE: now });
    this.#rows.insert("PO", {
      ...kept,
      REVISIONNUM: revision,
      STATUS: "PNDREV",
      STATUSDATE: now,
      CHANGEDATE: now,
    });
    for (const { ROW_ID: _id, POLINEID: _line, ROWSTAMP: _old, ...line } of lines)
      this.#rows.insert("POLINE", { ...line, REVISIONNUM: revision });
    return true;
  }

  #addLine(po: Row, lines: readonly Row[]): boolean {
    const site = words.SITES.find(({ id }) => id === po["SITEID"]) ?? words.SITES[0];
    const key = {
      SITEID: site.id,
      PONUM: String(po["PONUM"]),
      REVISIONNUM: Number(po["REVISIONNUM"]),
      ORGID: words.ORG,
    };
    const number = Math.max(0, ...lines.map((line) => Number(line["POLINENUM"]))) + 1;
    const line = purchaseLineRow(this.#world(), { site, key, number, enteredMs: this.#nowMs(), received: 0 });
    this.#rows.insert("POLINE", line);
    return this.#rows.set("PO", po, { ...orderTotals([...lines, line]), CHANGEDATE: this.#now() });
  }

  #changeWork(kind: ChangeKind): boolean {
    const random = this.#random;
    const now = this.#now();
    if (kind === "work_new") {
      const rows = workOrderRows(
        this.#world(),
        this.#rows.nextNumber("WORKORDER", "WONUM"),
        random.pick(["WAPPR", "APPR"]),
      );
      for (const row of rows.orders) this.#rows.insert("WORKORDER", { ...row, CHANGEDATE: now });
      for (const row of rows.plannedLabor) this.#rows.insert("WPLABOR", row);
      for (const row of rows.plannedParts) this.#rows.insert("WPMATERIAL", row);
      return true;
    }
    if (kind === "work_task_only") {
      const task = this.#rows.pick("WORKORDER", "ISTASK = 1 AND STATUS <> 'COMP'");
      return this.#rows.set("WORKORDER", task, {
        STATUS: "COMP",
        ACTFINISH: now,
        ACTLABHRS: Number(task?.["ESTLABHRS"]),
        CHANGEDATE: now,
      });
    }
    if (kind === "work_status") return this.#advanceWork();
    if (kind === "work_deleted") return this.#deleteWork();
    const order = this.#rows.pick("WORKORDER", "ISTASK = 0 AND STATUS IN ('INPRG', 'FIELDWORK')");
    if (order === undefined) return false;
    const [site, wonum] = [String(order["SITEID"]), String(order["WONUM"])];
    if (kind === "work_labor_only")
      this.#rows.insert("LABTRANS", laborRow(random, site, wonum, this.#nowMs()));
    else this.#rows.insert("MATUSETRANS", usedPartRow(this.#world(), site, wonum, this.#nowMs()));
    return true;
  }

  #advanceWork(): boolean {
    const order = this.#rows.pick(
      "WORKORDER",
      `ISTASK = 0 AND STATUS IN (${quoted(Object.keys(words.WO_TRANSITIONS))})`,
    );
    if (order === undefined) return false;
    const now = this.#now();
    const status = this.#random.pick(words.WO_TRANSITIONS[String(order["STATUS"])] ?? ["CLOSE"]);
    return this.#rows.set("WORKORDER", order, {
      STATUS: status,
      STATUSDATE: now,
      CHANGEDATE: now,
      ACTSTART:
        status === "INPRG" || status === "FIELDWORK"
          ? (order["ACTSTART"] ?? now)
          : (order["ACTSTART"] ?? null),
      ACTFINISH: status === "COMP" ? now : (order["ACTFINISH"] ?? null),
      HISTORYFLAG: status === "CLOSE" || status === "CAN" ? 1 : 0,
    });
  }

  /** A request that was a mistake goes, with everything planned for it. */
  #deleteWork(): boolean {
    const order = this.#rows.pick("WORKORDER", "ISTASK = 0 AND STATUS = 'WAPPR'");
    if (order === undefined) return false;
    const key = [order["SITEID"], order["WONUM"]];
    this.#rows.run("DELETE FROM WORKORDER WHERE SITEID = ? AND PARENT = ?", key);
    this.#rows.run(
      "DELETE FROM DOCLINKS WHERE OWNERTABLE = 'WORKORDER' AND OWNERSITE = ? AND OWNERKEY = ?",
      key,
    );
    this.#rows.run("UPDATE TICKET SET WONUM = NULL, CHANGEDATE = ? WHERE SITEID = ? AND WONUM = ?", [
      this.#now(),
      ...key,
    ]);
    this.#rows.run("DELETE FROM WPLABOR WHERE SITEID = ? AND WONUM = ?", key);
    this.#rows.run("DELETE FROM WPMATERIAL WHERE SITEID = ? AND WONUM = ?", key);
    return this.#rows.delete("WORKORDER", order);
  }

  #changeStock(kind: ChangeKind): boolean {
    const random = this.#random;
    if (kind === "item_new") {
      const { item, facts } = itemRow(
        random,
        this.#rows.count("ITEM") + random.int(10_000, 80_000),
        this.#nowMs(),
      );
      const stock = stockRows(this.#world(), facts);
      this.#rows.insert("ITEM", item);
      for (const row of stock.inventory) this.#rows.insert("INVENTORY", row);
      for (const row of stock.balances) this.#rows.insert("INVBALANCES", row);
      return true;
    }
    if (kind === "item_changed") {
      const status = random.weighted({ ACTIVE: 6, PENDING: 1, OBSOLETE: 1 });
      return this.#rows.set("ITEM", this.#rows.pick("ITEM"), { STATUS: status, STATUSDATE: this.#now() });
    }
    if (kind === "item_vendor_price_only") {
      const offer = this.#rows.pick("INVVENDOR");
      return this.#rows.set("INVVENDOR", offer, {
        LASTCOST: cents(Number(offer?.["LASTCOST"]) * (0.92 + random.next() * 0.2)),
      });
    }
    const balance = this.#rows.pick("INVBALANCES");
    const onHand = Number(balance?.["CURBAL"]);
    if (kind === "stock_counted_only")
      return this.#rows.set("INVBALANCES", balance, {
        CURBAL: Math.round(onHand),
        PHYSCNT: Math.round(onHand),
        PHYSCNTDATE: this.#now(),
      });
    const moved = random.chance(0.5) ? random.int(1, 20) : -Math.min(onHand, random.int(1, 8));
    const movement = moved > 0 ? "RECEIPT" : "ISSUE";
    if (balance !== undefined && moved !== 0)
      this.#rows.insert(
        "INVTRANS",
        movementRow(random, { kind: movement, stock: balance, quantity: moved, atMs: this.#nowMs() }),
      );
    return this.#rows.set("INVBALANCES", balance, { CURBAL: Math.round((onHand + moved) * 10) / 10 });
  }

  #changeAsset(kind: ChangeKind): boolean {
    const random = this.#random;
    if (kind === "asset_meter_only") {
      const meter = this.#rows.pick("ASSETMETER");
      if (meter === undefined) return false;
      const delta = random.int(1, 300);
      const reading = Number(meter["LASTREADING"]) + delta;
      this.#rows.insert("METERREADING", readingRow(random, meter, reading, delta, this.#nowMs()));
      return this.#rows.set("ASSETMETER", meter, {
        LASTREADING: String(reading),
        LASTREADINGDATE: this.#now(),
      });
    }
    const asset = this.#rows.pick("ASSET");
    const change = { CHANGEDATE: this.#now(), CHANGEBY: random.pick(words.PEOPLE) };
    if (kind === "asset_moved") {
      const site = words.SITES.find(({ id }) => id === asset?.["SITEID"]) ?? words.SITES[0];
      const line = random.pick(site.lines);
      return this.#rows.set("ASSET", asset, { ...change, LOCATION: `${site.id}-${line}`, ACME_LINE: line });
    }
    const status = random.weighted({ OPERATING: 6, BROKEN: 2, "NOT READY": 1 });
    return this.#rows.set("ASSET", asset, {
      ...change,
      STATUS: status,
      STATUSDATE: this.#now(),
      ISRUNNING: status === "OPERATING" ? 1 : 0,
    });
  }

  #changeVendor(kind: ChangeKind): boolean {
    const random = this.#random;
    if (kind === "vendor_new") {
      this.#rows.insert("COMPANIES", companyRow(random, this.#nextVendor(), this.#nowMs()));
      return true;
    }
    if (kind === "vendor_contact_only") {
      const contact = this.#rows.pick("COMPCONTACT");
      return this.#rows.set("COMPCONTACT", contact, {
        VOICEPHONE: `+49 ${random.int(200, 999)} ${random.int(10_000, 99_999)}`,
      });
    }
    const company = this.#rows.pick("COMPANIES");
    const isDisabled = random.chance(0.2) ? 1 - Number(company?.["DISABLED"]) : Number(company?.["DISABLED"]);
    const terms = random.pick(words.PAYMENT_TERMS);
    return this.#rows.set("COMPANIES", company, {
      PAYMENTTERMS: terms,
      DISABLED: isDisabled,
      CHANGEDATE: this.#now(),
    });
  }

  #now(): string {
    return localTime(this.#nowMs());
  }

  #world(): PlantWorld {
    const item = (): ItemFacts => {
      const row = this.#rows.pick("ITEM");
      const stock = this.#rows.all(
        "SELECT STDCOST FROM INVENTORY WHERE ITEMSETID = ? AND ITEMNUM = ? LIMIT 1",
        [words.ITEM_SET, row?.["ITEMNUM"]],
      )[0];
      return {
        itemnum: String(row?.["ITEMNUM"]),
        description: String(row?.["DESCRIPTION"]),
        unit: String(row?.["ISSUEUNIT"]),
        cost: Number(stock?.["STDCOST"] ?? 25),
      };
    };
    return {
      random: this.#random,
      nowMs: this.#nowMs(),
      vendor: () => String(this.#rows.pick("COMPANIES")?.["COMPANY"]),
      item,
      asset: (site) => {
        const asset = this.#rows.pick("ASSET", `SITEID = '${site}'`);
        return asset === undefined ? null : String(asset["ASSETNUM"]);
      },
    };
  }

  #nextVendor(): number {
    const highest = this.#rows.all("SELECT max(COMPANY) AS HIGHEST FROM COMPANIES", [])[0]?.["HIGHEST"];
    return Number(String(highest).slice(1)) + 1;
  }
}

function quoted(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(", ");
}
