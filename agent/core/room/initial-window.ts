// From which day on documents are read: fixed when a window is first seen, and remembered, since one that slides would lose documents every day.
import type { EntityPlan } from "../source/plan.ts";
import type { RoomStore } from "./room-store.ts";

/** Cursor slot of the window in effect; it goes on in a new epoch. */
export const WINDOW_SLOT = "connection/window";

const DAY_MS = 86_400_000;

export interface InitialWindow {
  readonly days: number;
  /** The first day whose documents are read: ms since the epoch, midnight UTC. */
  readonly fromMs: number;
}

/** `days` as set; undefined: everything is read. Another number of days is another window, from now. @throws StorageFullError */
export function windowInEffect(
  store: Pick<RoomStore, "cursor" | "commit">,
  days: number | undefined,
  nowMs: number,
): InitialWindow | undefined {
  const known = store.cursor(WINDOW_SLOT) as unknown as InitialWindow | undefined;
  if (known?.days === days) return known;
  const window = windowFrom(days, nowMs);
  store.commit({ cursors: [{ slot: WINDOW_SLOT, cursor: window && { ...window } }] });
  return window;
}

/** A window that begins now. */
export function windowFrom(days: number | undefined, nowMs: number): InitialWindow | undefined {
  return days === undefined ? undefined : { days, fromMs: (Math.floor(nowMs / DAY_MS) - days) * DAY_MS };
}

/** What of the window concerns one entity; undefined: nothing, all of its rows are read. */
export function entityWindow(
  { documentDate }: EntityPlan,
  window: InitialWindow | undefined,
): EntityWindow | undefined {
  if (window === undefined || documentDate === undefined) return undefined;
  const { fromMs, days } = window;
  const { column, openWhen } = documentDate;
  const open = openWhen.length === 0 ? "" : " and older ones that are still open";
  return {
    fromMs,
    fingerprint: JSON.stringify([fromMs, documentDate]),
    words: `Documents from ${dayText(fromMs)} on by ${column}${open} (initial_window_days: ${days}).`,
  };
}

export interface EntityWindow {
  readonly fromMs: number;
  /** Another one reads the entity anew. */
  readonly fingerprint: string;
  /** For people. */
  readonly words: string;
}

function dayText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
