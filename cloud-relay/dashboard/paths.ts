// Addresses of the dashboard's own screens.
import { BASE, SCREENS } from "./screens.ts";

/** `to("/connections/:id", { id })` → `/dashboard/connections/…`; the query is added as it is. */
export function to(path: string, params: Readonly<Record<string, string>> = {}, query = ""): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  return `${BASE}${filled === "/" ? "" : filled}${query}`;
}

/** As `to`, where there is such a screen. */
export function toScreen(path: string, query = ""): string | undefined {
  return SCREENS.some((screen) => screen.path === path) ? to(path, {}, query) : undefined;
}
