// Oracle's date format models: writing and reading texts by `SYYYY-MM-DD HH24:MI:SS.FF6TZH:TZM` and its like.
import { dateTimeText, offsetText, pad, parseWallClock, type WallClock } from "./date-text.ts";
import { DatabaseError } from "./session.ts";

const TOKENS =
  /"([^"]*)"|SYYYY|YYYY|RRRR|YYY|YY|RR|Y|MONTH|MON|MM|DDD|DD|DAY|DY|D|HH24|HH12|HH|MI|SSSSS|SS|FF[1-9]?|TZH|TZM|TZR|TZD|AM|PM|A\.M\.|P\.M\.|FM|FX|X|J|Q|WW|IW|[-/,.;: T]/giy;

interface FormatToken {
  readonly key: string;
  readonly literal: string | undefined;
}

const known = new Map<string, readonly FormatToken[]>();

function tokensOf(format: string): readonly FormatToken[] {
  let tokens = known.get(format);
  if (tokens !== undefined) return tokens;
  const found: FormatToken[] = [];
  for (let at = 0; at < format.length;) {
    TOKENS.lastIndex = at;
    const match = TOKENS.exec(format);
    if (match === null) throw new DatabaseError(1821, "ORA-01821: date format not recognized");
    found.push({ key: match[0].toUpperCase(), literal: match[1] });
    at += match[0].length;
  }
  tokens = found;
  known.set(format, tokens);
  return tokens;
}

const MONTHS = "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER".split(
  " ",
);
const DAYS = "SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY".split(" ");

/** `value` in the engine's own writing. */
export function formatDate(value: string, format: string): string {
  const clock = parseWallClock(value);
  if (clock === undefined) return value;
  let isTrimmed = false;
  let text = "";
  for (const { key, literal } of tokensOf(format)) {
    if (literal !== undefined) text += literal;
    else if (key === "FM") isTrimmed = !isTrimmed;
    else {
      const part = partOf(key, clock);
      text += isTrimmed ? part.trim().replace(/^0+(?=\d)/, "") : part;
    }
  }
  return text;
}

function partOf(key: string, clock: WallClock): string {
  const date = new Date(clock.seconds * 1000);
  const year = date.getUTCFullYear();
  switch (key) {
    case "SYYYY":
      return `${year < 0 ? "-" : " "}${pad(Math.abs(year), 4)}`;
    case "YYYY":
    case "RRRR":
      return pad(Math.abs(year), 4);
    case "YY":
    case "RR":
      return pad(year % 100, 2);
    case "MM":
      return pad(date.getUTCMonth() + 1, 2);
    case "MON":
      return MONTHS[date.getUTCMonth()]!.slice(0, 3);
    case "MONTH":
      return MONTHS[date.getUTCMonth()]!.padEnd(9, " ");
    case "DD":
      return pad(date.getUTCDate(), 2);
    case "D":
      return String(date.getUTCDay() + 1);
    case "DY":
      return DAYS[date.getUTCDay()]!.slice(0, 3);
    case "DAY":
      return DAYS[date.getUTCDay()]!.padEnd(9, " ");
    case "HH24":
      return pad(date.getUTCHours(), 2);
    case "HH":
    case "HH12":
      return pad(date.getUTCHours() % 12 || 12, 2);
    case "MI":
      return pad(date.getUTCMinutes(), 2);
    case "SS":
      return pad(date.getUTCSeconds(), 2);
    case "SSSSS":
      return pad(date.getUTCHours() * 3600 + date.getUTCMinutes() * 60 + date.getUTCSeconds(), 5);
    case "X":
      return ".";
    case "AM":
    case "PM":
      return date.getUTCHours() < 12 ? "AM" : "PM";
    case "TZH":
      return offsetText(clock.offsetMinutes ?? 0).slice(0, 3);
    case "TZM":
      return offsetText(clock.offsetMinutes ?? 0).slice(4);
    case "TZR":
      return offsetText(clock.offsetMinutes ?? 0);
    default:
      if (key.startsWith("FF")) return pad(clock.nanos, 9).slice(0, Number(key.slice(2) || 6));
      if (/^[-/,.;: T]$/.test(key)) return key;
      throw new DatabaseError(1821, `ORA-01821: date format not recognized (${key})`);
  }
}

const DIGITS: Readonly<Record<string, number>> = {
  SYYYY: 4,
  YYYY: 4,
  RRRR: 4,
  YY: 2,
  RR: 2,
  MM: 2,
  DD: 2,
  HH24: 2,
  HH12: 2,
  HH: 2,
  MI: 2,
  SS: 2,
  SSSSS: 5,
  TZM: 2,
};

