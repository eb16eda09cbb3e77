// Every read of a source: in chunks that the allowance can bear, counted with its children, one statement at a time.
import { describe, expect, test } from "vitest";
import { SourceLoad, type LoadLimits } from "#agent/core/load/source-load.ts";
import type { Pass, ReadRequest, SourceBatch, SourceRow } from "#agent/core/source/connector.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const never = new AbortController().signal;

/** Gives pages of what was asked for, each record with so many children. */
class Source {
  readonly requests: ReadRequest[] = [];
  children = 0;
  statements = 0;
  page: (request: ReadRequest) => Promise<void> = () => Promise.resolve();

  async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    this.requests.push(request);
    await this.page(request);
    for (let n = 0; n < this.statements; n += 1) request.asked?.();
    const lines = Array.from({ length: this.children }, () => ({}));
    const row = (key: string): SourceRow => ({
      op: "upsert",
      key: [key],
      columns: {},
      ...(request.pass === "keys" || this.children === 0 ? {} : { children: { lines } }),
    });
    yield { rows: Array.from({ length: request.maxRows }, (_, at) => row(String(at))), cursor: {} };
  }
}

function rig(limits: LoadLimits): {
  readonly load: SourceLoad;
  readonly clock: FakeClock;
  readonly source: Source;
  readonly read: (pass: Pass, signal?: AbortSignal) => Promise<number>;
} {
  const clock = new FakeClock();
  const load = new SourceLoad(limits, "UTC", clock);
  const source = new Source();
  const read = async (pass: Pass, signal = never): Promise<number> => {
    let rows = 0;
    const request = { entity: "vendor", pass, after: undefined, maxRows: 1_000, signal };
    for await (const batch of load.read(source, request)) rows += batch.rows.length;
    return rows;
  };
  return { load, clock, source, read };
}

describe("chunks", () => {
  test("are as large as asked for where nothing is limited", async () => {
    const { read, load } = rig({});
    expect(await read("snapshot")).toBe(1_000);
    expect(load.waitMs("pass")).toBe(0);
  });

  test("hold at most a second's rows with all children, small ones first", async () => {
    const { read, source, load, clock } = rig({ rowsPerSecond: 200 });
    source.children = 4;
    expect(await read("snapshot")).toBe(20);
    expect(load.waitMs("pass")).toBe(500);
    clock.advance(500);
    expect(await read("snapshot")).toBe(40);
    expect(load.waitMs("pass")).toBe(1_000);
    // Keys alone have no children, and do not hide them.
    expect(await read("keys")).toBe(200);
    expect(await read("snapshot")).toBe(40);
  });

  test("are never empty, however little is allowed", async () => {
    const { read, source } = rig({ rowsPerSecond: 1 });
    source.children = 50;
    expect(await read("incremental")).toBe(1);
    expect(await read("incremental")).toBe(1);
  });

  test("of single records are what was asked for: a key that was left out would seem to be gone", async () => {
    const { read } = rig({ rowsPerSecond: 1 });
    expect(await read("point")).toBe(1_000);
  });
});

describe("what was asked", () => {
  test("counts statements and all rows of the last minute", async () => {
    const { read, source, load } = rig({ rowsPerSecond: 1_000 });
    source.children = 1;
    source.statements = 3;
    await read("snapshot");
    expect(load.rates()).toEqual({ rowsPerSecond: 200, statementsPerSecond: 3 });
  });

  test("of a connector that does not count its statements is at least one for each page", async () => {
    const { read, load } = rig({});
    await read("snapshot");
    await read("snapshot");
    expect(load.rates()).toEqual({ rowsPerSecond: 2_000, statementsPerSecond: 2 });
  });
});

describe("statements at once", () => {
  test("single records wait for the page that is being read, and go before the next", async () => {
    const { read, source } = rig({ statements: 1 });
    const pages: PromiseWithResolvers<void>[] = [];
    source.page = () => {
      const page = Promise.withResolvers<void>();
      pages.push(page);
      return page.promise;
    };
    const asked = (): readonly Pass[] => source.requests.map(({ pass }) => pass);
    const all = [read("keys"), read("snapshot"), read("point"), read("incremental")];
    for (const begun of [1, 2, 3, 4]) {
      await settle();
      expect(asked()).toHaveLength(begun);
      pages.at(-1)?.resolve();
    }
    await Promise.all(all);
    expect(asked()).toEqual(["keys", "point", "incremental", "snapshot"]);
  });

  test("a read that is called off while it waits ends without a word", async () => {
    const { read, source } = rig({ statements: 1 });
    const page = Promise.withResolvers<void>();
    source.page = () => page.promise;
    const stop = new AbortController();
    const first = read("snapshot");
    const second = read("snapshot", stop.signal);
    await settle();
    stop.abort();
    expect(await second).toBe(0);
    page.resolve();
    expect(await first).toBe(1_000);
    expect(source.requests).toHaveLength(1);
  });

  test("a failure is the reader's, and leaves no place taken", async () => {
    const { read, source } = rig({ statements: 1 });
    source.page = () => Promise.reject(new TypeError("away"));
    await expect(read("snapshot")).rejects.toThrow("away");
    source.page = () => Promise.resolve();
    expect(await read("snapshot")).toBe(1_000);
  });
});

async function settle(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
