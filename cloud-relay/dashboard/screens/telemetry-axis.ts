// The marks of a chart's time axis, in the reader's own way of writing times.

const DAY_S = 86_400;
const MINUTE_S = 60;

/** `splits`: instants in seconds, ascending, `stepS` apart; the day stands below the first one and where it changes. */
export function timeMarks(splits: readonly number[], stepS: number): readonly string[] {
  let lastDay = "";
  return splits.map((atS) => {
    const at = new Date(atS * 1_000);
    const day = at.toLocaleDateString(undefined, { month: "short", day: "numeric" });
    const isNewDay = day !== lastDay;
    lastDay = day;
    if (stepS >= DAY_S) return day;
    const time = at.toLocaleTimeString(undefined, {
      hour: "2-digit",
      minute: "2-digit",
      ...(stepS < MINUTE_S && { second: "2-digit" }),
    });
    return isNewDay ? `${time}\n${day}` : time;
  });
}
