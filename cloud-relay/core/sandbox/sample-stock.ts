// The sandbox's items and their stock: every level is the sum of its movements.
import { money, quantity, times, type Hundredths } from "./hundredths.ts";
import { OUT_OF_STOCK_ITEM } from "./known-keys.ts";
import { instant, type Fields, type PlantBook } from "./plant-book.ts";
import type { People } from "./sample-people.ts";
import { SITES, type Site } from "./sample-places.ts";
import { sampleVendors } from "./sample-vendors.ts";

export interface Item {
  readonly code: string;
  readonly name: string;
  readonly type: string;
  readonly site: Site;
  readonly uom: string;
  readonly vendor: string;
  /** Even, so that half of one costs whole hundredths. */
  readonly cost: Hundredths;
  /** Whether it is bought by weight or length. */
  readonly isDivisible: boolean;
}

export interface Move {
  readonly item: Item;
  readonly storeroom: string;
  readonly kind: "receipt" | "issue" | "return" | "transfer" | "adjust" | "count";
  /** Negative when stock leaves. */
  readonly amount: Hundredths;
  readonly atMs: number;
  /** What the movement belongs to. */
  readonly cause?: Fields;
}

const NOUNS = [
  "Bearing",
  "Seal kit",
  "V-belt",
  "Hydraulic oil",
  "Proximity sensor",
  "Hex bolt",
  "Filter",
  "Contactor",
];
const NATURES = ["6204", "M12", "SPA-1250", "HLP 46", "IP67", "A4-70", "10 µm", "24 V DC"];
const TYPES = ["spare", "spare", "spare", "consumable", "stock", "consumable", "spare", "stock"];
const ITEMS_PER_SITE = 65;
const OPENING_DAYS = 400;
const NOTHING = { reserved: 0, onOrder: 0 };

export function makeItems(book: PlantBook): readonly Item[] {
  const vendors = sampleVendors().filter(({ status }) => status === "active");
  return SITES.flatMap((site, siteAt) => {
    const dice = book.dice(`items/${site.code}`);
    const own = vendors.filter(({ currency }) => currency === site.currency);
    const items = Array.from({ length: ITEMS_PER_SITE }, (_, at): Item => {
      const kind = at % NOUNS.length;
      const isDivisible = kind === 3;
      const variant = Math.floor(at / NOUNS.length) + 1;
      return {
        code: `IT-${(siteAt + 1) * 1_000 + at + 1}`,
        name: `${NOUNS[kind] ?? ""} ${NATURES[kind] ?? ""} size ${variant}`,
        type: TYPES[kind] ?? "spare",
        site,
        uom: isDivisible ? "L" : "EA",
        vendor: dice.pick(own).code,
        cost: dice.int(50, 24_000) * 2,
        isDivisible,
      };
    });
    return siteAt === 0 ? items.concat(outOfStock(site, items[0]?.vendor ?? "")) : items;
  });
}

function outOfStock(site: Site, vendor: string): Item {
  const name = "Gearbox that is always out of stock";
  return {
    code: OUT_OF_STOCK_ITEM,
    name,
    type: "spare",
    site,
    uom: "EA",
    vendor,
    cost: 480_000,
    isDivisible: false,
  };
}

/** Gathers what moves; at the end it knows what there must have been at first. */
export class StockLedger {
  readonly #book: PlantBook;
  readonly #items: readonly Item[];
  readonly #moves = new Map<string, Move[]>();
  readonly #promises = new Map<string, { reserved: Hundredths; onOrder: Hundredths }>();

  constructor(book: PlantBook, items: readonly Item[]) {
    this.#book = book;
    this.#items = items;
    for (const { code, site } of items) {
      for (const storeroom of storeroomsOf(book, code, site)) this.#moves.set(placeOf(code, storeroom), []);
    }
  }

  move(move: Move): void {
    const at = placeOf(move.item.code, move.storeroom);
    const moves = this.#moves.get(at);
    if (moves === undefined) this.#moves.set(at, [move]);
    else moves.push(move);
  }

