// What every bus does; each implementation runs this.
import { describe, expect, test, vi } from "vitest";
import { NoResponderError, type Bus } from "#relay/core/bus.ts";

export interface BusUnderTest extends AsyncDisposable {
  readonly bus: Bus;
  /** What subscribers threw and the bus kept from the publisher. */
  readonly handlerErrors: readonly unknown[];
}

export function busSuite(name: string, open: () => Promise<BusUnderTest>): void {
  describe(`bus: ${name}`, () => {
    test("delivers to every subscriber of the subject, in order, and to no other", async () => {
      await using under = await open();
      const { bus } = under;
      const got: Record<string, unknown[]> = { first: [], second: [], other: [] };
      bus.subscribe("feed.a", (message) => got["first"]?.push(message));
      bus.subscribe("feed.a", (message) => got["second"]?.push(message));
      bus.subscribe("feed.b", (message) => got["other"]?.push(message));
      for (let n = 0; n < 100; n += 1) bus.publish("feed.a", { n });
      const sent = Array.from({ length: 100 }, (_, n) => ({ n }));
      await vi.waitFor(() => expect(got["second"]).toHaveLength(100));
      expect(got).toEqual({ first: sent, second: sent, other: [] });
    });

    test("a message nobody subscribes to is dropped", async () => {
      await using under = await open();
      const got: unknown[] = [];
      under.bus.publish("feed.a", 1);
      under.bus.subscribe("feed.a", (message) => got.push(message));
      under.bus.publish("feed.a", 2);
      await vi.waitFor(() => expect(got).toEqual([2]));
    });

    test("an ended subscription gets nothing more, its twin still does", async () => {
      await using under = await open();
      const { bus } = under;
      const got: unknown[] = [];
      const handler = (message: unknown): void => void got.push(message);
      const end = bus.subscribe("s", handler);
      bus.subscribe("s", handler);
      end();
      end();
      bus.publish("s", "x");
      await vi.waitFor(() => expect(got).toEqual(["x"]));
    });

    test("a subscriber that throws harms neither the others nor the publisher", async () => {
      await using under = await open();
      const { bus, handlerErrors } = under;
      const got: unknown[] = [];
      bus.subscribe("s", () => {
        throw new TypeError("planted");
      });
      bus.subscribe("s", (message) => got.push(message));
      bus.publish("s", 1);
      await vi.waitFor(() => expect([got, handlerErrors.length]).toEqual([[1], 1]));
    });

    test("a subscriber may end itself and start another while it is called", async () => {
      await using under = await open();
      const { bus } = under;
      const got: unknown[] = [];
      const end = bus.subscribe("s", (message) => {
        end();
        bus.subscribe("s", (later) => got.push(["second", later]));
        got.push(["first", message]);
      });
      bus.publish("s", 1);
      await vi.waitFor(() => expect(got).toEqual([["first", 1]]));
      bus.publish("s", 2);
      await vi.waitFor(() =>
        expect(got).toEqual([
          ["first", 1],
          ["second", 2],
        ]),
      );
    });

    test("a request gets the responder's answer, or its error", async () => {
      await using under = await open();
      const { bus } = under;
      bus.respond("agent.1", async (message) => ({ echo: message }));
      expect(await bus.request("agent.1", { n: 1 }, 1_000)).toEqual({ echo: { n: 1 } });
      bus.respond("agent.2", async () => {
        throw new TypeError("planted");
      });
      await expect(bus.request("agent.2", {}, 1_000)).rejects.toThrow("planted");
    });

    test("without a responder a request fails at once", async () => {
      await using under = await open();
      await expect(under.bus.request("agent.1", {}, 60_000)).rejects.toBeInstanceOf(NoResponderError);
    });

    test("a later responder takes over; the earlier one's end does not end it", async () => {
      await using under = await open();
      const { bus } = under;
      const endFirst = bus.respond("agent.1", async () => "first");
      const endSecond = bus.respond("agent.1", async () => "second");
      endFirst();
      expect(await bus.request("agent.1", {}, 1_000)).toBe("second");
      endSecond();
      await expect(bus.request("agent.1", {}, 1_000)).rejects.toBeInstanceOf(NoResponderError);
    });

    test("a responder that never answers runs into the time-out", async () => {
      await using under = await open();
      under.bus.respond("agent.1", () => new Promise(() => {}));
      await expect(under.bus.request("agent.1", {}, 20)).rejects.toThrow("agent.1");
    });

    test("a closed bus delivers nothing and takes no subscription", async () => {
      const under = await open();
      const got: unknown[] = [];
      under.bus.subscribe("s", (message) => got.push(message));
      await under[Symbol.asyncDispose]();
      under.bus.subscribe("s", (message) => got.push(message));
      under.bus.publish("s", 1);
      await expect(under.bus.request("agent.1", {}, 20)).rejects.toThrow("agent.1");
      expect(got).toEqual([]);
    });
  });
}
