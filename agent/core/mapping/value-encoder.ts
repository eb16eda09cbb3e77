// One value of the unified model as the source's own values, or what is wrong with it.
import type { WriteValue } from "../source/write.ts";
import { plainDecimal, shiftDecimal } from "./decimal.ts";
import type { LocalTime } from "./local-time.ts";
import { show } from "./pack-reader.ts";
import { createTimeReader } from "./timestamp.ts";
import type { InstantStyle, ReferencePart, WriteField } from "./write-field.ts";

const NO_DATES: ReadonlySet<string> = new Set();

/** What another slot of the request holds, or the record's key in it. */
export type SlotLookup = (slot: string) => WriteValue | undefined;

/** One value for each slot, or what is wrong. */
export function encodeField(
  field: WriteField,
  value: unknown,
  zone: LocalTime,
  lookup: SlotLookup,
): readonly WriteValue[] | string {
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
      return encodeReference(value, conversion.key, lookup);
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

export function instantText(
  utcS: number,
  fraction: string,
  style: InstantStyle,
  zone: LocalTime,
): WriteValue {
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
  key: readonly ReferencePart[],
  lookup: SlotLookup,
): readonly WriteValue[] | string {
  const { remote_key: remoteKey, remote_id: remoteId } = (
    typeof value === "object" && value !== null ? value : {}
  ) as { remote_key?: unknown; remote_id?: unknown };
  const parts: unknown = remoteKey ?? (key.length === 1 ? [remoteId] : undefined);
  const isKey = Array.isArray(parts) && parts.every((part) => typeof part === "string" && part !== "");
  if (!isKey || parts.length !== key.length)
    return `expected a reference with remote_key of ${key.length} value${key.length === 1 ? "" : "s"}, not ${show(value)}`;
  const texts = parts as readonly string[];
  for (const [at, part] of key.entries()) {
    if (typeof part === "string") continue;
    const wanted = "constant" in part ? part.constant : lookup(part.same);
    if (wanted === undefined || wanted === null)
      return `cannot be checked without ${(part as { same: string }).same}, which the request does not give`;
    if (String(wanted) !== texts[at])
      return `the source takes only references whose key has ${show(String(wanted))} at ${at + 1}`;
  }
  return texts.filter((_, at) => typeof key[at] === "string");
}

/** Characters of one custom field, at most. */
const MAX_CUSTOM_LENGTH = 4_000;

/** The source's own column: what its record shows under `custom_fields` goes back as it is. */
export function encodeCustom(
  value: unknown,
): { readonly ok: true; readonly value: WriteValue } | { readonly ok: false; readonly message: string } {
  if (value === null) return { ok: true, value };
  if (typeof value === "boolean") return { ok: true, value: value ? 1 : 0 };
  if (typeof value === "number" && Number.isSafeInteger(value)) return { ok: true, value };
  if (typeof value === "number" && Number.isFinite(value)) {
    const plain = plainDecimal(value);
    return plain === undefined ? refusedCustom(value) : { ok: true, value: plain };
  }
  if (typeof value !== "string") return refusedCustom(value);
  if (value.length <= MAX_CUSTOM_LENGTH) return { ok: true, value };
  return { ok: false, message: `has ${value.length} characters; at most ${MAX_CUSTOM_LENGTH} are written` };
}

function refusedCustom(value: unknown): { readonly ok: false; readonly message: string } {
  return { ok: false, message: `expected text, a number, true, false or null, not ${show(value)}` };
}
