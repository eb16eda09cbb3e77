// Oracle's clock, zones, and change numbers.
import {
  atOffset,
  clockOfMs,
  dateText,
  dateTimeText,
  offsetText,
  offsetOf,
  parseWallClock,
  plusSeconds,
  toUtc,
} from "./date-text.ts";
import { decimalOf } from "./convert.ts";
import { formatDecimal } from "./decimal.ts";
import { commitAt } from "./flashback.ts";
import { type FunctionTable, lenient, NUMBER, strict } from "./function-kit.ts";
import { oracleOf, oracleSessionOf } from "./oracle-functions.ts";
import { readDateText } from "./oracle-format.ts";
import type { Run, ScalarFunction } from "./run.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";
import { zoneOffsetMinutes } from "./time-zones.ts";

const DATE: DbType = { kind: "oracle_date" };

function timestamp(zone: "none" | "offset" | "local", scale = 6): DbType {
  return { kind: "timestamp", scale, zone };
}

function serverOffset(run: Run): number {
  return zoneOffsetMinutes(oracleOf(run).timeZone, run.nowMs);
}

function nowAt(offsetMinutes: number, run: Run): string {
  return dateTimeText(atOffset(clockOfMs(run.nowMs), offsetMinutes), 6);
}

/** A zoned value of this type as UTC. */
function utcOf(value: DbValue, type: DbType, run: Run): string {
  const clock = parseWallClock(String(value))!;
  const isZoned = type.kind === "timestamp" && type.zone !== "none";
  return dateTimeText(isZoned ? toUtc(clock) : toUtc(clock, oracleSessionOf(run).offsetMinutes), 9);
}

function reader(type: DbType, setting: string): ScalarFunction {
  return strict(type, ([text, format], run) => {
    const how = format === undefined ? run.session.settings.get(setting)! : String(format);
    const read = readDateText(String(text), how);
    if (type.kind === "oracle_date") return read.slice(0, 19);
    if (type.kind === "timestamp" && type.zone === "offset" && !/[-+]\d\d:\d\d$/.test(read)) {
      return `${read} ${offsetText(oracleSessionOf(run).offsetMinutes)}`;
    }
    return type.kind === "timestamp" && type.zone === "none" ? read.slice(0, 29) : read;
  });
}

/** Seconds of an interval, marked as such. */
function interval(seconds: (args: readonly DbValue[]) => DbValue): ScalarFunction {
  const base = strict(NUMBER, seconds);
  return (args, run, scope) => ({ ...base(args, run, scope), isInterval: true });
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { SECOND: 1, MINUTE: 60, HOUR: 3600, DAY: 86_400 };

function addMonths(value: string, count: number): string {
  const clock = parseWallClock(value)!;
  const date = new Date(clock.seconds * 1000);
  const lastOf = (year: number, month: number): number => new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const wasLast = date.getUTCDate() === lastOf(date.getUTCFullYear(), date.getUTCMonth());
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + count);
  const last = lastOf(date.getUTCFullYear(), date.getUTCMonth());
  date.setUTCDate(wasLast ? last : Math.min(day, last));
  return dateTimeText({ ...clock, seconds: date.getTime() / 1000 }, 0);
}

function extracted(part: string, value: string): string {
  const clock = parseWallClock(value)!;
  const date = new Date(clock.seconds * 1000);
  const parts: Readonly<Record<string, number>> = {
    YEAR: date.getUTCFullYear(),
    MONTH: date.getUTCMonth() + 1,
    DAY: date.getUTCDate(),
    HOUR: date.getUTCHours(),
    MINUTE: date.getUTCMinutes(),
    SECOND: date.getUTCSeconds() + clock.nanos / 1e9,
    TIMEZONE_HOUR: Math.trunc((clock.offsetMinutes ?? 0) / 60),
    TIMEZONE_MINUTE: (clock.offsetMinutes ?? 0) % 60,
  };
  const found = parts[part.toUpperCase()];
  if (found === undefined) throw new DatabaseError(907, `ORA-00907: EXTRACT does not know ${part}`);
  return String(found);
}

