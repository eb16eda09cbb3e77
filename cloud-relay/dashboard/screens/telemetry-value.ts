// A telemetry value as a list and a chart's head show it.
import { amount } from "../parts/text.ts";
import type { Tone } from "../parts/status.ts";

const MAX_CHARS = 60;
/** Of values below a thousand; larger ones keep all their whole digits. */
const MAX_DIGITS = 6;

/** With its unit, where there is one. */
export function valueText(value: unknown, unit: string | null | undefined): string {
  const text =
    typeof value === "number" ? measured(value) : typeof value === "string" ? value : JSON.stringify(value);
  const short = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
  return unit == null || unit === "" ? short : `${short} ${unit}`;
}

/** Of what is measured the small counts as much as the large: `0.00342`, `1,234.57`. */
export function measured(value: number): string {
  return Math.abs(value) < 1_000
    ? value.toLocaleString("en-US", { maximumSignificantDigits: MAX_DIGITS })
    : amount(value);
}

export function toneOfQuality(quality: string): Tone {
  return quality === "good" ? "good" : quality === "bad" ? "bad" : "warn";
}
