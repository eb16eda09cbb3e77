// The words of the demo plant: sites, trades, parts and codes, so that its records read like a real plant's.

export const ORG = "EURO";
export const ITEM_SET = "SET1";
/** The plant's wall clock. */
export const PLANT_ZONE = "Europe/Berlin";

export const SITES = [
  {
    id: "ULM",
    town: "Ulm",
    country: "DE",
    currency: "EUR",
    lines: ["L1", "L2", "L3"],
    street: "Hafenweg 12",
    zone: "Europe/Berlin",
    latitude: "48.4011",
    longitude: "9.9876",
  },
  {
    id: "GRAZ",
    town: "Graz",
    country: "AT",
    currency: "EUR",
    lines: ["L1", "L2"],
    street: "Industriestrasse 48",
    zone: "Europe/Vienna",
    latitude: "47.0707",
    longitude: "15.4395",
  },
  {
    id: "BRNO",
    town: "Brno",
    country: "CZ",
    currency: "CZK",
    lines: ["L1", "L2", "L3", "L4"],
    street: "Tovarni 7",
    zone: "Europe/Prague",
    latitude: "49.1951",
    longitude: "16.6068",
  },
] as const;

export const STOREROOMS = ["CENTRAL", "TOOLCRIB"] as const;

export const CURRENCIES = { EUR: 8, USD: 2, CHF: 1, CZK: 2, GBP: 1 } as const;
export const EXCHANGE_RATES: Readonly<Record<string, number>> = {
  EUR: 1,
  USD: 0.9215,
  CHF: 1.0342,
  CZK: 0.0398,
  GBP: 1.1731,
};

export const PO_STATUSES = { PNDREV: 3, WAPPR: 12, APPR: 25, INPRG: 25, HOLD: 3, CAN: 5, CLOSE: 27 } as const;
/** Where a purchase order can go from where it is. */
export const PO_TRANSITIONS: Readonly<Record<string, readonly string[]>> = {
  PNDREV: ["WAPPR"],
  WAPPR: ["APPR", "APPR", "APPR", "CAN", "HOLD"],
  HOLD: ["WAPPR", "CAN"],
  APPR: ["INPRG", "INPRG", "INPRG", "CAN"],
  INPRG: ["CLOSE"],
};

export const WO_STATUSES = {
  WAPPR: 12,
  APPR: 14,
  WSCH: 8,
  WMATL: 6,
  WPCOND: 3,
  INPRG: 18,
  FIELDWORK: 4,
  COMP: 14,
  CLOSE: 16,
  CAN: 4,
  DEFERRED: 1,
} as const;
export const WO_TRANSITIONS: Readonly<Record<string, readonly string[]>> = {
  WAPPR: ["APPR", "APPR", "APPR", "CAN", "DEFERRED"],
  DEFERRED: ["WAPPR"],
  APPR: ["WSCH", "WMATL", "INPRG"],
  WSCH: ["INPRG", "FIELDWORK"],
  WMATL: ["INPRG", "WSCH"],
  WPCOND: ["INPRG"],
  INPRG: ["COMP", "COMP", "WMATL", "WPCOND"],
  FIELDWORK: ["COMP"],
  COMP: ["CLOSE"],
};

/** The status words of this plant and what the product means by them; DEFERRED is one that the pack does not know. */
export const SYNONYMS: readonly (readonly [domain: string, maxValue: string, value: string, text: string])[] =
  [
    ["WOSTATUS", "WAPPR", "WAPPR", "Waiting on approval"],
    ["WOSTATUS", "APPR", "APPR", "Approved"],
    ["WOSTATUS", "WSCH", "WSCH", "Waiting to be scheduled"],
    ["WOSTATUS", "WMATL", "WMATL", "Waiting on material"],
    ["WOSTATUS", "WPCOND", "WPCOND", "Waiting on plant conditions"],
    ["WOSTATUS", "INPRG", "INPRG", "In progress"],
    ["WOSTATUS", "INPRG", "FIELDWORK", "Technician on the line"],
    ["WOSTATUS", "COMP", "COMP", "Completed"],
    ["WOSTATUS", "CLOSE", "CLOSE", "Closed"],
    ["WOSTATUS", "CAN", "CAN", "Cancelled"],
    ["WOSTATUS", "DEFERRED", "DEFERRED", "Put off to the next shutdown"],
  ];

export const WORK_TYPES = { CM: 40, PM: 35, EM: 6, CAL: 6, INS: 8, PRJ: 5 } as const;
export const UNITS = ["EA", "M", "L", "KG", "BOX", "SET"] as const;
export const CRAFTS = ["MECH", "ELEC", "INST", "LUBE", "WELD"] as const;
export const PEOPLE = [
  "ADLER",
  "BAUER",
  "CERNY",
  "DVORAK",
  "EGGER",
  "FISCHER",
  "GRUBER",
  "HORAK",
  "ILIC",
  "JANSEN",
] as const;
export const MAKERS = [
  "Brandt",
  "Helvar",
  "Kessler",
  "Nordin",
  "Ostrava Pumps",
  "Polytec",
  "Rotex",
  "Sigma Drives",
] as const;
export const PAYMENT_TERMS = ["NET14", "NET30", "NET45", "NET60", "2-10NET30"] as const;

