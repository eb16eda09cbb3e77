// Statements under way at once: no more than allowed, urgent ones first, and nobody keeps a place that is not used.
import { describe, expect, test } from "vitest";
import { StatementGate } from "#agent/core/load/statement-gate.ts";

const never = new AbortController().signal;

/** Work that lasts until it is told to end. */
class Work {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();

  start(name: string): () => Promise<string> {
    return () => {
      this.begun.push(name);
      const end = Promise.withResolvers<string>();
      this.#ends.set(name, end);
      return end.promise;
    };
  }

  async end(name: string, error?: Error): Promise<void> {
    const end = this.#ends.get(name);
    if (error === undefined) end?.resolve(name);
    else end?.reject(error);
    await settle();
  }
}

async function settle(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe("a gate", () => {
  test("lets as many in as its limit says, and polls before passes", async () => {
    const gate = new StatementGate(2);
    const work = new Work();
    const all = [
      gate.run("bulk", never, work.start("pass 1")),
      gate.run("bulk", never, work.start("pass 2")),
      gate.run("bulk", never, work.start("pass 3")),
      gate.run("live", never, work.start("poll 1")),
      gate.run("live", never, work.start("poll 2")),
    ];
    await settle();
    expect(work.begun).toEqual(["pass 1", "pass 2"]);
    await work.end("pass 2");
    expect(work.begun.slice(2)).toEqual(["poll 1"]);
    await work.end("poll 1");
    expect(work.begun.slice(3)).toEqual(["poll 2"]);
    await work.end("pass 1");
    expect(work.begun.slice(4)).toEqual(["pass 3"]);
    await work.end("poll 2");
    await work.end("pass 3");
    expect(await Promise.all(all)).toEqual(["pass 1", "pass 2", "pass 3", "poll 1", "poll 2"]);
  });

  test("gives the place back when the work fails", async () => {
    const gate = new StatementGate(1);
    const work = new Work();
    const failing = gate.run("bulk", never, work.start("a"));
    const next = gate.run("live", never, work.start("b"));
    const failed = failing.catch((error: unknown) => error);
    await settle();
    await work.end("a", new TypeError("the source is away"));
    expect(await failed).toMatchObject({ message: "the source is away" });
    expect(work.begun).toEqual(["a", "b"]);
    await work.end("b");
    expect(await next).toBe("b");
  });

  test("who is called off while waiting leaves at once, and takes nobody's place", async () => {
    const gate = new StatementGate(1);
    const work = new Work();
    const stop = new AbortController();
    const first = gate.run("live", never, work.start("a"));
    const stopped = gate.run("live", stop.signal, work.start("b"));
    const last = gate.run("bulk", never, work.start("c"));
    await settle();
    stop.abort();
    expect(await stopped).toBeUndefined();
    await work.end("a");
    expect(work.begun).toEqual(["a", "c"]);
    await work.end("c");
    expect(await Promise.all([first, last])).toEqual(["a", "c"]);
    expect(await gate.run("bulk", never, () => Promise.resolve("d"))).toBe("d");
  });

  test("called off as the place is handed over, it is still given back", async () => {
    const gate = new StatementGate(1);
    const work = new Work();
    const stop = new AbortController();
    const first = gate.run("live", never, work.start("a"));
    const second = gate.run("live", stop.signal, () => Promise.resolve("b"));
    await settle();
    void work.end("a");
    await first;
    stop.abort();
    await second;
    expect(await gate.run("bulk", never, () => Promise.resolve("c"))).toBe("c");
  });
});
