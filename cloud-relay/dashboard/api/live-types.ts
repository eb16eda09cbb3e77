// Which events the stream is asked for, and how long it is given up after it broke.

export interface Listener<Call> {
  readonly types: readonly string[];
  readonly call: Call;
}

/** What the relay takes in one stream. */
export const MAX_TYPES = 50;
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;

/** Everything that says how connections, syncs and commands are; records' own events are many and asked for by name. */
export const STATUS_EVENTS: readonly string[] = [
  "connection.online",
  "connection.offline",
  "connection.authentication_required",
  "sync.completed",
  "sync.failed",
  "gap.recorded",
  "mapping.changed",
  "system.error",
];

/** Each once, in one order, so that the same listeners ask for the same stream. */
export function wantedTypes(listeners: Iterable<Pick<Listener<unknown>, "types">>): readonly string[] {
  const all = new Set<string>();
  for (const { types } of listeners) for (const type of types) all.add(type);
  return [...all].toSorted().slice(0, MAX_TYPES);
}

/** Full jitter, so that many open dashboards do not come back together; `random` is in [0, 1). */
export function nextDelayMs(failures: number, random: number): number {
  const ceilingMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1));
  return Math.round(ceilingMs / 2 + (ceilingMs / 2) * random);
}
