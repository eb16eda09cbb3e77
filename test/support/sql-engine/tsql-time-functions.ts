// T-SQL's clock and date arithmetic.
import {
  atOffset,
  clockOfMs,
  dateTimeText,
  offsetOf,
  offsetText,
  parseWallClock,
  plusNanos,
  plusSeconds,
  toUtc,
  type WallClock,
} from "./date-text.ts";
import { BIGINT, type FunctionTable, INT, lenient, strict } from "./function-kit.ts";
import type { Run } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import { convertTemporal } from "./convert-temporal.ts";
import { databaseOf } from "./tsql-functions.ts";
import { windowsZoneName, zoneOffsetMinutes } from "./time-zones.ts";

const DATETIME: DbType = { kind: "datetime" };
const DATETIME2: DbType = { kind: "datetime2", scale: 7 };
const OFFSET: DbType = { kind: "datetimeoffset", scale: 7 };
const options = { dialect: "tsql", mayCut: true } as const;

function utc(run: Run): WallClock {
  return clockOfMs(run.nowMs);
}

function local(run: Run): WallClock {
  return atOffset(utc(run), zoneOffsetMinutes(databaseOf(run).timeZone, run.nowMs));
}

function asDatetime(clock: WallClock): string {
  return convertTemporal(dateTimeText(clock, 9), DATETIME2, DATETIME, options);
}

const UNITS: Readonly<Record<string, string>> = {
  YY: "YEAR",
  YYYY: "YEAR",
  QQ: "QUARTER",
  Q: "QUARTER",
  MM: "MONTH",
  M: "MONTH",
  DD: "DAY",
  D: "DAY",
  WK: "WEEK",
  WW: "WEEK",
  HH: "HOUR",
  MI: "MINUTE",
  N: "MINUTE",
  SS: "SECOND",
  S: "SECOND",
  MS: "MILLISECOND",
  MCS: "MICROSECOND",
  NS: "NANOSECOND",
};

const SECONDS: Readonly<Record<string, number>> = {
  WEEK: 604_800,
  DAY: 86_400,
  HOUR: 3600,
  MINUTE: 60,
  SECOND: 1,
};
const NANOS: Readonly<Record<string, number>> = { MILLISECOND: 1e6, MICROSECOND: 1e3, NANOSECOND: 1 };

function unitOf(value: DbValue): string {
  const name = String(value).toUpperCase();
  return UNITS[name] ?? name;
}

function dateAdd(unit: string, count: number, clock: WallClock): WallClock {
  const seconds = SECONDS[unit];
  if (seconds !== undefined) return plusSeconds(clock, seconds * count);
  const nanos = NANOS[unit];
  if (nanos !== undefined) {
    const whole = Math.trunc((count * nanos) / 1e9);
    return plusNanos(plusSeconds(clock, whole), count * nanos - whole * 1e9);
  }
  const months = unit === "YEAR" ? 12 : unit === "QUARTER" ? 3 : unit === "MONTH" ? 1 : undefined;
  if (months === undefined)
    throw new DatabaseError(155, `'${unit}' is not a date part that the test engine knows.`);
  const date = new Date(clock.seconds * 1000);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months * count);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return { ...clock, seconds: date.getTime() / 1000 };
}

function dateDiff(unit: string, from: WallClock, to: WallClock): bigint {
  const [a, b] = [new Date(from.seconds * 1000), new Date(to.seconds * 1000)];
  const years = b.getUTCFullYear() - a.getUTCFullYear();
  if (unit === "YEAR") return BigInt(years);
  const months = years * 12 + b.getUTCMonth() - a.getUTCMonth();
  if (unit === "MONTH") return BigInt(months);
  if (unit === "QUARTER")
    return BigInt(years * 4 + Math.floor(b.getUTCMonth() / 3) - Math.floor(a.getUTCMonth() / 3));
  const seconds = SECONDS[unit];
  // Boundaries that were crossed, not time that passed.
  if (seconds !== undefined)
    return BigInt(Math.floor(to.seconds / seconds) - Math.floor(from.seconds / seconds));
  const nanos = BigInt(NANOS[unit] ?? 1);
  const at = (clock: WallClock): bigint =>
    (BigInt(clock.seconds) * 1_000_000_000n + BigInt(Math.round(clock.nanos))) / nanos;
  return at(to) - at(from);
}

