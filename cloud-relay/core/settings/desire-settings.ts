// Writes a new desired document of a connection: judged against what the plant lets the relay set.
import type { ConnectionSettingsDocument, ReportedSettings } from "#common/contract/settings.ts";
import { subjects, type Bus } from "../bus.ts";
import { requireConnected } from "../connections/reachability.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Store } from "../store.ts";
import type { DesiredDocument } from "./settings-store.ts";

export interface DesireDeps {
  readonly store: Store;
  readonly bus: Bus;
  nowMs(): number;
}

export interface Wish {
  /** The new document, from the one that is desired now. Called again when another writer came first. */
  readonly change: (now: ConnectionSettingsDocument) => ConnectionSettingsDocument;
  /** The revision that the writer has seen, if it said so; 0 before the first. */
  readonly ifRevision: number | undefined;
  readonly by: string;
}

/** Writers that come between before it is given up. */
const MAX_TRIES = 5;

/** @throws Problem PRECONDITION_FAILED, NOT_ALLOWED_BY_PLANT, CONFLICT (disconnected, or others keep writing) */
export async function desireSettings(
  deps: DesireDeps,
  connection: ConnectionRow,
  wish: Wish,
): Promise<DesiredDocument> {
  requireConnected(connection);
  const { store, bus } = deps;
  const scope = { workspaceId: connection.workspaceId };
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { desired: before } = await store.settings.get(scope, connection.id);
    const seen = before?.revision ?? 0;
    if (wish.ifRevision !== undefined && wish.ifRevision !== seen) throw outdated(seen);
    const document = wish.change(before?.document ?? {});
    requireAllowed(connection, document);
    const desired: DesiredDocument = {
      connectionId: connection.id,
      revision: seen + 1,
      document,
      atMs: deps.nowMs(),
      by: wish.by,
    };
    if (!(await store.settings.putDesired(desired))) continue;
    if (connection.kind === "sandbox") await store.settings.putReported(appliedAtOnce(desired), desired.atMs);
    const { agentId } = connection;
    if (agentId !== undefined) bus.publish(subjects.settings(agentId), connection.id);
    return desired;
  }
  throw new Problem("CONFLICT", "Others keep changing these settings at the same time. Try again.");
}

/** Until the agent has described the connection, nothing is known; the plant judges in any case. */
function requireAllowed({ description }: ConnectionRow, document: ConnectionSettingsDocument): void {
  if (description === undefined) return;
  const allowed = description.settings_allowed;
  const refused = Object.keys(document).filter((member) => !allowed.includes(member));
  if (refused.length === 0) return;
  const list = allowed.length === 0 ? "none" : allowed.join(", ");
  throw new Problem(
    "NOT_ALLOWED_BY_PLANT",
    `The plant's own file lets the relay set: ${list}. Not: ${refused.join(", ")}. Somebody at the plant can allow it there (allow.settings).`,
    { errors: refused.map((member) => ({ pointer: `#/${member}`, detail: "is not allowed by the plant" })) },
  );
}

/** A sandbox has no agent that would say so. */
function appliedAtOnce({ connectionId, revision }: DesiredDocument): ReportedSettings {
  const own = { type: "reported_settings", connection_id: connectionId } as const;
  return { ...own, revision, state: "applied", in_effect: revision };
}

function outdated(revision: number): Problem {
  return new Problem(
    "PRECONDITION_FAILED",
    `The settings are at revision ${revision} by now. Read them again and decide anew.`,
  );
}
