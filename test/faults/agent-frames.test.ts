// An agent that sends poison or disorder to a real relay: one record is dead-lettered, one batch kept apart, the rest lives.
import { join } from "node:path";
import { expect, test } from "vitest";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { connectAgent } from "#agent/uplink/socket.ts";
import type { Channel } from "#common/contract/channel.ts";
import { decodeDownFrame, encodeBatchFrame, encodeControl } from "#common/contract/frame.ts";
import { loadIdentityKey } from "#common/contract/identity-key.ts";
import { CLOSE, type DownMessage } from "#common/contract/messages.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { batchFrame, E1, epoch, upsert, vendorText } from "#test/cloud-relay/core/ingest/relay-rig.ts";
import { gapReasons, Plant, plantStack } from "#test/support/plant-stack.ts";
import type { ProcessStack } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";

/** The stack's agent, with a test behind its key. */
class Impostor {
  readonly got: DownMessage[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  #channel: Channel | undefined;

  async connect(stack: ProcessStack): Promise<void> {
    using database = AgentDatabase.open(join(stack.agentDir, "agent.db"));
    const identity = database.identity();
    if (identity === undefined) throw new TypeError("the stack's agent is not enrolled");
    const { agentId, relayKey, relayUrl } = identity;
    this.#channel = await connectAgent({
      url: relayUrl,
      identity: loadIdentityKey(identity.secretKey),
      clock: systemClock,
      agentId,
      relayKey,
      agentVersion: "test",
      instanceId: "impostor",
      platform: "test",
      open: () => ({
        onFrame: (frame) => this.got.push(decodeDownFrame(frame)),
        onClose: (code, reason) => {
          this.closed = { code, reason };
        },
      }),
    });
  }

  async openStream(connectionId: string): Promise<void> {
    const position = { epoch: E1, first_seq: 1, next_seq: 9, acked_seq: 0, tail_id: "" };
    this.#channel?.send(encodeControl({ type: "stream_open", connection_id: connectionId, ...position }));
    await this.hears("stream_ready");
  }

  batch(seq: number, texts: readonly string[], blob = batchFrame(seq, texts).blob): void {
    this.#channel?.send(encodeBatchFrame({ stream: 0, seq, id: batchFrame(seq, []).id, blob }));
  }

  hears(type: DownMessage["type"]): Promise<DownMessage> {
    return until(`${type} from the relay`, () => this.got.find((message) => message.type === type));
  }
}

test("poison is kept apart, disorder closes the line, and everything else is there", async () => {
  using plant = new Plant({ scale: 0.001 });
  await using stack = await plantStack({ plant });
  const agent = new Impostor();
  await agent.connect(stack);
  await agent.openStream(stack.connectionId("plant"));
  const spoken = vendorText("liar", "liar", { connection_id: "another" });
  const invalid = vendorText("bad", "bad", { name: 5 });
  agent.batch(1, [
    epoch(),
    upsert("a"),
    upsert("liar", "", { text: spoken }),
    upsert("bad", "", { text: invalid }),
  ]);
  agent.batch(2, [], new Uint8Array(100).fill(9));
  agent.batch(3, [upsert("b")]);
  await agent.hears("record_rejected");
  expect(await agent.hears("resnapshot")).toMatchObject({ reason: "undecodable_batch" });
  await until("all three to be acknowledged", () =>
    agent.got.some((message) => message.type === "ack" && message.seq === 3),
  );
  const { body: vendors } = await stack.get("/v1/vendors");
  expect((vendors as { data: { name: string }[] }).data.map(({ name }) => name)).toEqual(["a", "b"]);
  const { body: rejects } = await stack.get("/v1/rejects");
  expect((rejects as { data: { key: string }[] }).data.map(({ key }) => key).sort()).toEqual([
    '["bad"]',
    '["liar"]',
  ]);
  expect(await gapReasons(stack, "plant")).toEqual(["undecodable_batch"]);
  agent.batch(5, [upsert("too early")]);
  expect(await until("the end", () => agent.closed)).toMatchObject({
    code: CLOSE.PROTOCOL_ERROR,
    reason: "seq 5 came after 3",
  });
});
