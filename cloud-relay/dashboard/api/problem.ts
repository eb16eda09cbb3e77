// What went wrong, as the screens show it: the API's own problem document, or that there was no answer.
import { ApiError, type ProblemDocument } from "#relay/client/api-client.ts";

export interface ProblemView {
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  /** Of the HTTP answer; 0 when there was none. */
  readonly status: number;
  readonly requestId: string | undefined;
  readonly issues: readonly { readonly pointer: string; readonly detail: string }[];
}

export function problemOf(error: unknown): ProblemView {
  if (error instanceof ApiError) {
    const { title, detail, code, request_id: requestId, errors } = error.problem as Partial<ProblemDocument>;
    return {
      title: title ?? "The relay did not answer as expected",
      detail: detail ?? `It answered ${error.status} without saying why.`,
      code: code ?? "UNKNOWN",
      status: error.status,
      requestId,
      issues: errors ?? [],
    };
  }
  // What fetch throws when no answer came.
  if (error instanceof TypeError)
    return {
      title: "The relay cannot be reached",
      detail: "No answer came. Check that the relay runs and that this machine reaches it, then try again.",
      code: "NO_ANSWER",
      status: 0,
      requestId: undefined,
      issues: [],
    };
  return {
    title: "The dashboard made a mistake",
    detail: error instanceof Error ? error.message : String(error),
    code: "DASHBOARD_ERROR",
    status: 0,
    requestId: undefined,
    issues: [],
  };
}
