// Short messages in the corner: what was done, or why it was not.
import { signal } from "@preact/signals";
import { problemOf } from "../api/problem.ts";
import { Icon } from "./icon.tsx";

interface Toast {
  readonly key: number;
  readonly tone: "good" | "bad";
  readonly text: string;
}

const MAX_TOASTS = 4;
const GOOD_MS = 5_000;
const toasts = signal<readonly Toast[]>([]);
let lastKey = 0;

/** Good news goes by itself, bad news when it is closed. */
export function toast(tone: "good" | "bad", text: string): void {
  lastKey += 1;
  const key = lastKey;
  toasts.value = [...toasts.value, { key, tone, text }].slice(-MAX_TOASTS);
  if (tone === "good") setTimeout(() => close(key), GOOD_MS);
}

/** In the API's own words. */
export function toastProblem(error: unknown): void {
  const { title, detail } = problemOf(error);
  toast("bad", `${title}: ${detail}`);
}

function close(key: number): void {
  toasts.value = toasts.value.filter((each) => each.key !== key);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ key, tone, text }) => (
        <div class="toast" data-tone={tone} key={key}>
          <Icon name={tone === "good" ? "check" : "warning"} />
          <span>{text}</span>
          <button type="button" class="button quiet square" aria-label="Close" onClick={() => close(key)}>
            <Icon name="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}
