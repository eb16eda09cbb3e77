// From a request in the unified model's words to the source's own values, or to every problem in it at once.
import { didYouMean } from "#common/runtime/nearest-match.ts";
import type { SourceKey } from "../source/connector.ts";
import type { WriteValue } from "../source/write.ts";
import { plainDecimal, shiftDecimal } from "./decimal.ts";
import { LocalTime } from "./local-time.ts";
import { show } from "./pack-reader.ts";
import { createTimeReader } from "./timestamp.ts";
import type { FixedInput, InstantStyle, WriteField } from "./write-field.ts";

export interface WriteInput {
  readonly key: SourceKey | undefined;
  /** Unified field → value, as in the API; what is left out stays as it is. References as `{ remote_key: […] }` or `{ remote_id }`. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly commandId: string;
}

export interface WriteContext {
  /** IANA zone of local wall-clock columns. */
  readonly timeZone: string;
  /** Now, ms since the epoch. */
  readonly nowMs: number;
}

/** `field` is empty for what is wrong with the request as a whole. */
export interface WriteProblem {
  readonly field: string;
  readonly message: string;
}

export type EncodedWrite =
  | { readonly ok: true; readonly values: Readonly<Record<string, WriteValue>> }
  | { readonly ok: false; readonly problems: readonly WriteProblem[] };

export interface WriteEncoding {
  readonly fields: readonly WriteField[];
  readonly fixed: ReadonlyMap<string, FixedInput>;
}

const NO_DATES: ReadonlySet<string> = new Set();

/** Never throws. */
export function encodeWrite(
  { fields, fixed }: WriteEncoding,
  input: WriteInput,
  context: WriteContext,
): EncodedWrite {
  const zone = new LocalTime(context.timeZone);
  const problems: WriteProblem[] = [];
  const values: Record<string, WriteValue> = {};
  const known = fields.map(({ name }) => name);
  for (const field of Object.keys(input.values))
    if (!known.includes(field))
      problems.push({
        field,
        message: `cannot be written here${didYouMean(field, known) || `; these can: ${known.join(", ") || "none"}`}`,
      });
  for (const field of fields) {
    const given = input.values[field.name];
    if (given === undefined || (given === null && field.isRequired)) {
      if (field.isRequired) problems.push({ field: field.name, message: "is required" });
      continue;
    }
    const encoded = given === null ? field.slots.map(() => field.empty) : encodeField(field, given, zone);
    if (typeof encoded === "string") problems.push({ field: field.name, message: encoded });
    else for (const [at, slot] of field.slots.entries()) values[slot] = encoded[at] ?? null;
  }
  if (fields.length > 0 && problems.length === 0 && Object.keys(values).length === 0)
    problems.push({
      field: "",
      message: `nothing is to be written; these fields can be: ${known.join(", ")}`,
    });
  for (const [slot, fill] of fixed) values[slot] = fixedValue(fill, input, context.nowMs, zone);
  return problems.length === 0 ? { ok: true, values } : { ok: false, problems };
}

function fixedValue(fill: FixedInput, input: WriteInput, nowMs: number, zone: LocalTime): WriteValue {
  switch (fill.from) {
    case "key":
      return input.key?.[fill.at] ?? null;
    case "constant":
      return fill.value;
    case "now":
      return instantText(Math.floor(nowMs / 1000), String(nowMs % 1000).padStart(3, "0"), fill.style, zone);
    default:
      return input.commandId;
  }
}

/** One value for each slot, or what is wrong. */
function encodeField(field: WriteField, value: unknown, zone: LocalTime): readonly WriteValue[] | string {
  const { conversion } = field;
  switch (conversion.kind) {
    case "text":
      if (typeof value !== "string") return `expected text, not ${show(value)}`;
      if (value.length > conversion.maxLength)
        return `has ${value.length} characters; the source takes ${conversion.maxLength}`;
      return [value];
    case "enum": {
      const code = typeof value === "string" ? conversion.codes.get(value) : undefined;
      if (code !== undefined) return [code];
      return `the source takes ${[...conversion.codes.keys()].join(", ")} here, not ${show(value)}`;
    }
    case "decimal":
      return encodeDecimal(value, conversion.decimals, conversion.impliedDecimals);
    case "number":
      return typeof value === "number" && Number.isFinite(value)
        ? [value]
        : `expected a number, not ${show(value)}`;
    case "boolean":
      if (typeof value !== "boolean") return `expected true or false, not ${show(value)}`;
      return [value ? conversion.yes : conversion.no];
    case "instant":
      return encodeInstant(value, conversion, zone);
    case "date":
      return encodeDate(value, conversion.format);
    default:
      return encodeReference(value, conversion.key);
  }
}

