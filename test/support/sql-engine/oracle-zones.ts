// The zone that the Oracle server's own clock shows.
import type { Run } from "./run.ts";
import { zoneOffsetMinutes } from "./time-zones.ts";

export function offsetOfServer(run: Run): number {
  const { timeZone } = run.host as unknown as { readonly timeZone: string };
  return zoneOffsetMinutes(timeZone, run.nowMs);
}
