// Makes rows of the demo plant: used by the seed for the first fill and by the mutator for what is added later.
import type { Random } from "./random.ts";
import * as words from "./vocabulary.ts";

export type Row = Readonly<Record<string, string | number | null>>;

const DAY_MS = 86_400_000;
const local = new Intl.DateTimeFormat("sv-SE", {
  timeZone: words.PLANT_ZONE,
  dateStyle: "short",
  timeStyle: "medium",
});

/** `2026-06-01 08:15:00` on the plant's wall clock, as the product writes it: without a zone. */
export function localTime(ms: number): string {
  return local.format(ms);
}

/** Midnight of the local day, as the product writes dates. */
export function localDate(ms: number): string {
  return `${localTime(ms).slice(0, 10)} 00:00:00`;
}

/** Two decimals, without what floats add. */
export function cents(amount: number): number {
  return Math.round(amount * 100) / 100;
}

/** What a new row may point to. */
export interface PlantWorld {
  readonly random: Random;
  readonly nowMs: number;
  vendor(): string;
  item(): ItemFacts;
  asset(site: string): string | null;
}

export interface ItemFacts {
  readonly itemnum: string;
  readonly description: string;
  readonly unit: string;
  readonly cost: number;
}

type Site = (typeof words.SITES)[number];

export function companyRow(random: Random, number: number, nowMs: number): Row {
  const town = random.pick(words.SITES);
  const name = `${random.pick(words.COMPANY_WORDS)} ${random.pick(words.COMPANY_TRADES)}`;
  const code = `V${String(number).padStart(5, "0")}`;
  const domain = `${name.toLowerCase().replaceAll(/[^a-z]+/g, "-")}.example`;
  return {
    ORGID: words.ORG,
    COMPANY: code,
    NAME: `${name} ${random.pick(words.LEGAL_FORMS)}`,
    TYPE: random.weighted({ V: 8, M: 2, C: 2 }),
    ADDRESS1: `${random.pick(["Industriestrasse", "Hafenweg", "Tovarni", "Gewerbepark"])} ${random.int(1, 140)}`,
    ADDRESS2: town.town,
    ADDRESS3: null,
    ADDRESS4: String(random.int(10_000, 99_999)),
    ADDRESS5: town.country,
    CONTACT: random.pick(words.PEOPLE),
    PHONE: `+49 ${random.int(200, 999)} ${random.int(10_000, 99_999)}`,
    EMAIL: random.chance(0.9) ? `sales@${domain}` : null,
    HOMEPAGE: random.chance(0.6) ? `https://www.${domain}` : null,
    TAXREGISTRATION: random.chance(0.8) ? `${town.country}${random.int(100_000_000, 999_999_999)}` : null,
    CURRENCYCODE: random.weighted(words.CURRENCIES),
    PAYMENTTERMS: random.pick(words.PAYMENT_TERMS),
    PAYONRECEIPT: random.int(0, 1),
    DISABLED: random.chance(0.06) ? 1 : 0,
    PARENTCOMPANY:
      number > 20 && random.chance(0.1) ? `V${String(random.int(1, 20)).padStart(5, "0")}` : null,
    CHANGEDATE: localTime(nowMs - random.int(0, 900) * DAY_MS),
    ACME_RATING: random.chance(0.7) ? random.int(1, 5) : null,
    ACME_FRAMEWORK: random.chance(0.3) ? `FC-${random.int(100, 999)}` : null,
  };
}

export function contactRows(random: Random, company: Row): readonly Row[] {
  const names = new Set(Array.from({ length: random.int(0, 3) }, () => random.pick(words.PEOPLE)));
  return [...names].map((name) => ({
    ORGID: words.ORG,
    COMPANY: company["COMPANY"] ?? "",
    CONTACT: name,
    POSITION: random.pick(["Sales", "Service", "Accounts", "Dispatch"]),
    VOICEPHONE: `+49 ${random.int(200, 999)} ${random.int(10_000, 99_999)}`,
    EMAIL: `${name.toLowerCase()}@${String(company["COMPANY"]).toLowerCase()}.example`,
  }));
}

