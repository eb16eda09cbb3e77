// W3C Trace Context of a request: what came as `traceparent` goes on to the plant with whatever the request causes there.
import type { FastifyRequest } from "fastify";

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Empty where the request has none, or one that is not of that form. */
export function traceOf({ headers }: Pick<FastifyRequest, "headers">): { readonly traceparent?: string } {
  const traceparent = headers["traceparent"];
  return typeof traceparent === "string" && TRACEPARENT.test(traceparent) ? { traceparent } : {};
}
