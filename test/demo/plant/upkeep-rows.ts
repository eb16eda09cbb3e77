// Makes people, maintenance requests, schedules, meter readings and document links of the demo plant.
import { localTime, type PlantWorld, type Row } from "./plant-rows.ts";
import type { Random } from "./random.ts";
import * as words from "./vocabulary.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Everybody whom other rows name; the first of each site leads the others. */
export function personRows(random: Random): readonly Row[] {
  return words.PEOPLE.map((person, at) => {
    const site = words.SITES[at % words.SITES.length] ?? words.SITES[0];
    const isLead = at < words.SITES.length;
    return {
      PERSONID: person,
      DISPLAYNAME: words.PERSON_NAMES[person],
      EMAIL: `${person.toLowerCase()}@plant.example`,
      PHONE: random.chance(0.8) ? `+49 731 ${random.int(100, 999)}` : null,
      TITLE: isLead ? "Maintenance lead" : random.pick(["Technician", "Planner", "Buyer", "Storekeeper"]),
      CRAFT: isLead ? null : random.pick(words.CRAFTS),
      PAYRATE: random.pick([48, 56.5, 61.25]),
      CURRENCYCODE: site.currency,
      SUPERVISOR: isLead ? null : (words.PEOPLE[at % words.SITES.length] ?? null),
      SITEID: site.id,
      DEPARTMENT: random.pick(["Maintenance", "Purchasing", "Stores"]),
      CREWID: random.chance(0.5) ? `CREW${random.int(1, 4)}` : null,
      STATUS: at === words.PEOPLE.length - 1 ? "INACTIVE" : "ACTIVE",
    };
  });
}

/** What the shift reports. */
export function ticketRow(world: PlantWorld, number: number, status: string): Row {
  const { random, nowMs } = world;
  const site = random.pick(words.SITES);
  const [trouble, problem] = random.pick(words.TROUBLES);
  const isOver = ["RESOLVED", "CLOSED", "REJECTED"].includes(status);
  const reportedMs =
    nowMs - (isOver ? random.int(5, 500) : random.int(0, 20)) * DAY_MS - random.int(0, DAY_MS);
  const finishedMs = Math.min(nowMs, reportedMs + random.int(1, 90) * HOUR_MS);
  const isSolved = status === "RESOLVED" || status === "CLOSED";
  return {
    CLASS: "SR",
    TICKETID: `SR${number}`,
    SITEID: site.id,
    DESCRIPTION: trouble,
    LONGDESCRIPTION: random.chance(0.5)
      ? `${trouble} since the start of the shift.\nMachine still runs.`
      : null,
    STATUS: status,
    STATUSDATE: localTime(isOver ? finishedMs : reportedMs),
    REPORTEDBY: random.pick(words.PEOPLE),
    REPORTDATE: localTime(reportedMs),
    REPORTEDPRIORITY: random.chance(0.9) ? random.int(1, 4) : null,
    ASSETNUM: world.asset(site.id),
    LOCATION: `${site.id}-${random.pick(site.lines)}`,
    TARGETSTART: localTime(reportedMs + DAY_MS),
    TARGETFINISH: localTime(reportedMs + 3 * DAY_MS),
    ACTUALFINISH: isSolved ? localTime(finishedMs) : null,
    FAILURECODE: "MECHANICAL",
    PROBLEMCODE: problem,
    CAUSECODE: isSolved ? random.pick(["WEAR", "DIRT", "MISUSE", "AGE"]) : null,
    REMEDYCODE: isSolved ? random.pick(["REPLACED", "CLEANED", "ADJUSTED"]) : null,
    WONUM: null,
    CHANGEDATE: localTime(isOver ? finishedMs : reportedMs),
    ACME_SHIFT: random.pick(["EARLY", "LATE", "NIGHT"]),
  };
}