  promise(item: Item, storeroom: string, more: Partial<typeof NOTHING>): void {
    const at = placeOf(item.code, storeroom);
    const { reserved, onOrder } = this.#promises.get(at) ?? NOTHING;
    this.#promises.set(at, {
      reserved: reserved + (more.reserved ?? 0),
      onOrder: onOrder + (more.onOrder ?? 0),
    });
  }

  /** Adds items, levels and movements; nothing may move any more. */
  close(people: People): void {
    for (const item of this.#items) {
      const levels = [...this.#moves.keys()]
        .filter((at) => at.startsWith(`${item.code}@`))
        .map((at) => this.#closePlace(item, at, people));
      this.#addItem(item, levels);
    }
  }

  #closePlace(item: Item, at: string, people: People): Level {
    const book = this.#book;
    const dice = book.dice(`level/${at}`);
    const storeroom = at.slice(item.code.length + 1);
    const moves = (this.#moves.get(at) ?? []).sort((a, b) => a.atMs - b.atMs);
    const isEmpty = item.code === OUT_OF_STOCK_ITEM;
    const { reserved, onOrder } = this.#promises.get(at) ?? NOTHING;
    let balance = 0;
    let lowest = 0;
    for (const { amount } of moves) {
      balance += amount;
      lowest = Math.min(lowest, balance);
    }
    const opening = isEmpty ? 0 : reserved - lowest + dice.int(2, 60) * 100;
    const atMs = book.ago(OPENING_DAYS, 7);
    const first: Move = { item, storeroom, kind: "count", amount: opening, atMs };
    const all = opening === 0 ? moves : [first, ...moves];
    for (const [index, move] of all.entries()) this.#addMove(move, `${at}-${index + 1}`, people);
    const onHand = opening + balance;
    const level: Level = {
      storeroom,
      onHand,
      reserved,
      onOrder,
      bin: `${dice.pick(["A", "B", "C"])}-${dice.int(10, 39)}`,
      countedAtMs: atMs,
    };
    this.#addLevel(item, at, level, all.at(-1)?.atMs ?? atMs);
    return level;
  }

  #addMove({ item, storeroom, kind, amount, atMs, cause = {} }: Move, number: string, people: People): void {
    const { site } = item;
    this.#book.add({
      entity: "stock_movement",
      number,
      createdAtMs: atMs,
      changedAtMs: atMs,
      fields: {
        number,
        kind,
        item: this.#book.ref("inventory_item", item.code),
        item_code: item.code,
        quantity: quantity(amount),
        uom: item.uom,
        at: instant(atMs),
        by: people.storekeeper(site),
        location: this.#book.ref("location", storeroom),
        unit_cost: money(item.cost),
        total_cost: money(times(item.cost, amount)),
        currency: site.currency,
        gl_account: `${site.company}-1410`,
        ...cause,
      },
    });
  }

  #addLevel(item: Item, number: string, level: Level, changedAtMs: number): void {
    this.#book.add({
      entity: "stock_level",
      number,
      createdAtMs: level.countedAtMs,
      changedAtMs,
      fields: {
        item: this.#book.ref("inventory_item", item.code),
        item_code: item.code,
        ...levelFields(this.#book, item, level),
        uom: item.uom,
        currency: item.site.currency,
        vendor: this.#book.ref("vendor", item.vendor),
      },
    });
  }

  #addItem(item: Item, levels: readonly Level[]): void {
    const book = this.#book;
    const dice = book.dice(`item/${item.code}`);
    const { code, name, type, site, uom, vendor, cost } = item;
    const isActive = !dice.chance(0.04) || code === OUT_OF_STOCK_ITEM;
    const total = levels.reduce((sum, { onHand }) => sum + onHand, 0);
    const status = isActive ? "active" : dice.pick(["inactive", "obsolete"]);
    const createdAtMs = book.ago(dice.int(410, 1_200));
    book.add({
      entity: "inventory_item",
      number: code,
      createdAtMs,
      changedAtMs: createdAtMs + 86_400_000,
      fields: {
        code,
        name,
        description: `${name} for ${site.name}`,
        type,
        status,
        category: name.split(" ")[0]?.toUpperCase() ?? null,
        stock_uom: uom,
        purchase_uom: uom,
        purchase_to_stock_factor: "1",
        manufacturer: dice.pick(["Rollon", "Dichtex", "Sensorik", "Boltwright"]),
        manufacturer_part: `MP-${dice.int(10_000, 99_999)}`,
        barcode: String(dice.int(4_000_000_000, 4_999_999_999)),
        criticality: dice.pick(["A", "B", "C"]),
        lot_tracked: item.isDivisible,
        serial_tracked: false,
        standard_cost: money(cost),
        average_cost: money(cost),
        last_cost: money(cost),
        currency: site.currency,
        preferred_vendor: book.ref("vendor", vendor),
        active: status === "active",
        quantity_on_hand: quantity(total),
        stock_levels: levels.map((level) => levelFields(book, item, level)),
        vendor_items: [
          {
            vendor: book.ref("vendor", vendor),
            vendor_code: `${vendor}/${code}`,
            price: money(cost),
            currency: site.currency,
            lead_time_days: String(dice.int(2, 30)),
            min_order_qty: "1",
            preferred: true,
          },
        ],
        custom_fields: { HAZMAT: item.isDivisible, ABC: dice.pick(["A", "B", "C"]) },
      },
    });
  }
}

interface Level {
  readonly storeroom: string;
  readonly bin: string;
  readonly onHand: Hundredths;
  readonly reserved: Hundredths;
  readonly onOrder: Hundredths;
  readonly countedAtMs: number;
}

function levelFields(book: PlantBook, { cost }: Item, level: Level): Fields {
  const { storeroom, bin, onHand, reserved, onOrder, countedAtMs } = level;
  return {
    location: book.ref("location", storeroom),
    bin,
    on_hand: quantity(onHand),
    reserved: quantity(reserved),
    available: quantity(onHand - reserved),
    on_order: quantity(onOrder),
    min: "2",
    max: "80",
    reorder_point: "5",
    reorder_qty: "20",
    unit_cost: money(cost),
    last_count_at: instant(countedAtMs),
  };
}

function placeOf(item: string, storeroom: string): string {
  return `${item}@${storeroom}`;
}

function storeroomsOf(book: PlantBook, code: string, { storerooms }: Site): readonly string[] {
  return book.dice(`stored/${code}`).chance(0.4) ? storerooms : storerooms.slice(0, 1);
}
