// What each kind of answer is taken for.
import { expect, it } from "vitest";
import { outcomeLabel, outcomeOf } from "#relay/core/webhooks/outcome.ts";
import type { SendResult } from "#relay/core/webhooks/sender.ts";

const NOW_MS = 1_748_736_000_000;

function result(changes: Partial<SendResult>): SendResult {
  return {
    status: undefined,
    error: undefined,
    detail: undefined,
    headers: {},
    body: undefined,
    remoteAddress: undefined,
    timings: { dnsMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: undefined, totalMs: 1 },
    ...changes,
  };
}

it.each([
  [200, true],
  [204, true],
  [299, true],
  [199, false],
  [301, false],
  [304, false],
  [400, false],
  [500, false],
])("status %i is a delivery: %s", (status, isDelivered) => {
  expect(outcomeOf(result({ status }), NOW_MS).kind === "delivered").toBe(isDelivered);
});

it.each<[number, Record<string, string>, boolean]>([
  [429, {}, true],
  [502, {}, true],
  [504, {}, true],
  [503, {}, false],
  [503, { "retry-after": "5" }, true],
  [500, { "retry-after": "5" }, false],
])("status %i with %j throttles: %s", (status, headers, isThrottled) => {
  expect(outcomeOf(result({ status, headers }), NOW_MS)).toMatchObject({
    isThrottled,
  });
});

it("410 ends the delivery and disables the endpoint", () => {
  expect(outcomeOf(result({ status: 410 }), NOW_MS)).toMatchObject({
    kind: "failed",
    isFinal: true,
    disables: { reason: "gone" },
  });
});

it("the receiver's own word ends a delivery, or the endpoint, whatever the status", () => {
  const abort = result({ status: 400, headers: { "webhook-delivery": "abort-message" } });
  expect(outcomeOf(abort, NOW_MS)).toMatchObject({ isFinal: true, disables: undefined });
  const headers = { "webhook-delivery": " Disable " };
  expect(outcomeOf(result({ status: 500, headers }), NOW_MS)).toMatchObject({
    isFinal: false,
    disables: { reason: "receiver_asked" },
  });
  expect(outcomeOf(result({ status: 200, headers }), NOW_MS)).toMatchObject({
    kind: "delivered",
    disables: { reason: "receiver_asked" },
  });
});

it("a fault of the relay's own is nobody's failure", () => {
  const local = result({ error: "local_fault", detail: "no network" });
  expect(outcomeOf(local, NOW_MS)).toEqual({ kind: "local", why: "no network" });
  expect(outcomeLabel(local)).toBe("local_fault");
});

it("is named for people and counted by kind", () => {
  expect(outcomeOf(result({ error: "timed_out", detail: "after 10 s" }), NOW_MS)).toMatchObject({
    why: "timed_out: after 10 s",
  });
  expect(outcomeLabel(result({ status: 503 }))).toBe("5xx");
  expect(outcomeLabel(result({ error: "tls_failed" }))).toBe("tls_failed");
});