/** The engine's writing of a text in this format. @throws DatabaseError ORA-01861 and its like */
export function readDateText(text: string, format: string): string {
  const parts = new Map<string, string>();
  let at = 0;
  const skip = (pattern: RegExp): void => {
    pattern.lastIndex = at;
    at += pattern.exec(text)?.[0].length ?? 0;
  };
  for (const { key, literal } of tokensOf(format)) {
    if (key === "FM" || key === "FX") continue;
    if (literal !== undefined) {
      if (text.slice(at, at + literal.length).toUpperCase() !== literal.toUpperCase())
        throw mismatch(text, format);
      at += literal.length;
      continue;
    }
    if (/^[-/,.;: TX]$/.test(key)) {
      // Any punctuation stands for any other; what is left out at the end stays out.
      if (key === "T") skip(/T/iy);
      else skip(/[-/,.;: ]/y);
      continue;
    }
    if (at >= text.trimEnd().length) break;
    if (key !== "TZH") skip(/ */y);
    const found = partIn(key, text, at);
    if (found === undefined) throw mismatch(text, format);
    parts.set(key, found);
    at += found.length;
  }
  if (text.slice(at).trim() !== "")
    throw new DatabaseError(
      1830,
      `ORA-01830: date format picture ends before converting entire input string (${text})`,
    );
  return assembled(parts, text);
}

function partIn(key: string, text: string, at: number): string | undefined {
  const pattern = key.startsWith("FF")
    ? /\d{1,9}/y
    : key === "MON" || key === "MONTH" || key === "DY" || key === "DAY"
      ? /[A-Za-z]+/y
      : key === "TZH"
        ? / *[-+]?\d{1,2}/y
        : key === "TZR"
          ? /[-+]\d\d:\d\d|[A-Za-z_/]+/y
          : key === "AM" || key === "PM"
            ? /[AaPp]\.?[Mm]\.?/y
            : key === "SYYYY"
              ? / *[-+]?\d{1,4}/y
              : new RegExp(`\\d{1,${DIGITS[key] ?? 2}}`, "y");
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function assembled(parts: ReadonlyMap<string, string>, text: string): string {
  const number = (...keys: readonly string[]): number | undefined => {
    const key = keys.find((name) => parts.has(name));
    return key === undefined ? undefined : Number(parts.get(key));
  };
  const short = number("RR", "YY");
  const now = new Date();
  const year =
    number("SYYYY", "YYYY", "RRRR") ??
    (short === undefined ? now.getUTCFullYear() : short < 50 ? 2000 + short : 1900 + short);
  const named = (parts.get("MON") ?? parts.get("MONTH"))?.toUpperCase().slice(0, 3);
  const month =
    named === undefined
      ? (number("MM") ?? now.getUTCMonth() + 1)
      : MONTHS.findIndex((name) => name.startsWith(named)) + 1;
  if (month < 1 || month > 12) throw new DatabaseError(1843, "ORA-01843: not a valid month");
  let hour = number("HH24", "HH12", "HH") ?? 0;
  const half = (parts.get("AM") ?? parts.get("PM"))?.toUpperCase();
  if (half?.startsWith("P") === true && hour < 12) hour += 12;
  if (half?.startsWith("A") === true && hour === 12) hour = 0;
  const fraction = [...parts].find(([key]) => key.startsWith("FF"))?.[1];
  const day = number("DD") ?? 1;
  const plain = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)} ${pad(hour, 2)}:${pad(number("MI") ?? 0, 2)}:${pad(number("SS") ?? 0, 2)}`;
  const clock = parseWallClock(plain);
  if (clock === undefined)
    throw new DatabaseError(1839, `ORA-01839: date not valid for month specified (${text})`);
  const nanos = Number((fraction ?? "").padEnd(9, "0"));
  return dateTimeText({ ...clock, nanos }, 9) + zoneText(parts);
}

function zoneText(parts: ReadonlyMap<string, string>): string {
  const zone = parts.get("TZR");
  if (zone !== undefined && /^[-+]/.test(zone)) return ` ${zone}`;
  const hours = parts.get("TZH")?.trim();
  if (hours === undefined) return "";
  const sign = hours.startsWith("-") ? "-" : "+";
  return ` ${sign}${hours.replace(/^[-+]/, "").padStart(2, "0")}:${parts.get("TZM") ?? "00"}`;
}

function mismatch(text: string, format: string): DatabaseError {
  return new DatabaseError(
    1861,
    `ORA-01861: literal does not match format string ('${text}' and '${format}')`,
  );
}

/** `TO_CHAR(number)` without and with the simpler formats. */
export function formatNumber(value: string, format: string | undefined): string {
  if (format === undefined || /^TM9?$/i.test(format)) return value.replace(/^(-?)0\./, "$1.");
  const isTrimmed = /^FM/i.test(format);
  const picture = format.replace(/^FM/i, "").toUpperCase();
  if (!/^[S$]?[09,G]*(?:[.D][09]*)?$/.test(picture))
    throw new DatabaseError(1481, "ORA-01481: invalid number format model");
  const [whole = "", fraction = ""] = picture.replace(/^[S$]/, "").split(/[.D]/);
  const scaled = Number(value).toFixed(fraction.length);
  const [digits = "", decimals = ""] = scaled.replace("-", "").split(".");
  const width = whole.replaceAll(/[,G]/g, "").length;
  if (digits.length > width && digits !== "0") return "#".repeat(picture.length + 1);
  const zeros = whole.includes("0") ? width - whole.replaceAll(/[,G]/g, "").indexOf("0") : 0;
  const shown = digits === "0" && zeros === 0 && fraction !== "" ? "" : digits.padStart(zeros, "0");
  const text = `${value.startsWith("-") ? "-" : ""}${shown}${fraction === "" ? "" : `.${decimals}`}`;
  return isTrimmed ? text : text.padStart(picture.length + 1, " ");
}