export const PART_KINDS = [
  { name: "Deep groove ball bearing", group: "BEARING", unit: "EA", min: 4, max: 180 },
  { name: "V-belt", group: "DRIVE", unit: "EA", min: 6, max: 60 },
  { name: "Mechanical seal", group: "SEAL", unit: "EA", min: 40, max: 900 },
  { name: "Hydraulic hose", group: "HYDR", unit: "M", min: 8, max: 45 },
  { name: "Gear oil ISO VG 220", group: "LUBE", unit: "L", min: 4, max: 18 },
  { name: "Inductive proximity switch", group: "SENSOR", unit: "EA", min: 25, max: 160 },
  { name: "Contactor 24 V", group: "ELEC", unit: "EA", min: 18, max: 220 },
  { name: "Frequency converter", group: "DRIVE", unit: "EA", min: 300, max: 4200 },
  { name: "Filter cartridge", group: "FILTER", unit: "EA", min: 9, max: 140 },
  { name: "Hex bolt, box of 100", group: "FASTEN", unit: "BOX", min: 5, max: 38 },
  { name: "Pressure transmitter", group: "SENSOR", unit: "EA", min: 180, max: 950 },
  { name: "Pneumatic cylinder", group: "PNEU", unit: "EA", min: 45, max: 520 },
] as const;

export const MACHINES = [
  { name: "Centrifugal pump", parts: ["Pump motor", "Coupling", "Seal unit"] },
  { name: "Conveyor", parts: ["Drive station", "Tensioner", "Scanner"] },
  { name: "Filling machine", parts: ["Valve block", "Servo axis", "Capping head", "HMI panel"] },
  { name: "Palletising robot", parts: ["Controller", "Gripper", "Axis 1 drive"] },
  { name: "Compressor", parts: ["Air end", "Cooler", "Dryer"] },
  { name: "Boiler", parts: ["Burner", "Feed pump", "Economiser"] },
] as const;

export const TROUBLES = [
  ["Leaking seal", "LEAK"],
  ["Unusual vibration", "VIBR"],
  ["Does not start", "NOSTART"],
  ["Overheating", "HEAT"],
  ["Sensor gives no signal", "SIGNAL"],
  ["Belt worn", "WEAR"],
] as const;
export const ROUTINES = [
  "Monthly inspection",
  "Lubrication round",
  "Yearly overhaul",
  "Calibration",
  "Filter change",
] as const;
export const TASK_TEXTS = [
  "Lock out and tag out",
  "Dismantle",
  "Replace worn parts",
  "Check alignment",
  "Test run",
  "Clean up and sign off",
] as const;
export const COMPANY_WORDS = [
  "Alpine",
  "Baltic",
  "Central",
  "Donau",
  "Elbe",
  "Global",
  "Hansa",
  "Inter",
  "Moravia",
  "Nord",
  "Rhein",
  "Tatra",
] as const;
export const COMPANY_TRADES = [
  "Bearings",
  "Drives",
  "Electric",
  "Fluid Technik",
  "Hydraulik",
  "Industrial Supply",
  "Lubricants",
  "Services",
  "Tools",
  "Valves",
] as const;
export const LEGAL_FORMS = ["GmbH", "AG", "s.r.o.", "Ltd", "KG"] as const;

export const PERSON_NAMES: Readonly<Record<(typeof PEOPLE)[number], string>> = {
  ADLER: "Anna Adler",
  BAUER: "Bernd Bauer",
  CERNY: "Petr Černý",
  DVORAK: "Jana Dvořáková",
  EGGER: "Eva Egger",
  FISCHER: "Franz Fischer",
  GRUBER: "Greta Gruber",
  HORAK: "Honza Horák",
  ILIC: "Ivana Ilić",
  JANSEN: "Jan Jansen",
};

export const PR_STATUSES = { DRAFT: 1, WAPPR: 4, APPR: 5, CLOSE: 6, CAN: 1 } as const;
export const PR_TRANSITIONS: Readonly<Record<string, readonly string[]>> = {
  DRAFT: ["WAPPR"],
  WAPPR: ["APPR", "APPR", "CAN"],
  APPR: ["CLOSE"],
};

export const INVOICE_STATUSES = { ENTERED: 2, WAPPR: 3, APPR: 4, PAID: 8, CANCEL: 1 } as const;
export const INVOICE_TRANSITIONS: Readonly<Record<string, readonly string[]>> = {
  ENTERED: ["WAPPR"],
  WAPPR: ["APPR", "APPR", "APPR", "CANCEL"],
  APPR: ["PAID"],
};

export const TICKET_STATUSES = {
  NEW: 4,
  QUEUED: 3,
  INPROG: 4,
  PENDING: 1,
  RESOLVED: 3,
  CLOSED: 6,
  REJECTED: 1,
} as const;
export const TICKET_TRANSITIONS: Readonly<Record<string, readonly string[]>> = {
  NEW: ["QUEUED", "QUEUED", "REJECTED"],
  QUEUED: ["INPROG"],
  INPROG: ["RESOLVED", "PENDING"],
  PENDING: ["INPROG"],
  RESOLVED: ["CLOSED"],
};

/** What stock does, and how often. */
export const MOVEMENTS = {
  RECEIPT: 5,
  ISSUE: 8,
  RETURN: 1,
  TRANSFER: 2,
  CURBALADJ: 1,
  PCOUNTADJ: 1,
} as const;
export const DOCUMENTS = [
  { name: "photo", type: "Photos", mime: "image/jpeg", suffix: "jpg" },
  { name: "drawing", type: "Drawings", mime: "application/pdf", suffix: "pdf" },
  { name: "manual", type: "Manuals", mime: "application/pdf", suffix: "pdf" },
  { name: "certificate", type: "Certificates", mime: "application/pdf", suffix: "pdf" },
] as const;
