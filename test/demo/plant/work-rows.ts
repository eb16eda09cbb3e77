// Makes assets and work orders of the demo plant.
import { cents, localDate, localTime, type PlantWorld, type Row } from "./plant-rows.ts";
import type { Random } from "./random.ts";
import * as words from "./vocabulary.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface AssetFacts {
  readonly site: string;
  readonly assetnum: string;
  readonly parent: string | null;
  readonly location: string;
  readonly line: string;
  readonly name: string;
  readonly isComponent: boolean;
}

export function assetRow(world: Omit<PlantWorld, "asset">, facts: AssetFacts): Row {
  const { random, nowMs } = world;
  const installedMs = nowMs - random.int(30, 7000) * DAY_MS;
  const price = random.amount(200, facts.isComponent ? 9_000 : 180_000);
  return {
    SITEID: facts.site,
    ASSETNUM: facts.assetnum,
    DESCRIPTION: facts.name,
    PARENT: facts.parent,
    LOCATION: facts.location,
    ASSETTYPE: facts.isComponent ? "COMPONENT" : random.weighted({ PRODUCTION: 8, FACILITIES: 2, FLEET: 1 }),
    STATUS: random.weighted({ OPERATING: 30, "NOT READY": 2, BROKEN: 2, ACTIVE: 6, DECOMMISSIONED: 2 }),
    STATUSDATE: localTime(nowMs - random.int(1, 500) * DAY_MS),
    ISRUNNING: random.chance(0.92) ? 1 : 0,
    PRIORITY: random.int(1, 5),
    SERIALNUM: random.chance(0.85) ? `SN${random.int(100_000, 999_999)}` : null,
    MANUFACTURER: random.pick(words.MAKERS),
    VENDOR: world.vendor(),
    ORGID: words.ORG,
    ITEMSETID: null,
    ITEMNUM: null,
    INSTALLDATE: localDate(installedMs),
    WARRANTYEXPDATE: random.chance(0.6) ? localDate(installedMs + 730 * DAY_MS) : "1900-01-01 00:00:00",
    PURCHASEPRICE: price,
    REPLACECOST: cents(price * 1.3),
    CLASSSTRUCTUREID: random.pick(["PUMP", "MOTOR", "CONV", "ROBOT", "VESSEL"]),
    GLACCOUNT: `4${random.int(100, 999)}-${facts.site}`,
    CHANGEBY: random.pick(words.PEOPLE),
    CHANGEDATE: localTime(nowMs - random.int(60, 300 * 86_400) * 1000),
    ACME_LINE: facts.line,
    ACME_SHIFT_CRITICAL: random.chance(0.2) ? 1 : 0,
  };
}

export function meterRows(random: Random, asset: AssetFacts, nowMs: number): readonly Row[] {
  if (asset.isComponent || !random.chance(0.6)) return [];
  const key = { SITEID: asset.site, ASSETNUM: asset.assetnum };
  const at = localTime(nowMs - random.int(1, 20) * DAY_MS);
  return [
    {
      ...key,
      METERNAME: "RUNHOURS",
      MEASUREUNITID: "H",
      METERTYPE: "CONTINUOUS",
      ROLLOVER: 99_999,
      LASTREADING: String(random.int(100, 60_000)),
      LASTREADINGDATE: at,
    },
    {
      ...key,
      METERNAME: "CYCLES",
      MEASUREUNITID: "EA",
      METERTYPE: "CONTINUOUS",
      ROLLOVER: null,
      LASTREADING: String(random.int(1000, 9_000_000)),
      LASTREADINGDATE: at,
    },
  ];
}

export interface WorkRows {
  readonly orders: readonly Row[];
  readonly plannedLabor: readonly Row[];
  readonly labor: readonly Row[];
  readonly plannedParts: readonly Row[];
  readonly parts: readonly Row[];
}

