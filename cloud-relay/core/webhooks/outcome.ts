// What an attempt's answer means: delivered, failed and how, or no word of the receiver's at all.
import type { EndpointDisabled } from "./endpoint.ts";
import { retryAfterMs } from "./retry-schedule.ts";
import type { SendResult } from "./sender.ts";

export type Outcome =
  | { readonly kind: "delivered"; readonly disables: Disabling | undefined }
  | {
      readonly kind: "failed";
      /** `HTTP 500` or `timed_out: …`, for people. */
      readonly why: string;
      /** The receiver says that it is too much: slower from now on. */
      readonly isThrottled: boolean;
      readonly retryAfterMs: number | undefined;
      /** The receiver will never take this one. */
      readonly isFinal: boolean;
      readonly disables: Disabling | undefined;
    }
  /** The relay's own fault: the endpoint is not to blame. */
  | { readonly kind: "local"; readonly why: string };

export type Disabling = Pick<EndpointDisabled, "reason" | "detail">;

const GONE = 410;
const THROTTLING = new Set([429, 502, 504]);
/** Throttles if it says for how long. */
const UNAVAILABLE = 503;
/** What a receiver may answer beside its status. */
const CONTROL_HEADER = "webhook-delivery";
const MAX_WHY_CHARS = 300;

export function outcomeOf({ status, error, detail, headers }: SendResult, nowMs: number): Outcome {
  const control = headers[CONTROL_HEADER]?.trim().toLowerCase();
  const asked =
    control === "disable"
      ? disabling("receiver_asked", "The receiver answered `webhook-delivery: disable`.")
      : undefined;
  if (error === "local_fault") return { kind: "local", why: cut(detail ?? "the relay could not try") };
  if (status !== undefined && status >= 200 && status < 300) return { kind: "delivered", disables: asked };
  const isGone = status === GONE;
  const waitMs = retryAfterMs(headers["retry-after"], nowMs);
  return {
    kind: "failed",
    why: cut(
      status === undefined
        ? `${error ?? "no answer"}${detail === undefined ? "" : `: ${detail}`}`
        : `HTTP ${status}`,
    ),
    isThrottled:
      status !== undefined && (THROTTLING.has(status) || (status === UNAVAILABLE && waitMs !== undefined)),
    retryAfterMs: waitMs,
    isFinal: isGone || control === "abort-message",
    disables: isGone
      ? disabling("gone", "The receiver answered 410 Gone: nothing is there any more.")
      : asked,
  };
}

/** For counting: `2xx`, `5xx`, or the error's name. */
export function outcomeLabel({ status, error }: SendResult): string {
  return status === undefined ? (error ?? "bad_answer") : `${Math.floor(status / 100)}xx`;
}

function disabling(reason: Disabling["reason"], detail: string): Disabling {
  return { reason, detail };
}

function cut(text: string): string {
  return text.slice(0, MAX_WHY_CHARS);
}
