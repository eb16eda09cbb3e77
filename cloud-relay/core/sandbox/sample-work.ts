// Maintenance at the sandbox's plants: work orders of every status and type, with tasks, labour and parts.
import type { Dice } from "./dice.ts";
import { money, quantity, times, type Hundredths } from "./hundredths.ts";
import { TRAPS } from "./known-keys.ts";
import { DAY_MS, HOUR_MS, instant, type Fields, type PlantBook } from "./plant-book.ts";
import type { Machine } from "./sample-assets.ts";
import { sumOf } from "./sample-orders.ts";
import type { People } from "./sample-people.ts";
import type { Item, StockLedger } from "./sample-stock.ts";
import { pmNumber } from "./sample-upkeep.ts";

interface Work {
  readonly number: string;
  readonly title: string;
  readonly status: string;
  readonly type: string;
  readonly machine: Machine;
  readonly reportedAtMs: number;
  readonly dice: Dice;
}

/** How much of it is done. */
const PLANNED = new Set(["approved", "scheduled", "waiting_material"]);
const BEGUN = new Set(["in_progress", "on_hold"]);
const DONE = new Set(["completed", "closed"]);
const STATUSES = [
  ["requested", 14],
  ["draft", 8],
  ["waiting_approval", 14],
  ["approved", 24],
  ["scheduled", 30],
  ["waiting_material", 16],
  ["in_progress", 32],
  ["on_hold", 10],
  ["completed", 40],
  ["closed", 80],
  ["cancelled", 10],
  ["skipped", 8],
] as const;
const TYPES = [
  "corrective",
  "preventive",
  "predictive",
  "inspection",
  "calibration",
  "project",
  "emergency",
  "safety",
];
const FAULTS = [
  "leaks oil",
  "runs hot",
  "vibrates",
  "stops without an alarm",
  "makes noise",
  "loses pressure",
];
const FAILURES = ["wear", "misalignment", "contamination", "fatigue", "overheating"];
const FIRST_NUMBER = 20_001;

interface WorkDeps {
  readonly book: PlantBook;
  readonly machines: readonly Machine[];
  readonly items: readonly Item[];
  readonly ledger: StockLedger;
  readonly people: People;
}

export function addWork(deps: WorkDeps): void {
  const { book, machines } = deps;
  let number = FIRST_NUMBER;
  for (const [status, count] of STATUSES) {
    for (let at = 0; at < count; at += 1) {
      const dice = book.dice(`work/${number}`);
      const machine = dice.pick(machines);
      const type = TYPES[number % TYPES.length] ?? "corrective";
      const isPlanned = type === "preventive";
      const what = isPlanned
        ? `Monthly inspection of ${machine.name}`
        : `${machine.name} ${dice.pick(FAULTS)}`;
      const days = DONE.has(status) ? dice.int(10, 350) : dice.int(3, 20);
      const reportedAtMs = book.ago(days, dice.int(5, 20));
      addWorkOrder(deps, { number: `WO-${number}`, title: what, status, type, machine, reportedAtMs, dice });
      number += 1;
    }
  }
  for (const trap of TRAPS) {
    const dice = book.dice(`work/${trap.number}`);
    const reportedAtMs = book.ago(3, 9);
    const machine = dice.pick(machines);
    const { number: name, title } = trap;
    addWorkOrder(deps, {
      number: name,
      title,
      status: "approved",
      type: "other",
      machine,
      reportedAtMs,
      dice,
    });
  }
}

function addWorkOrder(deps: WorkDeps, work: Work): void {
  const { book, people } = deps;
  const { number, title, status, type, machine, reportedAtMs, dice } = work;
  const { site, tag, name, location } = machine;
  const startMs = reportedAtMs + dice.int(2, 40) * HOUR_MS;
  const hasBegun = BEGUN.has(status) || DONE.has(status);
  const finishMs = startMs + dice.int(2, 30) * HOUR_MS;
  const tasks = tasksOf(work, people, startMs, finishMs);
  const labor = hasBegun ? laborOf(work, people, startMs) : [];
  const parts = partsOf(deps, work, startMs);
  const hours = sumOf(labor.map((one) => one.hours));
  const rate = people.rate(site);
  const changedAtMs = DONE.has(status) ? finishMs : hasBegun ? startMs : reportedAtMs;
  book.add({
    entity: "work_order",
    number,
    createdAtMs: reportedAtMs,
    changedAtMs,
    fields: {
      number,
      title,
      description: `${title}. Reported at ${name}.`,
      type,
      status,
      status_changed_at: instant(changedAtMs),
      priority: type === "emergency" ? "critical" : dice.pick(["low", "medium", "high", "none"]),
      asset: book.ref("asset", tag, name),
      location: book.ref("location", location),
      pm_schedule: type === "preventive" ? book.ref("pm_schedule", pmNumber(machine, "monthly")) : null,
      requested_by: people.supervisor(site),
      reported_at: instant(reportedAtMs),
      assigned_users: PLANNED.has(status) || hasBegun ? [dice.pick(people.technicians(site))] : [],
      crew: `${site.code}-MECH`,
      supervisor: people.supervisor(site),
      target_start: instant(reportedAtMs + DAY_MS),
      target_finish: instant(reportedAtMs + 3 * DAY_MS),
      scheduled_start: PLANNED.has(status) || hasBegun ? instant(startMs) : null,
      scheduled_finish: PLANNED.has(status) || hasBegun ? instant(finishMs) : null,
      actual_start: hasBegun ? instant(startMs) : null,
      actual_finish: DONE.has(status) ? instant(finishMs) : null,
      due_at: instant(reportedAtMs + 4 * DAY_MS),
      downtime_minutes: DONE.has(status) ? String(dice.int(0, 400)) : null,
      downtime_type: type === "preventive" ? "planned" : type === "emergency" ? "unplanned" : "none",
      failure: type === "corrective" && DONE.has(status) ? failureOf(machine, dice) : null,
      estimated_labor_hours: quantity(dice.int(1, 12) * 100),
      actual_labor_hours: quantity(hours),
      actual_labor_cost: money(times(rate, hours)),
      estimated_material_cost: money(sumOf(parts.map(({ item, planned }) => times(item.cost, planned)))),
      actual_material_cost: money(sumOf(parts.map(({ item, issued }) => times(item.cost, issued)))),
      actual_service_cost: money(0),
      currency: site.currency,
      cost_center: `${site.company}-4100`,
      gl_account: `${site.company}-6100`,
      is_history: status === "closed",
      tasks,
      labor: labor.map(({ hours: worked, user, startedMs }) => laborFields(worked, user, startedMs, rate)),
      parts: parts.map((part) => partFields(book, part)),
      custom_fields: { PERMIT: dice.pick(["HOT", "LOTO", null]), SHIFT: dice.int(1, 3) },
    },
  });
}

