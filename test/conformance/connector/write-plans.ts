// Orders as the write suite writes them: every form once, over one set of tables.
import type { EntityPlan } from "#agent/core/source/plan.ts";
import type { ChildWritePlan, WritePlan, WriteRequest } from "#agent/core/source/write.ts";
import { type ConnectorHarness, orderPlan, orderTables, type SourceTypes } from "./harness.ts";

export const LOG = "millrace_commands";
export const COUNTERS = "counters";

function slots(...names: readonly string[]): WritePlan["slots"] {
  return names.map((name) => ({ name }));
}

const UPDATE: WritePlan = { operation: "update", form: "update", slots: slots("status", "total", "stamp") };
const CREATE: WritePlan = {
  operation: "create",
  form: "insert",
  slots: slots("site", "ponum", "status", "total", "stamp"),
};
const REQUEST: WritePlan = {
  operation: "request",
  form: "interface_table",
  table: { name: "po_import" },
  slots: slots("wanted", "command"),
  commandColumn: "command",
  status: {
    column: "state",
    done: ["P"],
    failed: ["E"],
    message: "said",
    keyFrom: ["site", "ponum"],
    withinMs: 20_000,
  },
};
const CHANGE_STATUS: WritePlan = {
  operation: "change_status",
  form: "procedure",
  procedure: { name: "set_status" },
  isNamed: false,
  slots: slots("site", "num", "state"),
  outputs: ["code", "message"],
  success: { output: "code", in: ["0"], message: "message" },
};

export function writablePlan({ writes }: ConnectorHarness): EntityPlan {
  const procedures = writes?.procedure === undefined ? [] : [CHANGE_STATUS];
  return { ...orderPlan("full_scan"), writes: [UPDATE, CREATE, REQUEST, ...procedures] };
}

const LINES: ChildWritePlan = {
  child: "lines",
  slots: slots("line", "item", "qty"),
  key: ["line"],
  number: { column: "line", step: 1 },
  required: ["item"],
  removal: "delete",
  maxRows: 5,
};

/** Orders with their lines: created under the next number, changed, removed, and amounts adjusted. */
export function rowsPlan(): EntityPlan {
  const writes: readonly WritePlan[] = [
    {
      operation: "create",
      form: "insert",
      slots: slots("site", "ponum", "status", "total", "stamp"),
      children: [LINES],
      next: [
        {
          column: "ponum",
          prefix: "PO",
          digits: 7,
          from: "counter",
          table: { name: COUNTERS },
          counter: "seed",
          where: [
            { column: "name", equals: { value: "PO" } },
            { column: "site", equals: { slot: "site" } },
          ],
        },
      ],
    },
    { operation: "update", form: "update", slots: slots("status", "stamp"), children: [LINES] },
    { operation: "delete", form: "delete", slots: [], children: ["lines"] },
    {
      operation: "adjust",
      form: "adjust",
      slots: slots("total", "stamp"),
      column: "total",
      match: [],
      min: "0",
      max: "100",
    },
    {
      operation: "adjust_line",
      form: "adjust",
      child: "lines",
      slots: slots("qty", "line"),
      column: "qty",
      match: ["line"],
    },
  ];
  return { ...orderPlan("full_scan"), writes };
}

/** Beside the orders: an interface table and a command log, as docs/connectors.md defines it. */
export function writableTables(types: SourceTypes, longText: string): string {
  const { text } = types;
  return `${orderTables(types)}
    CREATE TABLE po_import (wanted ${text}, command varchar(64) NOT NULL, state ${text}, said ${text}, site ${text},
      ponum ${text});
    CREATE TABLE ${LOG} (COMMAND_ID varchar(64) NOT NULL PRIMARY KEY, IDEMPOTENCY_KEY varchar(255),
      ENTITY varchar(64) NOT NULL, OPERATION varchar(64) NOT NULL, RECORD_KEY ${longText}, RESULT ${longText});
    CREATE TABLE ${COUNTERS} (name ${text} NOT NULL, site ${text} NOT NULL, seed ${types.integer}, PRIMARY KEY (name, site));
    INSERT INTO ${COUNTERS} VALUES ('PO', 'S1', 41);
    INSERT INTO ${COUNTERS} VALUES ('PO', 'S2', 7);
    INSERT INTO po VALUES ('S1', 'PO-1', 'WAPPR', 12.50, NULL, 1);
    INSERT INTO po VALUES ('S1', 'PO-2', 'WAPPR', 12.50, NULL, 1);
    INSERT INTO poline VALUES ('S1', 'PO-1', 1, 'pump', 3.25, NULL, 1);`;
}

let commands = 0;

/** An update of PO-1 to APPR unless told otherwise; each with a command id of its own. */
export function request(change: Partial<WriteRequest> = {}): WriteRequest {
  commands += 1;
  return {
    commandId: `command-${commands}`,
    entity: "purchase_order",
    operation: "update",
    key: ["S1", "PO-1"],
    values: { status: "APPR", stamp: 2 },
    dryRun: false,
    signal: new AbortController().signal,
    ...change,
  };
}
