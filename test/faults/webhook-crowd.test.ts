// A thousand endpoints, a quarter of them dead, slow or hostile: the others get everything, and the relay stays of bounded size.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { until } from "#test/support/until.ts";
import { WebhookCrowd } from "#test/support/webhook-crowd.ts";
import { WebhookRelay } from "#test/support/webhook-relay.ts";

const ENDPOINTS = 1_000;
const EVENTS = 12;
const PATIENCE_MS = 240_000;
/** A relay that read what the hostile ones send would need many times this. */
const MAX_RESIDENT_BYTES = 700 * 1024 * 1024;

/** The most that the process ever had; only Linux says so. */
function residentBytes(pid: number): number {
  if (process.platform !== "linux") return 0;
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return Number(kib) * 1024;
}

test("dead, slow and hostile endpoints keep nothing from the others, and take no more memory than they may", async () => {
  const heard = new Map<string, Set<string>>();
  await using crowd = await WebhookCrowd.listen((path, id) => {
    const ids = heard.get(path) ?? new Set();
    heard.set(path, ids.add(id));
  });
  await using relay = await WebhookRelay.create();
  const members = crowd.members(ENDPOINTS);
  const ids = new Map<string, string>();
  const made = await Promise.all(members.map(({ url }) => relay.endpoint(url)));
  for (const [n, { url }] of members.entries()) ids.set(url, made[n]?.id ?? "");
  const { pid } = await relay.start();
  const emitted = [...(await relay.emit(EVENTS / 2)), ...(await relay.emit(EVENTS / 2))];
  const healthy = members.filter(({ kind }) => kind === "healthy").map(({ url }) => new URL(url).pathname);
  const isServed = (path: string): boolean => heard.get(path)?.size === EVENTS;
  await until("all healthy endpoints to have everything", () => healthy.every(isServed), PATIENCE_MS);
  for (const path of healthy) expect([...(heard.get(path) ?? [])].sort()).toEqual([...emitted].sort());

  const failing = members.filter(({ kind }) => kind !== "healthy" && kind !== "slow");
  const stored = await until(
    "every dead and hostile endpoint to have been tried",
    async () => {
      const all = await relay.store.webhooks.endpoints(relay.scope);
      const health = new Map(all.map(({ row, health: of }) => [row.id, of]));
      const isTried = ({ url }: { readonly url: string }): boolean => {
        const { lastFailureAtMs, lastSuccessAtMs } = health.get(ids.get(url) ?? "") ?? {};
        return lastFailureAtMs !== undefined || lastSuccessAtMs !== undefined;
      };
      return failing.every(isTried) && all;
    },
    PATIENCE_MS,
  );
  // Not even the worst of them is given up within minutes: it is paused, and tried again.
  expect(stored.filter(({ row }) => row.disabled !== undefined)).toEqual([]);
  expect(residentBytes(pid)).toBeLessThan(MAX_RESIDENT_BYTES);
});