function datePart(unit: string, clock: WallClock): number {
  const date = new Date(clock.seconds * 1000);
  switch (unit) {
    case "YEAR":
      return date.getUTCFullYear();
    case "QUARTER":
      return Math.floor(date.getUTCMonth() / 3) + 1;
    case "MONTH":
      return date.getUTCMonth() + 1;
    case "DAY":
      return date.getUTCDate();
    case "HOUR":
      return date.getUTCHours();
    case "MINUTE":
      return date.getUTCMinutes();
    case "SECOND":
      return date.getUTCSeconds();
    case "MILLISECOND":
      return Math.floor(clock.nanos / 1e6);
    case "TZ":
    case "TZOFFSET":
      return clock.offsetMinutes ?? 0;
    default:
      throw new DatabaseError(155, `'${unit}' is not a date part that the test engine knows.`);
  }
}

function clockOf(value: DbValue): WallClock {
  const clock = parseWallClock(String(value));
  if (clock === undefined)
    throw new DatabaseError(241, `Conversion failed when converting '${String(value)}' to a date.`);
  return clock;
}

function written(clock: WallClock, type: DbType): string {
  const zone = type.kind === "datetimeoffset" ? ` ${offsetText(clock.offsetMinutes ?? 0)}` : "";
  const from = zone === "" ? DATETIME2 : OFFSET;
  return convertTemporal(dateTimeText(clock, 9) + zone, from, type, options);
}

export const TSQL_TIME_FUNCTIONS: FunctionTable = {
  GETDATE: lenient(DATETIME, (_, run) => asDatetime(local(run))),
  CURRENT_TIMESTAMP: lenient(DATETIME, (_, run) => asDatetime(local(run))),
  GETUTCDATE: lenient(DATETIME, (_, run) => asDatetime(utc(run))),
  SYSDATETIME: lenient(DATETIME2, (_, run) => dateTimeText(local(run), 7)),
  SYSUTCDATETIME: lenient(DATETIME2, (_, run) => dateTimeText(utc(run), 7)),
  SYSDATETIMEOFFSET: lenient(OFFSET, (_, run) => {
    const clock = local(run);
    return `${dateTimeText(clock, 7)} ${offsetText(clock.offsetMinutes ?? 0)}`;
  }),
  CURRENT_TIMEZONE: lenient(
    { kind: "varchar", length: 100 },
    (_, run) => `(UTC) ${windowsZoneName(databaseOf(run).timeZone)}`,
  ),
  CURRENT_TIMEZONE_ID: lenient({ kind: "varchar", length: 100 }, (_, run) =>
    windowsZoneName(databaseOf(run).timeZone),
  ),
  SWITCHOFFSET: strict(OFFSET, ([value, offset]) => {
    const minutes = typeof offset === "number" ? offset : offsetOf(String(offset))!;
    const clock = atOffset(toUtc(clockOf(value!)), minutes);
    return `${dateTimeText(clock, 7)} ${offsetText(minutes)}`;
  }),
  TODATETIMEOFFSET: strict(OFFSET, ([value, offset]) => {
    const minutes = typeof offset === "number" ? offset : offsetOf(String(offset))!;
    return `${dateTimeText(clockOf(value!), 7)} ${offsetText(minutes)}`;
  }),
  DATEADD: (args) => {
    const [unit, count, date] = args as readonly [(typeof args)[0], (typeof args)[0], (typeof args)[0]];
    const isText = ["char", "varchar", "nchar", "nvarchar"].includes(date.type.kind);
    const type = isText ? DATETIME : date.type;
    return {
      type,
      isNullable: true,
      collationRank: 0,
      eval: (env) => {
        const [amount, value] = [count.eval(env), date.eval(env)];
        if (amount === null || value === null) return null;
        return written(dateAdd(unitOf(unit.eval(env)), Math.trunc(Number(amount)), clockOf(value)), type);
      },
    };
  },
  DATEDIFF: strict(INT, ([unit, from, to]) => Number(dateDiff(unitOf(unit!), clockOf(from!), clockOf(to!)))),
  DATEDIFF_BIG: strict(BIGINT, ([unit, from, to]) => dateDiff(unitOf(unit!), clockOf(from!), clockOf(to!))),
  DATEPART: strict(INT, ([unit, value]) => datePart(unitOf(unit!), clockOf(value!))),
  YEAR: strict(INT, ([value]) => datePart("YEAR", clockOf(value!))),
  MONTH: strict(INT, ([value]) => datePart("MONTH", clockOf(value!))),
  DAY: strict(INT, ([value]) => datePart("DAY", clockOf(value!))),
};
