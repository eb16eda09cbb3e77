// How passes and the sync of an entity are shown: words, tones, and how far they are.
import type { StatusLook } from "../parts/status.ts";
import { wordsOf } from "../parts/status.ts";
import { amount, percent } from "../parts/text.ts";

const RUN_LOOKS: Readonly<Record<string, StatusLook>> = {
  running: { label: "Running", tone: "info", icon: "sync" },
  ok: { label: "Done", tone: "good", icon: "check" },
  failed: { label: "Failed", tone: "bad", icon: "cross" },
  held: { label: "Held: a mass delete", tone: "warn", icon: "pause" },
  abandoned: { label: "Abandoned", tone: "idle", icon: "circle" },
};
const READING_STATES = new Set(["snapshot", "reconcile", "reading"]);

/** States may be added to the API: one that is not known shows its own word. */
export function runLook(state: string): StatusLook {
  return RUN_LOOKS[state] ?? { label: wordsOf(state), tone: "idle", icon: "circle" };
}

/** Whether a pass is under way that somebody may want to cancel. */
export function isReading({ state }: { readonly state: string }): boolean {
  return READING_STATES.has(state);
}

/** `full_scan` → `full scan`; names of columns behind it stay as they are: `counter ROW_STAMP`. */
export function strategyText(strategy: string): string {
  return strategy.replace(/^[a-z_]+/, (word) => word.replaceAll("_", " "));
}

export interface Progress {
  readonly read: number | null;
  readonly total: number | null;
}

/** Between 0 and 1; undefined when the source cannot say how much there is. */
export function shareOf(progress: Progress | null): number | undefined {
  if (progress === null || progress.read === null || progress.total === null || progress.total <= 0)
    return undefined;
  return Math.min(1, progress.read / progress.total);
}

/** `1,200 of 3,015 (39.8 %)`, `1,200 so far`. */
export function progressText(progress: Progress | null): string {
  const share = shareOf(progress);
  const read = amount(progress?.read ?? 0);
  if (share === undefined) return `${read} so far`;
  return `${read} of ${amount(progress?.total ?? 0)} (${percent(share)})`;
}
