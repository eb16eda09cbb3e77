// Addresses of the dashboard's own screens.
import { can } from "./api/session-state.ts";
import { BASE, SCREENS } from "./screens.ts";

/** `to("/connections/:id", { id })` → `/dashboard/connections/…`; the query is added as it is. */
export function to(path: string, params: Readonly<Record<string, string>> = {}, query = ""): string {
  const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  return `${BASE}${filled === "/" ? "" : filled}${query}`;
}

/** As `to`, where whoever is signed in may see the screen. */
export function toSeen(path: string, query = ""): string | undefined {
  const screen = SCREENS.find((each) => each.path === path);
  return screen === undefined || (screen.role !== undefined && !can(screen.role))
    ? undefined
    : to(path, {}, query);
}
