// One authenticated session of an agent at the relay: takes frames in order, commits, then acknowledges.
import type { Channel } from "#common/contract/channel.ts";
import { decodeUpFrame, encodeControl, FrameError, type BatchFrame } from "#common/contract/frame.ts";
import { DEAD_AFTER_MS, MAX_FRAME_BYTES, MAX_STREAMS, SOCKET_WINDOW_BYTES } from "#common/contract/limits.ts";
import { Liveness } from "#common/contract/liveness.ts";
import {
  CLOSE,
  type BoundConnection,
  type ConnectionReport,
  type DownMessage,
  type StreamOpen,
  type UpMessage,
} from "#common/contract/messages.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { subjects, type Bus } from "../bus.ts";
import {
  FencedError,
  ingestFrames,
  StreamOrderError,
  type IngestDeps,
  type IngestOutcome,
  type IngestSession,
  type IngestStream,
} from "../ingest/ingest.ts";
import { StoreFullError } from "../store.ts";
import type { AgentPeer, AgentWatcher, SideMessage } from "./agent-watcher.ts";
import { setStatus } from "./connection-status.ts";
import { openStream } from "./open-stream.ts";
import { WorkQueue, type ControlWork } from "./work-queue.ts";

export interface AgentSessionDeps {
  readonly ingest: IngestDeps;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watchers: readonly AgentWatcher[];
  /** For measuring: what one commit of batches did. */
  readonly ingested: (outcome: IngestOutcome) => void;
}

/** Frames of one stream in one transaction, at most: larger ones write each page of an index less often. */
const MAX_GROUP_FRAMES = 16;
/** What an agent may have waiting here; its window allows less. */
const MAX_QUEUE_BYTES = SOCKET_WINDOW_BYTES + 2 * MAX_FRAME_BYTES;
const MAX_QUEUE_MESSAGES = 20_000;
/** Side messages that wait for the ones before them. */
const MAX_SIDE_MESSAGES = 1_000;
/** A stream's number has 16 bits on the wire. */
const MAX_STREAM_NUMBERS = 65_536;
/** The line of control messages; those of streams go by the stream's number. */
const CONTROL = -1;
/** How long the relay asks the agent to wait when its own disk is full. */
const FULL_RETRY_MS = 30_000;

export class AgentSession {
  readonly #deps: AgentSessionDeps;
  readonly #identity: IngestSession;
  readonly #channel: Channel;
  /** Stream number → stream; a number is never used again within a session. */
  readonly #streams: (IngestStream | undefined)[] = [];
  readonly #serves = new Set<string>();
  readonly #queue = new WorkQueue();
  #bound = "";
  /** Lines that are being worked off: streams do not wait for each other, the store puts them in order. */
  readonly #working = new Set<number>();
  #isClosed = false;
  readonly #liveness: Liveness;
  readonly #peer: AgentPeer;
  /** A line of their own: the answer to a command does not wait for reports and streams to be committed. */
  #side: Promise<void> = Promise.resolve();
  #sideMessages = 0;
  #idle: (() => void)[] = [];

