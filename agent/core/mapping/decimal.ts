// Exact decimals as text: reading what sources write, adding without floats.

const PLAIN = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$/;
const WRITTEN = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,4}))?$/;
/** The unified model's limit, characters. */
const MAX_LENGTH = 60;

/**
 * The plain notation of a decimal as a source writes it: `+007.50` → `7.50`, `1e-7` → `0.0000001`. The scale is kept.
 * Numbers go through their shortest round-trip text. Undefined when it is no decimal, or one of more than 60 characters.
 */
export function plainDecimal(value: string | number | bigint): string | undefined {
  const text = typeof value === "string" ? value : String(value);
  if (text.length <= MAX_LENGTH && PLAIN.test(text)) return text.startsWith("-0") ? unsignZero(text) : text;
  const parts = WRITTEN.exec(text.trim());
  if (parts === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = parts;
  if (whole === "" && fraction === "") return undefined;
  return assemble(sign === "-", whole + fraction, fraction.length - Number(exponent));
}

/** Moves the decimal point to the left: `shiftDecimal("1250", 2)` is `12.50`; to the right if `places` is negative. */
export function shiftDecimal(text: string, places: number): string | undefined {
  const { units, scale } = parse(text);
  const missing = Math.max(0, -(scale + places));
  return assemble(units < 0n, magnitude(units * 10n ** BigInt(missing)), scale + places + missing);
}

/** The exact sum of plain decimals, at the largest scale among them; `0` for none. */
export function sumDecimals(plus: readonly string[], minus: readonly string[] = []): string | undefined {
  const added = plus.map(parse);
  const taken = minus.map(parse);
  const scale = Math.max(0, ...added.map((one) => one.scale), ...taken.map((one) => one.scale));
  let total = 0n;
  for (const one of added) total += one.units * 10n ** BigInt(scale - one.scale);
  for (const one of taken) total -= one.units * 10n ** BigInt(scale - one.scale);
  return assemble(total < 0n, magnitude(total), scale);
}

interface Parsed {
  readonly units: bigint;
  readonly scale: number;
}

function parse(text: string): Parsed {
  const point = text.indexOf(".");
  if (point < 0) return { units: BigInt(text), scale: 0 };
  return { units: BigInt(text.slice(0, point) + text.slice(point + 1)), scale: text.length - point - 1 };
}

function magnitude(units: bigint): string {
  return (units < 0n ? -units : units).toString();
}

/** Digits with `scale` of them behind the point; a negative scale appends zeros. */
function assemble(isNegative: boolean, digits: string, scale: number): string | undefined {
  if (Math.abs(scale) > MAX_LENGTH * 2 || digits.length > MAX_LENGTH * 2) return undefined;
  const padded = scale < 0 ? digits + "0".repeat(-scale) : digits.padStart(scale + 1, "0");
  const cut = scale > 0 ? padded.length - scale : padded.length;
  const whole = padded.slice(0, cut).replace(/^0+(?=[0-9])/, "");
  const text = (isNegative ? "-" : "") + whole + (cut < padded.length ? `.${padded.slice(cut)}` : "");
  return text.length > MAX_LENGTH ? undefined : unsignZero(text);
}

function unsignZero(text: string): string {
  return /^-0(?:\.0+)?$/.test(text) ? text.slice(1) : text;
}
