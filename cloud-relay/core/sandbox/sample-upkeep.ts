// What keeps the sandbox's machines going: meters with readings, and work that comes back.
import { quantity } from "./hundredths.ts";
import type { Machine } from "./sample-assets.ts";
import { instant, type PlantBook } from "./plant-book.ts";
import type { People } from "./sample-people.ts";

const READINGS = 6;
const DAYS_BETWEEN = 7;

export function meterCode(machine: Machine): string {
  return `${machine.tag}-HOURS`;
}

export function pmNumber(machine: Machine, what: "monthly" | "hours"): string {
  return `PM-${machine.tag}-${what === "monthly" ? "1" : "2"}`;
}

export function addUpkeep(book: PlantBook, machines: readonly Machine[], people: People): void {
  for (const machine of machines) {
    const hours = addHours(book, machine, people);
    addTemperature(book, machine, people);
    addSchedules(book, machine, hours);
  }
}

/** Running hours only grow; gives the last reading, hundredths. */
function addHours(book: PlantBook, machine: Machine, people: People): number {
  const dice = book.dice(`meter/${machine.tag}`);
  const code = meterCode(machine);
  let value = dice.int(2_000, 40_000) * 100;
  let lastAtMs = 0;
  for (let at = READINGS; at > 0; at -= 1) {
    const delta = dice.int(8_000, 16_000);
    value += delta;
    lastAtMs = book.ago(at * DAYS_BETWEEN - 5, 6);
    addReading(book, machine, code, lastAtMs, {
      value: quantity(value),
      delta: quantity(delta),
      uom: "h",
      uom_code: "HUR",
      by: dice.pick(people.technicians(machine.site)),
    });
  }
  addMeter(book, machine, code, "Running hours", lastAtMs, {
    kind: "continuous",
    uom: "h",
    uom_code: "HUR",
    reading_source: "manual",
    rollover: "999999",
    last_reading: quantity(value),
  });
  return value;
}

function addTemperature(book: PlantBook, machine: Machine, people: People): void {
  const dice = book.dice(`temperature/${machine.tag}`);
  const code = `${machine.tag}-TEMP`;
  let value = 0;
  let lastAtMs = 0;
  for (let at = READINGS; at > 0; at -= 1) {
    value = dice.int(4_500, 7_900);
    lastAtMs = book.ago(at * DAYS_BETWEEN - 5, 6.5);
    const by = dice.pick(people.technicians(machine.site));
    addReading(book, machine, code, lastAtMs, { value: quantity(value), uom: "Cel", uom_code: "CEL", by });
  }
  addMeter(book, machine, code, "Bearing temperature", lastAtMs, {
    kind: "gauge",
    uom: "Cel",
    uom_code: "CEL",
    reading_source: "manual",
    min_limit: "10",
    max_limit: "85",
    last_reading: quantity(value),
  });
}

function addMeter(
  book: PlantBook,
  { tag, name, location }: Machine,
  code: string,
  what: string,
  lastAtMs: number,
  fields: Readonly<Record<string, unknown>>,
): void {
  book.add({
    entity: "meter",
    number: code,
    createdAtMs: book.ago(900),
    changedAtMs: lastAtMs,
    fields: {
      code,
      name: `${what} of ${name}`,
      asset: book.ref("asset", tag, name),
      location: book.ref("location", location),
      last_at: instant(lastAtMs),
      active: true,
      ...fields,
    },
  });
}

function addReading(
  book: PlantBook,
  { tag, name, location }: Machine,
  meter: string,
  atMs: number,
  fields: Readonly<Record<string, unknown>>,
): void {
  book.add({
    entity: "meter_reading",
    number: `${meter}-${Math.floor(atMs / 60_000)}`,
    createdAtMs: atMs,
    changedAtMs: atMs,
    fields: {
      meter: book.ref("meter", meter),
      asset: book.ref("asset", tag, name),
      location: book.ref("location", location),
      at: instant(atMs),
      kind: "actual",
      ...fields,
    },
  });
}

function addSchedules(book: PlantBook, machine: Machine, hours: number): void {
  const dice = book.dice(`pm/${machine.tag}`);
  const { tag, name, location, site } = machine;
  const lastDays = dice.int(1, 29);
  const common = {
    asset: book.ref("asset", tag, name),
    location: book.ref("location", location),
    work_type: "preventive",
    crew: `${site.code}-MECH`,
  };
  const isActive = !dice.chance(0.1);
  const monthly = pmNumber(machine, "monthly");
  const changedAtMs = book.ago(lastDays, 15);
  const dates = { createdAtMs: book.ago(800), changedAtMs };
  book.add({
    entity: "pm_schedule",
    number: monthly,
    ...dates,
    fields: {
      number: monthly,
      description: `Monthly inspection of ${name}`,
      status: isActive ? "active" : "inactive",
      trigger: "calendar",
      interval: "30",
      interval_unit: "day",
      lead_days: "3",
      last_done_at: instant(changedAtMs),
      next_due_at: instant(changedAtMs + 30 * 86_400_000),
      active: isActive,
      job_plan: `JP-${machine.kind.code}-INSP`,
      ...common,
    },
  });
  const byHours = pmNumber(machine, "hours");
  book.add({
    entity: "pm_schedule",
    number: byHours,
    ...dates,
    fields: {
      number: byHours,
      description: `Overhaul of ${name} by running hours`,
      status: "active",
      trigger: "meter",
      interval: "2000",
      interval_unit: "reading",
      meter: book.ref("meter", meterCode(machine)),
      next_due_reading: quantity(hours + dice.int(100, 1_900) * 100),
      last_done_at: instant(changedAtMs),
      next_due_at: null,
      active: true,
      job_plan: `JP-${machine.kind.code}-OVHL`,
      ...common,
    },
  });
}
