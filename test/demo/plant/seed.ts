// Fills the demo plant: the same seed, scale and time give the same rows.
import type { Database } from "better-sqlite3";
import {
  companyRow,
  contactRows,
  itemRow,
  purchaseOrderRows,
  stockRows,
  type ItemFacts,
  type PlantWorld,
  type Row,
} from "./plant-rows.ts";
import { Random } from "./random.ts";
import { RowInserter } from "./row-inserter.ts";
import { seedMore, type MoreCounts } from "./seed-more.ts";
import * as words from "./vocabulary.ts";
import { assetRow, meterRows, workOrderRows, type AssetFacts } from "./work-rows.ts";

export interface PlantCounts extends MoreCounts {
  readonly vendors: number;
  readonly items: number;
  readonly assets: number;
  readonly purchaseOrders: number;
  readonly workOrders: number;
}

export const PLANT_COUNTS: PlantCounts = {
  vendors: 600,
  items: 2_000,
  assets: 800,
  purchaseOrders: 3_000,
  workOrders: 4_000,
  requisitions: 600,
  receipts: 1_200,
  invoices: 800,
  requests: 800,
  schedules: 250,
  readings: 1_500,
  movements: 2_000,
  attachments: 400,
};

export interface SeedOptions {
  readonly seed?: number;
  /** Multiplies the counts that are not given. */
  readonly scale?: number;
  readonly counts?: Partial<PlantCounts>;
  /** The plant's present, ms since 1970: nothing in it is younger. */
  readonly nowMs?: number;
}

/** The plant's present unless another is given: fixed, so that a seed alone says everything. */
export const SEED_NOW_MS = Date.UTC(2026, 5, 1, 6);

/** Fills empty tables; call it inside a transaction, before indexes and triggers are made. */
export function seedPlant(db: Database, options: SeedOptions): void {
  const random = new Random(options.seed ?? 1);
  const scale = options.scale ?? 1;
  const count = (name: keyof PlantCounts): number =>
    options.counts?.[name] ?? Math.max(1, Math.round(PLANT_COUNTS[name] * scale));
  new Seeder(db, random, options.nowMs ?? SEED_NOW_MS).seed({
    vendors: count("vendors"),
    items: count("items"),
    assets: count("assets"),
    purchaseOrders: count("purchaseOrders"),
    workOrders: count("workOrders"),
    requisitions: count("requisitions"),
    receipts: count("receipts"),
    invoices: count("invoices"),
    requests: count("requests"),
    schedules: count("schedules"),
    readings: count("readings"),
    movements: count("movements"),
    attachments: count("attachments"),
  });
}

type Site = (typeof words.SITES)[number];

class Seeder {
  readonly #db: Database;
  readonly #rows: RowInserter;
  readonly #random: Random;
  readonly #nowMs: number;
  readonly #vendors: string[] = [];
  readonly #items: ItemFacts[] = [];
  readonly #assets = new Map<string, string[]>();

  constructor(db: Database, random: Random, nowMs: number) {
    this.#db = db;
    this.#rows = new RowInserter(db);
    this.#random = random;
    this.#nowMs = nowMs;
  }

  seed(counts: PlantCounts): void {
    this.#synonyms();
    this.#companies(counts.vendors);
    const world: PlantWorld = {
      random: this.#random,
      nowMs: this.#nowMs,
      vendor: () => this.#random.pick(this.#vendors),
      item: () => this.#random.pick(this.#items),
      asset: (site) => this.#asset(site),
    };
    this.#stock(world, counts.items);
    this.#plant(world, counts.assets);
    this.#orders(world, counts.purchaseOrders);
    this.#work(world, counts.workOrders);
    seedMore(this.#db, this.#rows, world, counts);
    this.#rows.finish();
  }

  #asset(site: string): string | null {
    const assets = this.#assets.get(site) ?? [];
    return assets.length === 0 ? null : this.#random.pick(assets);
  }

