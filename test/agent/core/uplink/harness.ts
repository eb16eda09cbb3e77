// A relay's end made of a list of frames, and outboxes in memory: what a session needs to run in a test.
import type { Channel } from "#common/contract/channel.ts";
import { decodeUpFrame, encodeControl, type BatchFrame } from "#common/contract/frame.ts";
import type { DownMessage, RecordRejected, UpMessage } from "#common/contract/messages.ts";
import { MemoryRoomStore } from "#agent/core/room/memory-room-store.ts";
import type { StreamSource } from "#agent/core/uplink/stream-source.ts";
import { UplinkSession, type UplinkSessionDeps } from "#agent/core/uplink/uplink-session.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

export const EPOCH = "00000000000000e1";
export const NEXT_EPOCH = "00000000000000e2";

/** Takes frames apart as the relay would, and remembers how it was closed. */
export class FrameList implements Channel {
  readonly sent: (UpMessage | BatchFrame)[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  bufferedBytes = 0;
  /** Whether what is sent stays in the socket. */
  isStuck = false;

  send(frame: Uint8Array): void {
    if (this.closed !== undefined) return;
    if (this.isStuck) this.bufferedBytes += frame.length;
    this.sent.push(decodeUpFrame(frame));
  }

  close(code: number, reason: string): void {
    this.closed ??= { code, reason };
  }

  batches(stream?: number): readonly BatchFrame[] {
    return this.sent.filter(
      (frame): frame is BatchFrame =>
        frame.type === "batch" && (stream === undefined || frame.stream === stream),
    );
  }

  ofType<Type extends UpMessage["type"]>(type: Type): readonly Extract<UpMessage, { type: Type }>[] {
    return this.sent.filter((frame): frame is Extract<UpMessage, { type: Type }> => frame.type === type);
  }
}

/** One room's outbox as main sees it, with what the session asked of it. */
export class TestSource implements StreamSource {
  readonly name: string;
  store: MemoryRoomStore;
  isAway = false;
  readonly acks: { readonly epoch: string; readonly seq: number }[] = [];
  readonly epochsAsked: string[] = [];
  readonly rejections: RecordRejected[] = [];
  #ids = 0;

  constructor(name: string, epoch = EPOCH) {
    this.name = name;
    this.store = new MemoryRoomStore(epoch);
  }

  /** Commits batches of so many bytes each. */
  add(count: number, bytes = 100): void {
    const batches = Array.from({ length: count }, () => ({
      id: this.#nextId(),
      kind: "records" as const,
      entries: 1,
      blob: new Uint8Array(bytes),
    }));
    this.store.commit({ batches });
  }

  position(): MemoryRoomStore["position"] extends () => infer Position ? Position | undefined : never {
    return this.isAway ? undefined : this.store.position();
  }

  read(fromSeq: number, maxBytes: number): ReturnType<MemoryRoomStore["read"]> {
    return this.isAway ? [] : this.store.read(fromSeq, maxBytes);
  }

  idAt(seq: number): string | undefined {
    return this.store.idAt(seq);
  }

  acked(epoch: string, seq: number): void {
    this.acks.push({ epoch, seq });
  }

  newEpoch(reason: string): void {
    this.epochsAsked.push(reason);
  }

  rejected(rejection: RecordRejected): void {
    this.rejections.push(rejection);
  }

  #nextId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(16, "0");
  }
}

export class SessionRig {
  readonly clock = new FakeClock();
  readonly channel = new FrameList();
  readonly logger = recordingLogger();
  readonly drains: number[] = [];
  readonly session: UplinkSession;

  constructor(sources: readonly TestSource[], overrides: Partial<UplinkSessionDeps> = {}) {
    this.session = new UplinkSession({
      channel: this.channel,
      clock: this.clock,
      logger: this.logger,
      sources,
      bound: () => {},
      drain: (ms) => this.drains.push(ms),
      directive: () => {},
      welcomed: () => {},
      progressed: () => {},
      ...overrides,
    });
  }

  say(message: DownMessage): void {
    this.session.onFrame(encodeControl(message));
  }

  /** Binds every name to the connection `c-<name>`. */
  welcome(...names: readonly string[]): void {
    const connections = names.map((name) => ({ id: `c-${name}`, name }));
    this.say({ type: "welcome", session: 1, workspace_id: "ws", connections, relay_time_ms: 0 });
  }

  ready(source: TestSource, stream: number, acked = { seq: 0, id: "" }): void {
    this.say({
      type: "stream_ready",
      connection_id: `c-${source.name}`,
      stream,
      epoch: source.store.position().epoch,
      acked_seq: acked.seq,
      acked_id: acked.id,
      verdict: "resume",
    });
  }

  ack(stream: number, seq: number): void {
    this.say({ type: "ack", stream, seq });
  }
}
