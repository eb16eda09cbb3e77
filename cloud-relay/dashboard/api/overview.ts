// The figures of the whole workspace.
import { ask } from "./client.ts";

/** As `GET /v1/overview` answers; "lately" is since `since`. */
export interface Overview {
  readonly at: string;
  readonly since: string;
  readonly connections: { readonly total: number; readonly by_status: Readonly<Record<string, number>> };
  readonly agents: { readonly total: number; readonly online: number };
  readonly syncs: { readonly stalest_at: string | null; readonly never: number };
  readonly backlog: { readonly connections: number; readonly batches: number; readonly bytes: number };
  readonly webhooks: {
    readonly endpoints: number;
    readonly disabled: number;
    readonly failing: number;
    readonly pending: number;
    readonly oldest_pending_at: string | null;
    readonly delivered: number;
    readonly exhausted: number;
    readonly attempts: number;
    readonly failed_attempts: number;
  };
  readonly requests: {
    readonly logged: number;
    readonly client_errors: number;
    readonly server_errors: number;
  };
}

/** @throws ApiError */
export function loadOverview(signal: AbortSignal): Promise<Overview> {
  return ask<Overview>("GET", "/v1/overview", undefined, signal);
}
