// Trace Context of deliveries: the trace of the cause goes on, span by span; without one a trace begins.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { factsOf } from "#relay/core/webhooks/event-match.ts";
import { newTrace, nextSpan, traceOfEvent } from "#relay/core/webhooks/trace-parent.ts";
import { event } from "#test/conformance/relay-store/harness.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));

function traceOf(data: object): string | undefined {
  return traceOfEvent(factsOf(event(1, { data: JSON.stringify(data) })));
}

test("an event has the trace of the write that it comes from, or of whoever asked for its sync", () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`;
  expect(traceOf({ cause: { command_id: "op_1", traceparent } })).toBe(traceparent);
  expect(traceOf({ command_id: "op_1", traceparent })).toBe(traceparent);
  expect(traceOf({ cause: { command_id: "op_1" } })).toBeUndefined();
  expect(traceOf({ cause: null })).toBeUndefined();
});

test.each([
  ["no text", 7],
  ["another form", "canary"],
  ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["upper case", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ["the version that there is not", `ff-${TRACE}-${SPAN}-01`],
  ["more than a header's worth of lines", `00-${TRACE}-${SPAN}-01\r\nx-evil: 1`],
])("%s is no trace: a new one begins", (_, traceparent) => {
  expect(traceOf({ traceparent })).toBeUndefined();
  expect(nextSpan(String(traceparent), bytes)).not.toContain(TRACE);
});

test("each try is another span of the same trace, with the flags of the cause; of later versions only what is known", () => {
  for (const cause of [`00-${TRACE}-${SPAN}-00`, `cc-${TRACE}-${SPAN}-00-what-comes`]) {
    const spans = Array.from({ length: 20 }, () => nextSpan(cause, bytes));
    expect(new Set(spans).size).toBe(20);
    for (const span of spans) {
      expect(span).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
      expect(span).not.toContain(SPAN);
    }
  }
});

test("a new trace is sampled, so that receivers keep theirs", () => {
  expect(newTrace(bytes)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(newTrace(bytes)).not.toBe(newTrace(bytes));
});