export function itemRow(random: Random, number: number, nowMs: number): { item: Row; facts: ItemFacts } {
  const kind = random.pick(words.PART_KINDS);
  const itemnum = `${kind.group}-${String(number).padStart(5, "0")}`;
  const size = `${random.int(10, 400)}x${random.int(5, 90)}`;
  const item = {
    ITEMSETID: words.ITEM_SET,
    ITEMNUM: itemnum,
    DESCRIPTION: `${kind.name} ${size}`,
    ITEMTYPE: random.weighted({ ITEM: 20, TOOL: 2, STDSERVICE: 1 }),
    STATUS: random.weighted({ ACTIVE: 20, PENDING: 1, OBSOLETE: 2 }),
    STATUSDATE: localTime(nowMs - random.int(1, 1500) * DAY_MS),
    COMMODITYGROUP: kind.group,
    ISSUEUNIT: kind.unit,
    ORDERUNIT: random.chance(0.9) ? kind.unit : "BOX",
    CONVERSION: random.chance(0.9) ? 1 : 10,
    ROTATING: random.chance(0.04) ? 1 : 0,
    LOTTYPE: kind.group === "LUBE" ? "LOT" : "NOLOT",
    MANUFACTURER: random.pick(words.MAKERS),
    MODELNUM: `${kind.group.slice(0, 2)}${random.int(1000, 9999)}`,
    ACME_HAZMAT: kind.group === "LUBE" ? "WGK1" : null,
    ACME_SHELF_LIFE: kind.group === "SEAL" ? random.int(12, 60) : null,
  };
  const cost = random.amount(kind.min, kind.max);
  return { item, facts: { itemnum, description: item.DESCRIPTION, unit: kind.unit, cost } };
}

/** Storerooms, balances by bin and vendors of one item. */
export function stockRows(
  world: PlantWorld,
  item: ItemFacts,
): { inventory: readonly Row[]; balances: readonly Row[]; vendors: readonly Row[] } {
  const { random, nowMs } = world;
  const key = { ITEMSETID: words.ITEM_SET, ITEMNUM: item.itemnum };
  const inventory: Row[] = [];
  const balances: Row[] = [];
  for (const site of words.SITES) {
    if (!random.chance(0.55)) continue;
    const place = { ...key, SITEID: site.id, LOCATION: random.pick(words.STOREROOMS) };
    const low = random.int(0, 12);
    inventory.push({
      ...place,
      MINLEVEL: low,
      MAXLEVEL: low + random.int(5, 60),
      REORDER: random.chance(0.9) ? 1 : 0,
      ORDERQTY: random.int(1, 50),
      SSTOCK: random.int(0, 5),
      DELIVERYTIME: random.int(1, 60),
      BINNUM: bin(random),
      RESERVEDQTY: random.chance(0.3) ? random.int(1, 5) : 0,
      VENDOR: world.vendor(),
      STDCOST: item.cost,
      AVGCOST: cents(item.cost * (0.9 + random.next() * 0.2)),
      LASTCOST: cents(item.cost * (0.9 + random.next() * 0.3)),
    });
    for (let count = random.int(1, 3); count > 0; count -= 1)
      balances.push({
        ...place,
        BINNUM: bin(random),
        LOTNUM: item.unit === "L" ? `LOT${random.int(1000, 9999)}` : null,
        CURBAL: item.unit === "L" || item.unit === "M" ? random.int(0, 4000) / 10 : random.int(0, 80),
        PHYSCNT: random.int(0, 80),
        PHYSCNTDATE: random.chance(0.8)
          ? localTime(nowMs - random.int(1, 400) * DAY_MS)
          : "1900-01-01 00:00:00",
      });
  }
  const vendors = new Set(Array.from({ length: random.int(0, 3) }, () => world.vendor()));
  return {
    inventory,
    balances,
    vendors: [...vendors].map((vendor, at) => ({
      ITEMSETID: words.ITEM_SET,
      ITEMNUM: item.itemnum,
      ORGID: words.ORG,
      VENDOR: vendor,
      CATALOGCODE: `${vendor.slice(-3)}-${random.int(10_000, 99_999)}`,
      LASTCOST: cents(item.cost * (0.85 + random.next() * 0.3)),
      CURRENCYCODE: random.weighted(words.CURRENCIES),
      PROMDELIVERYTIME: random.int(2, 45),
      ORDERQTY: random.int(1, 20),
      ISDEFAULT: at === 0 ? 1 : 0,
    })),
  };
}

function bin(random: Random): string {
  return `${random.pick(["A", "B", "C", "D"])}-${random.int(1, 40)}-${random.int(1, 6)}`;
}

