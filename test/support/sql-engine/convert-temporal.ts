// Values into date and time types.
import type { ConvertOptions } from "./convert.ts";
import {
  clockOfMs,
  dateText,
  dateTimeText,
  offsetText,
  parseWallClock,
  plusSeconds,
  roundClock,
  roundToDatetime,
  timeText,
  toUtc,
  type WallClock,
} from "./date-text.ts";
import { DatabaseError, type DbType, type DbValue } from "./session.ts";

/** @throws DatabaseError 241 / ORA-01843 for text that is no such time */
export function convertTemporal(value: DbValue, from: DbType, to: DbType, options: ConvertOptions): string {
  const isTextual = ["char", "varchar", "nchar", "nvarchar", "clob", "nclob"].includes(from.kind);
  let clock: WallClock | undefined;
  if (typeof value === "string") {
    const text = isTextual && options.readDate !== undefined ? options.readDate(value, to) : value;
    clock = parseWallClock(text);
  } else if (typeof value === "number" && (to.kind === "datetime" || to.kind === "smalldatetime")) {
    clock = plusSeconds(clockOfMs(Date.UTC(1900, 0, 1)), Math.round(value * 86_400));
  }
  if (clock === undefined) throw unreadable(value, to, options);
  if (isTextual && options.dialect === "tsql" && to.kind === "datetime" && hasFineFraction(String(value))) {
    // DATETIME reads three digits at most.
    throw unreadable(value, to, options);
  }
  return writeAs(clock, from, to);
}

function hasFineFraction(text: string): boolean {
  return /\.\d{4,}/.test(text);
}

function writeAs(clock: WallClock, from: DbType, to: DbType): string {
  const isZoned = from.kind === "datetimeoffset" || (from.kind === "timestamp" && from.zone !== "none");
  switch (to.kind) {
    case "date":
      return dateText(clock);
    case "time": {
      const rounded = roundClock(clock, to.scale);
      return timeText(rounded, to.scale);
    }
    case "datetime":
      return dateTimeText(roundToDatetime(clock), 3);
    case "smalldatetime": {
      const inMinute = ((clock.seconds % 60) + 60) % 60;
      return dateTimeText({ ...plusSeconds(clock, inMinute >= 30 ? 60 - inMinute : -inMinute), nanos: 0 }, 0);
    }
    case "datetime2":
      return dateTimeText(roundClock(clock, to.scale), to.scale);
    case "datetimeoffset":
      return `${dateTimeText(roundClock(clock, to.scale), to.scale)} ${offsetText(clock.offsetMinutes ?? 0)}`;
    case "oracle_date":
      return dateTimeText(clock, 0);
    case "timestamp": {
      if (to.zone === "local") {
        const utc = isZoned || clock.offsetMinutes !== undefined ? toUtc(clock) : clock;
        return `${dateTimeText(roundClock(utc, to.scale), to.scale)} +00:00`;
      }
      const text = dateTimeText(roundClock(clock, to.scale), to.scale);
      return to.zone === "none" ? text : `${text} ${offsetText(clock.offsetMinutes ?? 0)}`;
    }
    default:
      throw new DatabaseError(
        529,
        `Explicit conversion from data type ${from.kind} to ${to.kind} is not allowed.`,
      );
  }
}

function unreadable(value: DbValue, to: DbType, options: ConvertOptions): DatabaseError {
  if (options.dialect === "oracle") {
    return new DatabaseError(1861, `ORA-01861: literal does not match format string (${String(value)})`);
  }
  return new DatabaseError(
    241,
    `Conversion failed when converting date and/or time from character string '${String(value)}' to ${to.kind}.`,
  );
}
