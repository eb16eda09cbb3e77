// A connection's row as it begins: nobody serves it yet.
import type { ConnectionRow } from "../store.ts";

type Given = Pick<ConnectionRow, "id" | "workspaceId" | "name" | "createdAtMs"> & Partial<ConnectionRow>;

export function newConnectionRow(given: Given): ConnectionRow {
  return {
    customer: undefined,
    environment: "production",
    labels: {},
    agentId: undefined,
    system: undefined,
    state: "pending",
    reason: "No agent serves this connection yet.",
    advice: "Make an enrolment code for it and enrol the agent at the plant.",
    connectedAtMs: undefined,
    statusAtMs: given.createdAtMs,
    lastSyncAtMs: undefined,
    report: undefined,
    kind: "agent",
    whenOffline: "serve",
    metadata: {},
    disconnectedAtMs: undefined,
    description: undefined,
    ...given,
  };
}
