// What is only to be had of sandbox connections: reset, being made to fail, approving what waits, and making things happen.
import type { FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { requireConnected } from "#relay/core/connections/reachability.ts";
import { Problem } from "#relay/core/problem.ts";
import { instantOf } from "#relay/core/revisions.ts";
import {
  ARCHIVED_VENDOR,
  DELETED_VENDOR,
  BLOCKED_VENDOR,
  INACTIVE_VENDOR,
  OUT_OF_STOCK_ITEM,
  TRAPS,
} from "#relay/core/sandbox/known-keys.ts";
import { SANDBOX_STATES } from "#relay/core/sandbox/sandbox-conditions.ts";
import { MAX_CHANGES, type Sandboxes } from "#relay/core/sandbox/sandboxes.ts";
import type { ConnectionRow } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import { connectionInScope } from "./connection-routes.ts";
import type { HttpDeps, HttpServer } from "./http-types.ts";
import { answers, Id, NullableInstant, ok, ref } from "./schemas.ts";

const MAX_FOR_S = 3_600;
const MAX_DELAY_MS = 60_000;
const DEFAULT_FOR_S = 60;
const READ_PROBLEMS = [400, 401, 403, 404, 409, 429, 503];
const WRITE_PROBLEMS = [400, 401, 403, 404, 409, 413, 415, 429, 503];
/** On every answer to a token that sees one sandbox only. */
const SANDBOX_HEADER = "millrace-sandbox";

export const SandboxSchema = Type.Object(
  {
    connection_id: Type.String(),
    state: Type.String({
      description: `What it was told to be: ${SANDBOX_STATES.join(", ")}. More may be added.`,
      examples: ["online"],
    }),
    until: NullableInstant,
    delay_ms: Type.Integer({ description: "Before every answer of its source" }),
    error_rate: Type.Number({ description: "Share of what is asked of its source that fails, 0 to 1" }),
    held_operations: Type.Array(Type.String(), {
      description: "Writes that wait for somebody at its plant to approve them, oldest first",
    }),
    known_keys: Type.Array(
      Type.Object({
        entity: Type.String({ examples: ["work_order"] }),
        remote_id: Type.String({ examples: ["WO-9001"] }),
        effect: Type.String({ examples: ["refused_by_source"] }),
      }),
      { description: "Records on which writes always end in the same way" },
    ),
  },
  { $id: "Sandbox", description: "How a sandbox is" },
);

const Params = Type.Object({ id: Id });
const NoQuery = Type.Object({}, { additionalProperties: false });
const SandboxStateName = Type.Union([
  Type.Literal("online"),
  Type.Literal("agent_offline"),
  Type.Literal("source_offline"),
  Type.Literal("reauthorization_required"),
  Type.Literal("degraded"),
]);

const KNOWN_KEYS = [
  ...TRAPS.map(({ number, effect }) => ({ entity: "work_order", remote_id: number, effect })),
  { entity: "vendor", remote_id: BLOCKED_VENDOR, effect: "refused_by_source" },
  { entity: "vendor", remote_id: INACTIVE_VENDOR, effect: "refused_by_source" },
  { entity: "vendor", remote_id: DELETED_VENDOR, effect: "deleted" },
  { entity: "vendor", remote_id: ARCHIVED_VENDOR, effect: "archived" },
  { entity: "inventory_item", remote_id: OUT_OF_STOCK_ITEM, effect: "out_of_stock" },
];

export function addSandboxRoutes(app: HttpServer, deps: HttpDeps): void {
  addNotice(app, deps);
  addGet(app, deps);
  addState(app, deps);
  addReset(app, deps);
  addApproval(app, deps);
  addChanges(app, deps);
}

/** Sandboxes live while somebody asks; and who works with one is told so. */
function addNotice(app: HttpServer, deps: HttpDeps): void {
  app.addHook("onSend", (request, reply, _payload, done) => {
    const { sandboxes } = deps;
    const scope = request.principal?.scope;
    if (sandboxes !== undefined && scope !== undefined) {
      sandboxes.noticed(scope);
      if (sandboxes.isOnly(scope)) reply.header(SANDBOX_HEADER, "true");
    }
    done();
  });
}

function addGet(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "getSandbox",
    tags: ["Sandbox"],
    summary: "How a sandbox is",
    description:
      "What it was told to be, which writes wait at its plant, and which keys behave in their own way.",
    params: Params,
    querystring: NoQuery,
    response: answers({ 200: ok("The sandbox", ref("Sandbox")) }, READ_PROBLEMS),
  };
  app.get("/v1/connections/:id/sandbox", {
    schema,
    config: { access: "read", narrowsEntities: true },
    handler: async (request) => {
      const { connection, sandboxes } = await sandboxOf(deps, request);
      return view(connection, sandboxes);
    },
  });
}

