// How tables and columns of maintenance and purchasing systems are called: what a draft of a pack guesses by. Scores, 0 to 1.
import type { Entity } from "#common/contract/model/entities.ts";

/** Names as `plainName` makes them; English and German, as they are met. */
export const TABLE_NAMES: Readonly<Partial<Record<Entity, Readonly<Record<string, number>>>>> = {
  purchase_order: {
    purchaseorder: 1,
    poheader: 1,
    purchaseheader: 0.9,
    purchorder: 0.9,
    po: 0.9,
    orderheader: 0.6,
    order: 0.5,
    bestellung: 0.9,
    bestellkopf: 1,
  },
  work_order: {
    workorder: 1,
    wo: 0.9,
    maintenanceorder: 0.9,
    repairorder: 0.8,
    serviceorder: 0.7,
    job: 0.5,
    arbeitsauftrag: 1,
    instandhaltungsauftrag: 1,
    auftrag: 0.5,
  },
  vendor: { vendor: 1, supplier: 1, creditor: 0.8, company: 0.5, lieferant: 1, kreditor: 0.8 },
  asset: { asset: 1, equipment: 0.9, machine: 0.8, maschine: 0.8, anlage: 0.8 },
  inventory_item: {
    inventoryitem: 1,
    stockitem: 0.9,
    sparepart: 0.9,
    item: 0.8,
    material: 0.8,
    article: 0.8,
    part: 0.7,
    product: 0.6,
    artikel: 0.8,
    ersatzteil: 0.9,
  },
  location: {
    location: 1,
    functionallocation: 0.9,
    site: 0.6,
    warehouse: 0.5,
    storeroom: 0.6,
    standort: 0.9,
    lagerort: 0.7,
  },
  goods_receipt: { goodsreceipt: 1, receipt: 0.8, poreceipt: 0.9, receiving: 0.7, wareneingang: 1 },
  invoice: { invoice: 1, vendorinvoice: 1, purchaseinvoice: 1, apinvoice: 0.9, bill: 0.5, rechnung: 0.9 },
  requisition: {
    requisition: 1,
    purchaserequisition: 1,
    purchaserequest: 0.9,
    pr: 0.8,
    bedarfsanforderung: 1,
    banf: 0.9,
  },
  maintenance_request: {
    maintenancerequest: 1,
    workrequest: 0.9,
    servicerequest: 0.9,
    ticket: 0.7,
    meldung: 0.7,
  },
  pm_schedule: { pmschedule: 1, preventivemaintenance: 1, maintenanceplan: 0.9, pm: 0.8, wartungsplan: 1 },
  meter: { meter: 1, counter: 0.5, zaehler: 0.8 },
  meter_reading: { meterreading: 1, reading: 0.6, measurement: 0.5, messwert: 0.6 },
  stock_level: {
    stocklevel: 1,
    stock: 0.7,
    inventorybalance: 0.9,
    invbalance: 0.9,
    bestand: 0.8,
    lagerbestand: 1,
  },
  stock_movement: {
    stockmovement: 1,
    inventorytransaction: 1,
    stocktransaction: 0.9,
    movement: 0.6,
    lagerbewegung: 1,
  },
  user: { user: 0.8, employee: 0.9, person: 0.8, labor: 0.6, mitarbeiter: 0.9 },
  attachment: { attachment: 1, doclink: 0.8, document: 0.5 },
};

/** Of a longer name: what else is in it may be a system's prefix, or another thing altogether. */
export const PART_OF_NAME = 0.7;
/** In a table's name: its rows belong to those of another one, or are no longer in use. */
export const LINE_WORDS = /^(?:line|detail|item|position|pos|zeile)$/;
export const STALE_WORDS =
  /^(?:history|hist|archive|arch|backup|bak|tmp|temp|log|old|audit|staging|import|export)$/;
/** A table that scores less is not taken. */
export const MIN_TABLE_SCORE = 0.45;

