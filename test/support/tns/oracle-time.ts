// Oracle's DATE and TIMESTAMP bytes, from and to ISO text in full precision.

interface Moment {
  /** The fields as they stand in the text, in milliseconds as if they were UTC. */
  readonly atMs: number;
  readonly nanos: number;
  /** Undefined where the text has no offset. */
  readonly offsetMinutes: number | undefined;
}

const MINUTE_MS = 60_000;
const HOUR_BIAS = 20;
const MINUTE_BIAS = 60;

/** Seven bytes; a fraction is dropped. @throws RangeError */
export function encodeDate(text: string): Buffer {
  return fields(parse(text).atMs);
}

/** Eleven bytes, or seven where there is no fraction. @throws RangeError */
export function encodeTimestamp(text: string): Buffer {
  const { atMs, nanos } = parse(text);
  return nanos === 0 ? fields(atMs) : withNanos(fields(atMs), nanos);
}

/** Thirteen bytes: the fields in UTC, then the offset. @throws RangeError also where the offset is missing */
export function encodeTimestampTz(text: string): Buffer {
  const { atMs, nanos, offsetMinutes } = parse(text);
  if (offsetMinutes === undefined) throw new RangeError(`"${text}" has no offset, but its type needs one`);
  const bytes = withNanos(fields(atMs - offsetMinutes * MINUTE_MS), nanos);
  const hours = Math.trunc(offsetMinutes / 60);
  return Buffer.concat([bytes, Buffer.of(hours + HOUR_BIAS, (offsetMinutes % 60) + MINUTE_BIAS)]);
}

/** As a timestamp in the database's own zone; a text without offset is taken to be there already. @throws RangeError */
export function encodeTimestampLtz(text: string, databaseOffsetMinutes: number): Buffer {
  const { atMs, nanos, offsetMinutes = databaseOffsetMinutes } = parse(text);
  const bytes = fields(atMs + (databaseOffsetMinutes - offsetMinutes) * MINUTE_MS);
  return nanos === 0 ? bytes : withNanos(bytes, nanos);
}

/** `2026-05-04 10:00:00`. */
export function decodeDate(bytes: Buffer): string {
  return iso(millisecondsOf(bytes));
}

/** `2026-05-04 10:00:00.123456789`. */
export function decodeTimestamp(bytes: Buffer): string {
  return `${iso(millisecondsOf(bytes))}.${nanosOf(bytes)}`;
}

/** `2026-05-04 10:00:00.123456789 +02:00`. */
export function decodeTimestampTz(bytes: Buffer): string {
  const offset = (bytes.readUInt8(11) - HOUR_BIAS) * 60 + bytes.readUInt8(12) - MINUTE_BIAS;
  return `${iso(millisecondsOf(bytes) + offset * MINUTE_MS)}.${nanosOf(bytes)} ${offsetText(offset)}`;
}

/** With the database's offset, in which the bytes are. */
export function decodeTimestampLtz(bytes: Buffer, databaseOffsetMinutes: number): string {
  return `${decodeTimestamp(bytes)} ${offsetText(databaseOffsetMinutes)}`;
}

/** `+02:00` to 120. @throws RangeError */
export function offsetMinutesOf(text: string): number {
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(text);
  if (match === null) throw new RangeError(`"${text}" is no offset such as +02:00`);
  const [, sign, hours, minutes] = match;
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

function offsetText(minutes: number): string {
  const [sign, size] = [minutes < 0 ? "-" : "+", Math.abs(minutes)];
  return `${sign}${String(Math.trunc(size / 60)).padStart(2, "0")}:${String(size % 60).padStart(2, "0")}`;
}

const PATTERN =
  /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9})\d*)?)?)?(?: ?(Z|[+-]\d{2}:?\d{2}))?$/;

function parse(text: string): Moment {
  const match = PATTERN.exec(text);
  if (match === null) throw new RangeError(`"${text}" is no ISO date or timestamp`);
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone] = match;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  if (!Number.isFinite(date.getTime()) || date.getUTCDate() !== Number(day))
    throw new RangeError(`"${text}" is not in the calendar`);
  return {
    atMs: date.getTime(),
    nanos: Number(fraction.padEnd(9, "0")),
    offsetMinutes: zone === undefined ? undefined : zone === "Z" ? 0 : offsetMinutesOf(zone),
  };
}

function fields(atMs: number): Buffer {
  const date = new Date(atMs);
  const year = date.getUTCFullYear();
  return Buffer.of(
    Math.trunc(year / 100) + 100,
    (year % 100) + 100,
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours() + 1,
    date.getUTCMinutes() + 1,
    date.getUTCSeconds() + 1,
  );
}

function withNanos(bytes: Buffer, nanos: number): Buffer {
  const longer = Buffer.alloc(11);
  bytes.copy(longer);
  longer.writeUInt32BE(nanos, 7);
  return longer;
}

function millisecondsOf(bytes: Buffer): number {
  const at = (index: number): number => bytes.readUInt8(index);
  const date = new Date(0);
  date.setUTCFullYear((at(0) - 100) * 100 + at(1) - 100, at(2) - 1, at(3));
  date.setUTCHours(at(4) - 1, at(5) - 1, at(6) - 1);
  return date.getTime();
}

function nanosOf(bytes: Buffer): string {
  return String(bytes.length >= 11 ? bytes.readUInt32BE(7) : 0).padStart(9, "0");
}

/** Without zone and milliseconds. */
function iso(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 19).replace("T", " ");
}
