// A telemetry value as a list and a chart's head show it.
import { amount } from "../parts/text.ts";
import type { Tone } from "../parts/status.ts";

const MAX_CHARS = 60;

/** With its unit, where there is one. */
export function valueText(value: unknown, unit: string | null | undefined): string {
  const text =
    typeof value === "number" ? amount(value) : typeof value === "string" ? value : JSON.stringify(value);
  const short = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
  return unit == null || unit === "" ? short : `${short} ${unit}`;
}

export function toneOfQuality(quality: string): Tone {
  return quality === "good" ? "good" : quality === "bad" ? "bad" : "warn";
}
