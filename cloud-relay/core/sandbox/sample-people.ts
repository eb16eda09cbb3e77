// Who works at the sandbox's plants; nobody of them exists.
import { SITES, type Site } from "./sample-places.ts";
import type { PlantBook } from "./plant-book.ts";

export interface People {
  /** Codes of users, by site and role. */
  technicians(site: Site): readonly string[];
  buyer(site: Site): string;
  planner(site: Site): string;
  supervisor(site: Site): string;
  storekeeper(site: Site): string;
  /** What an hour costs, hundredths. */
  rate(site: Site): number;
}

const FIRST = [
  "Mara",
  "Jonas",
  "Priya",
  "Oskar",
  "Lena",
  "Tom",
  "Aisha",
  "Viktor",
  "Nora",
  "Miles",
  "Ines",
  "Karl",
];
const LAST = [
  "Brandt",
  "Okafor",
  "Whitfield",
  "Novak",
  "Lindqvist",
  "Reyes",
  "Sandhu",
  "Mercer",
  "Albers",
  "Quinn",
];
const CRAFTS = ["mechanic", "electrician", "instrumentation", "welder"];
const TECHNICIANS = 9;
const RATES: Readonly<Record<string, number>> = { EUR: 6_400, GBP: 5_600, USD: 7_200 };

export function addPeople(book: PlantBook): People {
  for (const site of SITES) addSitePeople(book, site);
  const of = (site: Site, role: string): string => `${site.code}-${role}`;
  return {
    technicians: (site) => Array.from({ length: TECHNICIANS }, (_, at) => of(site, `T${at + 1}`)),
    buyer: (site) => of(site, "BUY"),
    planner: (site) => of(site, "PLAN"),
    supervisor: (site) => of(site, "SUP"),
    storekeeper: (site) => of(site, "STO"),
    rate: ({ currency }) => RATES[currency] ?? 6_000,
  };
}

function addSitePeople(book: PlantBook, site: Site): void {
  const dice = book.dice(`people/${site.code}`);
  const supervisor = `${site.code}-SUP`;
  const add = (code: string, role: string, craft: string | null, status = "active"): void => {
    const name = `${dice.pick(FIRST)} ${dice.pick(LAST)}`;
    const atMs = book.ago(dice.int(200, 1_100));
    book.add({
      entity: "user",
      number: code,
      createdAtMs: atMs,
      changedAtMs: atMs,
      fields: {
        code,
        name,
        email: `${name.toLowerCase().replace(" ", ".")}.${code.toLowerCase()}@sandbox.example`,
        phone: null,
        status,
        role,
        craft,
        rate: craft === null ? null : `${(RATES[site.currency] ?? 6_000) / 100}.00`,
        currency: site.currency,
        supervisor: code === supervisor ? null : book.ref("user", supervisor),
        active: status === "active",
        site: site.code,
        department: role === "technician" ? "maintenance" : role,
        crew: craft === null ? null : `${site.code}-${craft.slice(0, 4).toUpperCase()}`,
        custom_fields: { BADGE: String(dice.int(10_000, 99_999)) },
      },
    });
  };
  add(supervisor, "supervisor", null);
  add(`${site.code}-PLAN`, "planner", null);
  add(`${site.code}-BUY`, "buyer", null);
  add(`${site.code}-STO`, "storekeeper", null);
  for (let at = 0; at < TECHNICIANS; at += 1) {
    add(`${site.code}-T${at + 1}`, "technician", CRAFTS[at % CRAFTS.length] ?? null);
  }
  add(`${site.code}-OLD`, "technician", "mechanic", "inactive");
  add(`${site.code}-LOCK`, "buyer", null, "blocked");
}
