// The imagined product behind a sandbox: its tables, its own status codes, and its rows beside the unified records.
import { ENTITIES, type Entity } from "#common/contract/model/entities.ts";
import { instant, keyOf, type Fields, type SampleRecord } from "./plant-book.ts";

export const SYSTEM = "Sandbox CMMS 4.2";
export const MAPPING_VERSION = "5a4db0c04d310001";

interface Table {
  readonly name: string;
  readonly key: string;
}

const TABLES: Readonly<Record<Entity, Table>> = {
  purchase_order: { name: "SB_PO", key: "PO_NO" },
  work_order: { name: "SB_WORKORDER", key: "WO_NO" },
  inventory_item: { name: "SB_ITEM", key: "ITEM_NO" },
  vendor: { name: "SB_VENDOR", key: "VENDOR_NO" },
  asset: { name: "SB_ASSET", key: "ASSET_TAG" },
  telemetry_point: { name: "SB_TAG", key: "NODE_ID" },
  requisition: { name: "SB_REQ", key: "REQ_NO" },
  goods_receipt: { name: "SB_RECEIPT", key: "RECEIPT_NO" },
  invoice: { name: "SB_INVOICE", key: "INVOICE_NO" },
  maintenance_request: { name: "SB_TICKET", key: "TICKET_NO" },
  pm_schedule: { name: "SB_PM", key: "PM_NO" },
  location: { name: "SB_LOCATION", key: "LOC_CODE" },
  meter: { name: "SB_METER", key: "METER_CODE" },
  meter_reading: { name: "SB_READING", key: "READING_NO" },
  stock_level: { name: "SB_STOCK", key: "STOCK_KEY" },
  stock_movement: { name: "SB_STOCKTRANS", key: "TRANS_NO" },
  user: { name: "SB_PERSON", key: "PERSON_CODE" },
  attachment: { name: "SB_DOCLINK", key: "DOC_NO" },
};
const STATUS_CODES: Readonly<Record<string, string>> = {
  draft: "10-DRAFT",
  requested: "10-REQ",
  new: "10-NEW",
  pending_approval: "20-WAPPR",
  waiting_approval: "20-WAPPR",
  pending: "20-PEND",
  approved: "30-APPR",
  scheduled: "35-SCHED",
  sent: "40-SENT",
  waiting_material: "40-WMATL",
  in_progress: "50-INPRG",
  on_hold: "55-HOLD",
  partially_received: "60-PARTREC",
  received: "65-REC",
  invoiced: "70-INV",
  completed: "80-COMP",
  resolved: "80-RESOLVED",
  closed: "90-CLOSE",
  cancelled: "95-CAN",
  rejected: "96-REJ",
  active: "A",
  inactive: "I",
};

export function tableOf(entity: Entity): Table {
  return TABLES[entity];
}

/** The product's own code for a status of the model. */
export function nativeStatus(status: unknown): string | null {
  return typeof status === "string" ? (STATUS_CODES[status] ?? status.toUpperCase()) : null;
}

/** A column's name for a field of the model. */
export function columnOf(entity: Entity, field: string): string {
  return isNumberField(entity, field) ? TABLES[entity].key : field.toUpperCase();
}

function isNumberField(entity: Entity, field: string): boolean {
  return numberField(entity) === field;
}

/** The field that people know a record by, if the model has one. */
export function numberField(entity: Entity): string | undefined {
  const filters: Readonly<Record<string, string>> = ENTITIES[entity].filters;
  return filters["number"];
}

export interface SourceRecord {
  readonly entity: Entity;
  readonly key: string;
  readonly record: Fields;
  readonly raw: Fields;
  readonly version: string;
}

/** As the product's pack gives it to the relay. */
export function sourceRecord({
  entity,
  number,
  fields,
  createdAtMs,
  changedAtMs,
}: SampleRecord): SourceRecord {
  const table = TABLES[entity];
  const { status } = fields;
  const record = {
    remote_id: number,
    remote_key: { [table.key]: number },
    remote_created_at: instant(createdAtMs),
    remote_updated_at: instant(changedAtMs),
    source: { system: SYSTEM, table: table.name },
    ...fields,
    ...(status === undefined ? {} : { native_status: nativeStatus(status) }),
  };
  return sourceRow(entity, number, record, changedAtMs);
}

/** A record that has all its members already, as it is from an instant on. */
function sourceRow(entity: Entity, number: string, record: Fields, atMs: number): SourceRecord {
  return {
    entity,
    key: keyOf(number),
    record,
    raw: rawRow(entity, number, record),
    version: versionAt(atMs),
  };
}

/** A record as it is after a change at an instant. */
export function changedRow(entity: Entity, before: Fields, changes: Fields, atMs: number): SourceRecord {
  const { status } = changes;
  const record = {
    ...before,
    ...changes,
    ...(status === undefined ? {} : { native_status: nativeStatus(status) }),
    remote_updated_at: instant(atMs),
  };
  return sourceRow(entity, String(before["remote_id"]), record, atMs);
}

/** A version of the product's rows: the instant of their last change, ms, as fixed text. */
export function versionAt(atMs: number): string {
  return Math.round(atMs).toString(16).toUpperCase().padStart(12, "0");
}

/** Plain columns only: references by their key, statuses by the product's codes; lists stand in tables of their own. */
function rawRow(entity: Entity, number: string, record: Fields): Fields {
  const row: Record<string, unknown> = { [TABLES[entity].key]: number };
  for (const [field, value] of Object.entries(record)) {
    if (field === "remote_key" || field === "source" || field === "remote_id" || field === "native_status")
      continue;
    if (field === "custom_fields") Object.assign(row, value);
    else if (Array.isArray(value)) continue;
    else if (field === "status") row["STATUS"] = nativeStatus(value);
    else if (isReference(value)) row[columnOf(entity, field)] = value.remote_id;
    else if (typeof value !== "object" || value === null) row[columnOf(entity, field)] = value;
  }
  return row;
}

function isReference(value: unknown): value is { readonly remote_id: string } {
  return typeof value === "object" && value !== null && "remote_id" in value;
}