function encodeDecimal(
  value: unknown,
  decimals: number | undefined,
  implied: number,
): readonly WriteValue[] | string {
  const isExact = typeof value === "string" || (typeof value === "number" && Number.isSafeInteger(value));
  const plain = isExact ? plainDecimal(value) : undefined;
  if (plain === undefined || (typeof value === "string" && value.trim() === ""))
    return `expected a decimal as text such as "12.50", not ${show(value)}`;
  const places = /\.\d*[1-9]/.exec(plain)?.[0].length ?? 1;
  if (decimals !== undefined && places - 1 > decimals)
    return `${plain} has more than ${decimals} decimal places: the source would round it`;
  if (implied === 0) return [plain];
  const shifted = shiftDecimal(plain, -implied);
  if (shifted === undefined || /\.\d*[1-9]/.test(shifted))
    return `${plain} has more than ${implied} decimal places: the source has no room for them`;
  return [shifted.replace(/\.0*$/, "")];
}

/** The instant must read back as itself: an hour that the clock goes through twice has only its first in local time. */
function encodeInstant(value: unknown, style: InstantStyle, zone: LocalTime): readonly WriteValue[] | string {
  const wanted = `expected an instant such as 2026-05-04T08:00:00Z, not ${show(value)}`;
  if (typeof value !== "string" || !/(Z|[+-]\d{2}:?\d{2})$/.test(value)) return wanted;
  const utc = createTimeReader(zone, NO_DATES).instant(value, "utc");
  if (typeof utc !== "string") return wanted;
  const utcS = Date.parse(`${utc.slice(0, 19)}Z`) / 1000;
  const fraction = /\.(\d+)Z$/.exec(utc)?.[1] ?? "";
  if (style.format === "local" && zone.toUtc(utcS + zone.offsetAt(utcS)) !== utcS)
    return `${utc} cannot be told apart in the source's local time: clocks went back and that hour came twice`;
  return [instantText(utcS, fraction, style, zone)];
}

function instantText(utcS: number, fraction: string, style: InstantStyle, zone: LocalTime): WriteValue {
  const { format, separator } = style;
  if (format === "epoch_s") return utcS;
  if (format === "epoch_ms") return utcS * 1000 + Number(fraction.slice(0, 3).padEnd(3, "0"));
  const shownS = format === "local" ? utcS + zone.offsetAt(utcS) : utcS;
  const text = new Date(shownS * 1000).toISOString().slice(0, 19).replace("T", separator);
  const digits = fraction.slice(0, style.fraction ?? 9).replace(/0+$/, "");
  return digits === "" ? text : `${text}.${digits}`;
}

function encodeDate(value: unknown, format: "iso" | "yyyymmdd" | "cyyddd"): readonly WriteValue[] | string {
  const isWritten = typeof value === "string" && /^\d{4}-\d{2}-\d{2}$/.test(value);
  const ms = isWritten ? Date.parse(`${value}T00:00:00Z`) : Number.NaN;
  if (!isWritten || Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== value)
    return `expected a date such as 2026-05-04, not ${show(value)}`;
  if (format === "iso") return [value];
  if (format === "yyyymmdd") return [value.replaceAll("-", "")];
  const year = Number(value.slice(0, 4));
  if (year < 1900) return `the source has no dates before 1900`;
  const dayOfYear = (ms - Date.UTC(year, 0, 1)) / 86_400_000 + 1;
  return [(year - 1900) * 1000 + dayOfYear];
}

function encodeReference(
  value: unknown,
  key: readonly (string | { readonly constant: string })[],
): readonly WriteValue[] | string {
  const { remote_key: remoteKey, remote_id: remoteId } = (
    typeof value === "object" && value !== null ? value : {}
  ) as { remote_key?: unknown; remote_id?: unknown };
  const parts: unknown = remoteKey ?? (key.length === 1 ? [remoteId] : undefined);
  const isKey = Array.isArray(parts) && parts.every((part) => typeof part === "string" && part !== "");
  if (!isKey || parts.length !== key.length)
    return `expected a reference with remote_key of ${key.length} value${key.length === 1 ? "" : "s"}, not ${show(value)}`;
  const texts = parts as readonly string[];
  const wrong = key.findIndex((part, at) => typeof part !== "string" && part.constant !== texts[at]);
  if (wrong >= 0) return `the source takes only references whose key has ${show(key[wrong])} at ${wrong + 1}`;
  return texts.filter((_, at) => typeof key[at] === "string");
}
