// How to bring about each problem of the API, by its code; what can be had of a sandbox with its token is had there.
import type { ProblemCode } from "#relay/core/problem.ts";
import { exchange, type ErrorLab, type Refusal } from "./error-lab.ts";

type Provocation = (lab: ErrorLab) => Promise<Refusal>;

/** By what is done. */
type Provocations = Readonly<Record<string, Provocation>>;

const UNKNOWN_ID = "00000000-0000-5000-8000-000000000000";
const LARGE = 70_000;
const STREAMS = 20;
/** Creates until the disk is full: the first ones may find room in pages that are there. */
const MAX_WORKSPACES = 2_000;

const asking =
  (path: string, asked: Parameters<ErrorLab["ask"]>[1] = {}): Provocation =>
  (lab) =>
    lab.ask(path, asked);

const writing =
  (number: string): Provocation =>
  (lab) =>
    lab.write(number);

/** `source=live` while the sandbox is in a state. */
const reading =
  (state: string): Provocation =>
  async (lab) => {
    const id = await lab.idOf("vendors?limit=1");
    return lab.during(state, () => lab.ask(`/v1/vendors/${id}?source=live`));
  };

const REQUESTS = {
  INVALID_REQUEST: {
    "a parameter that is not there": asking("/v1/vendors?limitt=3"),
    "a value that nothing has": asking("/v1/work-orders?status=in_progres"),
    "no body": asking("/v1/queries/stock_below_minimum", { method: "POST" }),
    "a body that is not JSON": asking("/v1/work-orders", { method: "POST", body: "{" }),
    "a member that settings do not have": (lab) =>
      lab.ask(`/v1/connections/${lab.sandbox.connectionId}/settings`, {
        method: "PATCH",
        body: { schedule: { "*": { poll_s: 10 } } },
      }),
    "what is not HTTP": (lab) => exchange(lab.sandbox.relay.port, "NONSENSE\r\n\r\n"),
  },
  INVALID_CURSOR: {
    "no cursor of ours": asking("/v1/vendors?cursor=abc"),
    "the cursor of another list": async (lab) => {
      const { body } = await lab.ask("/v1/vendors?limit=1");
      return lab.ask(`/v1/users?cursor=${String(body["next_cursor"])}`);
    },
  },
  NOT_FOUND: {
    "a record that is not there": asking(`/v1/vendors/${UNKNOWN_ID}`),
    "an entity that is not there": asking("/v1/metadata/entities/purchase-orders"),
    "a record that its source has no more": writing("WO-9007"),
  },
  RECORD_DELETED: {
    "a record that was deleted": async (lab) =>
      lab.ask(`/v1/vendors/${await lab.idOf("vendors?number=V-9003&include_deleted=true")}`),
    "a write to one that was archived": async (lab) =>
      lab.ask(`/v1/vendors/${await lab.idOf("vendors?number=V-9004&include_deleted=true")}`, {
        method: "PATCH",
        body: { name: "x" },
      }),
  },
  ROUTE_NOT_FOUND: { "an address that is not there": asking("/v1/purchase-order") },
  METHOD_NOT_ALLOWED: { "a method that is not taken": asking("/v1/vendors", { method: "PUT", body: {} }) },
  NOT_ACCEPTABLE: {
    "a format that is not served": asking("/v1/events", { headers: { accept: "text/csv" } }),
  },
  REQUEST_TIMEOUT: { "a head that never ends": (lab) => lab.unfinished },
  CURSOR_EXPIRED: {
    "the cursor of another store": (lab) => lab.ask(`/v1/vendors?cursor=${lab.foreignCursor}`),
  },
  PAYLOAD_TOO_LARGE: {
    "a large body": asking("/v1/work-orders", { method: "POST", body: { title: "x".repeat(LARGE) } }),
  },
  URI_TOO_LONG: { "a long address": asking(`/v1/vendors?cursor=${"a".repeat(9_000)}`) },
  UNSUPPORTED_MEDIA_TYPE: {
    "a body that is no JSON": asking("/v1/work-orders", {
      method: "POST",
      body: "title=x",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    }),
  },
  HEADERS_TOO_LARGE: {
    "large headers": (lab) =>
      exchange(lab.sandbox.relay.port, `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`),
  },
} satisfies Partial<Record<ProblemCode, Provocations>>;

