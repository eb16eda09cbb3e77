// The feed, live: one stream of server-sent events for the whole dashboard, of the types that somebody listens to.
import { effect, signal } from "@preact/signals";
import { nextDelayMs, wantedTypes, type Listener } from "./live-types.ts";
import { session } from "./session-state.ts";

/** An event of the feed, as `GET /v1/events` sends it. */
export interface FeedEvent {
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly connection_id: string | null;
  readonly entity: string | null;
  readonly record_id: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

type OnEvent = (event: FeedEvent | undefined) => void;

/** For the sign in the header. */
export const liveState = signal<"connecting" | "live" | "lost">("connecting");

/** A hidden page gives its stream back after this: a browser has six connections to a relay for all of its pages. */
const HIDDEN_MS = 30_000;

const listeners = new Set<Listener<OnEvent>>();
let source: EventSource | undefined;
let openTypes = "";
let lastEventId: string | undefined;
let failures = 0;
let isHidden = false;
let timer: ReturnType<typeof setTimeout> | undefined;

/**
 * Calls back for each event of these types; with undefined after events may have been missed, so that everything is
 * looked at again. Returns what ends it.
 */
export function onEvents(types: readonly string[], call: OnEvent): () => void {
  const listener = { types, call };
  listeners.add(listener);
  settle();
  return () => {
    listeners.delete(listener);
    settle();
  };
}

/** Called once: the stream follows the session and whether the page is seen. */
export function startLive(): void {
  effect(() => {
    if (session.value == null) lastEventId = undefined;
    settle();
  });
  let hiding: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.visibilityState === "hidden") hiding = setTimeout(() => setHidden(true), HIDDEN_MS);
    else setHidden(false);
  });
}

function setHidden(value: boolean): void {
  isHidden = value;
  settle();
}

/** Screens come and go together: the stream is changed once for all of them. */
function settle(delayMs = 0): void {
  clearTimeout(timer);
  timer = setTimeout(open, delayMs);
}

function open(): void {
  const types = wantedTypes(listeners);
  const wanted = session.value == null || isHidden ? "" : types.join(",");
  if (wanted === openTypes && source !== undefined) return;
  source?.close();
  source = undefined;
  openTypes = wanted;
  if (wanted === "") return;
  liveState.value = failures === 0 ? "connecting" : "lost";
  const cursor = lastEventId ?? "latest";
  const opened = new EventSource(`/v1/events?${new URLSearchParams({ types: wanted, cursor }).toString()}`);
  source = opened;
  opened.addEventListener("open", () => {
    liveState.value = "live";
    // After an outage, and before the very first event, nobody knows what was missed.
    if (failures > 0 || lastEventId === undefined) tellAll(undefined);
    failures = 0;
  });
  opened.addEventListener("error", (event) => failed(opened, event));
  for (const type of types) opened.addEventListener(type, (event) => receive(type, event));
}

function receive(type: string, event: MessageEvent<string>): void {
  lastEventId = event.lastEventId;
  const parsed = JSON.parse(event.data) as FeedEvent;
  for (const listener of listeners) if (listener.types.includes(type)) listener.call(parsed);
}

function tellAll(event: undefined): void {
  for (const { call } of listeners) call(event);
}

/** The browser comes back by itself unless the relay refused; an event of this name is the relay's own last word. */
function failed(opened: EventSource, event: Event): void {
  if (source !== opened) return;
  liveState.value = "lost";
  failures += 1;
  const isRefused = opened.readyState === EventSource.CLOSED || event instanceof MessageEvent;
  if (!isRefused) return;
  opened.close();
  source = undefined;
  // The position may be what was refused.
  lastEventId = undefined;
  settle(nextDelayMs(failures, Math.random()));
}
