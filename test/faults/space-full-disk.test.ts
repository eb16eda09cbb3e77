// Full disks under the real relay and the real agent: nothing is lost, it is said, and it ends when there is space.
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  feedOf,
  feedProblems,
  gapReasons,
  Plant,
  plantStack,
  untilEqual,
} from "#test/support/plant-stack.ts";
import { SmallVolume } from "#test/support/small-volume.ts";
import { requireTier } from "#test/support/tiers.ts";
import { until } from "#test/support/until.ts";

/** More than the store's log has room for from before: each order gets a long text. */
const LONG_TEXTS = "UPDATE PO SET DESCRIPTION = hex(randomblob(60000))";
const volumes = [SmallVolume.mount(40), SmallVolume.mount(120)];
const [relayVolume, agentVolume] = volumes;
const canMount = requireTier(
  "small volumes",
  relayVolume !== undefined && agentVolume !== undefined,
  "this user may not mount a tmpfs; run the tests as root on Linux",
);
afterAll(() => {
  for (const volume of volumes) volume?.[Symbol.dispose]();
});

interface Status {
  readonly space: { readonly volumeFull: boolean };
  readonly connections: readonly {
    readonly report?: { readonly status: string; readonly reason?: string };
  }[];
  readonly events: readonly { readonly message: string }[];
}

// Most of their time is waiting.
describe.skipIf(!canMount).concurrent("a full disk", () => {
  test("the relay's: nothing is acknowledged, the agent keeps everything, and it goes on when there is space", async () => {
    if (relayVolume === undefined) return;
    using plant = new Plant();
    await using stack = await plantStack({ plant }, { relayDir: join(relayVolume.dir, "relay") });
    const agent = stack.startAgent();
    await untilEqual(stack, "plant", plant);
    relayVolume.fill();
    plant.db.prepare(LONG_TEXTS).run();
    await stack.relay?.says("no space is left", 30_000);
    await agent.says("the relay's disk is full", 30_000);
    plant.change(20);
    expect((await stack.get("/healthz")).status).toBe(200);
    relayVolume.free();
    await untilEqual(stack, "plant", plant, 90_000);
    expect(feedProblems(await feedOf(stack))).toEqual([]);
    expect(await gapReasons(stack, "plant")).toEqual([]);
  });

  test("the agent's: control stays, the status says so, and it goes on when there is space", async () => {
    if (agentVolume === undefined) return;
    using plant = new Plant({ seed: 2 });
    await using stack = await plantStack({ plant }, { agentDir: join(agentVolume.dir, "agent") });
    stack.startAgent();
    await untilEqual(stack, "plant", plant);
    agentVolume.fill();
    plant.db.prepare(LONG_TEXTS).run();
    plant.change(20);
    const status = async (): Promise<Status> =>
      JSON.parse(await stack.command("agent", ["status", "--json"])) as Status;
    const full = await until(
      "the status to say that the disk is full",
      async () => {
        const now = await status();
        return now.connections[0]?.report?.status === "degraded" && now.space.volumeFull ? now : undefined;
      },
      40_000,
    );
    expect(full.connections[0]?.report?.reason).toMatch(/full|space/);
    expect(stack.agent?.isRunning).toBe(true);
    agentVolume.free();
    await untilEqual(stack, "plant", plant, 90_000);
    expect(feedProblems(await feedOf(stack))).toEqual([]);
    expect(await gapReasons(stack, "plant")).toEqual([]);
  });
});
