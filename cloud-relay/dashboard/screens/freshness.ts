// How current the syncs are, in a few classes.

export interface FreshnessClass {
  readonly title: string;
  readonly tone: "good" | "info" | "warn" | "bad";
  readonly count: number;
}

interface SeenSync {
  readonly last_success_at: string | null;
  readonly progress: unknown;
  readonly error: string | null;
}

const MINUTE_MS = 60_000;

/** Every sync is in exactly one class. */
export function freshnessOf(syncs: readonly SeenSync[], nowMs: number): readonly FreshnessClass[] {
  const counts = { fresh: 0, hour: 0, older: 0, never: 0 };
  for (const { last_success_at: at } of syncs) {
    const ageMs = at === null ? undefined : nowMs - Date.parse(at);
    if (ageMs === undefined) counts.never += 1;
    else if (ageMs <= 15 * MINUTE_MS) counts.fresh += 1;
    else if (ageMs <= 60 * MINUTE_MS) counts.hour += 1;
    else counts.older += 1;
  }
  return [
    { title: "within 15 minutes", tone: "good", count: counts.fresh },
    { title: "within an hour", tone: "info", count: counts.hour },
    { title: "older", tone: "warn", count: counts.older },
    { title: "never yet", tone: "bad", count: counts.never },
  ];
}