/** A purchase order with its lines; open ones have received little, closed ones all. */
export function purchaseOrderRows(
  world: PlantWorld,
  number: number,
  status: string,
): { po: Row; lines: readonly Row[] } {
  const { random, nowMs } = world;
  const site = random.pick(words.SITES);
  const ageDays = status === "WAPPR" || status === "PNDREV" ? random.int(0, 20) : random.int(0, 700);
  const enteredMs = nowMs - ageDays * DAY_MS - random.int(0, DAY_MS);
  const key = { SITEID: site.id, PONUM: String(number), REVISIONNUM: 0, ORGID: words.ORG };
  const received = { CLOSE: 1, INPRG: random.pick([0, 0.5, 1]) }[status] ?? 0;
  const lines = Array.from({ length: random.int(1, 8) }, (_, at) =>
    purchaseLineRow(world, { site, key, number: at + 1, enteredMs, received }),
  );
  const currency = random.chance(0.8) ? site.currency : random.weighted(words.CURRENCIES);
  const currentMs = Math.min(nowMs, enteredMs + random.int(0, 30) * DAY_MS);
  const people = { PURCHASEAGENT: random.pick(words.PEOPLE), REQUESTEDBY: random.pick(words.PEOPLE) };
  const po = {
    ...key,
    ...people,
    ...orderTotals(lines),
    DESCRIPTION: random.chance(0.9) ? `${random.pick(words.PART_KINDS).name} for ${site.town}` : null,
    POTYPE: random.weighted({ STD: 12, BLANKET: 1, SERV: 2, REL: 1 }),
    STATUS: status,
    STATUSDATE: localTime(currentMs),
    VENDOR: world.vendor(),
    CONTACT: random.chance(0.5) ? random.pick(words.PEOPLE) : null,
    ORDERDATE: localDate(enteredMs),
    REQUIREDDATE: localDate(enteredMs + random.int(5, 60) * DAY_MS),
    VENDELIVERYDATE: random.chance(0.7)
      ? localDate(enteredMs + random.int(5, 70) * DAY_MS)
      : "1900-01-01 00:00:00",
    CURRENCYCODE: currency,
    EXCHANGERATE: words.EXCHANGE_RATES[currency] ?? 1,
    PAYMENTTERMS: random.pick(words.PAYMENT_TERMS),
    FREIGHTTERMS: random.pick(["DAP", "EXW", "FCA", "DDP"]),
    SHIPTO: `${site.town} goods in`,
    BILLTO: `${words.ORG} accounts payable`,
    RECEIPTS: received === 0 ? "NONE" : received === 1 ? "COMPLETE" : "PARTIAL",
    HISTORYFLAG: status === "CLOSE" || status === "CAN" ? 1 : 0,
    ENTERDATE: localTime(enteredMs),
    CHANGEBY: people.PURCHASEAGENT,
    CHANGEDATE: localTime(currentMs),
    ACME_PROJECT: random.chance(0.35) ? `PRJ-${random.int(100, 180)}` : null,
    ACME_RUSH: random.chance(0.1) ? 1 : 0,
  };
  return { po, lines };
}

export interface LineFacts {
  readonly site: Site;
  readonly key: {
    readonly SITEID: string;
    readonly PONUM: string;
    readonly REVISIONNUM: number;
    readonly ORGID: string;
  };
  readonly number: number;
  readonly enteredMs: number;
  /** Part of the quantity that has arrived, from 0 to 1. */
  readonly received: number;
}

export function purchaseLineRow(
  world: PlantWorld,
  { site, key, number, enteredMs, received }: LineFacts,
): Row {
  const { random } = world;
  const isService = random.chance(0.1);
  const item = world.item();
  const quantity = isService
    ? 1
    : item.unit === "M" || item.unit === "L"
      ? random.int(1, 400) / 4
      : random.int(1, 60);
  const price = isService ? random.amount(80, 4000) : cents(item.cost * (0.9 + random.next() * 0.25));
  const cost = cents(quantity * price);
  return {
    ...key,
    POLINENUM: number,
    LINETYPE: isService ? "SERVICE" : "ITEM",
    ITEMSETID: isService ? null : words.ITEM_SET,
    ITEMNUM: isService ? null : item.itemnum,
    DESCRIPTION: isService ? `${random.pick(words.COMPANY_TRADES)} on site` : item.description,
    ORDERQTY: quantity,
    ORDERUNIT: isService ? "SET" : item.unit,
    CONVERSION: 1,
    UNITCOST: price,
    LINECOST: cost,
    TAX1: cents(cost * 0.19),
    RECEIVEDQTY: cents(quantity * received),
    REQDELIVERYDATE: localDate(enteredMs + random.int(5, 60) * DAY_MS),
    STORELOC: isService ? null : random.pick(words.STOREROOMS),
    REFWO: null,
    ASSETNUM: random.chance(0.15) ? world.asset(site.id) : null,
    GLDEBITACCT: `6${random.int(100, 999)}-${site.id}`,
    CATALOGCODE: isService ? null : `C${random.int(10_000, 99_999)}`,
    RECEIPTSCOMPLETE: received === 1 ? 1 : 0,
    ACME_COSTCODE: random.chance(0.4) ? `K${random.int(10, 99)}` : null,
  };
}

/** The totals of an order, from its lines. */
export function orderTotals(lines: readonly Row[]): {
  PRETAXTOTAL: number;
  TOTALTAX1: number;
  TOTALCOST: number;
} {
  const sum = (column: string): number =>
    lines.reduce((total, line) => total + Math.round(Number(line[column]) * 100), 0);
  const [net, tax] = [sum("LINECOST"), sum("TAX1")];
  return { PRETAXTOTAL: net / 100, TOTALTAX1: tax / 100, TOTALCOST: (net + tax) / 100 };
}