function addState(app: HttpServer, deps: HttpDeps): void {
  const body = Type.Object(
    {
      state: Type.Optional(SandboxStateName),
      for_seconds: Type.Optional(
        Type.Integer({ minimum: 1, maximum: MAX_FOR_S, description: `${DEFAULT_FOR_S} if not given` }),
      ),
      delay_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_DELAY_MS })),
      error_rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    },
    { additionalProperties: false, examples: [{ state: "source_offline", for_seconds: 60 }] },
  );
  const schema = {
    operationId: "setSandboxState",
    tags: ["Sandbox"],
    summary: "Make a sandbox fail for a while",
    description:
      "Its agent or its source is away, its login is refused, its answers come late or fail: as events, health and answers of a plant would be. What is not given is as usual. It heals by itself, by `state: online`, and by a reset.",
    params: Params,
    querystring: NoQuery,
    body,
    response: answers({ 200: ok("As it is now", ref("Sandbox")) }, WRITE_PROBLEMS),
  };
  app.post("/v1/connections/:id/sandbox/state", {
    schema,
    config: { access: "write", narrowsEntities: true },
    handler: async (request) => {
      const { connection, sandboxes } = await sandboxOf(deps, request);
      const { state = "online", for_seconds = DEFAULT_FOR_S, delay_ms = 0, error_rate = 0 } = request.body;
      const condition = { state, delayMs: delay_ms, errorRate: error_rate };
      await sandboxes.put(connection, condition, for_seconds * 1_000);
      return view(connection, sandboxes);
    },
  });
}

function addReset(app: HttpServer, deps: HttpDeps): void {
  const schema = {
    operationId: "resetSandbox",
    tags: ["Sandbox"],
    summary: "Put a sandbox back to its beginning",
    description:
      "Its records are as they were when it was made: a new snapshot is read, with events for what is different. What it was told to be is over.",
    params: Params,
    querystring: NoQuery,
    response: answers(
      {
        200: ok(
          "It is online again",
          Type.Object({ connection_id: Type.String(), records: Type.Integer({ examples: [3000] }) }),
        ),
      },
      WRITE_PROBLEMS,
    ),
  };
  app.post("/v1/connections/:id/sandbox/reset", {
    schema,
    config: { access: "write", narrowsEntities: true },
    handler: async (request) => {
      const { connection, sandboxes } = await sandboxOf(deps, request);
      return { connection_id: connection.id, records: await sandboxes.fill(connection) };
    },
  });
}

function addApproval(app: HttpServer, deps: HttpDeps): void {
  const body = Type.Object(
    {
      operation_id: Type.Optional(
        Type.String({ minLength: 1, maxLength: 100, description: "All that wait, if not given" }),
      ),
      approve: Type.Optional(Type.Boolean({ description: "false rejects; true if not given" })),
    },
    { additionalProperties: false, examples: [{ approve: true }] },
  );
  const schema = {
    operationId: "approveInSandbox",
    tags: ["Sandbox"],
    summary: "Decide on held writes, as somebody at the plant would",
    description: "Those that nobody decides on are approved by themselves after 20 seconds.",
    params: Params,
    querystring: NoQuery,
    body,
    response: answers(
      { 200: ok("What was decided on", Type.Object({ operations: Type.Array(Type.String()) })) },
      WRITE_PROBLEMS,
    ),
  };
  app.post("/v1/connections/:id/sandbox/approve", {
    schema,
    config: { access: "write", narrowsEntities: true },
    handler: async (request) => {
      const { connection, sandboxes } = await sandboxOf(deps, request);
      const { operation_id: operationId, approve = true } = request.body;
      return { operations: [...sandboxes.decide(connection, operationId, approve)] };
    },
  });
}

function addChanges(app: HttpServer, deps: HttpDeps): void {
  const body = Type.Object(
    {
      count: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_CHANGES, description: "1 if not given" })),
    },
    { additionalProperties: false, examples: [{ count: 5 }] },
  );
  const schema = {
    operationId: "changeSandbox",
    tags: ["Sandbox"],
    summary: "Let something happen at the plant",
    description:
      "An order is approved or received, work is begun or completed, a fault is reported, a meter is read: what happens by itself once a minute while somebody asks, at once.",
    params: Params,
    querystring: NoQuery,
    body,
    response: answers(
      {
        200: ok(
          "It has happened",
          Type.Object({ records: Type.Integer({ description: "Records that changed" }) }),
        ),
      },
      WRITE_PROBLEMS,
    ),
  };
  app.post("/v1/connections/:id/sandbox/changes", {
    schema,
    config: { access: "write", narrowsEntities: true },
    handler: async (request) => {
      const { connection, sandboxes } = await sandboxOf(deps, request);
      return { records: await sandboxes.live(connection, request.body.count ?? 1) };
    },
  });
}

/** @throws Problem NOT_FOUND, CONFLICT for a connection that is none, or is disconnected */
async function sandboxOf(
  deps: HttpDeps,
  request: FastifyRequest & { readonly params: { readonly id: string } },
): Promise<{ readonly connection: ConnectionRow; readonly sandboxes: Sandboxes }> {
  const connection = await connectionInScope(deps, readScope(request), request.params.id);
  const { sandboxes } = deps;
  if (connection.kind !== "sandbox" || sandboxes === undefined) {
    throw new Problem(
      "CONFLICT",
      `${connection.name} is not a sandbox: it is served from a plant. An administrator can make one: POST /admin/v1/connections with kind sandbox.`,
    );
  }
  requireConnected(connection);
  return { connection, sandboxes };
}

function view(connection: ConnectionRow, sandboxes: Sandboxes): Static<typeof SandboxSchema> {
  const { state, untilMs, delayMs, errorRate } = sandboxes.condition(connection);
  return {
    connection_id: connection.id,
    state,
    until: untilMs === undefined ? null : instantOf(untilMs),
    delay_ms: delayMs,
    error_rate: errorRate,
    held_operations: [...sandboxes.held(connection)],
    known_keys: KNOWN_KEYS,
  };
}
