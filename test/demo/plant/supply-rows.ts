// Makes requisitions, receipts, invoices and stock movements of the demo plant.
import { cents, localDate, localTime, type PlantWorld, type Row } from "./plant-rows.ts";
import type { Random } from "./random.ts";
import * as words from "./vocabulary.ts";

const DAY_MS = 86_400_000;
/** Days until payment, by the terms' words. */
const DUE_DAYS: Readonly<Record<string, number>> = { NET14: 14, NET45: 45, NET60: 60 };

/** What somebody wants bought; what is closed has become an order. */
export function requisitionRows(
  world: PlantWorld,
  number: number,
  status: string,
  order?: { readonly po: Row; readonly lines: readonly Row[] },
): { pr: Row; lines: readonly Row[] } {
  const { random, nowMs } = world;
  const site = words.SITES.find(({ id }) => id === order?.po["SITEID"]) ?? random.pick(words.SITES);
  const key = { SITEID: site.id, PRNUM: `R${number}` };
  const issuedMs = nowMs - random.int(0, status === "CLOSE" ? 600 : 40) * DAY_MS - random.int(0, DAY_MS);
  const lines = Array.from({ length: random.int(1, 4) }, (_, at) => {
    const item = world.item();
    const quantity = item.unit === "M" || item.unit === "L" ? random.int(1, 80) / 4 : random.int(1, 12);
    const ordered = order?.lines[at];
    return {
      ...key,
      PRLINENUM: at + 1,
      LINETYPE: "ITEM",
      ITEMSETID: words.ITEM_SET,
      ITEMNUM: item.itemnum,
      DESCRIPTION: item.description,
      ORDERQTY: quantity,
      ORDERUNIT: item.unit,
      UNITCOST: item.cost,
      LINECOST: cents(quantity * item.cost),
      STORELOC: random.pick(words.STOREROOMS),
      PONUM: ordered?.["PONUM"] ?? null,
      POLINENUM: ordered?.["POLINENUM"] ?? null,
      GLDEBITACCT: `6${random.int(100, 999)}-${site.id}`,
    };
  });
  const total = lines.reduce((sum, line) => sum + Math.round(line.LINECOST * 100), 0) / 100;
  const pr = {
    ...key,
    ORGID: words.ORG,
    DESCRIPTION: `${random.pick(words.PART_KINDS).name} for ${random.pick(words.CRAFTS)} in ${site.town}`,
    STATUS: status,
    STATUSDATE: localTime(issuedMs),
    REQUESTEDBY: random.pick(words.PEOPLE),
    ISSUEDATE: localTime(issuedMs),
    REQUIREDDATE: random.chance(0.9)
      ? localDate(issuedMs + random.int(5, 60) * DAY_MS)
      : "1900-01-01 00:00:00",
    VENDOR: order?.po["VENDOR"] ?? (random.chance(0.5) ? world.vendor() : null),
    WONUM: null,
    CURRENCYCODE: site.currency,
    TOTALCOST: total,
    COSTCENTER: `CC-${site.id}-${random.int(10, 40)}`,
    CHANGEDATE: localTime(issuedMs),
    ACME_BUDGET: random.chance(0.5) ? `B${random.int(10, 40)}` : null,
  };
  return { pr, lines };
}

/** One line of an order that arrived, or went back. */
export function receiptRow(random: Random, po: Row, line: Row, quantity: number, atMs: number): Row {
  const isReturn = quantity < 0;
  const inspection = random.weighted({ NONE: 6, ACCEPTED: 4, PENDING: 1, REJECTED: 1 });
  return {
    SITEID: line["SITEID"] ?? "",
    ORGID: words.ORG,
    ISSUETYPE: isReturn ? "RETURN" : "RECEIPT",
    PONUM: line["PONUM"] ?? "",
    POLINENUM: line["POLINENUM"] ?? 0,
    VENDOR: po["VENDOR"] ?? null,
    ITEMSETID: line["ITEMSETID"] ?? null,
    ITEMNUM: line["ITEMNUM"] ?? null,
    DESCRIPTION: line["DESCRIPTION"] ?? null,
    QUANTITY: Math.abs(quantity),
    RECEIVEDUNIT: line["ORDERUNIT"] ?? null,
    UNITCOST: line["UNITCOST"] ?? null,
    LINECOST: cents(Math.abs(quantity) * Number(line["UNITCOST"])),
    CURRENCYCODE: po["CURRENCYCODE"] ?? null,
    TOSTORELOC: line["STORELOC"] ?? null,
    TOBIN: line["STORELOC"] === null ? null : `${random.pick(["A", "B", "C"])}-${random.int(1, 40)}-1`,
    TOLOT: line["ORDERUNIT"] === "L" ? `LOT${random.int(1000, 9999)}` : null,
    INSPECTION: isReturn ? "REJECTED" : inspection,
    PACKINGSLIPNUM: `LS-${random.int(10_000, 99_999)}`,
    ENTERBY: random.pick(words.PEOPLE),
    TRANSDATE: localTime(atMs),
  };
}