  #synonyms(): void {
    for (const [domain, maxValue, value, text] of words.SYNONYMS)
      this.#rows.insert("SYNONYMDOMAIN", {
        DOMAINID: domain,
        MAXVALUE: maxValue,
        VALUE: value,
        DESCRIPTION: text,
      });
  }

  #companies(count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const company = companyRow(this.#random, number, this.#nowMs);
      this.#rows.insert("COMPANIES", company);
      this.#vendors.push(String(company["COMPANY"]));
      for (const contact of contactRows(this.#random, company)) this.#rows.insert("COMPCONTACT", contact);
    }
  }

  #stock(world: PlantWorld, count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const { item, facts } = itemRow(this.#random, number, this.#nowMs);
      this.#rows.insert("ITEM", item);
      this.#items.push(facts);
      const stock = stockRows(world, facts);
      for (const row of stock.inventory) this.#rows.insert("INVENTORY", row);
      for (const row of stock.balances) this.#rows.insert("INVBALANCES", row);
      for (const row of stock.vendors) this.#rows.insert("INVVENDOR", row);
    }
  }

  /** Sites have lines, lines have machines, machines have components. */
  #plant(world: PlantWorld, count: number): void {
    let number = 0;
    const add = (facts: Omit<AssetFacts, "assetnum">): string => {
      number += 1;
      const asset = { ...facts, assetnum: `${facts.site.slice(0, 1)}${String(number).padStart(5, "0")}` };
      this.#rows.insert("ASSET", assetRow(world, asset));
      for (const meter of meterRows(this.#random, asset, this.#nowMs)) this.#rows.insert("ASSETMETER", meter);
      const assets = this.#assets.get(facts.site) ?? [];
      assets.push(asset.assetnum);
      this.#assets.set(facts.site, assets);
      return asset.assetnum;
    };
    const lines = words.SITES.flatMap((site) => this.#locations(site));
    for (const { site, line, location } of lines) {
      const top = add({
        site: site.id,
        parent: null,
        location,
        line,
        name: `${site.town} line ${line}`,
        isComponent: false,
      });
      const share = Math.max(1, Math.round(count / lines.length));
      let left = share - 1;
      while (left > 0) {
        const machine = this.#random.pick(words.MACHINES);
        const place = { site: site.id, location, line };
        const parent = add({ ...place, parent: top, name: `${machine.name} ${number}`, isComponent: false });
        const parts = machine.parts.slice(0, left - 1);
        for (const name of parts) add({ ...place, parent, name, isComponent: true });
        left -= 1 + parts.length;
      }
    }
  }

  #locations(site: Site): readonly { site: Site; line: string; location: string }[] {
    const place = {
      ADDRESS: null,
      CITY: null,
      COUNTRY: null,
      TIMEZONE: null,
      LATITUDE: null,
      LONGITUDE: null,
    };
    const insert = (location: string, description: string, type: string, more: Row = place): void =>
      this.#rows.insert("LOCATIONS", {
        SITEID: site.id,
        LOCATION: location,
        DESCRIPTION: description,
        TYPE: type,
        STATUS: "OPERATING",
        PARENT: location === site.id ? null : site.id,
        ...more,
      });
    insert(site.id, `Plant ${site.town}`, "SITE", {
      ADDRESS: site.street,
      CITY: site.town,
      COUNTRY: site.country,
      TIMEZONE: site.zone,
      LATITUDE: site.latitude,
      LONGITUDE: site.longitude,
    });
    for (const storeroom of words.STOREROOMS)
      insert(
        storeroom,
        `${storeroom === "CENTRAL" ? "Central storeroom" : "Tool crib"} ${site.town}`,
        "STOREROOM",
      );
    return site.lines.map((line) => {
      const location = `${site.id}-${line}`;
      insert(location, `Production line ${line} ${site.town}`, "OPERATING");
      return { site, line, location };
    });
  }

  #orders(world: PlantWorld, count: number): void {
    for (let at = 0; at < count; at += 1) {
      const { po, lines } = purchaseOrderRows(world, FIRST_PO + at, this.#random.weighted(words.PO_STATUSES));
      this.#rows.insert("PO", po);
      for (const line of lines) this.#rows.insert("POLINE", line);
    }
  }

  #work(world: PlantWorld, count: number): void {
    for (let at = 0; at < count; at += 1) {
      const rows = workOrderRows(world, FIRST_WO + at, this.#random.weighted(words.WO_STATUSES));
      for (const row of rows.orders) this.#rows.insert("WORKORDER", row);
      for (const row of rows.plannedLabor) this.#rows.insert("WPLABOR", row);
      for (const row of rows.labor) this.#rows.insert("LABTRANS", row);
      for (const row of rows.plannedParts) this.#rows.insert("WPMATERIAL", row);
      for (const row of rows.parts) this.#rows.insert("MATUSETRANS", row);
    }
  }
}

export const FIRST_PO = 10_001;
export const FIRST_WO = 500_001;