/** Work that comes back: by the calendar, or with `meter` (a row of ASSETMETER) by what it reads. */
export function scheduleRow(world: PlantWorld, number: number, meter: Row | undefined): Row {
  const { random, nowMs } = world;
  const site = words.SITES.find(({ id }) => id === meter?.["SITEID"]) ?? random.pick(words.SITES);
  const unit = random.pick(["DAYS", "WEEKS", "MONTHS", "YEARS"]);
  const doneMs = nowMs - random.int(1, 200) * DAY_MS;
  const step = random.int(1, 20) * 500;
  const calendar = {
    FREQUENCY: random.int(1, unit === "YEARS" ? 2 : 6),
    FREQUNIT: unit,
    NEXTDATE: localTime(doneMs + random.int(10, 300) * DAY_MS),
    NEXTREADING: null,
    METERNAME: null,
  };
  const byMeter = {
    FREQUENCY: step,
    FREQUNIT: "READING",
    NEXTDATE: null,
    NEXTREADING: Number(meter?.["LASTREADING"]) + step,
    METERNAME: meter?.["METERNAME"] ?? null,
  };
  return {
    SITEID: site.id,
    PMNUM: `PM${number}`,
    DESCRIPTION: random.pick(words.ROUTINES),
    STATUS: random.weighted({ ACTIVE: 12, INACTIVE: 2, DRAFT: 1 }),
    ASSETNUM: meter?.["ASSETNUM"] ?? world.asset(site.id),
    LOCATION: `${site.id}-${random.pick(site.lines)}`,
    ...(meter === undefined ? calendar : byMeter),
    LEADTIME: random.int(0, 14),
    LASTCOMPDATE: random.chance(0.9) ? localTime(doneMs) : "1900-01-01 00:00:00",
    JPNUM: `JP${random.int(100, 160)}`,
    WORKTYPE: "PM",
    CREWID: random.chance(0.5) ? `CREW${random.int(1, 4)}` : null,
  };
}

/** What somebody read off a meter (a row of ASSETMETER). */
export function readingRow(random: Random, meter: Row, reading: number, delta: number, atMs: number): Row {
  return {
    SITEID: meter["SITEID"] ?? "",
    ASSETNUM: meter["ASSETNUM"] ?? "",
    METERNAME: meter["METERNAME"] ?? "",
    READING: String(reading),
    DELTA: delta,
    MEASUREUNITID: meter["MEASUREUNITID"] ?? null,
    READINGTYPE: "ACTUAL",
    READINGDATE: localTime(atMs),
    INSPECTOR: random.pick(words.PEOPLE),
    WONUM: null,
    REMARK: random.chance(0.05) ? "Counter hard to read" : null,
  };
}

/** A file that belongs to a work order or an asset. */
export function documentRow(random: Random, owner: Row, number: number, atMs: number): Row {
  const document = random.pick(words.DOCUMENTS);
  const isWork = owner["WONUM"] !== undefined;
  const isLink = random.chance(0.1);
  const name = `${document.name}-${number}.${document.suffix}`;
  const hash = Array.from({ length: 8 }, () => random.int(0, 0xff_ff_ff_ff).toString(16).padStart(8, "0"));
  return {
    OWNERTABLE: isWork ? "WORKORDER" : "ASSET",
    OWNERSITE: owner["SITEID"] ?? "",
    OWNERKEY: owner["WONUM"] ?? owner["ASSETNUM"] ?? "",
    DOCUMENT: name,
    DESCRIPTION: random.chance(0.5) ? `${document.type} of ${owner["DESCRIPTION"] ?? "work"}` : null,
    DOCTYPE: document.type,
    MIMETYPE: isLink ? null : document.mime,
    FILESIZE: isLink ? null : random.int(20_000, 4_000_000),
    SHA256: isLink ? null : hash.join(""),
    URLTYPE: isLink ? "URL" : "FILE",
    URLNAME: isLink ? `https://docs.plant.example/${name}` : `\\\\files\\documents\\${name}`,
    CREATEBY: random.pick(words.PEOPLE),
    CREATEDATE: localTime(atMs),
  };
}
