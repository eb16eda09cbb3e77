// Logins and what each may do, by grant and denial on objects, columns and the whole database.
import { DatabaseError } from "./session.ts";

export interface LoginEntry {
  readonly user: string;
  password: string;
  /** May everything: `sa`, the owner. */
  readonly isAdministrator: boolean;
  /** `db_datareader`, `SELECT ANY TABLE`, `VIEW SERVER STATE`, … in capitals. */
  readonly roles: Set<string>;
  isLocked: boolean;
  isExpired: boolean;
}

interface Entry {
  readonly user: string;
  readonly right: string;
  /** `schema.table` in lower case, `schema.*`, or undefined for the whole database. */
  readonly on: string | undefined;
  /** Lower case; undefined for the whole object. */
  readonly columns: ReadonlySet<string> | undefined;
}

export class Rights {
  readonly #logins = new Map<string, LoginEntry>();
  #granted: Entry[] = [];
  #denied: Entry[] = [];

  add(login: {
    readonly user: string;
    readonly password: string;
    readonly isAdministrator?: boolean;
    readonly roles?: readonly string[];
  }): LoginEntry {
    const entry: LoginEntry = {
      user: login.user,
      password: login.password,
      isAdministrator: login.isAdministrator ?? false,
      roles: new Set((login.roles ?? []).map((role) => role.toUpperCase())),
      isLocked: false,
      isExpired: false,
    };
    this.#logins.set(login.user.toLowerCase(), entry);
    return entry;
  }

  login(user: string): LoginEntry | undefined {
    return this.#logins.get(user.toLowerCase());
  }

  /** `right` as `SELECT`, `VIEW CHANGE TRACKING` or with columns `SELECT(a,b)`; `on` as `schema.table` or `schema.*`. */
  grant(user: string, right: string, on?: string): void {
    this.#granted.push(entryOf(user, right, on));
    this.#denied = without(this.#denied, user, right, on);
  }

  deny(user: string, right: string, on?: string): void {
    this.#denied.push(entryOf(user, right, on));
  }

  /** Takes a grant or a denial back. */
  revoke(user: string, right: string, on?: string): void {
    this.#granted = without(this.#granted, user, right, on);
    this.#denied = without(this.#denied, user, right, on);
  }

  /** Whether the user may; with columns: whether on all of them. */
  may(user: string, right: string, on?: string, columns?: Iterable<string>): boolean {
    const login = this.login(user);
    if (login === undefined) return false;
    if (login.isAdministrator) return true;
    const place = on?.toLowerCase();
    const names = columns === undefined ? undefined : [...columns].map((name) => name.toLowerCase());
    const applies = (entry: Entry, name: string | undefined): boolean =>
      matches(entry, user, right, place) &&
      (entry.columns === undefined || (name !== undefined && entry.columns.has(name)));
    const mayOne = (name: string | undefined): boolean => {
      if (this.#denied.some((entry) => applies(entry, name))) return false;
      return this.#byRole(login, right, on) || this.#granted.some((entry) => applies(entry, name));
    };
    if (names === undefined) return mayOne(undefined);
    return names.length === 0 ? this.knows(user, on ?? "", right) : names.every(mayOne);
  }

  /** Whether the user has any right on the object, so that it shows in the catalogue. */
  knows(user: string, on: string, right?: string): boolean {
    const login = this.login(user);
    if (login === undefined) return false;
    if (login.isAdministrator) return true;
    const place = on.toLowerCase();
    const hasRole =
      this.#byRole(login, right ?? "SELECT", on) &&
      !this.#denied.some(
        (entry) => matches(entry, user, right ?? "SELECT", place) && entry.columns === undefined,
      );
    return hasRole || this.#granted.some((entry) => matches(entry, user, right ?? entry.right, place));
  }

  #byRole(login: LoginEntry, right: string, on: string | undefined): boolean {
    const { roles } = login;
    if (roles.has("DB_OWNER") || roles.has("DBA")) return true;
    if (roles.has(right)) return true;
    if (on === undefined) return false;
    if (right === "SELECT") return roles.has("DB_DATAREADER") || roles.has("SELECT ANY TABLE");
    return (
      ["INSERT", "UPDATE", "DELETE"].includes(right) &&
      (roles.has("DB_DATAWRITER") || roles.has(`${right} ANY TABLE`))
    );
  }
}

function entryOf(user: string, right: string, on: string | undefined): Entry {
  const match = /^([A-Z ]+?)\s*(?:\(([^)]*)\))?$/.exec(right.toUpperCase());
  if (match === null) throw new DatabaseError(102, `unknown right ${right}`);
  const columns = match[2]?.split(",").map((name) => name.trim().toLowerCase());
  return {
    user: user.toLowerCase(),
    right: match[1]!,
    on: on?.toLowerCase(),
    columns: columns === undefined ? undefined : new Set(columns),
  };
}

function without(entries: readonly Entry[], user: string, right: string, on: string | undefined): Entry[] {
  const gone = entryOf(user, right, on);
  return entries.filter(
    (entry) => entry.user !== gone.user || entry.right !== gone.right || entry.on !== gone.on,
  );
}

function matches(entry: Entry, user: string, right: string, place: string | undefined): boolean {
  if (entry.user !== user.toLowerCase() && entry.user !== "public") return false;
  if (entry.right !== right && entry.right !== "CONTROL" && entry.right !== "ALL") return false;
  if (entry.on === undefined || entry.on === place) return true;
  return place !== undefined && entry.on.endsWith(".*") && place.startsWith(entry.on.slice(0, -1));
}