/** Further names of unified fields; their own count anyway. `*` before a word: the entity's own name may precede it. */
export const FIELD_NAMES: Readonly<Record<string, readonly string[]>> = {
  number: ["*number", "*num", "*no", "*nr", "*id", "nummer", "docnum", "documentno"],
  code: ["*code", "*number", "*num", "*no", "*nr", "*id", "key", "artnr", "itemcode"],
  tag: ["*tag", "*num", "*no", "*nr", "*id", "*code", "*number", "kks"],
  name: ["*name", "title", "bezeichnung", "displayname", "fullname"],
  description: [
    "descr",
    "desc",
    "*description",
    "*desc",
    "text",
    "longdescription",
    "beschreibung",
    "bezeichnung",
    "bemerkung",
  ],
  status: ["*status", "state", "*state", "stat"],
  type: ["*type", "typ", "kind", "art"],
  priority: ["prio", "*priority", "prioritaet"],
  vendor: [
    "vendorid",
    "vendorno",
    "vendorcode",
    "supplier",
    "supplierid",
    "suppliercode",
    "supplierno",
    "lieferant",
  ],
  asset: [
    "assetid",
    "assetnum",
    "assetno",
    "assetcode",
    "equipment",
    "equipmentid",
    "machine",
    "machineid",
    "anlage",
  ],
  location: ["locationid", "locationcode", "loc", "standort"],
  work_order: ["workorderid", "workorderno", "wonum", "refwo"],
  purchase_order: ["purchaseorderid", "ponum", "pono", "poid"],
  item: ["itemid", "itemnum", "itemno", "itemcode", "partid", "material", "materialno", "article", "artikel"],
  order_date: ["orderedat", "dateordered", "orderdate", "podate", "docdate", "bestelldatum"],
  required_date: ["needby", "needbydate", "reqdate", "duedate", "requireddeliverydate", "liefertermin"],
  invoice_date: ["docdate", "invdate", "rechnungsdatum"],
  due_date: ["paymentduedate", "faelligam"],
  received_at: ["receiptdate", "receiveddate", "datereceived", "postingdate"],
  reported_at: ["reportdate", "reportedon", "createdon"],
  target_start: ["plannedstart", "startdate", "targstartdate"],
  target_finish: ["plannedfinish", "enddate", "targcompdate", "finishdate"],
  actual_start: ["actstart", "startedat"],
  actual_finish: ["actfinish", "finishedat", "completedat"],
  currency: ["currencycode", "curr", "waehrung"],
  total: ["totalcost", "totalamount", "amount", "grandtotal", "summe", "gesamtbetrag"],
  subtotal: ["netamount", "nettobetrag", "pretaxtotal"],
  tax_total: ["tax", "taxamount", "totaltax", "mwst"],
  line_number: ["line", "lineno", "linenum", "linenr", "pos", "position", "seq", "zeile"],
  quantity: ["qty", "orderqty", "orderedqty", "menge", "quantityordered"],
  unit_price: ["price", "unitcost", "cost", "preis", "einzelpreis"],
  line_total: ["linecost", "linetotal", "amount", "lineamount", "betrag"],
  uom: ["unit", "unitofmeasure", "orderunit", "issueunit", "einheit", "me"],
  on_hand: ["onhand", "qtyonhand", "stock", "balance", "curbal", "bestand"],
  item_code: ["itemcode", "itemnum", "itemno", "artikelnummer"],
  email: ["emailaddress", "mail"],
  phone: ["phonenumber", "telephone", "tel", "telefon"],
  tax_id: ["taxnumber", "vatnumber", "ustid"],
  serial: ["serialnumber", "serialno", "serialnum", "seriennummer"],
  manufacturer: ["maker", "mfr", "hersteller"],
  model: ["modelno", "modelnum", "typenbezeichnung"],
};

/** Columns that every write of a row moves. */
export const COUNTERS = /^(?:rowstamp|rowversion|rowver|changecounter|changeno|timestampcounter)$/;
export const CHANGED =
  /^(?:changed?(?:at|on|date|time)?|updated(?:at|on|date)?|modified(?:at|on|date)?|lastmodified(?:at|date)?|lastchanged?(?:at|date)?|lastupdated?(?:at|date)?|updatedate|changedate|geaendertam|moddate)$/;
export const CREATED = /^(?:created(?:at|on|date)?|createdate|enterdate|entrydate|angelegtam|insertedat)$/;

/** Lower case, one word: `tbl_Purchase-Orders` → `purchaseorder`. */
export function plainName(name: string): string {
  return wordsOf(name).join("");
}

/** The words of a name, each in the singular, without prefixes that only say that it is a table. */
export function wordsOf(name: string): readonly string[] {
  const words = name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== "");
  const own = words.length > 1 && /^(?:tbl|tb|t|vw|v|dbo)$/.test(words[0] ?? "") ? words.slice(1) : words;
  return own.map(singular);
}

function singular(word: string): string {
  if (word.length > 4 && word.endsWith("ies")) return `${word.slice(0, -3)}y`;
  if (/(?:sses|xes|ches)$/.test(word)) return word.slice(0, -2);
  return word.length > 3 && word.endsWith("s") && !/(?:ss|us|is)$/.test(word) ? word.slice(0, -1) : word;
}
