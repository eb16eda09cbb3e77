// The agent's side of a session: windows, turns, verdicts, liveness.
import { describe, expect, test } from "vitest";
import {
  DEAD_AFTER_MS,
  MAX_SOCKET_BUFFER_BYTES,
  PING_EVERY_MS,
  SOCKET_WINDOW_BYTES,
  STREAM_WINDOW_BYTES,
} from "#common/contract/limits.ts";
import { CLOSE } from "#common/contract/messages.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import { LOST_BATCH_ID } from "#agent/core/room/room-store.ts";
import { EPOCH, NEXT_EPOCH, SessionRig, TestSource } from "./harness.ts";

const KIB = 1024;

function bytesOf(batches: readonly { readonly blob: Uint8Array }[]): number {
  return batches.reduce((sum, { blob }) => sum + blob.length, 0);
}

describe("opening", () => {
  test("nothing is opened before welcome, and then every bound source is, with its position", () => {
    const source = new TestSource("plant");
    source.add(3);
    source.store.trim(2, 3);
    const rig = new SessionRig([source, new TestSource("unbound")]);
    rig.session.opened("plant");
    expect(rig.channel.sent).toEqual([]);
    rig.welcome("plant");
    expect(rig.channel.ofType("stream_open")).toEqual([
      {
        type: "stream_open",
        connection_id: "c-plant",
        epoch: EPOCH,
        first_seq: 3,
        next_seq: 4,
        acked_seq: 2,
        tail_id: "0000000000000002",
      },
    ]);
  });

  test("a new epoch names what it took over", () => {
    const source = new TestSource("plant");
    const unseen = "00000000000000ee";
    source.store = new MemoryRoomStore(NEXT_EPOCH, [
      { epoch: unseen, firstSeq: 1 },
      { epoch: EPOCH, firstSeq: 7 },
    ]);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    expect(rig.channel.ofType("stream_open")[0]?.taken_over).toEqual([
      { epoch: unseen, first_seq: 1 },
      { epoch: EPOCH, first_seq: 7 },
    ]);
  });

  test("resumes behind what the relay holds, and tells the room so", () => {
    const source = new TestSource("plant");
    source.add(5);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 4, { seq: 3, id: source.idAt(3) ?? "" });
    expect(rig.channel.batches().map(({ seq }) => seq)).toEqual([4, 5]);
    expect(source.acks).toEqual([{ epoch: EPOCH, seq: 3 }]);
  });

  test("a room that is not open yet is opened when it says so", () => {
    const source = new TestSource("plant");
    source.isAway = true;
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    expect(rig.channel.ofType("stream_open")).toEqual([]);
    source.isAway = false;
    rig.session.opened("plant");
    expect(rig.channel.ofType("stream_open")).toHaveLength(1);
  });

  test("a message before welcome closes the session", () => {
    const rig = new SessionRig([]);
    rig.ack(0, 1);
    expect(rig.channel.closed).toEqual({ code: CLOSE.PROTOCOL_ERROR, reason: "ack came before welcome" });
  });

  test("a frame that is none of ours closes the session", () => {
    const rig = new SessionRig([]);
    rig.session.onFrame(new Uint8Array([9, 9, 9]));
    expect(rig.channel.closed?.code).toBe(CLOSE.PROTOCOL_ERROR);
  });

  test("bindings that change drop the stream that is gone and open the one that came", () => {
    const [plant, press] = [new TestSource("plant"), new TestSource("press")];
    plant.add(1);
    const rig = new SessionRig([plant, press]);
    rig.welcome("plant");
    rig.say({ type: "bindings", connections: [{ id: "c-press", name: "press" }] });
    rig.ready(plant, 0);
    expect(rig.channel.batches()).toEqual([]);
    expect(rig.channel.ofType("stream_open").map((open) => open.connection_id)).toEqual([
      "c-plant",
      "c-press",
    ]);
  });

  test("a refused stream is left alone and said", () => {
    const source = new TestSource("plant");
    source.add(1);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.say({
      type: "stream_refused",
      connection_id: "c-plant",
      code: "CONNECTION_NOT_BOUND",
      detail: "not yours",
    });
    rig.ready(source, 0);
    expect(rig.channel.batches()).toEqual([]);
    expect(rig.logger.lines).toMatchObject([{ level: "warn", message: "not yours" }]);
  });
});

