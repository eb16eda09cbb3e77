// The session's queue: control messages first, streams by turns, order within a stream.
import { describe, expect, it } from "vitest";
import type { BatchFrame } from "#common/contract/frame.ts";
import { WorkQueue } from "#relay/core/agents/work-queue.ts";

function frame(stream: number, seq: number): BatchFrame {
  return { type: "batch", stream, seq, id: "00112233445566aa", blob: Buffer.of(1) };
}

function names(frames: readonly BatchFrame[]): readonly string[] {
  return frames.map(({ stream, seq }) => `${stream}/${seq}`);
}

describe("WorkQueue", () => {
  it("lets no stream wait behind another one's backlog", () => {
    const queue = new WorkQueue();
    for (let seq = 1; seq <= 5; seq += 1) queue.push(frame(0, seq), 10);
    queue.push(frame(1, 1), 10);

    expect(names(queue.nextFrames(2))).toEqual(["0/1", "0/2"]);
    expect(names(queue.nextFrames(2))).toEqual(["1/1"]);
    expect(names(queue.nextFrames(2))).toEqual(["0/3", "0/4"]);
    queue.push(frame(1, 2), 10);
    expect(names(queue.nextFrames(2))).toEqual(["0/5"]);
    expect(names(queue.nextFrames(2))).toEqual(["1/2"]);
    expect(queue.nextFrames(2)).toEqual([]);
  });

  it("gives control messages apart from frames, in their order", () => {
    const queue = new WorkQueue();
    queue.push(frame(0, 1), 10);
    queue.push({ type: "command_result", command_id: "a", outcome: "succeeded" }, 5);
    queue.push({ type: "command_result", command_id: "b", outcome: "succeeded" }, 5);

    expect(queue.nextControl()).toMatchObject({ command_id: "a" });
    expect(queue.nextControl()).toMatchObject({ command_id: "b" });
    expect(queue.nextControl()).toBeUndefined();
  });

  it("counts what waits", () => {
    const queue = new WorkQueue();
    queue.push(frame(0, 1), 10);
    queue.push(frame(0, 2), 20);
    queue.push({ type: "command_result", command_id: "a", outcome: "succeeded" }, 5);
    expect([queue.messages, queue.bytes]).toEqual([3, 35]);

    queue.nextControl();
    queue.nextFrames(1);
    expect([queue.messages, queue.bytes]).toEqual([1, 20]);

    queue.clear();
    expect([queue.messages, queue.bytes]).toEqual([0, 0]);
    expect(queue.nextFrames(1)).toEqual([]);
  });
});
