// What happened to a connection, event by event, in words; and the walk along the feed that gathers it.
import type { IconName } from "../parts/icon-paths.ts";
import { phraseOf, statusLook, wordsOf, type Tone } from "../parts/status.ts";
import { amount, duration } from "../parts/text.ts";

/** Of an event of the feed, what a timeline needs. */
export interface TimelineEvent {
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly entity: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface TimelineEntry {
  readonly id: string;
  readonly at: string;
  readonly tone: Tone;
  readonly icon: IconName;
  readonly title: string;
  /** Why, and what to do, as far as the event says. */
  readonly details: readonly string[];
}

/** Passes that ended well are not among them: they are many, and have a list of their own. */
export const TIMELINE_TYPES: readonly string[] = [
  "connection.online",
  "connection.offline",
  "connection.authentication_required",
  "system.error",
  "sync.failed",
  "gap.recorded",
  "mapping.changed",
];

/** What can be asked for alone: `kind` in the address → types of events. */
export const TIMELINE_KINDS: readonly {
  readonly kind: string;
  readonly title: string;
  readonly types: readonly string[];
}[] = [
  {
    kind: "status",
    title: "Status",
    types: ["connection.online", "connection.offline", "connection.authentication_required", "system.error"],
  },
  { kind: "sync", title: "Failed syncs", types: ["sync.failed"] },
  { kind: "gap", title: "Gaps", types: ["gap.recorded"] },
  { kind: "mapping", title: "Mapping", types: ["mapping.changed"] },
];

/** What an event says of the connection, until the next of these. */
const STATUS_OF: Readonly<Record<string, string>> = {
  "connection.online": "online",
  "connection.offline": "offline",
  "connection.authentication_required": "reauthorization_required",
  "system.error": "degraded",
};

/** Events of a type that is not known are shown by its name. */
export function timelineEntry(event: TimelineEvent): TimelineEntry {
  const { id, at, type, data } = event;
  const base = { id, at };
  const status = STATUS_OF[type];
  if (status !== undefined) {
    const { label, tone, icon } = statusLook(status);
    const own = textOf(data["status"]);
    // Of states that are told alike, such as a first sync and online, which one it came to.
    const nearer = own === undefined || own === status ? undefined : statusLook(own).label;
    return { ...base, tone, icon, title: label, details: texts(nearer, data["reason"], data["advice"]) };
  }
  if (type === "sync.failed") {
    const what = `${wordsOf(textOf(data["entity"]) ?? event.entity ?? "sync")}: ${textOf(data["pass"]) ?? "pass"}`;
    const isHeld = data["outcome"] === "held";
    return {
      ...base,
      tone: isHeld ? "warn" : "bad",
      icon: isHeld ? "pause" : "warning",
      title: `${what} ${isHeld ? "is held: it would delete very much" : "failed"}`,
      details: texts(data["error"]),
    };
  }
  if (type === "gap.recorded") {
    const reason = phraseOf(textOf(data["reason"]) ?? "gap");
    const of = event.entity === null ? "" : ` of ${phraseOf(event.entity)}`;
    const title = `Gap${of}: ${reason}`;
    return { ...base, tone: "warn", icon: "warning", title, details: texts(data["detail"], spanOf(data)) };
  }
  if (type === "mapping.changed")
    return {
      ...base,
      tone: "info",
      icon: "settings",
      title: "Another mapping is in effect",
      details: texts(data["mapping_version"]),
    };
  return { ...base, tone: "idle", icon: "circle", title: type, details: [] };
}

/** How long it held: until the next newer one, which stands before it; of the newest until now. */
export function heldMs(entries: readonly Pick<TimelineEntry, "at">[], index: number, nowMs: number): number {
  const own = entries[index];
  const next = entries[index - 1];
  if (own === undefined) return 0;
  return Math.max(0, (next === undefined ? nowMs : Date.parse(next.at)) - Date.parse(own.at));
}

export interface Walked<Event> {
  /** Where the feed was left: asked on from there. */
  readonly cursor: string | undefined;
  /** The newest first. */
  readonly events: readonly Event[];
  /** There is more in the feed than one walk looks through; the next goes on. */
  readonly isCut: boolean;
}

export interface FeedPage<Event> {
  readonly data: readonly Event[];
  readonly next_cursor: string;
  readonly has_more: boolean;
}

const MAX_KEPT_EVENTS = 500;
const MAX_PAGES = 20;

/** The feed begins with its oldest event: from there, or from where the last walk ended, to its end. */
export async function walkFeed<Event>(
  before: Walked<Event> | undefined,
  page: (cursor: string | undefined) => Promise<FeedPage<Event>>,
): Promise<Walked<Event>> {
  let cursor = before?.cursor;
  let events = before?.events ?? [];
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const { data, next_cursor: next, has_more: hasMore } = await page(cursor);
    events = [...data.toReversed(), ...events].slice(0, MAX_KEPT_EVENTS);
    cursor = next;
    if (!hasMore) return { cursor, events, isCut: false };
  }
  return { cursor, events, isCut: true };
}

function spanOf(data: Readonly<Record<string, unknown>>): string | undefined {
  const { from_ms: from, to_ms: to } = data;
  if (typeof from !== "number" || typeof to !== "number") return undefined;
  return `over ${duration(Math.max(0, to - from))}`;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "number") return amount(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}

function texts(...values: readonly unknown[]): readonly string[] {
  return values.map(textOf).filter((text) => text !== undefined);
}