describe("verdicts", () => {
  test("new_epoch is passed to the room, and nothing is sent meanwhile", () => {
    const source = new TestSource("plant");
    source.add(2);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.say({
      type: "stream_ready",
      connection_id: "c-plant",
      stream: 0,
      epoch: EPOCH,
      acked_seq: 0,
      acked_id: "",
      verdict: "new_epoch",
      reason: "relay_rewound",
    });
    expect(source.epochsAsked).toEqual(["relay_rewound"]);
    expect(rig.channel.batches()).toEqual([]);
  });

  test("another id at the acknowledged seq: this file or its twin went another way", () => {
    const source = new TestSource("plant");
    source.add(5);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0, { seq: 3, id: "ffffffffffffffff" });
    expect(source.epochsAsked).toEqual(["agent_restored"]);
    expect(source.acks).toEqual([]);
    expect(rig.channel.batches()).toEqual([]);
  });

  test("an acknowledged seq that is not held at all is the same", () => {
    const source = new TestSource("plant");
    source.add(5);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0, { seq: 9, id: "0000000000000009" });
    expect(source.epochsAsked).toEqual(["agent_restored"]);
  });

  test("where a damaged file lost the batch, the relay's word is taken", () => {
    const source = new TestSource("plant");
    source.add(2);
    source.store.commit({
      batches: [{ id: LOST_BATCH_ID, kind: "records", entries: 0, blob: Buffer.alloc(1) }],
    });
    source.add(2);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0, { seq: 3, id: "ffffffffffffffff" });
    expect(source.epochsAsked).toEqual([]);
    expect(rig.channel.batches().map(({ seq }) => seq)).toEqual([4, 5]);
  });

  test("an answer for an epoch that is gone is passed over; the new epoch opens anew", () => {
    const source = new TestSource("plant");
    source.add(2);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    source.store = new MemoryRoomStore(NEXT_EPOCH);
    source.add(1);
    rig.session.opened("plant");
    rig.say({
      type: "stream_ready",
      connection_id: "c-plant",
      stream: 0,
      epoch: EPOCH,
      acked_seq: 0,
      acked_id: "",
      verdict: "resume",
    });
    expect(rig.channel.batches()).toEqual([]);
    rig.ready(source, 1);
    expect(rig.channel.batches().map(({ stream, seq }) => [stream, seq])).toEqual([[1, 1]]);
  });

  test("resnapshot and rejections reach the room that they concern", () => {
    const [plant, press] = [new TestSource("plant"), new TestSource("press")];
    const rig = new SessionRig([plant, press]);
    rig.welcome("plant", "press");
    rig.say({ type: "resnapshot", connection_id: "c-press", reason: "undecodable_batch" });
    const rejected = { entity: "vendor", key: '["1"]', code: "RECORD_INVALID", detail: "no" };
    rig.say({ type: "record_rejected", connection_id: "c-plant", ...rejected });
    expect([plant.epochsAsked, press.epochsAsked]).toEqual([[], ["undecodable_batch"]]);
    expect(plant.rejections).toMatchObject([rejected]);
  });
});

