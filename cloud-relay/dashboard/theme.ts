// Light or dark: as the system says, unless somebody chose; the choice stays in this browser.
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const THEMES: readonly Theme[] = ["system", "light", "dark"];
const KEY = "millrace.theme";

export const theme = signal<Theme>(stored());

/** Called once before anything is shown. */
export function applyTheme(): void {
  document.documentElement.dataset["theme"] = theme.value;
}

/** System, light, dark, and from the beginning. */
export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  applyTheme();
  try {
    localStorage.setItem(KEY, theme.value);
  } catch {
    // A browser that keeps nothing: the choice holds until the page is left.
  }
}

function stored(): Theme {
  try {
    const text = localStorage.getItem(KEY);
    return THEMES.find((each) => each === text) ?? "system";
  } catch {
    return "system";
  }
}
