// Keeping a session up: backoff, floors, drain, stop.
import { expect, test, vi } from "vitest";
import type { Channel, ChannelHandlers } from "#common/contract/channel.ts";
import { encodeControl } from "#common/contract/frame.ts";
import { CLOSE, type BoundConnection, type DownMessage } from "#common/contract/messages.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { Uplink } from "#agent/core/uplink/uplink.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import { until } from "#test/support/until.ts";
import { FrameList, TestSource } from "./harness.ts";

class Line extends FrameList {
  readonly handlers: ChannelHandlers;

  constructor(open: (channel: Channel) => ChannelHandlers) {
    super();
    this.handlers = open(this);
  }

  override close(code: number, reason: string): void {
    if (this.closed !== undefined) return;
    super.close(code, reason);
    queueMicrotask(() => this.handlers.onClose(code, reason));
  }

  say(message: DownMessage): void {
    this.handlers.onFrame(encodeControl(message));
  }

  welcome(connections: BoundConnection[] = []): void {
    this.say({ type: "welcome", session: 1, workspace_id: "ws", connections, relay_time_ms: 0 });
  }
}

class Rig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly logger = recordingLogger();
  readonly lines: Line[] = [];
  readonly uplink: Uplink;
  readonly #stop = new AbortController();
  readonly #run: Promise<void>;

  /** `refusal`: what every attempt ends with instead of a line. */
  constructor(refusal?: Error, sources: readonly TestSource[] = []) {
    this.uplink = new Uplink({
      clock: this.clock,
      logger: this.logger,
      random: () => 1,
      sources,
      bound: () => {},
      directive: () => {},
      welcomed: () => {},
      connect: async (open) => {
        if (refusal !== undefined) throw refusal;
        const line = new Line(open);
        this.lines.push(line);
        return line;
      },
    });
    this.#run = this.uplink.run(this.#stop.signal);
  }

  line(count: number): Promise<Line> {
    return until(`line no. ${count}`, () => this.lines[count - 1]);
  }

  waiting(): Promise<boolean> {
    return until("the wait between attempts", () => this.uplink.state.state === "waiting");
  }

  /** How long the wait that has begun would be, ms. */
  get delays(): readonly unknown[] {
    return this.logger.lines.flatMap(({ fields }) => ("retry_ms" in fields ? [fields["retry_ms"]] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }
}

test("waits twice as long after each failure, up to a minute, for ever", async () => {
  await using rig = new Rig(new MillraceError("the relay cannot be reached"));
  for (let attempt = 1; attempt <= 9; attempt += 1) {
    await vi.waitFor(() => expect(rig.delays).toHaveLength(attempt));
    expect(rig.uplink.state).toMatchObject({ state: "waiting", lastError: "the relay cannot be reached" });
    rig.clock.advance(60_000);
  }
  expect(rig.delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test("a session that ends at once does not start the backoff anew, one of a minute's health does", async () => {
  await using rig = new Rig();
  (await rig.line(1)).welcome();
  rig.lines[0]?.handlers.onClose(1006, "cut");
  await rig.waiting();
  rig.clock.advance(1_000);
  (await rig.line(2)).welcome();
  expect(rig.uplink.state.state).toBe("online");
  rig.lines[1]?.handlers.onClose(1006, "cut");
  await rig.waiting();
  rig.clock.advance(2_000);
  const third = await rig.line(3);
  third.welcome();
  for (let minute = 0; minute < 3; minute += 1) {
    rig.clock.advance(20_000);
    third.say({ type: "pong", n: 1 });
  }
  third.handlers.onClose(1006, "cut");
  await rig.waiting();
  expect(rig.delays).toEqual([1_000, 2_000, 1_000]);
});

test("a line that breaks every few seconds is not given up for longer and longer while batches get through", async () => {
  const source = new TestSource("plant");
  await using rig = new Rig(undefined, [source]);
  for (let round = 1; round <= 7; round += 1) {
    const line = await rig.line(round);
    source.add(1);
    line.welcome([{ id: "c-plant", name: "plant" }]);
    const { epoch } = source.store.position();
    const acked = { acked_seq: round - 1, acked_id: source.idAt(round - 1) ?? "" };
    line.say({
      type: "stream_ready",
      connection_id: "c-plant",
      stream: 0,
      epoch,
      ...acked,
      verdict: "resume",
    });
    // The last one brings nothing.
    if (round < 7) line.say({ type: "ack", stream: 0, seq: round });
    line.handlers.onClose(1006, "cut");
    await vi.waitFor(() => expect(rig.delays).toHaveLength(round));
    rig.clock.advance(60_000);
  }
  expect(rig.delays).toEqual([1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 8_000]);
});

test.each([
  ["a revoked key", CLOSE.UNAUTHENTICATED, 30_000],
  ["a quarantined key", CLOSE.QUARANTINED, 60_000],
  ["no common version", CLOSE.VERSION, 60_000],
  ["a relay that is too busy", CLOSE.OVERLOADED, 1_000],
])("%s is not tried again at once", async (_, code, atLeastMs) => {
  await using rig = new Rig();
  (await rig.line(1)).handlers.onClose(code, "no");
  await rig.waiting();
  expect(rig.delays).toEqual([atLeastMs]);
});

test("the time that a relay asks for is kept", async () => {
  await using rig = new Rig();
  (await rig.line(1)).handlers.onClose(CLOSE.INTERNAL, "the relay's disk is full; retry_after_ms=30000");
  await rig.waiting();
  expect(rig.delays).toEqual([30_000]);
});

test("a busy relay is come back to when it says, however often it does, and at no stranger's bidding for hours", async () => {
  await using rig = new Rig();
  const hints = [7_000, 3_000, 2_000, 999_999_999];
  for (const [index, hint] of hints.entries()) {
    (await rig.line(index + 1)).handlers.onClose(CLOSE.OVERLOADED, `busy; retry_after_ms=${hint}`);
    await vi.waitFor(() => expect(rig.delays).toHaveLength(index + 1));
    rig.clock.advance(hint);
  }
  expect(rig.delays).toEqual([7_000, 3_000, 2_000, 120_000]);
});

test("a relay that drains is come back to within its time, without counting as a failure", async () => {
  await using rig = new Rig();
  const line = await rig.line(1);
  line.welcome();
  line.say({ type: "drain", reconnect_in_ms: 5_000 });
  line.handlers.onClose(CLOSE.RESTARTING, "the relay is restarting");
  await rig.waiting();
  rig.clock.advance(5_000);
  (await rig.line(2)).handlers.onClose(1006, "cut");
  await rig.waiting();
  expect(rig.delays).toEqual([5_000, 1_000]);
});

test("reports are kept over sessions", async () => {
  await using rig = new Rig();
  rig.uplink.report({ type: "connection_report", connection_id: "a", status: "online" });
  (await rig.line(1)).welcome();
  rig.lines[0]?.handlers.onClose(1006, "cut");
  await rig.waiting();
  rig.clock.advance(1_000);
  const second = await rig.line(2);
  second.welcome();
  expect(second.ofType("connection_report")).toHaveLength(1);
});

test("stopping closes the line and ends the run", async () => {
  const rig = new Rig();
  const line = await rig.line(1);
  await rig[Symbol.asyncDispose]();
  expect(line.closed).toEqual({ code: 1000, reason: "the agent is stopping" });
});
