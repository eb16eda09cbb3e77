// How a caller wants a write done: headers and parameters that every write takes.
import type { FastifyRequest } from "fastify";
import { Type, type Static } from "typebox";
import { invalidRequest } from "#relay/core/administration.ts";
import type { WriteTerms } from "#relay/core/operations/plan-write.ts";
import { traceOf } from "./trace-context.ts";

const MAX_TTL_S = 30 * 86_400;
/** How long an answer waits for the plant. */
const WAIT_S = 30;
const MAX_WAIT_S = 60;

export const WriteQuery = Type.Object(
  {
    dry_run: Type.Optional(
      Type.Boolean({ description: "Do everything but keep it: the source checks it and rolls it back" }),
    ),
    queue_if_offline: Type.Optional(
      Type.Boolean({
        description: "Wait for the agent if it is away (202), instead of answering 503. Never for machines",
      }),
    ),
    ttl: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_TTL_S,
        description:
          "Seconds after which it is not begun any more. If not given: a day for what waits for its agent, for approval or for its hours; a minute otherwise",
        examples: [3600],
      }),
    ),
  },
  { additionalProperties: false },
);
export type WriteQuery = Static<typeof WriteQuery>;

export const WriteHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: "^[\\x21-\\x7e]+$",
      description:
        "Your own name for this write: repeated within 24 hours it is not done again, and answers as the first one did",
      examples: ["7f3b6c1e-2f6f-4a2b-9d3e-5c1a0e9b8d7f"],
    }),
  ),
  prefer: Type.Optional(
    Type.String({
      maxLength: 200,
      description:
        "`respond-async`: 202 with the operation at once. `wait=n`: wait n seconds for the plant, then 202",
      examples: ["respond-async", "wait=10"],
    }),
  ),
});

export const IfMatchHeaders = Type.Object({
  ...WriteHeaders.properties,
  "if-match": Type.Optional(
    Type.String({
      maxLength: 1_000,
      description: "An ETag of the record: 412 when it has changed since, here or at its source",
    }),
  ),
});

export interface AskedTerms extends WriteTerms {
  /** How long the answer waits for the plant, ms. */
  readonly waitMs: number;
  readonly isAsync: boolean;
}

/** @throws Problem INVALID_REQUEST for parameters that do not go together */
export function termsOf(
  request: FastifyRequest,
  query: WriteQuery,
  headers: Static<typeof WriteHeaders>,
): AskedTerms {
  const { dry_run: isDry = false, queue_if_offline: mayQueue = false, ttl } = query;
  if (isDry && mayQueue) throw unfit("dry_run", "cannot wait for an agent that is away");
  const { isAsync, waitS } = preference(headers.prefer);
  return {
    isDry,
    mayQueue,
    ttlMs: ttl === undefined ? undefined : ttl * 1_000,
    waitMs: isAsync ? 0 : waitS * 1_000,
    isAsync,
    requestId: request.id,
    ...traceOf(request),
    idempotencyKey: headers["idempotency-key"],
    actor: request.principal?.tokenId ?? "",
  };
}

/** RFC 7240; what is not known is passed over. */
function preference(prefer: string | undefined): { readonly isAsync: boolean; readonly waitS: number } {
  const names = (prefer ?? "").split(",").map((one) => one.trim().toLowerCase());
  const wait = names.map((one) => /^wait=(\d{1,5})$/.exec(one)?.[1]).find((one) => one !== undefined);
  return {
    isAsync: names.includes("respond-async"),
    waitS: wait === undefined ? WAIT_S : Math.min(MAX_WAIT_S, Number(wait)),
  };
}

function unfit(name: string, detail: string) {
  return invalidRequest("The request is not valid", [{ pointer: `#/query/${name}`, detail }]);
}