/** A work order with its tasks (rows of the same table), labour and parts. */
export function workOrderRows(world: PlantWorld, number: number, status: string): WorkRows {
  const { random, nowMs } = world;
  const site = random.pick(words.SITES);
  const worktype = random.weighted(words.WORK_TYPES);
  const isTrouble = worktype === "CM" || worktype === "EM";
  const [trouble, problem] = random.pick(words.TROUBLES);
  const isDone = ["COMP", "CLOSE"].includes(status);
  const isStarted = isDone || ["INPRG", "FIELDWORK", "WPCOND"].includes(status);
  const reportedMs =
    nowMs - (isDone ? random.int(5, 700) : random.int(0, 60)) * DAY_MS - random.int(0, DAY_MS);
  const startMs = reportedMs + random.int(1, 72) * HOUR_MS;
  const finishMs = Math.min(nowMs, startMs + random.int(1, 30) * HOUR_MS);
  const wonum = String(number);
  const base = { SITEID: site.id, ORGID: words.ORG };
  const hours = random.int(2, 64) / 4;
  const labor = isStarted ? laborRows(random, site.id, wonum, startMs) : [];
  const parts = isStarted ? usedPartRows(world, site.id, wonum, startMs) : [];
  const plannedParts = random.chance(0.5) ? plannedPartRows(world, site.id, wonum) : [];
  const sum = (rows: readonly Row[], column: string): number =>
    cents(rows.reduce((total, row) => total + Number(row[column]), 0));
  const order = {
    ...base,
    WONUM: wonum,
    PARENT: null,
    ISTASK: 0,
    TASKID: null,
    DESCRIPTION: isTrouble ? trouble : random.pick(words.ROUTINES),
    LONGDESCRIPTION:
      isTrouble && random.chance(0.5)
        ? `Reported by the shift: ${trouble.toLowerCase()}.\nSeen twice this week.`
        : null,
    STATUS: status,
    STATUSDATE: localTime(isDone ? finishMs : reportedMs),
    WORKTYPE: worktype,
    WOPRIORITY: random.chance(0.9) ? random.int(1, 5) : null,
    ASSETNUM: world.asset(site.id),
    LOCATION: `${site.id}-${random.pick(site.lines)}`,
    REPORTEDBY: random.pick(words.PEOPLE),
    REPORTDATE: localTime(reportedMs),
    SUPERVISOR: random.pick(words.PEOPLE),
    LEAD: random.chance(0.7) ? random.pick(words.PEOPLE) : null,
    CREWID: random.chance(0.4) ? `CREW${random.int(1, 4)}` : null,
    TARGSTARTDATE: localTime(startMs),
    TARGCOMPDATE: localTime(startMs + 2 * DAY_MS),
    SCHEDSTART: random.chance(0.7) ? localTime(startMs) : null,
    SCHEDFINISH: random.chance(0.7) ? localTime(startMs + DAY_MS) : null,
    ACTSTART: isStarted ? localTime(startMs) : null,
    ACTFINISH: isDone ? localTime(finishMs) : null,
    ESTDUR: hours,
    ESTLABHRS: hours,
    ACTLABHRS: sum(labor, "REGULARHRS"),
    ESTLABCOST: cents(hours * 58),
    ACTLABCOST: sum(labor, "LINECOST"),
    ESTMATCOST: sum(plannedParts, "UNITCOST"),
    ACTMATCOST: sum(parts, "LINECOST"),
    FAILURECODE: isTrouble ? "MECHANICAL" : null,
    PROBLEMCODE: isTrouble ? problem : null,
    GLACCOUNT: `6${random.int(100, 999)}-${site.id}`,
    VENDOR: random.chance(0.08) ? world.vendor() : null,
    HISTORYFLAG: status === "CLOSE" || status === "CAN" ? 1 : 0,
    CHANGEBY: random.pick(words.PEOPLE),
    CHANGEDATE: localTime(isDone ? finishMs : reportedMs),
    ACME_PERMIT: random.chance(0.2) ? random.pick(["HOT WORK", "CONFINED SPACE", "HEIGHT"]) : null,
  };
  const tasks = Array.from({ length: random.chance(0.6) ? random.int(2, 5) : 0 }, (_, at) =>
    taskRow(order, at + 1, isDone),
  );
  return {
    orders: [order, ...tasks],
    plannedLabor: [
      { SITEID: site.id, WONUM: wonum, CRAFT: random.pick(words.CRAFTS), LABORHRS: hours, RATE: 58 },
    ],
    labor,
    plannedParts,
    parts,
  };
}

