// One example record per entity for the OpenAPI document, as an integrator would see it.
import type { Entity } from "#common/contract/model/entities.ts";

const CONNECTION = "0198c2a4-6f00-7a3e-9d51-2f6b1c9e0a11";

function envelope(id: string, remoteId: string, table: string): Record<string, unknown> {
  return {
    id,
    connection_id: CONNECTION,
    revision: 1772439300123000,
    created_at: "2026-03-02T08:15:00.123Z",
    updated_at: "2026-03-02T08:15:00.123Z",
    deleted_at: null,
    presence: "present",
    delete_reason: null,
    incarnation: 1,
    origin: "change",
    remote_version: "000000000000A2F1",
    content_hash: "kQ3mUu1yq0a7sQmXl0b3Zg",
    mapping_version: "5f1d0c6a9be2d4c7",
    remote_id: remoteId,
    remote_key: { ID: remoteId },
    source: { system: "maximo", table },
  };
}

const VENDOR = { id: "0f7f9dd1-4d5c-5b0e-9a55-2a3a6e5d9b01", remote_id: "V-100", display: "Nordlager GmbH" };
const ASSET = { id: "8d2c3f60-1b9a-5a77-8c1e-6f0e3c5b7d02", remote_id: "PRESS-07", display: "Press 7" };
const ITEM = { id: "3b7e1a90-52c4-5e1f-b0d6-9c8a7f4e2d03", remote_id: "BRG-6204", display: "BRG-6204" };

export const RECORD_EXAMPLES: Readonly<Record<Entity, Record<string, unknown>>> = {
  purchase_order: {
    ...envelope("c1a5e7d2-8f3b-5c64-a2e9-0d7b4f6a8e10", "4711", "PO"),
    number: "PO-4711",
    status: "approved",
    native_status: "APPR",
    vendor: VENDOR,
    order_date: "2026-02-27",
    required_date: "2026-03-13",
    currency: "EUR",
    total: "1250.00",
    lines: [
      {
        line_number: "1",
        type: "item",
        item: ITEM,
        quantity: "10",
        uom: "EA",
        unit_price: "125.00",
        line_total: "1250.00",
      },
    ],
    custom_fields: { PROJECT_CODE: "LINE-3" },
  },
  work_order: {
    ...envelope("d4b8c0e6-7a21-5f93-8d40-1e6c5a9b3f11", "88012", "WORKORDER"),
    number: "WO-88012",
    title: "Replace main bearing",
    type: "corrective",
    status: "in_progress",
    native_status: "INPRG",
    priority: "high",
    asset: ASSET,
    reported_at: "2026-03-01T17:40:00Z",
    tasks: [{ sequence: "10", description: "Lock out and open the housing", status: "completed" }],
    parts: [{ item: ITEM, planned_qty: "2", issued_qty: "2", uom: "EA", kind: "actual" }],
    custom_fields: {},
  },
  inventory_item: {
    ...envelope(ITEM.id, ITEM.remote_id, "ITEM"),
    code: "BRG-6204",
    name: "Deep groove ball bearing 6204",
    type: "spare",
    status: "active",
    stock_uom: "EA",
    standard_cost: "11.80",
    currency: "EUR",
    preferred_vendor: VENDOR,
    quantity_on_hand: "42",
    stock_levels: [{ bin: "A-03-2", on_hand: "42", reserved: "2", available: "40", min: "10", max: "60" }],
    custom_fields: {},
  },
  vendor: {
    ...envelope(VENDOR.id, VENDOR.remote_id, "COMPANIES"),
    code: "V-100",
    name: "Nordlager GmbH",
    kind: "supplier",
    status: "active",
    currency: "EUR",
    payment_terms: "30 days net",
    custom_fields: {},
  },
  asset: {
    ...envelope(ASSET.id, ASSET.remote_id, "ASSET"),
    tag: "PRESS-07",
    name: "Press 7",
    kind: "equipment",
    status: "operating",
    manufacturer: "Schuler",
    serial: "SN-2011-0457",
    criticality: "A",
    path: "Plant 1 / Line 3 / Press 7",
    custom_fields: {},
  },
  telemetry_point: {
    ...envelope("e5c9d1f7-6b32-5a04-9e51-2f7d6b0c4a12", "urn:plant:press;s=Press7.Temperature", "nodes"),
    last_value: {
      value: 71.25,
      quality: "good",
      status_code: 0,
      source_timestamp: "2026-03-02T08:14:59.480Z",
      server_timestamp: "2026-03-02T08:14:59.482Z",
      backfilled: false,
    },
    name: "Press7.Temperature",
    namespace_uri: "urn:plant:press",
    node_id: "nsu=urn:plant:press;s=Press7.Temperature",
    asset: ASSET,
    data_type: "Double",
    uom: "°C",
    sampling_ms: 1000,
    custom_fields: {},
  },
};
