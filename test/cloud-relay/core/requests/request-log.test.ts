// The request log beside the requests: batches, bounds, and a store that fails harms nothing.
import { expect, test } from "vitest";
import { RequestLog } from "#relay/core/requests/request-log.ts";
import type { LoggedRequest, RequestStore } from "#relay/core/requests/request-store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

const request = (id: string): LoggedRequest => ({
  id,
  atMs: 0,
  workspaceId: "ws",
  connectionId: undefined,
  tokenId: "tok",
  method: "GET",
  route: "/v1/vendors",
  url: "/v1/vendors",
  status: 200,
  code: undefined,
  durationMs: 1,
  sentBytes: 2,
  remoteAddress: "127.0.0.1",
  userAgent: undefined,
  traceparent: undefined,
  requestBody: undefined,
  answerBody: undefined,
});

function rig() {
  const batches: string[][] = [];
  const trouble: { error?: Error; hold?: Promise<void> } = {};
  const store: RequestStore = {
    append: async (rows) => {
      await trouble.hold;
      if (trouble.error !== undefined) throw trouble.error;
      batches.push(rows.map(({ id }) => id));
    },
    list: () => Promise.resolve([]),
    counts: () => Promise.resolve({ requests: 0, clientErrors: 0, serverErrors: 0 }),
    prune: () => Promise.resolve(false),
  };
  const clock = new FakeClock();
  const logger = recordingLogger();
  return { batches, trouble, clock, logger, log: new RequestLog({ store, clock, logger }) };
}

test("entries are written together, half a second after the first", async () => {
  const { batches, clock, log } = rig();
  log.add(request("a"));
  clock.advance(400);
  log.add(request("b"));
  expect(batches).toEqual([]);
  clock.advance(100);
  await log.flush();
  expect(batches).toEqual([["a", "b"]]);
});

test("a full batch does not wait; in all order is kept, and a stop writes what is left", async () => {
  const { batches, log } = rig();
  for (let n = 0; n < 600; n += 1) log.add(request(String(n)));
  await log[Symbol.asyncDispose]();
  expect(batches.map((batch) => batch.length)).toEqual([250, 250, 100]);
  expect(batches.flat()).toEqual(Array.from({ length: 600 }, (_, n) => String(n)));
});

test("a store that is slow bounds the waiting; what was not logged is counted", async () => {
  const { batches, trouble, log } = rig();
  const { promise, resolve } = Promise.withResolvers<void>();
  trouble.hold = promise;
  for (let n = 0; n < 11_000; n += 1) log.add(request(String(n)));
  expect(log.dropped).toBe(11_000 - 10_250);
  resolve();
  await log.flush();
  expect(batches.flat()).toHaveLength(10_250);
});

test("a store that fails is told of once, and logging goes on when it is well again", async () => {
  const { batches, trouble, logger, log } = rig();
  trouble.error = new Error("disk full");
  log.add(request("a"));
  await log.flush();
  log.add(request("b"));
  await log.flush();
  expect(log.dropped).toBe(2);
  expect(JSON.stringify(logger.lines).match(/disk full/g)).toHaveLength(1);
  delete trouble.error;
  log.add(request("c"));
  await log.flush();
  expect(batches).toEqual([["c"]]);
});
