// Oracle's NUMBER: an exponent of base 100 and up to twenty digits of base 100, all of it exact.

const MAX_PAIRS = 20;
const NEGATIVE_END = 102;

/**
 * @param text plain decimal text, also with an exponent
 * @throws RangeError for what is no number, or one that NUMBER cannot hold
 */
export function encodeNumber(text: string): Buffer {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  const [, sign = "", whole = "", fraction = "", power = "0"] = match ?? [];
  if (match === null || whole + fraction === "") throw new RangeError(`"${text}" is no number`);
  const all = whole + fraction;
  const leading = /^0*/.exec(all)?.[0].length ?? 0;
  let digits = all.slice(leading).replace(/0+$/, "");
  if (digits === "") return Buffer.of(0x80);
  // Digits before the decimal point; negative where zeros follow it.
  let point = whole.length - leading + Number(power);
  if (point % 2 !== 0) {
    digits = `0${digits}`;
    point += 1;
  }
  if (digits.length % 2 !== 0) digits += "0";
  const pairs = digits.length / 2;
  const exponent = point / 2;
  if (pairs > MAX_PAIRS || exponent > 63 || exponent < -64)
    throw new RangeError(`NUMBER cannot hold "${text}" exactly`);
  const isNegative = sign === "-";
  const bytes = [isNegative ? 63 - exponent : 192 + exponent];
  for (let at = 0; at < digits.length; at += 2) {
    const pair = Number(digits.slice(at, at + 2));
    bytes.push(isNegative ? 101 - pair : pair + 1);
  }
  if (isNegative && pairs < MAX_PAIRS) bytes.push(NEGATIVE_END);
  return Buffer.from(bytes);
}

/** Plain decimal text without needless zeros: `-0.5`, `1200`, `0`. */
export function decodeNumber(bytes: Uint8Array): string {
  const first = bytes[0] ?? 0x80;
  if (bytes.length < 2) return "0";
  const isPositive = first >= 0x80;
  const exponent = isPositive ? first - 192 : 63 - first;
  const end = !isPositive && bytes.at(-1) === NEGATIVE_END ? bytes.length - 1 : bytes.length;
  let digits = "";
  for (const byte of bytes.subarray(1, end))
    digits += String(isPositive ? byte - 1 : 101 - byte).padStart(2, "0");
  const point = exponent * 2;
  const whole = point <= 0 ? "" : digits.slice(0, point).padEnd(point, "0");
  const fraction = point < 0 ? "0".repeat(-point) + digits : digits.slice(Math.max(point, 0));
  const shownWhole = whole.replace(/^0+/, "") || "0";
  const shownFraction = fraction.replace(/0+$/, "");
  return `${isPositive ? "" : "-"}${shownWhole}${shownFraction === "" ? "" : `.${shownFraction}`}`;
}