function taskRow(order: Row, task: number, isDone: boolean): Row {
  const blank = Object.fromEntries(Object.keys(order).map((column) => [column, null]));
  return {
    ...blank,
    SITEID: order["SITEID"] ?? "",
    ORGID: order["ORGID"] ?? "",
    WONUM: `${order["WONUM"]}-${task * 10}`,
    PARENT: order["WONUM"] ?? null,
    ISTASK: 1,
    TASKID: task * 10,
    DESCRIPTION: words.TASK_TEXTS[(task - 1) % words.TASK_TEXTS.length] ?? "Task",
    STATUS: isDone ? "COMP" : "WAPPR",
    ESTDUR: 0.5 * task,
    ESTLABHRS: 0.5 * task,
    ACTLABHRS: isDone ? 0.5 * task : 0,
    SCHEDSTART: order["SCHEDSTART"] ?? null,
    ACTFINISH: isDone ? (order["ACTFINISH"] ?? null) : null,
    LEAD: order["LEAD"] ?? null,
    HISTORYFLAG: order["HISTORYFLAG"] ?? 0,
    CHANGEDATE: order["CHANGEDATE"] ?? null,
  };
}

function laborRows(random: Random, site: string, wonum: string, startMs: number): readonly Row[] {
  return Array.from({ length: random.int(0, 3) }, (_, at) =>
    laborRow(random, site, wonum, startMs + at * 4 * HOUR_MS),
  );
}

export function laborRow(random: Random, site: string, wonum: string, startMs: number): Row {
  const hours = random.int(1, 24) / 4;
  const rate = random.pick([48, 56.5, 61.25]);
  return {
    SITEID: site,
    REFWO: wonum,
    LABORCODE: random.pick(words.PEOPLE),
    CRAFT: random.pick(words.CRAFTS),
    STARTDATE: localDate(startMs),
    STARTDATETIME: localTime(startMs),
    FINISHDATETIME: localTime(startMs + hours * HOUR_MS),
    REGULARHRS: hours,
    PREMIUMPAYHOURS: random.chance(0.1) ? 1 : 0,
    PAYRATE: rate,
    LINECOST: cents(hours * rate),
  };
}

function plannedPartRows(world: PlantWorld, site: string, wonum: string): readonly Row[] {
  const { random } = world;
  return Array.from({ length: random.int(1, 3) }, () => {
    const item = world.item();
    return {
      SITEID: site,
      WONUM: wonum,
      ITEMSETID: words.ITEM_SET,
      ITEMNUM: item.itemnum,
      DESCRIPTION: item.description,
      ITEMQTY: random.int(1, 8),
      ORDERUNIT: item.unit,
      UNITCOST: item.cost,
      LOCATION: random.pick(words.STOREROOMS),
    };
  });
}

function usedPartRows(world: PlantWorld, site: string, wonum: string, startMs: number): readonly Row[] {
  return Array.from({ length: world.random.int(0, 3) }, () => usedPartRow(world, site, wonum, startMs));
}

export function usedPartRow(world: PlantWorld, site: string, wonum: string, atMs: number): Row {
  const { random } = world;
  const item = world.item();
  const quantity = random.int(1, 6);
  return {
    SITEID: site,
    REFWO: wonum,
    ITEMSETID: words.ITEM_SET,
    ITEMNUM: item.itemnum,
    DESCRIPTION: item.description,
    // The product books what leaves the storeroom as a negative quantity.
    QUANTITY: -quantity,
    ISSUEUNIT: item.unit,
    UNITCOST: item.cost,
    LINECOST: cents(quantity * item.cost),
    STORELOC: random.pick(words.STOREROOMS),
    BINNUM: null,
    TRANSDATE: localTime(atMs),
  };
}
