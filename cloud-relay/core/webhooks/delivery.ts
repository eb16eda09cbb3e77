// One event bound for one endpoint, and each try to deliver it.
import type { Revision } from "../store.ts";

/** `discarded`: its endpoint was deleted or disabled for good, or somebody took it back. */
export type DeliveryState = "pending" | "delivered" | "exhausted" | "discarded";
export type AttemptTrigger = "automatic" | "manual" | "test" | "recover";

/** An event as it is sent; one for all endpoints that want the same form. */
export interface MessageRow {
  /** The event's id, and the `webhook-id` of every delivery of it. */
  readonly eventId: string;
  readonly workspaceId: string;
  readonly connectionId: string | undefined;
  readonly position: Revision;
  readonly type: string;
  readonly recordId: string | undefined;
  readonly atMs: number;
  /** JSON texts; undefined: no endpoint wants that form, or the payload was erased. */
  readonly full: string | undefined;
  readonly thin: string | undefined;
  /** W3C Trace Context of what caused it, or one that began with it: every try is a span of that trace. */
  readonly traceparent?: string;
}

export interface DeliveryRow {
  /** `whd_…` */
  readonly id: string;
  readonly endpointId: string;
  readonly workspaceId: string;
  readonly eventId: string;
  readonly position: Revision;
  readonly type: string;
  readonly connectionId: string | undefined;
  readonly recordId: string | undefined;
  readonly state: DeliveryState;
  readonly trigger: AttemptTrigger;
  readonly attempts: number;
  readonly createdAtMs: number;
  /** Of this round of retries; the horizon counts from it. */
  readonly firstAttemptAtMs: number | undefined;
  /** When it is due; undefined: it is not pending. */
  readonly nextAttemptAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  /** Of the newest attempt. */
  readonly lastStatus: number | undefined;
  readonly lastError: string | undefined;
}

/** Milliseconds; undefined: that phase was not reached, or the connection was open already. */
export interface AttemptTimings {
  readonly dnsMs: number | undefined;
  readonly connectMs: number | undefined;
  readonly tlsMs: number | undefined;
  readonly firstByteMs: number | undefined;
  readonly totalMs: number;
}

/**
 * Why there is no status. `blocked_address`, `dns_failed`, `connect_failed`, `tls_failed`, `timed_out`, `reset`, `too_large`,
 * `redirected`: charged to the endpoint. `local_fault`: ours (no network, proxy down, no listener there); it is not.
 */
export type AttemptError =
  | "blocked_address"
  | "dns_failed"
  | "connect_failed"
  | "tls_failed"
  | "timed_out"
  | "reset"
  | "bad_answer"
  | "redirected"
  | "local_fault";

export interface AttemptRow {
  readonly deliveryId: string;
  /** From 1, over all rounds. */
  readonly number: number;
  readonly trigger: AttemptTrigger;
  readonly atMs: number;
  readonly url: string;
  /** What was sent beside the body; sensitive values masked, signatures as sent. */
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly status: number | undefined;
  readonly error: AttemptError | undefined;
  /** For people; never with a resolved private address. */
  readonly detail: string | undefined;
  readonly responseHeaders: Readonly<Record<string, string>>;
  /** At most MAX_RESPONSE_BYTES, as text. */
  readonly responseBody: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly timings: AttemptTimings;
}

export const MAX_RESPONSE_BYTES = 16 * 1024;
/** A larger payload is sent in its thin form. */
export const MAX_PAYLOAD_BYTES = 256 * 1024;
