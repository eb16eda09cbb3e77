// Bodies are read once for all endpoints of an event, never held long, and never more of them than fit.
import { expect, it } from "vitest";
import { Payloads } from "#relay/core/webhooks/payloads.ts";
import type { DeliveryRow, MessageRow } from "#relay/core/webhooks/delivery.ts";
import type { EndpointRow } from "#relay/core/webhooks/endpoint.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const WORKSPACE = "ws";
const FULL = { payload: "full" } as EndpointRow;
const THIN = { payload: "thin" } as EndpointRow;

function delivery(eventId: string, workspaceId = WORKSPACE): DeliveryRow {
  return { id: `${eventId}@e`, eventId, workspaceId } as DeliveryRow;
}

function rig(texts: Map<string, Partial<MessageRow>>): {
  payloads: Payloads;
  asked: string[][];
  clock: FakeClock;
} {
  const asked: string[][] = [];
  const clock = new FakeClock();
  const messages = async (
    { workspaceId }: { readonly workspaceId: string },
    ids: readonly string[],
  ): Promise<readonly MessageRow[]> => {
    asked.push([...ids]);
    return ids.flatMap((eventId) => {
      const found = texts.get(`${workspaceId} ${eventId}`);
      return found === undefined ? [] : [{ eventId, workspaceId, ...found } as MessageRow];
    });
  };
  return { payloads: new Payloads({ messages }, clock), asked, clock };
}

it("reads an event once for its endpoints, each in its own form, and of each workspace its own", async () => {
  const texts = new Map([
    ["ws a", { full: "{full}", thin: "{thin}" }],
    ["other a", { full: "{other}" }],
  ]);
  const { payloads, asked } = rig(texts);
  await payloads.expect([delivery("a"), delivery("a"), delivery("b")]);
  expect(await bodyOf(payloads, delivery("a"), FULL)).toBe("{full}");
  expect(await bodyOf(payloads, delivery("a"), THIN)).toBe("{thin}");
  expect(await bodyOf(payloads, delivery("b"), FULL)).toBeUndefined();
  expect(asked).toEqual([["a", "b"]]);
  expect(await bodyOf(payloads, delivery("a", "other"), THIN)).toBe("{other}");
  expect(asked).toHaveLength(2);
});

it("does not send for long what was erased", async () => {
  const texts = new Map([["ws a", { full: "{full}" }]]);
  const { payloads, clock } = rig(texts);
  expect(await bodyOf(payloads, delivery("a"), FULL)).toBe("{full}");
  texts.delete("ws a");
  clock.advance(1_000);
  expect(await bodyOf(payloads, delivery("a"), FULL)).toBeUndefined();
});

it("lets the oldest go when there is more than fits, and reads it again", async () => {
  const large = "x".repeat(6 * 1024 * 1024);
  const texts = new Map(["a", "b", "c"].map((id) => [`ws ${id}`, { full: large }]));
  const { payloads, asked } = rig(texts);
  await payloads.expect([delivery("a"), delivery("b"), delivery("c")]);
  expect(await bodyOf(payloads, delivery("c"), FULL)).toBe(large);
  expect(await bodyOf(payloads, delivery("a"), FULL)).toBe(large);
  expect(asked).toEqual([["a", "b", "c"], ["a"]]);
});

it("reads once what many need at the same time", async () => {
  const { payloads, asked } = rig(new Map([["ws a", { full: "{full}" }]]));
  const bodies = Array.from({ length: 3 }, () => bodyOf(payloads, delivery("a"), FULL));
  await Promise.all([payloads.expect([delivery("a")]), payloads.expect([delivery("a"), delivery("b")])]);
  expect(await Promise.all(bodies)).toEqual(["{full}", "{full}", "{full}"]);
  expect(asked).toEqual([["a"], ["b"]]);
});

async function bodyOf(
  payloads: Payloads,
  of: DeliveryRow,
  endpoint: EndpointRow,
): Promise<string | undefined> {
  return (await payloads.outgoing(of, endpoint)).body;
}
