// One authenticated session with the relay, as a state machine: opens streams, sends batches within windows, takes acks.
import type { Channel } from "#common/contract/channel.ts";
import { decodeDownFrame, encodeBatchFrame, encodeControl, FrameError } from "#common/contract/frame.ts";
import {
  DEAD_AFTER_MS,
  MAX_SOCKET_BUFFER_BYTES,
  SOCKET_WINDOW_BYTES,
  STREAM_WINDOW_BYTES,
} from "#common/contract/limits.ts";
import { Liveness } from "#common/contract/liveness.ts";
import {
  CLOSE,
  type BoundConnection,
  type Command,
  type CommandCancel,
  type CommandResult,
  type CommandSettled,
  type CommandState,
  type ConnectionReport,
  type DownMessage,
  type PlantAudit,
  type RelayAudit,
  type StreamReady,
  type UpMessage,
} from "#common/contract/messages.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { DesiredSettings, ReportedSettings } from "#common/contract/settings.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { Logger } from "#common/runtime/logger.ts";
import { LOST_BATCH_ID, type StoredBatch } from "../room/room-store.ts";
import type { StreamSource } from "./stream-source.ts";

/** What the relay asks beside the streams. */
export type Directive = Command | CommandCancel | CommandSettled | DesiredSettings | RelayAudit;

/** What is said beside the streams, once; who says it keeps it for the next session where it matters. */
export type Answer = CommandResult | CommandState | PlantAudit | ReportedSettings;

export interface UplinkSessionDeps {
  readonly channel: Channel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sources: readonly StreamSource[];
  /** Which connection each name is; told with the welcome and whenever it changes. */
  readonly bound: (connections: readonly BoundConnection[]) => void;
  /** The relay is about to stop and asks to reconnect after this long. */
  readonly drain: (reconnectInMs: number) => void;
  readonly directive: (directive: Directive) => void;
  /** The relay has said welcome: what it must hear in every session is said now. */
  readonly welcomed: () => void;
  /** The relay has acknowledged more than before: the session came to something, however soon it may end. */
  readonly progressed: () => void;
}

/** Bytes that a stream may send per turn (deficit round-robin; RFC 970, Shreedhar and Varghese 1996). */
const QUANTUM_BYTES = 128 * 1024;
/** Answers that wait in the socket: a relay that asks for more without reading is left. */
const MAX_ANSWERS_BUFFER_BYTES = 32 * 1024 * 1024;
/** Read from the outbox at once. */
const READ_AHEAD_BYTES = 256 * 1024;

interface Stream {
  readonly source: StreamSource;
  readonly connectionId: string;
  epoch: string;
  /** Number given by the relay; undefined until it is ready. */
  number: number | undefined;
  nextToSend: number;
  acked: number;
  deficit: number;
  inFlightBytes: number;
  /** Sizes of what is in flight, from `acked + 1` on. */
  readonly sizes: number[];
  readAhead: StoredBatch[];
}

export class UplinkSession {
  readonly #deps: UplinkSessionDeps;
  readonly #streams = new Map<string, Stream>();
  /** By source name: bindings may come before the room has opened its file. */
  readonly #connectionIds = new Map<string, string>();
  /** The newest report and description of each connection. */
  readonly #standing = new Map<string, ConnectionReport | ConnectionDescription>();
  #order: Stream[] = [];
  #turn = 0;
  #inFlightBytes = 0;
  #isWelcome = false;
  #isClosed = false;
  #isPumping = false;
  readonly #liveness: Liveness;