export const ORACLE_TIME_FUNCTIONS: FunctionTable = {
  $SECONDS: interval(([seconds]) => seconds!),
  NUMTODSINTERVAL: interval(([count, unit]) =>
    String(Number(count) * (UNIT_SECONDS[String(unit).toUpperCase()] ?? 1)),
  ),
  TO_DSINTERVAL: interval(([text]) => {
    const match = /^\s*([-+]?)(\d+) +(\d+):(\d+):(\d+)/.exec(String(text));
    if (match === null) throw new DatabaseError(1867, "ORA-01867: the interval is invalid");
    const [days, hours, minutes, seconds] = match.slice(2).map(Number);
    return String((match[1] === "-" ? -1 : 1) * (days! * 86_400 + hours! * 3600 + minutes! * 60 + seconds!));
  }),
  SYSDATE: lenient(DATE, (_, run) => nowAt(serverOffset(run), run).slice(0, 19)),
  SYSTIMESTAMP: lenient(
    timestamp("offset"),
    (_, run) => `${nowAt(serverOffset(run), run)} ${offsetText(serverOffset(run))}`,
  ),
  CURRENT_DATE: lenient(DATE, (_, run) => nowAt(oracleSessionOf(run).offsetMinutes, run).slice(0, 19)),
  LOCALTIMESTAMP: lenient(timestamp("none"), (_, run) => nowAt(oracleSessionOf(run).offsetMinutes, run)),
  CURRENT_TIMESTAMP: lenient(timestamp("offset"), (_, run) => {
    const { offsetMinutes } = oracleSessionOf(run);
    return `${nowAt(offsetMinutes, run)} ${offsetText(offsetMinutes)}`;
  }),
  DBTIMEZONE: lenient({ kind: "varchar", length: 64 }, () => "+00:00"),
  SESSIONTIMEZONE: lenient({ kind: "varchar", length: 64 }, (_, run) =>
    offsetText(oracleSessionOf(run).offsetMinutes),
  ),
  TO_DATE: reader(DATE, "NLS_DATE_FORMAT"),
  TO_TIMESTAMP: reader(timestamp("none", 9), "NLS_TIMESTAMP_FORMAT"),
  TO_TIMESTAMP_TZ: reader(timestamp("offset", 9), "NLS_TIMESTAMP_TZ_FORMAT"),
  FROM_TZ: strict(timestamp("offset", 9), ([value, zone]) => {
    const clock = parseWallClock(String(value))!;
    const minutes = /^[-+]/.test(String(zone))
      ? offsetOf(String(zone))!
      : zoneOffsetMinutes(String(zone), clock.seconds * 1000, true);
    return `${dateTimeText(clock, 9)} ${offsetText(minutes)}`;
  }),
  SYS_EXTRACT_UTC: strict(timestamp("none", 9), ([value], run, [type]) => utcOf(value!, type!, run)),
  EXTRACT: strict(NUMBER, ([part, value]) => extracted(String(part), String(value))),
  ADD_MONTHS: strict(DATE, ([value, count]) => addMonths(String(value), Math.trunc(Number(count)))),
  LAST_DAY: strict(DATE, ([value]) => {
    const clock = parseWallClock(String(value))!;
    const date = new Date(clock.seconds * 1000);
    const day = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    return dateTimeText(plusSeconds(clock, (day - date.getUTCDate()) * 86_400), 0);
  }),
  MONTHS_BETWEEN: strict(NUMBER, ([left, right]) => {
    const [a, b] = [
      new Date(dateText(parseWallClock(String(left))!)),
      new Date(dateText(parseWallClock(String(right))!)),
    ];
    const months = (a.getUTCFullYear() - b.getUTCFullYear()) * 12 + a.getUTCMonth() - b.getUTCMonth();
    return String(months + (a.getUTCDate() - b.getUTCDate()) / 31);
  }),
  GET_SYSTEM_CHANGE_NUMBER: lenient(NUMBER, (_, run) => String(run.host.storage.commitClock)),
  TIMESTAMP_TO_SCN: strict(NUMBER, ([value], run, [type]) =>
    String(commitAt(utcOf(value!, type!, run), run)),
  ),
  SCN_TO_TIMESTAMP: strict(timestamp("none", 9), ([scn], run) => {
    const wanted = Number(formatDecimal(decimalOf(scn!)!));
    const found = run.host.storage.commitTimes.findLast(([commit]) => commit <= wanted);
    if (found === undefined || wanted > run.host.storage.commitClock) {
      throw new DatabaseError(8181, "ORA-08181: specified number is not a valid system change number");
    }
    return dateTimeText(atOffset(clockOfMs(found[1]), serverOffset(run)), 9);
  }),
};
