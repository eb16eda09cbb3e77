// Filters of a screen in its address: read, and changed without a new entry in the history.
import { useLocation } from "preact-iso/router";
import { changedQuery } from "./query-text.ts";

export interface Query {
  /** "" when it is not there. */
  get(name: string): string;
  /** undefined or "" takes one out. Leaves the others, and `cursor` only when it is among the changes. */
  set(changes: Readonly<Record<string, string | undefined>>): void;
  /** Where `set` would lead. */
  href(changes: Readonly<Record<string, string | undefined>>): string;
}

export function useQuery(): Query {
  const location = useLocation();
  const href = (changes: Readonly<Record<string, string | undefined>>): string =>
    location.path + changedQuery(new URL(location.url, "http://x").search, { cursor: undefined, ...changes });
  return {
    get: (name) => location.query[name] ?? "",
    set: (changes) => location.route(href(changes), true),
    href,
  };
}