/** An invoice over an order's lines, with taxes as the order has them. */
export function invoiceRows(
  world: Pick<PlantWorld, "random" | "nowMs">,
  number: number,
  status: string,
  { po, lines }: { readonly po: Row; readonly lines: readonly Row[] },
): { invoice: Row; lines: readonly Row[] } {
  const { random, nowMs } = world;
  const key = { SITEID: String(po["SITEID"]), INVOICENUM: `IN${number}` };
  const datedMs = nowMs - random.int(0, status === "PAID" ? 600 : 40) * DAY_MS - random.int(0, DAY_MS);
  const isCredit = random.chance(0.05);
  const sign = isCredit ? -1 : 1;
  const invoiceLines = lines.map((line, at) => ({
    ...key,
    INVOICELINENUM: at + 1,
    PONUM: line["PONUM"] ?? null,
    POLINENUM: line["POLINENUM"] ?? null,
    ITEMSETID: line["ITEMSETID"] ?? null,
    ITEMNUM: line["ITEMNUM"] ?? null,
    DESCRIPTION: line["DESCRIPTION"] ?? null,
    INVOICEQTY: sign * Number(line["ORDERQTY"]),
    INVOICEUNIT: line["ORDERUNIT"] ?? null,
    UNITCOST: line["UNITCOST"] ?? null,
    TAX1: sign * Number(line["TAX1"]),
    LINECOST: sign * Number(line["LINECOST"]),
    GLDEBITACCT: line["GLDEBITACCT"] ?? null,
  }));
  const terms = String(po["PAYMENTTERMS"]);
  const isPosted = status === "APPR" || status === "PAID";
  const invoice = {
    ...key,
    ORGID: words.ORG,
    DOCUMENTTYPE: isCredit ? "CREDIT" : "INVOICE",
    DESCRIPTION: random.chance(0.4) ? `Delivery of order ${po["PONUM"]}` : null,
    VENDOR: po["VENDOR"] ?? null,
    VENDORINVOICENUM: `RE-${random.int(2024, 2026)}-${random.int(1000, 9999)}`,
    STATUS: status,
    STATUSDATE: localTime(datedMs),
    INVOICEDATE: localDate(datedMs),
    DUEDATE: localDate(datedMs + (DUE_DAYS[terms] ?? 30) * DAY_MS),
    GLPOSTDATE: isPosted ? localDate(datedMs + DAY_MS) : null,
    PAIDDATE: status === "PAID" ? localTime(datedMs + random.int(5, 30) * DAY_MS) : null,
    CURRENCYCODE: po["CURRENCYCODE"] ?? null,
    EXCHANGERATE: po["EXCHANGERATE"] ?? null,
    PRETAXTOTAL: sign * Number(po["PRETAXTOTAL"]),
    TOTALTAX1: sign * Number(po["TOTALTAX1"]),
    TOTALCOST: sign * Number(po["TOTALCOST"]),
    PAYMENTTERMS: terms,
    PONUM: po["PONUM"] ?? null,
    CHANGEDATE: localTime(datedMs),
  };
  return { invoice, lines: invoiceLines };
}

export interface MovementFacts {
  readonly kind: string;
  /** A row of INVENTORY or INVBALANCES. */
  readonly stock: Row;
  /** Signed, in the stock unit. */
  readonly quantity: number;
  readonly atMs: number;
  readonly more?: Row;
}

export function movementRow(random: Random, { kind, stock, quantity, atMs, more }: MovementFacts): Row {
  const cost = Number(stock["STDCOST"] ?? 0);
  return {
    SITEID: stock["SITEID"] ?? "",
    TRANSTYPE: kind,
    ITEMSETID: stock["ITEMSETID"] ?? "",
    ITEMNUM: stock["ITEMNUM"] ?? "",
    STORELOC: stock["LOCATION"] ?? "",
    BINNUM: stock["BINNUM"] ?? null,
    LOTNUM: stock["LOTNUM"] ?? null,
    TOSTORELOC:
      kind === "TRANSFER" ? (words.STOREROOMS.find((name) => name !== stock["LOCATION"]) ?? null) : null,
    QUANTITY: quantity,
    UNITCOST: cost === 0 ? null : cost,
    LINECOST: cost === 0 ? null : cents(quantity * cost),
    MEMO: kind.endsWith("ADJ") ? random.pick(["Counted", "Found behind the shelf", "Damaged"]) : null,
    PONUM: null,
    MATRECTRANSID: null,
    REFWO: null,
    ASSETNUM: null,
    REVERSES: null,
    ENTERBY: random.pick(words.PEOPLE),
    TRANSDATE: localTime(atMs),
    ...more,
  };
}
