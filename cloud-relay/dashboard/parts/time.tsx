// A point in time: how long ago, and exactly in its title.
import { signal } from "@preact/signals";
import { exactTime, relativeTime } from "./text.ts";

const TICK_MS = 5_000;

/** For everything that shows how long ago something was: one clock for the page. */
export const nowMs = signal(Date.now());
setInterval(() => {
  if (document.visibilityState === "visible") nowMs.value = Date.now();
}, TICK_MS);
document.addEventListener("visibilitychange", () => {
  nowMs.value = Date.now();
});

/** `at`: ISO 8601. Without it a dash. */
export function Time({
  at,
  isExact = false,
}: {
  readonly at: string | null | undefined;
  readonly isExact?: boolean;
}) {
  if (at == null) return <span class="muted">–</span>;
  const atMs = Date.parse(at);
  const exact = exactTime(atMs);
  return (
    <time class="nowrap number" dateTime={at} title={isExact ? at : exact}>
      {isExact ? exact : relativeTime(atMs, Math.max(nowMs.value, Date.now()))}
    </time>
  );
}
