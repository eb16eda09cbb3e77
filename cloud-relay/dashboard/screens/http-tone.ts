// How HTTP answers are shown: 4xx is the asker's, 5xx ours.
import type { Tone } from "../parts/status.ts";

export function toneOfStatus(status: number): Tone {
  if (status >= 500) return "bad";
  if (status >= 400) return "warn";
  return status >= 300 ? "idle" : "good";
}