describe("windows", () => {
  test("a stream sends its window and no more, and goes on as it is acknowledged", () => {
    const source = new TestSource("plant");
    source.add(40, 64 * KIB);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0);
    const first = rig.channel.batches();
    expect(bytesOf(first)).toBe(STREAM_WINDOW_BYTES);
    rig.ack(0, 4);
    expect(bytesOf(rig.channel.batches())).toBe(STREAM_WINDOW_BYTES + 4 * 64 * KIB);
    expect(source.acks.at(-1)).toEqual({ epoch: EPOCH, seq: 4 });
  });

  test("all streams together stay within the socket's window", () => {
    const sources = Array.from({ length: 12 }, (_, index) => new TestSource(`s${index}`));
    for (const source of sources) source.add(20, 64 * KIB);
    const rig = new SessionRig(sources);
    rig.welcome(...sources.map(({ name }) => name));
    sources.forEach((source, stream) => rig.ready(source, stream));
    const sent = bytesOf(rig.channel.batches());
    expect(sent).toBeGreaterThanOrEqual(SOCKET_WINDOW_BYTES);
    expect(sent).toBeLessThan(SOCKET_WINDOW_BYTES + 64 * KIB);
    rig.ack(0, 16);
    expect(bytesOf(rig.channel.batches())).toBe(sent + STREAM_WINDOW_BYTES);
  });

  test("nothing piles up behind a socket that does not drain; control messages pass all the same", () => {
    const source = new TestSource("plant");
    source.add(40, 64 * KIB);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.channel.isStuck = true;
    rig.ready(source, 0);
    expect(rig.channel.bufferedBytes).toBeLessThan(MAX_SOCKET_BUFFER_BYTES + 65 * KIB);
    const before = rig.channel.batches().length;
    rig.session.report({ type: "connection_report", connection_id: "c-plant", status: "online" });
    expect(rig.channel.ofType("connection_report")).toHaveLength(1);
    rig.channel.isStuck = false;
    rig.channel.bufferedBytes = 0;
    rig.session.onDrain();
    expect(rig.channel.batches().length).toBeGreaterThan(before);
  });

  test("an acknowledgement of what was never sent closes the session", () => {
    const source = new TestSource("plant");
    source.add(2);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0);
    rig.ack(0, 3);
    expect(rig.channel.closed).toEqual({
      code: CLOSE.PROTOCOL_ERROR,
      reason: "ack of 3 is ahead of what was sent",
    });
    expect(source.acks.some(({ seq }) => seq === 3)).toBe(false);
  });

  test("an acknowledgement that comes twice, or late, changes nothing", () => {
    const source = new TestSource("plant");
    source.add(3);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0);
    rig.ack(0, 2);
    const acks = source.acks.length;
    rig.ack(0, 2);
    rig.ack(0, 1);
    rig.ack(7, 1);
    expect(source.acks).toHaveLength(acks);
    expect(rig.channel.closed).toBeUndefined();
  });

  test("a stream that is dropped gives its share of the socket's window back", () => {
    const sources = Array.from({ length: 9 }, (_, index) => new TestSource(`s${index}`));
    for (const source of sources) source.add(16, 64 * KIB);
    const rig = new SessionRig(sources);
    rig.welcome(...sources.map(({ name }) => name));
    sources.slice(0, 8).forEach((source, stream) => rig.ready(source, stream));
    const last = sources[8] as TestSource;
    rig.ready(last, 8);
    expect(rig.channel.batches(8)).toEqual([]);
    rig.say({
      type: "bindings",
      connections: sources.slice(1).map(({ name }) => ({ id: `c-${name}`, name })),
    });
    rig.session.wake("s8");
    expect(bytesOf(rig.channel.batches(8))).toBe(STREAM_WINDOW_BYTES);
  });
});

describe("turns", () => {
  test("a fresh change does not wait behind another stream's backlog", () => {
    const [full, fresh] = [new TestSource("full"), new TestSource("fresh")];
    full.add(200, 64 * KIB);
    const rig = new SessionRig([full, fresh]);
    rig.welcome("full", "fresh");
    rig.ready(full, 0);
    rig.ready(fresh, 1);
    fresh.add(1);
    rig.session.wake("fresh");
    expect(rig.channel.batches(1)).toHaveLength(1);
  });

  test("streams that are both full share what becomes free, whatever the size of their batches", () => {
    const [large, small] = [new TestSource("large"), new TestSource("small")];
    const rig = new SessionRig([large, small]);
    rig.welcome("large", "small");
    rig.ready(large, 0);
    rig.ready(small, 1);
    // Not sent yet: the socket is full.
    rig.channel.bufferedBytes = MAX_SOCKET_BUFFER_BYTES;
    large.add(20, 120 * KIB);
    small.add(300, 8 * KIB);
    rig.session.wake("large");
    rig.session.wake("small");
    rig.channel.bufferedBytes = 0;
    rig.session.onDrain();
    // The order of the first 512 KiB shows the turns.
    const share = { 0: 0, 1: 0 };
    let total = 0;
    for (const { stream, blob } of rig.channel.batches()) {
      if (total >= 512 * KIB) break;
      share[stream as 0 | 1] += blob.length;
      total += blob.length;
    }
    expect(Math.abs(share[0] - share[1])).toBeLessThanOrEqual(256 * KIB);
    expect(Math.min(share[0], share[1])).toBeGreaterThan(0);
  });
});