  constructor(deps: UplinkSessionDeps) {
    this.#deps = deps;
    const reason = `nothing heard from the relay for ${DEAD_AFTER_MS / 1000} s`;
    this.#liveness = new Liveness({
      clock: deps.clock,
      ping: (n) => this.#send({ type: "ping", n }),
      dead: () => this.#close(CLOSE.SILENT, reason),
    });
    this.#liveness.start();
  }

  /** Whether the relay has said welcome: the attempt counts as having worked. */
  get isWelcome(): boolean {
    return this.#isWelcome;
  }

  onFrame(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#liveness.heard();
    let message: DownMessage;
    try {
      message = decodeDownFrame(bytes);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#close(CLOSE.PROTOCOL_ERROR, error.message);
      return;
    }
    this.#take(message);
  }

  /** The channel has room again. */
  onDrain(): void {
    this.#pump();
  }

  /** New batches are durable. */
  wake(name: string): void {
    const stream = this.#streamOf(name);
    if (stream === undefined || stream.source.position()?.epoch !== stream.epoch) this.opened(name);
    this.#pump();
  }

  /** The room has opened its file: another one, or it did not live to hear what was asked of it. */
  opened(name: string): void {
    const connectionId = this.#connectionIds.get(name);
    if (this.#isClosed || !this.#isWelcome || connectionId === undefined) return;
    const stream = this.#streamOf(name);
    const isSettled = stream?.number !== undefined && stream.source.position()?.epoch === stream.epoch;
    if (!isSettled) this.#open(name, connectionId);
  }

  /** Sends the newest report or description of a connection, at once or after the welcome. */
  report(report: ConnectionReport | ConnectionDescription): void {
    this.#standing.set(`${report.type} ${report.connection_id}`, report);
    if (this.#isWelcome && !this.#isClosed) this.#send(report);
  }

  /** False: there is no session that could say it. */
  answer(answer: Answer): boolean {
    if (!this.#isWelcome || this.#isClosed) return false;
    if (this.#deps.channel.bufferedBytes > MAX_ANSWERS_BUFFER_BYTES) {
      this.#close(CLOSE.PROTOCOL_ERROR, "the relay asks and does not read the answers");
      return false;
    }
    this.#send(answer);
    return true;
  }

  /** Forgets the streams; the channel is closed or about to be. */
  stop(): void {
    this.#isClosed = true;
    this.#liveness.stop();
    this.#streams.clear();
    this.#order = [];
  }

  #streamOf(name: string): Stream | undefined {
    return this.#streams.get(this.#connectionIds.get(name) ?? "");
  }

  #take(message: DownMessage): void {
    if (
      !this.#isWelcome &&
      message.type !== "welcome" &&
      message.type !== "ping" &&
      message.type !== "pong"
    ) {
      this.#close(CLOSE.PROTOCOL_ERROR, `${message.type} came before welcome`);
      return;
    }
    switch (message.type) {
      case "welcome":
        this.#isWelcome = true;
        this.#bind(message.connections);
        for (const report of this.#standing.values()) this.#send(report);
        this.#deps.welcomed();
        break;
      case "bindings":
        this.#bind(message.connections);
        break;
      case "stream_ready":
        this.#ready(message);
        break;
      case "stream_refused":
        this.#deps.logger.warn({ connection: message.connection_id, code: message.code }, message.detail);
        this.#drop(message.connection_id);
        break;
      case "ack":
        this.#ack(message.stream, message.seq);
        break;
      case "record_rejected":
        this.#streams.get(message.connection_id)?.source.rejected(message);
        break;
      case "resnapshot":
        this.#streams.get(message.connection_id)?.source.newEpoch(message.reason);
        break;
      case "drain":
        this.#deps.drain(message.reconnect_in_ms);
        break;
      case "command":
      case "command_cancel":
      case "command_settled":
      case "desired_settings":
      case "relay_audit":
        this.#deps.directive(message);
        break;
      case "ping":
        this.#send({ type: "pong", n: message.n });
        break;
      case "pong":
        break;
    }
  }

  #bind(connections: readonly BoundConnection[]): void {
    const byName = new Map(connections.map(({ name, id }) => [name, id]));
    for (const [name, id] of this.#connectionIds) {
      if (byName.get(name) === id) continue;
      this.#connectionIds.delete(name);
      this.#drop(id);
    }
    this.#deps.bound(connections);
    for (const source of this.#deps.sources) {
      const connectionId = byName.get(source.name);
      if (connectionId === undefined || this.#connectionIds.has(source.name)) continue;
      this.#connectionIds.set(source.name, connectionId);
      this.#open(source.name, connectionId);
    }
  }

  /** Opens the stream, or opens it anew for another epoch: what was in flight belongs to the old one. */
  #open(name: string, connectionId: string): void {
    const source = this.#deps.sources.find((candidate) => candidate.name === name);
    const position = source?.position();
    this.#drop(connectionId);
    if (source === undefined || position === undefined) return;
    const stream: Stream = {
      source,
      connectionId,
      epoch: position.epoch,
      number: undefined,
      nextToSend: position.nextSeq,
      acked: 0,
      deficit: 0,
      inFlightBytes: 0,
      sizes: [],
      readAhead: [],
    };
    this.#streams.set(connectionId, stream);
    this.#order.push(stream);
    this.#send({
      type: "stream_open",
      connection_id: connectionId,
      epoch: position.epoch,
      first_seq: position.firstSeq,
      next_seq: position.nextSeq,
      acked_seq: position.ackedSeq,
      tail_id: position.tailId,
      ...(position.takenOver.length === 0
        ? {}
        : { taken_over: position.takenOver.map(({ epoch, firstSeq }) => ({ epoch, first_seq: firstSeq })) }),
    });
  }

  #drop(connectionId: string): void {
    const stream = this.#streams.get(connectionId);
    if (stream === undefined) return;
    this.#streams.delete(connectionId);
    this.#order = this.#order.filter((candidate) => candidate !== stream);
    this.#inFlightBytes -= stream.inFlightBytes;
  }

  #ready(message: StreamReady): void {
    const stream = this.#streams.get(message.connection_id);
    // An answer to an earlier opening, of an epoch that is gone.
    if (stream === undefined || stream.epoch !== message.epoch) return;
    if (message.verdict === "new_epoch") {
      stream.source.newEpoch(message.reason ?? "agent_restored");
      return;
    }
    const ownId = message.acked_seq > 0 ? stream.source.idAt(message.acked_seq) : message.acked_id;
    if (ownId !== message.acked_id && ownId !== LOST_BATCH_ID) {
      // Same epoch, same seq, another batch: this file or its twin went another way.
      stream.source.newEpoch("agent_restored");
      return;
    }
    stream.number = message.stream;
    stream.acked = message.acked_seq;
    stream.nextToSend = message.acked_seq + 1;
    stream.source.acked(stream.epoch, message.acked_seq);
    this.#pump();
  }

  #ack(number: number, seq: number): void {
    const stream = this.#order.find((candidate) => candidate.number === number);
    if (stream === undefined || seq <= stream.acked) return;
    if (seq >= stream.nextToSend) {
      this.#close(CLOSE.PROTOCOL_ERROR, `ack of ${seq} is ahead of what was sent`);
      return;
    }
    const freed = stream.sizes.splice(0, seq - stream.acked).reduce((sum, bytes) => sum + bytes, 0);
    stream.acked = seq;
    stream.inFlightBytes -= freed;
    this.#inFlightBytes -= freed;
    stream.source.acked(stream.epoch, seq);
    this.#deps.progressed();
    this.#pump();
  }

  /** Streams take turns while windows and the socket have room. Nothing is sent from within its own sending. */
  #pump(): void {
    if (this.#isPumping || this.#isClosed) return;
    this.#isPumping = true;
    try {
      let idle = 0;
      while (idle < this.#order.length && this.#hasRoom()) {
        this.#turn = (this.#turn + 1) % this.#order.length;
        const stream = this.#order[this.#turn];
        idle = stream !== undefined && this.#sendTurn(stream) ? 0 : idle + 1;
      }
    } finally {
      this.#isPumping = false;
    }
  }

  /** One turn of a stream; false when it has nothing to send or no window. */
  #sendTurn(stream: Stream): boolean {
    let sent = false;
    stream.deficit += QUANTUM_BYTES;
    while (this.#hasRoom() && stream.inFlightBytes < STREAM_WINDOW_BYTES) {
      const batch = this.#nextBatch(stream);
      if (batch === undefined) {
        stream.deficit = 0;
        break;
      }
      const bytes = batch.blob.length;
      if (bytes > stream.deficit) break;
      stream.deficit -= bytes;
      stream.readAhead.shift();
      this.#sendBatch(stream, batch);
      sent = true;
    }
    // A stream that waits for its window saves nothing up.
    stream.deficit = Math.min(stream.deficit, QUANTUM_BYTES);
    return sent;
  }

  #nextBatch(stream: Stream): StoredBatch | undefined {
    if (stream.number === undefined) return undefined;
    if (stream.readAhead.length === 0) {
      const position = stream.source.position();
      if (position === undefined || position.epoch !== stream.epoch || stream.nextToSend >= position.nextSeq)
        return undefined;
      stream.readAhead = [...stream.source.read(stream.nextToSend, READ_AHEAD_BYTES)];
    }
    return stream.readAhead[0];
  }

  #sendBatch(stream: Stream, batch: StoredBatch): void {
    if (stream.number === undefined) return;
    this.#deps.channel.send(
      encodeBatchFrame({ stream: stream.number, seq: batch.seq, id: batch.id, blob: batch.blob }),
    );
    stream.sizes.push(batch.blob.length);
    stream.inFlightBytes += batch.blob.length;
    this.#inFlightBytes += batch.blob.length;
    stream.nextToSend = batch.seq + 1;
  }

  #hasRoom(): boolean {
    return (
      this.#inFlightBytes < SOCKET_WINDOW_BYTES && this.#deps.channel.bufferedBytes < MAX_SOCKET_BUFFER_BYTES
    );
  }

  #send(message: UpMessage): void {
    if (!this.#isClosed) this.#deps.channel.send(encodeControl(message));
  }

  #close(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#deps.channel.close(code, reason);
    this.stop();
  }
}
