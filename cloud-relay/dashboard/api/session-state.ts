// Who is signed in, as every part of the dashboard sees it.
import { signal } from "@preact/signals";

/** Each may do what the one before it may. */
export type Role = "viewer" | "operator" | "admin";

export interface Session {
  readonly user: { readonly id: string; readonly email: string; readonly name: string; readonly role: Role };
  readonly workspace: { readonly id: string; readonly name: string };
  readonly csrf_token: string;
}

const RANKS: readonly Role[] = ["viewer", "operator", "admin"];

/** undefined: not known yet; null: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);

export function csrfToken(): string | undefined {
  return session.value?.csrf_token;
}

/** The workspace as a command line takes it: its name, or its id where a shell would cut the name. */
export function workspaceWord(): string {
  const { id = "", name = "" } = session.value?.workspace ?? {};
  return /^[\w.-]+$/.test(name) ? name : id;
}

/** Whether whoever is signed in may do what this role may. */
export function can(role: Role): boolean {
  const own = session.value?.user.role;
  return own !== undefined && RANKS.indexOf(own) >= RANKS.indexOf(role);
}

/** The relay knows the cookie no longer: sign in again, where one is. */
export function sessionEnded(): void {
  if (session.value !== undefined) session.value = null;
}
