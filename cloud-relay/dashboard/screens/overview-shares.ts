// Sums and shares of the overview's figures.

/** States in which the plant is in touch and its source answers, even if not everything goes well. */
const IN_TOUCH = ["online", "synchronizing", "degraded", "paused"];

export function onlineOf(byStatus: Readonly<Record<string, number>>): number {
  return IN_TOUCH.reduce((sum, status) => sum + (byStatus[status] ?? 0), 0);
}

/** Between 0 and 1; undefined of nothing. */
export function shareOf(part: number, whole: number): number | undefined {
  return whole === 0 ? undefined : part / whole;
}
