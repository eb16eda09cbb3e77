// For each problem: what its reader does about it, and how to see it in a sandbox.
import type { ProblemCode } from "#relay/core/problem.ts";

interface Advice {
  readonly todo: string;
  /** What provokes it with a sandbox's token; nothing where only a relay in trouble answers so. */
  readonly sandbox?: string;
}

const READ_AGAIN = "Read the record again and decide anew: `current` shows how it stands";

export const PROBLEM_ADVICE: Readonly<Record<ProblemCode, Advice>> = {
  INVALID_REQUEST: {
    todo: "Correct the request; `errors` points at everything that is wrong with it",
    sandbox: "`GET /v1/vendors?limitt=3`",
  },
  INVALID_CURSOR: {
    todo: "Pass `next_cursor` as it was, with the filters it was made with; or begin without `cursor`",
    sandbox: "`GET /v1/vendors?cursor=abc`",
  },
  AUTHENTICATION_REQUIRED: { todo: "Send `Authorization: Bearer <token>`", sandbox: "no token" },
  AUTHENTICATION_FAILED: {
    todo: "Look for a token that was cut off or mistyped",
    sandbox: "a token of your own making",
  },
  TOKEN_EXPIRED: { todo: "Ask an administrator for a new token", sandbox: "a token made with `expires_at`" },
  TOKEN_REVOKED: { todo: "Ask an administrator for a new token", sandbox: "`DELETE /admin/v1/tokens/{id}`" },
  INSUFFICIENT_SCOPE: {
    todo: "Use a token with the scope that `detail` names",
    sandbox: "a write with a token that has the scope `read` only",
  },
  CONNECTION_REAUTH_REQUIRED: {
    todo: "Have the login renewed at the plant; `detail` says how, step by step. Your own token is fine",
    sandbox: "a write to `WO-9009`; the state `reauthorization_required`",
  },
  NOT_ALLOWED_BY_PLANT: {
    todo: "Look at the connection's capabilities; somebody at the plant can allow more, in the agent's own file",
    sandbox: "`DELETE` of any order",
  },
  REJECTED_AT_PLANT: { todo: "Ask at the plant; nothing was written", sandbox: "a write to `WO-9012`" },
  NOT_FOUND: {
    todo: "Check the id, and that the token may see it. A record is found by its number with `?number=` or `?remote_id=`",
    sandbox: "any id of your own making; a write to `WO-9007`",
  },
  RECORD_DELETED: {
    todo: "Take it for gone, or ask with `include_deleted=true` for its last state",
    sandbox: "the vendor `V-9003`, found with `include_deleted=true`",
  },
  ROUTE_NOT_FOUND: { todo: "Look for the address in this reference", sandbox: "`GET /v1/purchase-order`" },
  METHOD_NOT_ALLOWED: { todo: "Use one of the methods that `Allow` names", sandbox: "`PUT /v1/vendors`" },
  NOT_ACCEPTABLE: {
    todo: "Accept JSON, or `text/event-stream` for events",
    sandbox: "`GET /v1/events` with `Accept: text/csv`",
  },
  REQUEST_TIMEOUT: {
    todo: "Send it again: its head within 15 s, all of it within 30 s",
    sandbox: "a request that stops half-way",
  },
  CONFLICT: {
    todo: "`detail` says with what; change the request or what it is about",
    sandbox: "cancelling an operation that is over",
  },
  CANCELLED: {
    todo: "Send it again if it is still wanted; nothing was written",
    sandbox: "cancelling a write that is held, then its repeat under the same key",
  },
  IDEMPOTENCY_IN_PROGRESS: {
    todo: "Wait and send the same again: it gets the first request's answer",
    sandbox: "a write to `WO-9002` twice at once with one `Idempotency-Key`",
  },
  CURSOR_EXPIRED: {
    todo: "Begin again without `cursor`; revisions tell what you already have. Of events: take `cursor=latest`, list once, go on from there",
    sandbox: "a cursor of another relay",
  },
  PRECONDITION_FAILED: { todo: READ_AGAIN, sandbox: "`If-Match` with an ETag of your own making" },
  VERSION_CONFLICT: { todo: READ_AGAIN, sandbox: "a write to `WO-9004`" },
  PAYLOAD_TOO_LARGE: {
    todo: "Send less at once: 64 KiB, bulk writes 1 MiB",
    sandbox: "a text of 70,000 characters",
  },
  URI_TOO_LONG: {
    todo: "Send fewer values at once; an address has 8 KiB",
    sandbox: "a `cursor` of 9,000 characters",
  },
  UNSUPPORTED_MEDIA_TYPE: { todo: "Send `Content-Type: application/json`", sandbox: "a body without it" },
  IDEMPOTENCY_KEY_REUSED: {
    todo: "Use a key of its own for each write",
    sandbox: "one `Idempotency-Key` with two bodies",
  },
  REFUSED_BY_SOURCE: {
    todo: "`detail` and `source_code` are the source's own words: change the values, or the order of things",
    sandbox: "a write to `WO-9001`, or to an order that is closed",
  },
  VALIDATION_FAILED: {
    todo: "Correct the values that `errors` points at; capabilities list the fields, their types and bounds",
    sandbox: "`POST /v1/work-orders` with `{}`",
  },
  RATE_LIMIT_EXCEEDED: {
    todo: "Wait as long as `Retry-After` says; `RateLimit` shows what remains",
    sandbox: "a write to `WO-9005`",
  },
  TOO_MANY_STREAMS: { todo: "Close a stream that is not needed", sandbox: "a 21st event stream" },
  HEADERS_TOO_LARGE: {
    todo: "Send fewer or shorter headers, 16 KiB in all",
    sandbox: "a header of 20,000 characters",
  },
  INTERNAL_ERROR: { todo: "Try again; if it stays, give the operator the `request_id`" },
  UNSUPPORTED_OPERATION: {
    todo: "Look at the connection's capabilities: its source has no such operation",
    sandbox: "`DELETE /v1/users/{id}`",
  },
  RESULT_TOO_LARGE: { todo: "Ask for less: fewer records, or fewer fields", sandbox: "a write to `WO-9011`" },
  SOURCE_ERROR: {
    todo: "Try again; if it stays, the agent's log at the plant says why",
    sandbox: "a write to `WO-9010`",
  },
  UNKNOWN_OUTCOME: {
    todo: "Look for what `detail` names, at its source (`source=live`), before you repeat it",
    sandbox: "a write to `WO-9003`",
  },
  AGENT_OFFLINE: {
    todo: "Wait for the agent; stored records are served meanwhile, and a write can wait with `queue_if_offline=true`",
    sandbox: "the state `agent_offline`",
  },
  OVERLOADED: { todo: "Wait as long as `Retry-After` says and try again" },
  STORE_FULL: { todo: "Tell the operator of the relay; nothing was written" },
  SYSTEM_UNREACHABLE: {
    todo: "Wait: the agent is there and goes on trying; `connection_status` says what is wrong",
    sandbox: "a write to `WO-9008`; the state `source_offline`",
  },
  WRITES_HALTED: {
    todo: "Wait until somebody at the plant lets writes go on, or ask there",
    sandbox: "a write to `WO-9006`",
  },
  EXPIRED: {
    todo: "Send it again with a longer `ttl`; nothing was written",
    sandbox: "a write to `WO-9013`",
  },
  SOURCE_TIMEOUT: {
    todo: "Try again, or ask for less; nothing was written",
    sandbox: "a write to `WO-9002`",
  },
};
