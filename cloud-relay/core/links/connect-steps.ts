// How far a connection has come on its way: the steps that its link's page shows.
import type { ConnectionRow } from "../store.ts";

export type StepState = "waiting" | "active" | "done" | "failed";

export interface ConnectStep {
  readonly title: string;
  readonly state: StepState;
  readonly detail: string | undefined;
  readonly advice: string | undefined;
}

export interface EntityProgress {
  readonly entity: string;
  readonly state: string;
  readonly read: number | undefined;
  readonly total: number | undefined;
  readonly waits: string | undefined;
  readonly error: string | undefined;
}

export interface ConnectProgress {
  readonly steps: readonly ConnectStep[];
  readonly entities: readonly EntityProgress[];
  readonly isDone: boolean;
}

/** `isAgentOnline`: undefined while none is enrolled. */
export function connectProgress(
  connection: ConnectionRow,
  isAgentOnline: boolean | undefined,
): ConnectProgress {
  const entities = (connection.report?.entities ?? []).map(
    ({ entity, state, read, total, waits, error }) => ({
      entity,
      state,
      read,
      total,
      waits,
      error,
    }),
  );
  const hasReport = connection.report !== undefined;
  const isSourceOpen = hasReport && isGood(connection);
  const isDone = isSourceOpen && connection.state === "online" && connection.lastSyncAtMs !== undefined;
  return {
    steps: [
      agentStep(isAgentOnline),
      sourceStep(connection, isAgentOnline === true, isSourceOpen),
      syncStep(connection, isSourceOpen, isDone),
    ],
    entities,
    isDone,
  };
}

function isGood({ state }: ConnectionRow): boolean {
  return state === "online" || state === "synchronizing" || state === "degraded" || state === "paused";
}

function agentStep(isAgentOnline: boolean | undefined): ConnectStep {
  const title = "The agent";
  if (isAgentOnline === undefined)
    return { title, state: "active", detail: "Waiting for the agent to enrol.", advice: undefined };
  if (isAgentOnline) return { title, state: "done", detail: "It is enrolled and here.", advice: undefined };
  return {
    title,
    state: "failed",
    detail: "It is enrolled, but not connected now.",
    advice:
      "Start it: millrace-agent run, or by your service manager; millrace-agent doctor checks the way to the relay.",
  };
}

function sourceStep(connection: ConnectionRow, isAgentHere: boolean, isOpen: boolean): ConnectStep {
  const title = "The source";
  if (isOpen) return { title, state: "done", detail: connection.system ?? "It answers.", advice: undefined };
  if (!isAgentHere) return { title, state: "waiting", detail: undefined, advice: undefined };
  if (connection.report === undefined)
    return {
      title,
      state: "active",
      detail: "The agent is connecting to it.",
      advice: `If nothing happens for a minute: agent.yaml must have a connection named ${connection.name}; millrace-agent check-config tells.`,
    };
  const { reason, advice } = connection;
  return { title, state: "failed", detail: reason ?? "It does not answer.", advice };
}

function syncStep(connection: ConnectionRow, isSourceOpen: boolean, isDone: boolean): ConnectStep {
  const title = "The first reading";
  if (isDone)
    return { title, state: "done", detail: "Everything was read; changes follow.", advice: undefined };
  if (!isSourceOpen) return { title, state: "waiting", detail: undefined, advice: undefined };
  const isTroubled = connection.state === "degraded" || connection.state === "paused";
  return {
    title,
    state: isTroubled ? "failed" : "active",
    detail: isTroubled ? (connection.reason ?? connection.state) : "Under way.",
    advice: isTroubled ? connection.advice : undefined,
  };
}
