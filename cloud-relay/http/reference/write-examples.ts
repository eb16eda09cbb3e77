// What is sent in the reference's examples of writes: each is taken by a sandbox as it is.

export interface WriteExamples {
  readonly create?: Readonly<Record<string, unknown>>;
  readonly update?: Readonly<Record<string, unknown>>;
  readonly action?: { readonly operation: string; readonly body: Readonly<Record<string, unknown>> };
}

/** By the last part of a list's address. */
export const WRITE_EXAMPLES: Readonly<Record<string, WriteExamples>> = {
  "purchase-orders": {
    create: {
      vendor: { remote_id: "V-1001" },
      description: "Bearings for press 7",
      required_date: "2027-03-01",
      lines: [{ item: { remote_id: "IT-1016" }, quantity: "4", unit_price: "12.50" }],
    },
    update: { required_date: "2027-04-01", lines: [{ line_number: "1", quantity: "12" }] },
    action: { operation: "approve", body: { memo: "within budget" } },
  },
  "work-orders": {
    create: { type: "corrective", title: "Pump 7 leaks", priority: "high" },
    update: { title: "Pump 7: seal replaced" },
    action: { operation: "change_status", body: { status: "in_progress" } },
  },
  "inventory-items": {
    update: { criticality: "A" },
    action: {
      operation: "adjust",
      body: { quantity: "5", location: { remote_id: "HAM-CENTRAL" }, reason: "counted" },
    },
  },
  vendors: {
    create: { name: "Nordlager GmbH", kind: "supplier", currency: "EUR" },
    update: { payment_terms: "30 days net" },
  },
  assets: { update: { status: "down" } },
  requisitions: {
    create: {
      description: "Filters for the spring",
      lines: [{ item: { remote_id: "IT-1015" }, quantity: "10", estimated_price: "9.90" }],
    },
    action: { operation: "approve", body: {} },
  },
  "goods-receipts": {
    create: {
      purchase_order: { remote_id: "PO-10016" },
      packing_slip: "LS-4711",
      lines: [{ purchase_order_line: "1", quantity: "1" }],
    },
  },
  "maintenance-requests": {
    create: { title: "Strange noise at press 7" },
    update: { title: "Noise at press 7" },
  },
  "meter-readings": { create: { meter: { remote_id: "HAM-FURN-11-HOURS" }, value: "99999999" } },
  "pm-schedules": { update: { description: "Grease all bearings" } },
};