function failureOf({ kind }: Machine, dice: Dice): Fields {
  return { class: kind.class, mode: "degraded", cause: dice.pick(FAILURES), remedy: "replaced" };
}

function tasksOf({ status, dice, machine }: Work, people: People, startMs: number, finishMs: number) {
  const steps = ["Lock out and open", "Find the cause", "Repair or replace", "Test run"];
  return steps.map((description, at) => {
    const isDone = DONE.has(status) || (BEGUN.has(status) && at === 0);
    const doneMs = isDone && !DONE.has(status) ? startMs : finishMs;
    return {
      sequence: String((at + 1) * 10),
      description,
      status: isDone ? "completed" : BEGUN.has(status) ? "in_progress" : "approved",
      craft: "mechanic",
      planned_hours: "1",
      actual_hours: isDone ? "1" : null,
      planned_start: instant(startMs),
      completed_at: isDone ? instant(doneMs) : null,
      completed_by: isDone ? dice.pick(people.technicians(machine.site)) : null,
      result: isDone ? "ok" : null,
    };
  });
}

function laborOf({ dice, machine }: Work, people: People, startMs: number) {
  return Array.from({ length: dice.int(1, 2) }, () => ({
    hours: dice.int(1, 8) * 50,
    user: dice.pick(people.technicians(machine.site)),
    startedMs: startMs,
  }));
}

function laborFields(hours: Hundredths, user: string, startedMs: number, rate: Hundredths): Fields {
  return {
    user,
    craft: "mechanic",
    date: instant(startedMs).slice(0, 10),
    start: instant(startedMs),
    end: instant(startedMs + (hours * HOUR_MS) / 100),
    hours: quantity(hours),
    overtime: false,
    rate: money(rate),
    cost: money(times(rate, hours)),
    kind: "actual",
  };
}

interface UsedPart {
  readonly item: Item;
  readonly storeroom: string;
  readonly planned: Hundredths;
  readonly issued: Hundredths;
  readonly reserved: Hundredths;
}

/** What is issued leaves the storeroom; what is planned is reserved there. */
function partsOf({ book, items, ledger }: WorkDeps, work: Work, startMs: number): readonly UsedPart[] {
  const { dice, status, machine, number } = work;
  const { site, tag } = machine;
  const isUsed = DONE.has(status) || status === "in_progress";
  if (!(isUsed || PLANNED.has(status)) || dice.chance(0.4)) return [];
  const item = dice.pick(items.filter((one) => one.site === site && one.type !== "tool"));
  const storeroom = site.storerooms[0] ?? "";
  const planned = dice.int(1, 4) * 100;
  const part = { item, storeroom, planned, issued: isUsed ? planned : 0, reserved: isUsed ? 0 : planned };
  if (!isUsed) ledger.promise(item, storeroom, { reserved: planned });
  else {
    const cause = { work_order: book.ref("work_order", number), asset: book.ref("asset", tag) };
    ledger.move({ item, storeroom, kind: "issue", amount: -planned, atMs: startMs, cause });
  }
  return [part];
}

function partFields(book: PlantBook, { item, storeroom, planned, issued, reserved }: UsedPart): Fields {
  return {
    item: book.ref("inventory_item", item.code),
    description: item.name,
    planned_qty: quantity(planned),
    reserved_qty: quantity(reserved),
    issued_qty: quantity(issued),
    returned_qty: "0",
    uom: item.uom,
    unit_cost: money(item.cost),
    location: book.ref("location", storeroom),
    kind: issued > 0 ? "actual" : "planned",
    availability: issued > 0 ? "issued" : "reserved",
  };
}