  constructor(deps: AgentSessionDeps, identity: IngestSession, channel: Channel) {
    this.#deps = deps;
    this.#identity = identity;
    this.#channel = channel;
    this.#peer = { ...identity, send: (message) => this.send(message) };
    const reason = `nothing heard from the agent for ${DEAD_AFTER_MS / 1000} s`;
    this.#liveness = new Liveness({
      clock: deps.clock,
      ping: (n) => this.send({ type: "ping", n }),
      dead: () => this.close(CLOSE.SILENT, reason),
    });
  }

  get session(): number {
    return this.#identity.session;
  }

  welcome(connections: readonly BoundConnection[]): void {
    const { session, workspaceId } = this.#identity;
    const relay_time_ms = this.#deps.clock.nowMs();
    this.#bound = JSON.stringify(connections);
    this.send({
      type: "welcome",
      session,
      workspace_id: workspaceId,
      connections: [...connections],
      relay_time_ms,
    });
    this.#liveness.start();
    this.#aside(async (watcher) => watcher.opened(this.#peer));
  }

  /** Tells the connections again if they have changed. */
  bind(connections: readonly BoundConnection[]): void {
    const text = JSON.stringify(connections);
    if (text === this.#bound) return;
    this.#bound = text;
    this.send({ type: "bindings", connections: [...connections] });
  }

  onFrame(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#liveness.heard();
    let message: UpMessage | BatchFrame;
    try {
      message = decodeUpFrame(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.close(CLOSE.PROTOCOL_ERROR, error.message);
      return;
    }
    switch (message.type) {
      case "ping":
        this.send({ type: "pong", n: message.n });
        break;
      case "pong":
        break;
      case "batch":
      case "stream_open":
      case "connection_report":
        this.#enqueue(message, bytes.length);
        break;
      default:
        this.#received(message);
    }
  }

  send(message: DownMessage): void {
    if (!this.#isClosed) this.#channel.send(encodeControl(message));
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#channel.close(code, reason);
    this.closed();
    this.#queue.clear();
  }

  /** The channel is gone: nothing more comes. What came whole is committed all the same, until a newer session fences it. */
  closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#liveness.stop();
    for (const watcher of this.#deps.watchers) watcher.closed(this.#peer);
  }

  /** Resolves when no work is under way. */
  async whenIdle(): Promise<void> {
    await this.#side;
    if (this.#working.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #received(message: SideMessage): void {
    if (this.#sideMessages >= MAX_SIDE_MESSAGES) {
      this.close(
        CLOSE.PROTOCOL_ERROR,
        `more than ${MAX_SIDE_MESSAGES} messages wait for the ones before them`,
      );
      return;
    }
    this.#aside(async (watcher) => watcher.received(this.#peer, message));
  }

  #aside(tell: (watcher: AgentWatcher) => Promise<void>): void {
    this.#sideMessages += 1;
    const before = this.#side;
    this.#side = (async () => {
      await before;
      try {
        for (const watcher of this.#deps.watchers) await tell(watcher);
      } catch (error) {
        this.#fail(error);
      }
      this.#sideMessages -= 1;
    })();
  }

  #enqueue(message: ControlWork | BatchFrame, bytes: number): void {
    const { bytes: queued, messages } = this.#queue;
    if (queued + bytes > MAX_QUEUE_BYTES || messages >= MAX_QUEUE_MESSAGES) {
      this.close(CLOSE.PROTOCOL_ERROR, "more was sent than the window allows");
      return;
    }
    this.#queue.push(message, bytes);
    this.#start();
  }

  /** Control messages go first: what they say of streams must stand before more of their frames are taken. */
  #start(): void {
    if (this.#working.has(CONTROL)) return;
    if (this.#queue.hasControl) void this.#work(CONTROL);
    else for (const stream of this.#queue.streams) if (!this.#working.has(stream)) void this.#work(stream);
  }

  async #work(line: number): Promise<void> {
    this.#working.add(line);
    try {
      if (line === CONTROL) await this.#messages();
      else while (this.#queue.hasFrames(line) && !this.#working.has(CONTROL)) await this.#batches(line);
    } catch (error) {
      this.#fail(error);
      this.#queue.clear();
    }
    this.#working.delete(line);
    this.#start();
    if (this.#working.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #messages(): Promise<void> {
    for (let next = this.#queue.nextControl(); next !== undefined; next = this.#queue.nextControl()) {
      await this.#message(next);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof FencedError) this.close(CLOSE.FENCED, error.message);
    else if (error instanceof StreamOrderError) this.close(CLOSE.PROTOCOL_ERROR, error.message);
    else {
      const isFull = error instanceof StoreFullError;
      this.#deps.logger.error({ agent: this.#identity.agentId }, `ingest: ${messageOf(error)}`);
      const reason = isFull
        ? `the relay's disk is full; retry_after_ms=${FULL_RETRY_MS}`
        : "the relay failed inside; nothing was acknowledged";
      this.close(CLOSE.INTERNAL, reason);
    }
  }

  async #message(message: ControlWork): Promise<void> {
    switch (message.type) {
      case "stream_open":
        await this.#open(message);
        break;
      case "connection_report":
        await this.#report(message);
        break;
    }
  }

  async #open(open: StreamOpen): Promise<void> {
    const { store } = this.#deps.ingest;
    const { connection_id, epoch } = open;
    const isOneTooMany = this.#serves.size >= MAX_STREAMS && !this.#serves.has(connection_id);
    if (this.#streams.length >= MAX_STREAM_NUMBERS || isOneTooMany) {
      this.close(CLOSE.PROTOCOL_ERROR, `more than ${MAX_STREAMS} streams`);
      return;
    }
    const opening = await openStream(store, this.#identity, open);
    if (opening.verdict === "refused") {
      this.send({ type: "stream_refused", connection_id, code: opening.code, detail: opening.detail });
      return;
    }
    if (opening.isRewound) {
      this.#deps.logger.error(
        { connection: connection_id },
        "this store was restored from an older copy: a new generation begins",
      );
      await store.renewGeneration();
    }
    if (opening.verdict === "new_epoch") {
      const { verdict, reason } = opening;
      this.#deps.logger.warn(
        { connection: connection_id, reason },
        "stream: the agent must start a new epoch",
      );
      this.send({
        type: "stream_ready",
        connection_id,
        stream: 0,
        epoch,
        acked_seq: 0,
        acked_id: "",
        verdict,
        reason,
      });
      return;
    }
    const number = this.#streams.length;
    // An epoch that was open before in this session is over.
    this.#streams.forEach((stream, index) => {
      if (stream?.connectionId === connection_id) this.#streams[index] = undefined;
    });
    this.#streams.push({ connectionId: connection_id, epoch });
    this.#serves.add(connection_id);
    const { ackedSeq, ackedId } = opening.stream;
    this.send({
      type: "stream_ready",
      connection_id,
      stream: number,
      epoch,
      acked_seq: ackedSeq,
      acked_id: ackedId,
      verdict: "resume",
    });
  }

  /** Frames of one stream, in one transaction. */
  async #batches(number: number): Promise<void> {
    const stream = this.#streams[number];
    if (stream === undefined) {
      if (number >= this.#streams.length) throw new StreamOrderError(`stream ${number} was never opened`);
      // Of an epoch that ended on the way here.
      this.#queue.nextFrame(number);
      return;
    }
    let taken = 0;
    const next = (): BatchFrame | undefined => {
      if (taken === MAX_GROUP_FRAMES) return undefined;
      taken += 1;
      return this.#queue.nextFrame(number);
    };
    const outcome = await ingestFrames(this.#deps.ingest, this.#identity, stream, next);
    this.send({ type: "ack", stream: number, seq: outcome.ackedSeq });
    this.#deps.ingested(outcome);
    for (const rejection of outcome.rejected) this.send(rejection);
    if (outcome.resnapshot) {
      this.send({ type: "resnapshot", connection_id: stream.connectionId, reason: "undecodable_batch" });
    }
    if (outcome.events > 0) this.#deps.bus.publish(subjects.feed(this.#identity.workspaceId), outcome.events);
  }

  async #report(report: ConnectionReport): Promise<void> {
    const { ingest, bus, clock } = this.#deps;
    const { store } = ingest;
    const scope = { workspaceId: this.#identity.workspaceId };
    const connection = await store.directory.connection(scope, report.connection_id);
    if (connection?.agentId !== this.#identity.agentId || connection.disconnectedAtMs !== undefined) return;
    const nowMs = clock.nowMs();
    await store.directory.putReport(report, nowMs);
    const status = { state: report.status, reason: report.reason, advice: report.advice };
    const events = await setStatus(store, report.connection_id, status, nowMs);
    if (events > 0) bus.publish(subjects.feed(scope.workspaceId), events);
  }
}
