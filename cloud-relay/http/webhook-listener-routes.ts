// The line of a developer's machine that listens for deliveries: a stream of them, and its answers.
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { subjects } from "#relay/core/bus.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Scope } from "#relay/core/store.ts";
import { MAX_RESPONSE_BYTES } from "#relay/core/webhooks/delivery.ts";
import { readScope } from "./access.ts";
import type { Authenticator } from "./authenticator.ts";
import type { HttpServer } from "./http-types.ts";
import type { ListenerHub } from "./listener-hub.ts";
import { OpenAnswers, writeAndDrain } from "./long-answers.ts";
import { answers, Id } from "./schemas.ts";
import type { WebhookDeps } from "./webhook-endpoint-routes.ts";

const MAX_LISTENERS = 500;
const MAX_LISTENERS_PER_TOKEN = 10;
const HEARTBEAT_EVERY_MS = 15_000;
/** Of what waits for a listener that comes back; more has its own time. */
const MAX_DUE_AT_ONCE = 1_000;
const Params = Type.Object({ id: Id });
const NoQuery = Type.Object({}, { additionalProperties: false });

export type ListenerDeps = WebhookDeps & { readonly listeners: ListenerHub };

export function addWebhookListenerRoutes(
  app: HttpServer,
  deps: ListenerDeps,
  authenticator: Authenticator,
): void {
  addStream(app, deps, authenticator);
  addAnswers(app, deps);
}

function addStream(app: HttpServer, deps: ListenerDeps, authenticator: Authenticator): void {
  const open = new OpenAnswers({ perToken: MAX_LISTENERS_PER_TOKEN, inAll: MAX_LISTENERS });
  app.get("/v1/webhook-listeners/:id/deliveries", {
    schema: {
      operationId: "listenToWebhook",
      tags: ["Webhooks"],
      summary: "Listen to an endpoint",
      description:
        "For `millrace-relay listen`: a stream of server-sent events named `delivery`, each with `ticket`, `headers` and `body` as a receiver would get them. Each ticket is answered within 10 s. The endpoint was made with `transport: listener`; one listens at a time, and the newest does.",
      params: Params,
      querystring: NoQuery,
      response: answers(
        {
          200: {
            description: "A stream of deliveries",
            content: { "text/event-stream": { schema: Type.String() } },
          },
        },
        [400, 401, 403, 404, 409, 429],
        "stream",
      ),
    },
    config: { access: "manage" },
    handler: async (request, reply) => {
      const { id } = request.params;
      const scope = readScope(request);
      await requireListener(deps, scope, id);
      const release = open.admit(request.principal?.tokenId ?? "", tooMany);
      await deps.webhooks.endpoints.enable(scope, id);
      const check = (): Promise<unknown> => authenticator.authenticate(request.headers.authorization);
      await serve(deps, reply, { scope, id, check }).finally(release);
      return reply;
    },
  });
}

interface Listening {
  readonly scope: Scope;
  readonly id: string;
  /** Whether its token still holds. @throws Problem */
  readonly check: () => Promise<unknown>;
}

/** Until the listener goes, another takes its place, its token ends, or the relay stops. */
async function serve(
  { listeners, clock, stopping, bus, store }: ListenerDeps,
  reply: FastifyReply,
  { scope, id, check }: Listening,
): Promise<void> {
  const headers = reply.getHeaders() as Record<string, string>;
  reply.hijack();
  const response = reply.raw;
  response.writeHead(200, {
    ...headers,
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store, no-transform",
    "x-accel-buffering": "no",
  });
  response.write("retry: 2000\n\n");
  const over = new AbortController();
  response.once("close", () => over.abort());
  const signal = AbortSignal.any([over.signal, stopping]);
  const say = (event: string, data: object): Promise<boolean> =>
    writeAndDrain(response, `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`, signal);
  const close = listeners.open(
    id,
    (ticket, request) => say("delivery", { ticket, headers: request.headers, body: request.body }),
    () => void say("replaced", { detail: "another listener has taken this place" }).then(() => over.abort()),
  );
  try {
    // What was tried while nobody listened is due at once.
    const waiting = { endpointId: id, states: ["pending"], limit: MAX_DUE_AT_ONCE } as const;
    await store.webhooks.retry(scope, waiting, "automatic", clock.nowMs());
    bus.publish(subjects.webhooksDue, 1);
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(HEARTBEAT_EVERY_MS, resolve);
        signal.addEventListener("abort", () => (cancel(), resolve()), { once: true });
      });
      if (signal.aborted) break;
      await check();
      if (!(await writeAndDrain(response, ": still here\n\n", signal))) break;
    }
  } catch (error) {
    // Its token has ended.
    if (error instanceof Problem) await say("error", { code: error.code, detail: error.message });
    else throw error;
  } finally {
    close();
    response.end();
  }
}

function addAnswers(app: HttpServer, deps: ListenerDeps): void {
  app.post("/v1/webhook-listeners/:id/answers", {
    schema: {
      operationId: "answerWebhook",
      tags: ["Webhooks"],
      summary: "Answer a delivery",
      description: "What the listener's own receiver answered; it is the outcome of the try.",
      params: Params,
      querystring: NoQuery,
      body: Type.Object(
        {
          ticket: Type.String({ minLength: 1, maxLength: 100 }),
          status: Type.Optional(
            Type.Integer({ minimum: 100, maximum: 599, description: "Absent: nothing answered" }),
          ),
          detail: Type.Optional(Type.String({ maxLength: 500 })),
          headers: Type.Optional(
            Type.Record(Type.String({ maxLength: 100 }), Type.String({ maxLength: 500 }), {
              maxProperties: 50,
            }),
          ),
          body: Type.Optional(Type.String({ maxLength: MAX_RESPONSE_BYTES })),
          took_ms: Type.Optional(Type.Number({ minimum: 0, maximum: 60_000 })),
        },
        { additionalProperties: false },
      ),
      response: answers({ 204: { description: "Taken", type: "null" } }, [400, 401, 403, 404, 409, 413, 415]),
    },
    config: { access: "manage", audited: false },
    handler: async (request, reply) => {
      const { id } = request.params;
      await requireListener(deps, readScope(request), id);
      const { ticket, status, detail, headers = {}, body, took_ms: tookMs } = request.body;
      if (deps.listeners.answer(id, ticket, { status, detail, headers, body, tookMs }))
        return reply.code(204).send();
      throw new Problem("NOT_FOUND", "Nobody waits for this answer any more: it came too late.");
    },
  });
}

async function requireListener({ webhooks }: ListenerDeps, scope: Scope, id: string): Promise<void> {
  const { row } = await webhooks.endpoints.get(scope, id);
  if (row.transport === "listener") return;
  throw new Problem("CONFLICT", `The endpoint ${id} is not one that is listened to: it has an address.`);
}

function tooMany(own: number): string {
  return `${own} listen with this token; ${MAX_LISTENERS_PER_TOKEN} are possible. Stop one first.`;
}
