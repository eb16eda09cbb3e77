// What people at the sandbox's plants report, and the files that hang on its records.
import { DAY_MS, HOUR_MS, instant, type PlantBook, type SampleRecord } from "./plant-book.ts";
import type { Machine } from "./sample-assets.ts";
import type { People } from "./sample-people.ts";

/** Of a request that became a work order, by the work order's status; otherwise it is under way. */
const AFTER_WORK: Readonly<Record<string, string>> = {
  completed: "resolved",
  closed: "closed",
  requested: "new",
  waiting_approval: "approved",
};
const ALONE = ["new", "new", "approved", "declined", "cancelled", "on_hold"];
const REQUESTS_ALONE = 36;
const FIRST_NUMBER = 30_001;
const KINDS = [
  ["manual", "pdf", "application/pdf"],
  ["drawing", "dwg", "image/vnd.dwg"],
  ["photo", "jpg", "image/jpeg"],
  ["certificate", "pdf", "application/pdf"],
] as const;

/** After the work orders are there; those that came of a request are told. */
export function addRequests(book: PlantBook, machines: readonly Machine[], people: People): void {
  let number = FIRST_NUMBER;
  for (const work of book.records()) {
    if (work.entity !== "work_order" || work.fields["type"] !== "corrective") continue;
    addForWork(book, people, work, `MR-${number}`);
    number += 1;
  }
  for (let at = 0; at < REQUESTS_ALONE; at += 1) {
    const dice = book.dice(`request/${number}`);
    const machine = dice.pick(machines);
    const atMs = book.ago(dice.int(1, 25), dice.int(5, 21));
    const status = ALONE[at % ALONE.length] ?? "new";
    add(book, `MR-${number}`, atMs, atMs + HOUR_MS, {
      title: `${machine.name} ${dice.pick(["drips", "rattles", "shows error 17", "needs paint"])}`,
      status,
      priority: dice.pick(["low", "medium", "high"]),
      asset: book.ref("asset", machine.tag, machine.name),
      location: book.ref("location", machine.location),
      requester: dice.pick(people.technicians(machine.site)),
      work_order: null,
      resolved_at: null,
    });
    number += 1;
  }
}

function addForWork(book: PlantBook, people: People, work: SampleRecord, number: string): void {
  const { fields } = work;
  const atMs = work.createdAtMs - HOUR_MS;
  const finished = fields["actual_finish"];
  const isDone = typeof finished === "string";
  add(book, number, atMs, isDone ? Date.parse(finished) : work.createdAtMs, {
    title: fields["title"],
    status: AFTER_WORK[String(fields["status"])] ?? "in_progress",
    priority: fields["priority"],
    asset: fields["asset"],
    location: fields["location"],
    requester: fields["requested_by"],
    work_order: book.ref("work_order", work.number),
    resolved_at: isDone ? finished : null,
  });
  book.add({ ...work, fields: { ...fields, request: book.ref("maintenance_request", number) } });
}

function add(
  book: PlantBook,
  number: string,
  reportedAtMs: number,
  changedAtMs: number,
  fields: Readonly<Record<string, unknown>>,
): void {
  book.add({
    entity: "maintenance_request",
    number,
    createdAtMs: reportedAtMs,
    changedAtMs,
    fields: {
      number,
      description: `${String(fields["title"])}. Please have a look.`,
      type: "fault",
      status_changed_at: instant(changedAtMs),
      reported_at: instant(reportedAtMs),
      target_start: instant(reportedAtMs + DAY_MS),
      target_finish: instant(reportedAtMs + 3 * DAY_MS),
      ...fields,
      custom_fields: {},
    },
  });
}

/** Manuals of machines, photos of work, certificates of vendors. */
export function addAttachments(book: PlantBook): void {
  const parents = book.records().filter(({ entity, fields }) => {
    if (entity === "asset") return fields["kind"] === "equipment";
    return entity === "vendor" || (entity === "work_order" && fields["status"] === "closed");
  });
  for (const [at, { entity, number, createdAtMs }] of parents.entries()) {
    const dice = book.dice(`attachment/${number}`);
    const [kind, ending, mime] = KINDS[entity === "asset" ? at % 2 : entity === "vendor" ? 3 : 2] ?? KINDS[0];
    const name = `${number.toLowerCase()}-${kind}.${ending}`;
    const sha256 = Array.from({ length: 8 }, () =>
      dice.int(0, 0xff_ff_ff_ff).toString(16).padStart(8, "0"),
    ).join("");
    book.add({
      entity: "attachment",
      number: `AT-${40_001 + at}`,
      createdAtMs,
      changedAtMs: createdAtMs,
      fields: {
        name,
        description: `${kind} of ${number}`,
        kind,
        mime,
        size: dice.int(20_000, 4_000_000),
        sha256,
        parent: book.ref(entity, number),
        parent_entity: entity,
        remote_url: `https://files.sandbox.example/${name}`,
        storage: "file",
        attached_at: instant(createdAtMs),
      },
    });
  }
}