const TOKENS = {
  AUTHENTICATION_REQUIRED: { "no token": asking("/v1/vendors", { token: null }) },
  AUTHENTICATION_FAILED: { "a token that is none": asking("/v1/vendors", { token: "mr_test_x" }) },
  TOKEN_EXPIRED: {
    "a token after its time": async (lab) => {
      const { token } = await lab.token({ expires_at: new Date(Date.now() + 2_000).toISOString() });
      return lab.untilRefused("TOKEN_EXPIRED", () => lab.ask("/v1/vendors?limit=1", { token }));
    },
  },
  TOKEN_REVOKED: {
    "a token that was revoked": async (lab) => {
      const { id, token } = await lab.token();
      await lab.ask(`/admin/v1/tokens/${id}`, { method: "DELETE", token: lab.sandbox.adminToken });
      return lab.ask("/v1/vendors", { token });
    },
  },
  INSUFFICIENT_SCOPE: {
    "administration with a connection's token": asking("/admin/v1/tokens"),
    "a write with a token that reads": async (lab) => {
      const { token } = await lab.token();
      return lab.ask("/v1/work-orders", { method: "POST", body: { title: "x" }, token });
    },
  },
} satisfies Partial<Record<ProblemCode, Provocations>>;

const WRITES = {
  NOT_ALLOWED_BY_PLANT: {
    "what the plant refuses": async (lab) =>
      lab.ask(`/v1/purchase-orders/${await lab.idOf("purchase-orders?limit=1")}`, { method: "DELETE" }),
    "a setting that the plant keeps to itself": (lab) =>
      lab.ask(`/v1/connections/${lab.sandbox.connectionId}/settings`, {
        method: "PATCH",
        body: { entities: ["vendor"] },
      }),
  },
  REJECTED_AT_PLANT: { "somebody says no": writing("WO-9012") },
  CONFLICT: {
    "a name that is taken": (lab) =>
      lab.ask("/admin/v1/connections", {
        method: "POST",
        token: lab.sandbox.adminToken,
        body: { name: "try", kind: "sandbox" },
      }),
  },
  CANCELLED: { "a write that was called off": cancelled },
  IDEMPOTENCY_IN_PROGRESS: {
    "the same key while the first is under way": async (lab) => {
      const headers = { "idempotency-key": "in-progress" };
      const first = lab.write("WO-9002", headers);
      const second = await lab.untilRefused("IDEMPOTENCY_IN_PROGRESS", () => lab.write("WO-9002", headers));
      await first;
      return second;
    },
  },
  PRECONDITION_FAILED: {
    "an ETag of another state": async (lab) => {
      const id = await lab.idOf("work-orders?status=approved&limit=1");
      const headers = { "if-match": '"1-x"' };
      return lab.ask(`/v1/work-orders/${id}`, { method: "PATCH", body: { title: "x" }, headers });
    },
  },
  VERSION_CONFLICT: { "somebody was faster at the source": writing("WO-9004") },
  IDEMPOTENCY_KEY_REUSED: {
    "the same key with another body": async (lab) => {
      const headers = { "idempotency-key": "reused" };
      await lab.write("WO-9001", headers, { title: "one" });
      return lab.write("WO-9001", headers, { title: "another" });
    },
  },
  REFUSED_BY_SOURCE: {
    "a trigger of the source": writing("WO-9001"),
    "an order that is closed": async (lab) =>
      lab.ask(`/v1/work-orders/${await lab.idOf("work-orders?status=closed&limit=1")}`, {
        method: "PATCH",
        body: { title: "x" },
      }),
  },
  VALIDATION_FAILED: {
    "a field that is missing": asking("/v1/work-orders", { method: "POST", body: { title: "x" } }),
    "a vendor that is not there": asking("/v1/purchase-orders", {
      method: "POST",
      body: { vendor: { remote_id: "V-1" }, lines: [{ quantity: "1", unit_price: "1" }] },
    }),
  },
  UNSUPPORTED_OPERATION: {
    "what the source cannot": async (lab) =>
      lab.ask(`/v1/users/${await lab.idOf("users?limit=1")}`, { method: "DELETE" }),
    "an action by a wrong name": async (lab) =>
      lab.ask(`/v1/work-orders/${await lab.idOf("work-orders?limit=1")}/actions/chnge_status`, {
        method: "POST",
        body: { status: "completed" },
      }),
  },
  RESULT_TOO_LARGE: { "an answer that is too large": writing("WO-9011") },
  UNKNOWN_OUTCOME: { "a line that breaks": writing("WO-9003") },
  WRITES_HALTED: { "a halt at the plant": writing("WO-9006") },
  EXPIRED: { "a write that waited too long": writing("WO-9013") },
} satisfies Partial<Record<ProblemCode, Provocations>>;

