// Money and quantities of the sandbox: whole numbers of hundredths, written out as exact decimals.

/** A whole number: 1250 is 12.50. */
export type Hundredths = number;

/** `12.50` */
export function money(value: Hundredths): string {
  const sign = value < 0 ? "-" : "";
  const whole = Math.trunc(Math.abs(value) / 100);
  return `${sign}${whole}.${String(Math.abs(value) % 100).padStart(2, "0")}`;
}

/** `12.5`, `12` */
export function quantity(value: Hundredths): string {
  return money(value).replace(/\.?0+$/, "");
}

/** Undefined for what is no decimal, or has more than two places. */
export function hundredths(text: unknown): Hundredths | undefined {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,2}))?$/.exec(String(text));
  if (match === null) return undefined;
  const [, sign, whole = "0", places = ""] = match;
  const value = Number(whole) * 100 + Number(places.padEnd(2, "0"));
  return sign === "-" ? -value : value;
}

/** Exact where the price is even or the quantity whole, as the sandbox has them; otherwise rounded half up. */
export function times(price: Hundredths, amount: Hundredths): Hundredths {
  return Math.round((price * amount) / 100);
}
