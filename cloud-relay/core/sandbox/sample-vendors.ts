// Vendors of the sandbox: every status, several currencies, contacts and addresses.
import { ARCHIVED_VENDOR, BLOCKED_VENDOR, DELETED_VENDOR, INACTIVE_VENDOR } from "./known-keys.ts";
import type { PlantBook } from "./plant-book.ts";

export interface SampleVendor {
  readonly code: string;
  readonly name: string;
  readonly currency: string;
  readonly status: string;
}

const NAMES = [
  "Nordlager",
  "Hydroflex",
  "Ironbridge",
  "Keystone",
  "Baltic",
  "Penmark",
  "Altona",
  "Rivet & Rowe",
];
const TRADES = [
  "Bearings",
  "Hydraulics",
  "Drives",
  "Fasteners",
  "Sensors",
  "Industrial Services",
  "Tooling",
  "Safety",
];
const COUNTRIES: Readonly<Record<string, readonly [country: string, city: string, suffix: string]>> = {
  EUR: ["DE", "Bremen", "GmbH"],
  GBP: ["GB", "Sheffield", "Ltd"],
  USD: ["US", "Cleveland, Ohio", "Inc."],
};
const CURRENCIES = ["EUR", "GBP", "USD"];
const STATUSES = ["blocked_payment", "pending", "inactive", "blocked_purchasing"];
const VENDORS = 58;
const FIRST_NUMBER = 1_001;

/** The same for everybody who asks: each names its vendors by them. */
export function sampleVendors(): readonly SampleVendor[] {
  const usual = Array.from({ length: VENDORS }, (_, at) => {
    const currency = CURRENCIES[at % 3] ?? "EUR";
    const [, , suffix] = COUNTRIES[currency] ?? ["", "", ""];
    const name = `${NAMES[at % NAMES.length] ?? ""} ${TRADES[Math.floor(at / NAMES.length)] ?? ""} ${suffix}`;
    const status = at % 12 === 11 ? (STATUSES[Math.floor(at / 12) % STATUSES.length] ?? "active") : "active";
    return { code: `V-${FIRST_NUMBER + at}`, name, currency, status };
  });
  const known = [
    { code: BLOCKED_VENDOR, name: "Blocked Vendor GmbH", currency: "EUR", status: "blocked_purchasing" },
    { code: INACTIVE_VENDOR, name: "Former Vendor Ltd", currency: "GBP", status: "inactive" },
    { code: DELETED_VENDOR, name: "Double Entry GmbH", currency: "EUR", status: "active" },
    { code: ARCHIVED_VENDOR, name: "Merged Vendor Ltd", currency: "GBP", status: "inactive" },
  ];
  return [...usual, ...known];
}

export function addVendors(book: PlantBook): void {
  for (const vendor of sampleVendors()) addVendor(book, vendor);
}

function addVendor(book: PlantBook, { code, name, currency, status }: SampleVendor): void {
  const dice = book.dice(`vendor/${code}`);
  const [country, city] = COUNTRIES[currency] ?? ["DE", "Bremen"];
  const createdAtMs = book.ago(dice.int(300, 1_500));
  const domain = `${name
    .toLowerCase()
    .replaceAll(/[^a-z]+/g, "-")
    .replaceAll(/^-|-$/g, "")}.example`;
  const kind = name.includes("Services") ? "service" : dice.chance(0.2) ? "manufacturer" : "supplier";
  book.add({
    entity: "vendor",
    number: code,
    createdAtMs,
    changedAtMs: createdAtMs + dice.int(0, 200) * 86_400_000,
    fields: {
      code,
      name,
      legal_name: name,
      kind,
      status,
      tax_id: `${country}${dice.int(100_000_000, 999_999_999)}`,
      currency,
      payment_terms: dice.pick(["30 days net", "14 days 2 %, 30 days net", "60 days net"]),
      payment_method: dice.pick(["transfer", "direct debit"]),
      email: `orders@${domain}`,
      phone: null,
      website: `https://${domain}`,
      contacts: [{ name: `Contact ${code}`, role: "sales", email: `sales@${domain}`, phone: null }],
      addresses: [
        {
          kind: "main",
          lines: [`Industrial estate ${dice.int(1, 90)}`],
          city,
          postal_code: String(dice.int(10_000, 99_999)),
          country,
        },
      ],
      parent: null,
      on_time_pct: String(dice.int(70, 100)),
      group: dice.pick(["A", "B", "C"]),
      custom_fields: { ISO_9001: dice.chance(0.8), RATING: dice.int(1, 5) },
    },
  });
}