const TROUBLES = {
  CONNECTION_REAUTH_REQUIRED: {
    "a write with a login that is refused": writing("WO-9009"),
    "a live read with it": reading("reauthorization_required"),
  },
  AGENT_OFFLINE: {
    "a live read without an agent": reading("agent_offline"),
    "a write without an agent": (lab) => lab.during("agent_offline", () => lab.write("WO-20001")),
  },
  SYSTEM_UNREACHABLE: {
    "a write without its source": writing("WO-9008"),
    "a live read without it": reading("source_offline"),
  },
  SOURCE_ERROR: { "an agent that fails": writing("WO-9010") },
  SOURCE_TIMEOUT: { "a source that is too slow": writing("WO-9002") },
  RATE_LIMIT_EXCEEDED: {
    "the plant's limit": writing("WO-9005"),
    "the relay's quota": async (lab) => {
      await lab.ask("/v1/vendors", lab.narrow);
      return lab.ask("/v1/vendors", lab.narrow);
    },
  },
  TOO_MANY_STREAMS: { "one event stream too many": oneStreamTooMany },
  INTERNAL_ERROR: { "a store that is gone": (lab) => lab.ask("/v1/vendors", lab.broken) },
  OVERLOADED: {
    "a relay that is behind": (lab) => lab.untilRefused("OVERLOADED", () => lab.ask("/v1/vendors", lab.late)),
    "a relay that is not ready": (lab) => lab.ask("/readyz", { ...lab.broken, token: null }),
  },
  STORE_FULL: { "a disk that is full": onFullDisk },
} satisfies Partial<Record<ProblemCode, Provocations>>;

/** Each code in every way that is worth seeing; one that is missing does not compile. */
export const PROVOCATIONS: Readonly<Record<ProblemCode, Provocations>> = {
  ...REQUESTS,
  ...TOKENS,
  ...WRITES,
  ...TROUBLES,
};

/** An approval waits for somebody; it is called off, and asked for again under its key. */
async function cancelled(lab: ErrorLab): Promise<Refusal> {
  const order = await lab.idOf("purchase-orders?status=pending_approval&limit=1");
  const approve = (): Promise<Refusal> =>
    lab.ask(`/v1/purchase-orders/${order}/actions/approve`, {
      method: "POST",
      body: {},
      headers: { "idempotency-key": "called-off" },
    });
  const { body } = await approve();
  await lab.ask(`/v1/operations/${String(body["id"])}/cancel`, { method: "POST" });
  return lab.untilRefused("CANCELLED", approve);
}

async function oneStreamTooMany(lab: ErrorLab): Promise<Refusal> {
  const { token } = await lab.token();
  const streams: Response[] = [];
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
  const url = `${lab.sandbox.relay.url}/v1/events?cursor=latest`;
  try {
    for (let open = 0; open < STREAMS; open += 1) streams.push(await fetch(url, { headers }));
    return await lab.ask("/v1/events?cursor=latest", { token, headers: { accept: "text/event-stream" } });
  } finally {
    for (const { body } of streams) await body?.cancel();
  }
}

async function onFullDisk(lab: ErrorLab): Promise<Refusal> {
  for (let at = 0; ; at += 1) {
    const name = `workspace-${at}-${"x".repeat(80)}`;
    const answer = await lab.ask("/admin/v1/workspaces", { ...lab.full, method: "POST", body: { name } });
    if (answer.status !== 201 || at === MAX_WORKSPACES) return answer;
  }
}
