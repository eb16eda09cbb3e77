// Where the sandbox's plants are: three sites in three countries, with buildings, areas, lines and storerooms.
import type { PlantBook } from "./plant-book.ts";

export interface Site {
  readonly code: string;
  readonly name: string;
  readonly company: string;
  readonly currency: string;
  readonly taxPercent: number;
  readonly timeZone: string;
  readonly country: string;
  readonly city: string;
  readonly street: string;
  readonly postalCode: string;
  readonly latitude: string;
  readonly longitude: string;
  /** Locations of the kind storeroom. */
  readonly storerooms: readonly string[];
}

export const SITES: readonly Site[] = [
  {
    code: "HAM",
    name: "Hamburg plant",
    company: "1000",
    currency: "EUR",
    taxPercent: 19,
    timeZone: "Europe/Berlin",
    country: "DE",
    city: "Hamburg",
    street: "Elbufer 12",
    postalCode: "20457",
    latitude: "53.5436",
    longitude: "9.9882",
    storerooms: ["HAM-CENTRAL", "HAM-LINE"],
  },
  {
    code: "LEE",
    name: "Leeds plant",
    company: "2000",
    currency: "GBP",
    taxPercent: 20,
    timeZone: "Europe/London",
    country: "GB",
    city: "Leeds",
    street: "41 Foundry Lane",
    postalCode: "LS9 8AB",
    latitude: "53.7900",
    longitude: "-1.5220",
    storerooms: ["LEE-CENTRAL", "LEE-LINE"],
  },
  {
    code: "TOL",
    name: "Toledo plant",
    company: "3000",
    currency: "USD",
    taxPercent: 7,
    timeZone: "America/New_York",
    country: "US",
    city: "Toledo, Ohio",
    street: "2200 Maumee Avenue",
    postalCode: "43609",
    latitude: "41.6286",
    longitude: "-83.5760",
    storerooms: ["TOL-CENTRAL", "TOL-LINE"],
  },
];

export const AREAS = ["Casting", "Machining", "Assembly", "Utilities"] as const;
const LINES_PER_AREA = 2;

export function areaCode(site: Site, area: string): string {
  return `${site.code}-${area.slice(0, 4).toUpperCase()}`;
}

export function lineCode(site: Site, area: string, line: number): string {
  return `${areaCode(site, area)}-L${line}`;
}

export function addPlaces(book: PlantBook): void {
  for (const site of SITES) addSite(book, site);
}

function addSite(book: PlantBook, site: Site): void {
  const { code, name, street, city, postalCode, country } = site;
  const address = { kind: "main", lines: [street], city, postal_code: postalCode, country };
  const geo = { latitude: site.latitude, longitude: site.longitude };
  addPlace(book, site, code, name, "site", undefined, { address, geo });
  for (const [index, building] of ["Production hall", "Warehouse", "Office"].entries()) {
    addPlace(book, site, `${code}-B${index + 1}`, building, "building", code);
  }
  for (const area of AREAS) {
    addPlace(book, site, areaCode(site, area), area, "area", `${code}-B1`);
    for (let line = 1; line <= LINES_PER_AREA; line += 1) {
      addPlace(book, site, lineCode(site, area, line), `${area} line ${line}`, "line", areaCode(site, area));
    }
  }
  for (const storeroom of site.storerooms) {
    const title = storeroom.endsWith("CENTRAL") ? "Central storeroom" : "Line-side storeroom";
    addPlace(book, site, storeroom, title, "storeroom", `${code}-B2`);
  }
  const annex = {
    status: "inactive",
    active: false,
    description: "Given up after the flood; kept for history",
  };
  addPlace(book, site, `${code}-ANNEX`, "Old annex", "building", code, annex);
}

function addPlace(
  book: PlantBook,
  site: Site,
  code: string,
  name: string,
  kind: string,
  parent: string | undefined,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const atMs = book.ago(1_200);
  book.add({
    entity: "location",
    number: code,
    createdAtMs: atMs,
    changedAtMs: atMs,
    fields: {
      code,
      name,
      kind,
      status: "active",
      parent: parent === undefined ? null : book.ref("location", parent),
      time_zone: site.timeZone,
      active: true,
      site: site.code,
      company_code: site.company,
      cost_center: `${site.company}-${kind === "storeroom" ? "7100" : "4100"}`,
      ...more,
      custom_fields: { FIRE_ZONE: kind === "area" ? `Z${code.length}` : null },
    },
  });
}
