// Keys that work everywhere: `g` and a letter goes to a screen, `/` to the filter.
import { useEffect } from "preact/hooks";

/** How long the second key is waited for. */
const SECOND_KEY_MS = 1_500;

/** Whether a key belongs to what is being typed. */
export function isTyping(event: Event): boolean {
  const { target } = event;
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], dialog") !== null
  );
}

/** `paths`: letter → where it leads. */
export function useGoKeys(paths: ReadonlyMap<string, string>, go: (path: string) => void): void {
  useEffect(() => {
    let beganAtMs: number | undefined;
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      const path = paths.get(event.key);
      const isSecond = beganAtMs !== undefined && event.timeStamp - beganAtMs < SECOND_KEY_MS;
      beganAtMs = !isSecond && event.key === "g" ? event.timeStamp : undefined;
      if (!isSecond || path === undefined) return;
      event.preventDefault();
      go(path);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [paths, go]);
}
