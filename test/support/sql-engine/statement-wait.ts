// How long one statement waits for locks, where it says so itself: Oracle's FOR UPDATE WAIT.
import type { Statement } from "./ast.ts";
import { DatabaseError } from "./session.ts";

/** Undefined: as long as the session does. */
export function waitOf(
  statement: Statement,
): { readonly ms: number; readonly error: DatabaseError } | undefined {
  const seconds = statement.kind === "query" ? statement.query.waitSeconds : undefined;
  if (seconds === undefined) return undefined;
  const error = new DatabaseError(30_006, "ORA-30006: resource busy; acquire with WAIT timeout expired");
  return { ms: seconds * 1000, error };
}
