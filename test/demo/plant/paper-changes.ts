// Changes of the demo plant's requisitions, invoices, requests, schedules, people, documents and locations.
import type { ChangeKind } from "./changes.ts";
import { localTime, type PlantWorld, type Row } from "./plant-rows.ts";
import type { RowStore } from "./row-store.ts";
import { invoiceRows, requisitionRows } from "./supply-rows.ts";
import { documentRow, ticketRow } from "./upkeep-rows.ts";
import * as words from "./vocabulary.ts";

type Transitions = Readonly<Record<string, readonly string[]>>;

export class PaperChanges {
  readonly #rows: RowStore;
  readonly #world: PlantWorld;

  constructor(rows: RowStore, world: PlantWorld) {
    this.#rows = rows;
    this.#world = world;
  }

  /** False when the plant has no row to which this could happen. */
  change(kind: ChangeKind): boolean {
    const { random } = this.#world;
    switch (kind) {
      case "requisition_new":
        return this.#newRequisition();
      case "requisition_status":
        return this.#advance("PR", words.PR_TRANSITIONS);
      case "invoice_new":
        return this.#newInvoice();
      case "invoice_status":
        return this.#advance("INVOICE", words.INVOICE_TRANSITIONS);
      case "request_new":
        this.#rows.insert("TICKET", {
          ...ticketRow(this.#world, this.#rows.nextNumber("TICKET", "TICKETID"), "NEW"),
          CHANGEDATE: this.#now(),
        });
        return true;
      case "request_status":
        return this.#advance("TICKET", words.TICKET_TRANSITIONS);
      case "schedule_done":
        return this.#finishSchedule();
      case "person_changed":
        return this.#rows.set("PERSON", this.#rows.pick("PERSON"), {
          PHONE: `+49 731 ${random.int(100, 999)}`,
        });
      case "document_new": {
        const work = this.#rows.pick("WORKORDER", "ISTASK = 0");
        if (work === undefined) return false;
        const { SITEID = null, WONUM = null, DESCRIPTION = null } = work;
        const number = random.int(10_000, 99_999);
        const owner = { SITEID, WONUM, DESCRIPTION };
        this.#rows.insert("DOCLINKS", documentRow(random, owner, number, this.#world.nowMs));
        return true;
      }
      default:
        return this.#rows.set("LOCATIONS", this.#rows.pick("LOCATIONS", "TYPE <> 'SITE'"), {
          STATUS: random.weighted({ OPERATING: 6, PLANNED: 1, DECOMMISSIONED: 1 }),
        });
    }
  }

  #newRequisition(): boolean {
    const { random } = this.#world;
    const number = this.#rows.nextNumber("PR", "PRNUM");
    const { pr, lines } = requisitionRows(this.#world, number, random.pick(["DRAFT", "WAPPR"]));
    this.#rows.insert("PR", { ...pr, CHANGEDATE: this.#now() });
    for (const line of lines) this.#rows.insert("PRLINE", line);
    return true;
  }

  #newInvoice(): boolean {
    const po = this.#rows.pick("PO", "STATUS IN ('APPR', 'INPRG', 'CLOSE')");
    if (po === undefined) return false;
    const lines = this.#rows.all(
      "SELECT * FROM POLINE WHERE SITEID = ? AND PONUM = ? AND REVISIONNUM = ? ORDER BY POLINENUM",
      [po["SITEID"], po["PONUM"], po["REVISIONNUM"]],
    );
    const number = this.#rows.nextNumber("INVOICE", "INVOICENUM");
    const made = invoiceRows(this.#world, number, "ENTERED", { po, lines });
    this.#rows.insert("INVOICE", { ...made.invoice, CHANGEDATE: this.#now() });
    for (const line of made.lines) this.#rows.insert("INVOICELINE", line);
    return true;
  }

  #advance(table: "PR" | "INVOICE" | "TICKET", transitions: Transitions): boolean {
    const open = Object.keys(transitions)
      .map((status) => `'${status}'`)
      .join(", ");
    const row = this.#rows.pick(table, `STATUS IN (${open})`);
    if (row === undefined) return false;
    const status = this.#world.random.pick(transitions[String(row["STATUS"])] ?? []);
    const now = this.#now();
    const more: Row =
      table === "INVOICE" && status === "PAID"
        ? { PAIDDATE: now }
        : table === "TICKET" && status === "RESOLVED"
          ? { ACTUALFINISH: now }
          : {};
    return this.#rows.set(table, row, { STATUS: status, STATUSDATE: now, CHANGEDATE: now, ...more });
  }

  /** The work was done: the next time is counted from now, or from the reading. */
  #finishSchedule(): boolean {
    const { random, nowMs } = this.#world;
    const pm = this.#rows.pick("PM", "STATUS = 'ACTIVE'");
    if (pm === undefined) return false;
    const next: Row =
      pm["METERNAME"] === null
        ? { NEXTDATE: localTime(nowMs + random.int(10, 300) * 86_400_000) }
        : { NEXTREADING: Number(pm["NEXTREADING"]) + Number(pm["FREQUENCY"]) };
    return this.#rows.set("PM", pm, { LASTCOMPDATE: this.#now(), ...next });
  }

  #now(): string {
    return localTime(this.#world.nowMs);
  }
}
