// What is done with a webhook endpoint: switch it off and on, send a test, recover what it missed.
import { Type } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import { instantOf, revisionAt } from "#relay/core/revisions.ts";
import type { Scope } from "#relay/core/store.ts";
import { readScope } from "./access.ts";
import type { HttpServer } from "./http-types.ts";
import { answers, Id, Instant, ok, ref } from "./schemas.ts";
import { described, viewOf, WRITE_PROBLEMS, type WebhookDeps } from "./webhook-endpoint-routes.ts";
import { attemptView } from "./webhook-views.ts";

const Params = Type.Object({ id: Id });
const NoQuery = Type.Object({}, { additionalProperties: false });
const closed = { additionalProperties: false } as const;

export function addWebhookActionRoutes(app: HttpServer, deps: WebhookDeps): void {
  const { endpoints } = deps.webhooks;
  const switches = [
    {
      name: "enable",
      act: (scope: Scope, id: string) => endpoints.enable(scope, id),
      text: "What waited is sent, and its failures are forgotten. Events of the time when it was disabled come by recover.",
    },
    {
      name: "disable",
      act: (scope: Scope, id: string) => endpoints.disable(scope, id),
      text: "Nothing is sent to it any more, and new events are not kept for it.",
    },
  ] as const;
  for (const { name, act, text } of switches) {
    const title = name === "enable" ? "Enable" : "Disable";
    app.post(`/v1/webhook-endpoints/:id/${name}`, {
      schema: {
        ...described(`${name}WebhookEndpoint`, `${title} an endpoint`, text),
        params: Params,
        querystring: NoQuery,
        response: answers({ 200: ok("As it is now", ref("WebhookEndpoint")) }, [400, 401, 403, 404]),
      },
      config: { access: "manage" },
      handler: async (request) => {
        const scope = readScope(request);
        return viewOf(deps, scope, await act(scope, request.params.id));
      },
    });
  }

  app.post("/v1/webhook-endpoints/:id/test", {
    schema: {
      ...described(
        "testWebhookEndpoint",
        "Send a test",
        "A sample of the type, made of a real record of the connection where there is one, is sent at once; the answer says what came of it. Its payload has `test: true`.",
      ),
      params: Params,
      querystring: NoQuery,
      body: Type.Object(
        { type: Type.String({ maxLength: 100, examples: ["purchase_order.updated"] }) },
        closed,
      ),
      response: answers({ 200: ok("What came of it", ref("WebhookSent")) }, WRITE_PROBLEMS),
    },
    config: { access: "write" },
    handler: async (request) => {
      const { deliveryId, attempt } = await deps.webhooks.sendTest(
        readScope(request),
        request.params.id,
        request.body.type,
      );
      return { delivery_id: deliveryId, attempt: attempt === undefined ? null : attemptView(attempt) };
    },
  });

  app.post("/v1/webhook-endpoints/:id/recover", {
    schema: {
      ...described(
        "recoverWebhookEndpoint",
        "Recover what was missed",
        "Everything since an instant that the endpoint wants and never got: events of a time when it was disabled or not there, and deliveries that were given up. What was delivered is not sent again.",
      ),
      params: Params,
      querystring: NoQuery,
      body: Type.Object({ since: Instant, until: Type.Optional(Instant) }, closed),
      response: answers(
        {
          200: ok(
            "What is on its way",
            Type.Object({
              matched: Type.Integer({ description: "Events that get a delivery now" }),
              retried: Type.Integer({ description: "Deliveries that were given up and are tried again" }),
              resume_since: Type.Union([Instant, Type.Null()], {
                description: "There is more: ask again with it as `since`; null: that was all",
              }),
              missing_until: Type.Union([Instant, Type.Null()], {
                description:
                  "Events of that time up to this instant are not kept any more (`keep_events`): read the records that changed since; null: all of it is there",
              }),
            }),
          ),
        },
        WRITE_PROBLEMS,
      ),
    },
    config: { access: "write", load: "bulk" },
    handler: async (request) => {
      const { since, until } = request.body;
      const span = {
        sinceMs: msOf("since", since),
        untilMs: until === undefined ? undefined : msOf("until", until),
      };
      const found = await deps.webhooks.recover(readScope(request), request.params.id, span);
      const { matched, retried, resumeAtMs, missingUntilMs } = found;
      const instantOrNull = (ms: number | undefined) => (ms === undefined ? null : instantOf(ms));
      return {
        matched,
        retried,
        resume_since: instantOrNull(resumeAtMs),
        missing_until: instantOrNull(missingUntilMs),
      };
    },
  });
}

/** @throws Problem INVALID_REQUEST */
function msOf(member: string, text: string): number {
  const revision = revisionAt(text);
  if (revision !== undefined) return revision / 1_000;
  const detail = "must be a timestamp with a zone (2026-03-02T08:15:00Z)";
  throw invalidRequest("The request is not valid", [{ pointer: `#/${member}`, detail }]);
}