describe("epochs", () => {
  test("a wake that comes with another epoch opens the stream anew, and the old window is forgotten", () => {
    const source = new TestSource("plant");
    source.add(40, 64 * KIB);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0);
    source.store = new MemoryRoomStore(NEXT_EPOCH);
    source.add(40, 64 * KIB);
    rig.session.wake("plant");
    expect(rig.channel.ofType("stream_open").map(({ epoch }) => epoch)).toEqual([EPOCH, NEXT_EPOCH]);
    rig.ready(source, 1);
    expect(bytesOf(rig.channel.batches(1))).toBe(STREAM_WINDOW_BYTES);
    // An ack of the old stream speaks of what is gone.
    rig.ack(0, 1);
    expect(source.acks.every(({ epoch, seq }) => epoch !== NEXT_EPOCH || seq === 0)).toBe(true);
  });

  test("nothing of the new epoch is sent under the old stream's number", () => {
    const source = new TestSource("plant");
    source.add(1);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0);
    source.store = new MemoryRoomStore(NEXT_EPOCH);
    source.add(5);
    rig.session.onDrain();
    expect(rig.channel.batches(0)).toHaveLength(1);
  });

  test("a room that did not hear that it should begin anew is asked again when it opens", () => {
    const source = new TestSource("plant");
    source.add(1);
    const rig = new SessionRig([source]);
    rig.welcome("plant");
    rig.ready(source, 0, { seq: 1, id: "ffffffffffffffff" });
    rig.session.opened("plant");
    expect(rig.channel.ofType("stream_open")).toHaveLength(2);
  });
});

describe("liveness", () => {
  test("pings every 20 s, answers pings, and gives a silent relay up after 50 s", () => {
    const rig = new SessionRig([]);
    rig.welcome();
    rig.clock.advance(PING_EVERY_MS);
    expect(rig.channel.ofType("ping")).toHaveLength(1);
    rig.say({ type: "ping", n: 9 });
    expect(rig.channel.ofType("pong")).toEqual([{ type: "pong", n: 9 }]);
    rig.clock.advance(DEAD_AFTER_MS - 1);
    expect(rig.channel.closed).toBeUndefined();
    rig.clock.advance(1);
    expect(rig.channel.closed).toEqual({
      code: CLOSE.SILENT,
      reason: "nothing heard from the relay for 50 s",
    });
  });

  test("any frame counts as a sign of life", () => {
    const rig = new SessionRig([]);
    rig.welcome();
    for (let minute = 0; minute < 10; minute += 1) {
      rig.clock.advance(40_000);
      rig.say({ type: "pong", n: minute });
    }
    expect(rig.channel.closed).toBeUndefined();
  });

  test("a relay that never says welcome is given up as well", () => {
    const rig = new SessionRig([]);
    rig.clock.advance(DEAD_AFTER_MS);
    expect(rig.channel.closed?.code).toBe(CLOSE.SILENT);
  });

  test("a session that was stopped leaves no timer behind and sends nothing more", () => {
    const rig = new SessionRig([]);
    rig.welcome();
    rig.session.stop();
    rig.clock.advance(DEAD_AFTER_MS * 2);
    rig.session.report({ type: "connection_report", connection_id: "c", status: "online" });
    expect([rig.clock.pendingTimers, rig.channel.sent.length, rig.channel.closed]).toEqual([0, 0, undefined]);
  });
});

test("the newest report of each connection is sent once the relay has said welcome", () => {
  const rig = new SessionRig([]);
  rig.session.report({ type: "connection_report", connection_id: "a", status: "synchronizing" });
  rig.session.report({ type: "connection_report", connection_id: "a", status: "online" });
  expect(rig.channel.sent).toEqual([]);
  rig.welcome();
  expect(rig.channel.ofType("connection_report").map(({ status }) => status)).toEqual(["online"]);
});

test("drain is handed on with its time", () => {
  const rig = new SessionRig([]);
  rig.welcome();
  rig.say({ type: "drain", reconnect_in_ms: 5_000 });
  expect(rig.drains).toEqual([5_000]);
});

describe("answers", () => {
  const result = { type: "command_result", command_id: "c1", outcome: "succeeded" } as const;

  test("are said in a session, and not kept for another", () => {
    const rig = new SessionRig([]);
    expect(rig.session.answer(result)).toBe(false);
    rig.welcome();
    expect(rig.channel.ofType("command_result")).toEqual([]);
    expect(rig.session.answer(result)).toBe(true);
    expect(rig.channel.ofType("command_result")).toEqual([result]);
  });

  test("that a relay asks for and does not read end its session, before they fill the memory", () => {
    const rig = new SessionRig([]);
    rig.welcome();
    rig.channel.isStuck = true;
    const large = { ...result, result: "x".repeat(700 * KIB) };
    let said = 0;
    while (rig.session.answer(large) && said < 1_000) said += 1;
    expect(rig.channel.closed).toMatchObject({ code: CLOSE.PROTOCOL_ERROR });
    expect(said * 700).toBeLessThan(40 * KIB);
  });
});
