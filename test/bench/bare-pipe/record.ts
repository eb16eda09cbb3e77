// The bare pipe's mapping, as one would write it by hand: a source row to the same record text that the product sends.

export type Row = Readonly<Record<string, string | number | null>>;

const STATUS: Readonly<Record<string, string>> = {
  WAPPR: "pending_approval",
  APPR: "approved",
  INPRG: "sent",
  CLOSE: "closed",
};

/** One change: a line of JSON. */
export function changeText(row: Row): string {
  const { PONUM } = row;
  return JSON.stringify({
    id: `1/purchase_order/${PONUM}`,
    key: [PONUM],
    record: {
      remote_id: PONUM,
      remote_key: { PONUM },
      remote_updated_at: `${row["CHANGEDATE"]}Z`,
      source: { system: "Bench ERP", table: "PO" },
      number: PONUM,
      description: row["DESCRIPTION"],
      status: STATUS[String(row["STATUS"])] ?? "unknown",
      native_status: row["STATUS"],
      buyer: row["PURCHASEAGENT"],
      order_date: String(row["ORDERDATE"]).slice(0, 10),
      required_date: row["REQUIREDDATE"],
      currency: row["CURRENCYCODE"],
      total: String(row["TOTALCOST"]),
      payment_terms: row["PAYMENTTERMS"],
      ship_to: row["SHIPTO"],
      custom_fields: { ACME_PROJECT: row["ACME_PROJECT"] },
    },
    raw: row,
  });
}
