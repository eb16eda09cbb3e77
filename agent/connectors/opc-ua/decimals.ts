// Decimals as exact text: from doubles, compared, and how far apart two are.

/** Exact decimal text of a double, without exponent. */
export function decimalOf(value: number): string | null {
  if (!Number.isFinite(value)) return null;
  const text = String(value);
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (match === null) return text === "-0" ? "0" : text;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point >= digits.length) return `${sign}${digits.padEnd(point, "0")}`;
  if (point > 0) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  return `${sign}0.${"0".repeat(-point)}${digits}`;
}

/** Below, at or above zero, as `a` is below, at or above `b`. Both in plain notation. */
export function compareDecimals(a: string, b: string): number {
  const [left, right] = sameScale([a, b]);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Whether `a` and `b` are `step` apart at most. */
export function isWithinStep(a: string, b: string, step: string): boolean {
  const [left, right, most] = sameScale([a, b, step]);
  const distance = left < right ? right - left : left - right;
  return distance <= most;
}

function sameScale<Texts extends readonly string[]>(
  texts: readonly [...Texts],
): { readonly [At in keyof Texts]: bigint } {
  const parts = texts.map((text) => text.split("."));
  const scale = Math.max(...parts.map(([, fraction = ""]) => fraction.length));
  return parts.map(([whole = "0", fraction = ""]) => BigInt(whole + fraction.padEnd(scale, "0"))) as never;
}
