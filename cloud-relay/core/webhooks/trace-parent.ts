// W3C Trace Context of deliveries: the trace of what caused an event, with a span of its own for each try.
import { hex } from "../identifiers.ts";
import type { Entropy } from "../tokens.ts";
import type { EventFacts } from "./event-match.ts";

/** https://www.w3.org/TR/trace-context/#traceparent-header-field-values; later versions may have more behind the flags. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-|$)/;
const TRACE_BYTES = 16;
const SPAN_BYTES = 8;
/** Sampled: of each try there is an entry in the log. Not being so would switch off the traces of receivers. */
const SAMPLED = "01";

/** Of the write, or of the request for a sync, that the event comes from; undefined: none that is known. */
export function traceOfEvent({ data }: EventFacts): string | undefined {
  const { cause, traceparent } = data;
  const ofCause = isObject(cause) ? cause["traceparent"] : undefined;
  const found = ofCause ?? traceparent;
  return typeof found === "string" && TRACEPARENT.test(found) ? found : undefined;
}

/** A trace that begins here. */
export function newTrace(randomBytes: Entropy["randomBytes"]): string {
  return traceparent(hex(randomBytes(TRACE_BYTES)), SAMPLED, randomBytes);
}

/** The next span of the trace; of a new one where there is none. */
export function nextSpan(of: string | undefined, randomBytes: Entropy["randomBytes"]): string {
  const [, trace, flags] = TRACEPARENT.exec(of ?? "") ?? [];
  return trace === undefined || flags === undefined
    ? newTrace(randomBytes)
    : traceparent(trace, flags, randomBytes);
}

function traceparent(trace: string, flags: string, randomBytes: Entropy["randomBytes"]): string {
  return `00-${trace}-${hex(randomBytes(SPAN_BYTES))}-${flags}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
