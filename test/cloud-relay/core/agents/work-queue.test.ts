// The session's queue: control messages and each stream in a line of their own.
import { describe, expect, it } from "vitest";
import type { BatchFrame } from "#common/contract/frame.ts";
import { WorkQueue } from "#relay/core/agents/work-queue.ts";

function frame(stream: number, seq: number): BatchFrame {
  return { type: "batch", stream, seq, id: "00112233445566aa", blob: Buffer.of(1) };
}

describe("WorkQueue", () => {
  it("keeps each stream's frames in a line of their own", () => {
    const queue = new WorkQueue();
    queue.push(frame(0, 1), 10);
    queue.push(frame(0, 2), 10);
    queue.push(frame(1, 1), 10);

    expect(queue.nextFrame(1)).toMatchObject({ stream: 1, seq: 1 });
    expect(queue.nextFrame(1)).toBeUndefined();
    expect([queue.hasFrames(0), queue.hasFrames(1)]).toEqual([true, false]);
    expect(queue.nextFrame(0)).toMatchObject({ stream: 0, seq: 1 });
    queue.push(frame(0, 3), 10);
    expect(queue.nextFrame(0)).toMatchObject({ stream: 0, seq: 2 });
    expect(queue.nextFrame(0)).toMatchObject({ stream: 0, seq: 3 });
    expect(queue.hasFrames(0)).toBe(false);
  });

  it("gives control messages apart from frames, in their order", () => {
    const queue = new WorkQueue();
    queue.push(frame(0, 1), 10);
    queue.push({ type: "connection_report", connection_id: "a", status: "online" }, 5);
    queue.push({ type: "connection_report", connection_id: "b", status: "online" }, 5);

    expect(queue.nextControl()).toMatchObject({ connection_id: "a" });
    expect(queue.nextControl()).toMatchObject({ connection_id: "b" });
    expect(queue.nextControl()).toBeUndefined();
  });

  it("counts what waits", () => {
    const queue = new WorkQueue();
    queue.push(frame(0, 1), 10);
    queue.push(frame(0, 2), 20);
    queue.push({ type: "connection_report", connection_id: "a", status: "online" }, 5);
    expect([queue.messages, queue.bytes]).toEqual([3, 35]);

    queue.nextControl();
    queue.nextFrame(0);
    expect([queue.messages, queue.bytes]).toEqual([1, 20]);

    queue.clear();
    expect([queue.messages, queue.bytes]).toEqual([0, 0]);
    expect(queue.nextFrame(0)).toBeUndefined();
  });
});
