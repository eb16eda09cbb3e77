// One client's connection: packets in, calls one after the other, answers out, cancels and planned faults in between.
import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { DatabaseError } from "../sql-engine/session.ts";
import { writeOutcome, type OracleError } from "./answers.ts";
import { readDescriptor } from "./connect-descriptor.ts";
import type { CallFault } from "./faults.ts";
import { LoginDialogue, writeDataTypes, writeProtocol, type LoggedIn, type LoginDeps } from "./login.ts";
import { MessageReader } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";
import { nativeRefusal } from "./native-services.ts";
import {
  acceptPacket,
  dataPackets,
  markerPacket,
  PacketStream,
  readConnect,
  refusePacket,
  type Packet,
} from "./packets.ts";
import { CALL, DATA_FLAG, DATA_OFFSET, MARKER, MESSAGE, PACKET, ProtocolError } from "./protocol.ts";
import { TtcSession, type Call } from "./ttc-session.ts";

export interface ConnectionDeps extends LoginDeps {
  /** Largest packet that the server agrees to, in bytes. */
  readonly sdu: number;
  /** Each statement as it is executed. */
  readonly onStatement: (sql: string) => void;
  /** What went wrong in the server or in what the client sent. */
  readonly onTrouble: (error: unknown) => void;
  readonly onClose: (connection: TnsConnection) => void;
}

/** As the client says itself at its login. */
export type ClientInfo = Pick<LoggedIn, "program" | "driver" | "timeZone">;

type Stage = "connect" | "descriptor" | "native" | "calls" | "closed";

const CANCELLED: OracleError = { number: 1013, text: "user requested cancel of current operation" };
/** Told when the server itself fails: not a number that drivers take for a lost connection. */
const SERVER_TROUBLE = 20_999;
/** Errors of the engine that end their session. */
const FATAL_SEVERITY = 20;

export class TnsConnection {
  /** Calls so far, by name. */
  readonly calls = new Map<string, number>();
  readonly #deps: ConnectionDeps;
  readonly #socket: Socket;
  readonly #packets = new PacketStream();
  readonly #login: LoginDialogue;
  #stage: Stage = "connect";
  #sdu = 8_192;
  #parts: Buffer[] = [];
  #queue: Promise<void> = Promise.resolve();
  #running: AbortController | undefined;
  #isBreaking = false;
  /** Goes out when the client has answered the break that announced it. */
  #pendingError: Buffer | undefined;
  #killedWith: OracleError | undefined;
  #client: ClientInfo | undefined;
  #session: TtcSession | undefined;

  constructor(socket: Socket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#login = new LoginDialogue(deps);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => this.#close());
    socket.on("close", () => this.#close());
  }

  get user(): string {
    return this.#login.user;
  }

  /** Undefined before the login. */
  get client(): ClientInfo | undefined {
    return this.#client;
  }

  get session(): TtcSession | undefined {
    return this.#session;
  }

  /** Cuts the line, or lets the next answer be an error that ends the session. */
  kill(error: OracleError | undefined): void {
    if (error === undefined) this.#socket.destroy();
    this.#killedWith = error;
    this.#running?.abort();
  }

  #receive(chunk: Buffer): void {
    if (this.#deps.faults.isSilent) return;
    try {
      for (const packet of this.#packets.push(chunk)) this.#take(packet);
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(packet: Packet): void {
    if (this.#stage === "closed") return;
    if (this.#stage === "connect") this.#connect(packet);
    else if (packet.type === PACKET.marker) this.#takeMarker(packet.bytes.readUInt8(10));
    else if (packet.type !== PACKET.data) throw new ProtocolError(`packet type ${packet.type} is not served`);
    else if (this.#stage === "descriptor") this.#answerConnect(packet.bytes.toString("utf8", DATA_OFFSET));
    else if (this.#stage === "native") {
      this.#send(nativeRefusal());
      this.#stage = "calls";
    } else this.#takeData(packet.bytes);
  }

  #connect({ type, bytes }: Packet): void {
    if (type !== PACKET.connect) throw new ProtocolError(`a CONNECT was expected, not packet type ${type}`);
    const { descriptor, sdu } = readConnect(bytes);
    this.#sdu = Math.min(this.#deps.sdu, Math.max(512, sdu));
    if (descriptor === undefined) this.#stage = "descriptor";
    else this.#answerConnect(descriptor);
  }

  #answerConnect(descriptor: string): void {
    const { faults, identity } = this.#deps;
    const { serviceName, sid } = readDescriptor(descriptor);
    const isSame = (asked: string | undefined, own: string): boolean =>
      asked?.toUpperCase() === own.toUpperCase();
    const refusal =
      faults.refuseWith ??
      (sid !== undefined
        ? isSame(sid, identity.sid)
          ? undefined
          : 12_505
        : isSame(serviceName, identity.serviceName)
          ? undefined
          : 12_514);
    if (refusal !== undefined) {
      this.#socket.end(refusePacket(refusal));
      this.#stage = "closed";
      return;
    }
    const wantsNativeServices = faults.nativeEncryption === "negotiated";
    this.#socket.write(
      acceptPacket({ version: faults.protocolVersion, sdu: this.#sdu, wantsNativeServices }),
    );
    this.#packets.hasLargeLengths = faults.protocolVersion >= 315;
    this.#stage = wantsNativeServices ? "native" : "calls";
  }

  #takeData(bytes: Buffer): void {
    const flags = bytes.readUInt16BE(8);
    if ((flags & DATA_FLAG.endOfFile) !== 0) {
      this.#socket.end();
      this.#close();
      return;
    }
    this.#parts.push(bytes.subarray(DATA_OFFSET));
    if ((flags & DATA_FLAG.endOfRequest) === 0) return;
    const message = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#queue = this.#queue.then(() => this.#serve(message)).catch((error: unknown) => this.#fail(error));
  }

  /** A client interrupts, is told that the break is on, resets, and then gets the error of the cancelled call. */
  #takeMarker(kind: number): void {
    if (this.#deps.faults.doesIgnoreBreaks) return;
    if (kind !== MARKER.reset) {
      this.#isBreaking = true;
      this.#parts = [];
      this.#running?.abort();
      this.#write(markerPacket("break"));
      return;
    }
    this.#queue = this.#queue.then(() => this.#endBreak());
  }

  #endBreak(): void {
    const message = this.#pendingError ?? this.#errorMessage(this.#killedWith ?? CANCELLED);
    this.#isBreaking = false;
    this.#pendingError = undefined;
    this.#write(markerPacket("reset"));
    this.#send(message);
    if (this.#killedWith !== undefined) this.#socket.end();
  }

  async #serve(message: Buffer): Promise<void> {
    if (this.#stage !== "calls") return;
    if (this.#deps.faults.nativeEncryption === "dropped") {
      this.#socket.destroy();
      return;
    }
    if (this.#session === undefined) await this.#serveLogin(message);
    else await this.#serveCall(this.#session.read(message));
  }

  async #serveLogin(message: Buffer): Promise<void> {
    const writer = new MessageWriter();
    if (message[0] === MESSAGE.protocol) writeProtocol(writer, this.#deps.identity);
    else if (message[0] === MESSAGE.dataTypes) writeDataTypes(writer, this.#deps.identity);
    else if (message[0] === MESSAGE.function && message[1] === CALL.authPhaseOne)
      this.#login.phaseOne(new MessageReader(message.subarray(3)), writer);
    else if (message[0] === MESSAGE.function && message[1] === CALL.authPhaseTwo)
      return await this.#authenticate(message);
    else throw new ProtocolError(`message ${message[0]}/${message[1]} before the login`);
    this.#send(writer.take());
  }

  async #authenticate(message: Buffer): Promise<void> {
    const login: Call = {
      name: "login",
      statement: undefined,
      run: async (writer) => {
        const result = this.#login.phaseTwo(new MessageReader(message.subarray(3)), writer);
        if (!("session" in result)) throw new DatabaseError(result.number, result.text);
        const { session, program, driver, timeZone } = result;
        this.#client = { program, driver, timeZone };
        this.#session = new TtcSession(session, this.#deps.identity);
      },
    };
    await this.#serveCall(login);
  }

  async #serveCall(call: Call): Promise<void> {
    this.calls.set(call.name, (this.calls.get(call.name) ?? 0) + 1);
    if (call.name === "execute" && call.statement !== undefined) this.#deps.onStatement(call.statement);
    const struck = this.#deps.faults.take(call.name, call.statement);
    if (struck.some(({ kind }) => kind === "drop")) {
      this.#socket.destroy();
      return;
    }
    const running = new AbortController();
    this.#running = running;
    if (this.#isBreaking || this.#killedWith !== undefined) running.abort();
    let error: OracleError | undefined;
    const writer = new MessageWriter();
    try {
      await this.#run(call, struck, writer, running.signal);
    } catch (thrown) {
      error = this.#told(thrown, running.signal);
      if (thrown instanceof DatabaseError && thrown.severity >= FATAL_SEVERITY) this.#killedWith ??= error;
    } finally {
      this.#running = undefined;
    }
    // What a cancelled call would have answered is not sent; the reset brings its error.
    if (this.#isBreaking) return;
    if (this.#killedWith !== undefined) {
      this.#send(this.#errorMessage(this.#killedWith));
      this.#socket.end();
    } else if (error === undefined) this.#answer(writer.take(), struck);
    else this.#answerError(error, struck);
  }

  async #run(
    call: Call,
    struck: readonly CallFault[],
    writer: MessageWriter,
    signal: AbortSignal,
  ): Promise<void> {
    for (const fault of struck)
      if (fault.kind === "delay") await wait(fault.delayMs, undefined, { signal });
      else if (fault.kind === "error") throw new DatabaseError(fault.error.number, fault.error.text);
    signal.throwIfAborted();
    await call.run(writer, signal);
  }

  /** As the real one does: a break first, and the error when the client has reset. */
  #answerError(error: OracleError, struck: readonly CallFault[]): void {
    const message = this.#errorMessage(error, this.#session?.isInTransaction);
    const spoils = struck.some(({ kind }) => kind !== "error" && kind !== "delay");
    if (spoils || this.#deps.faults.doesIgnoreBreaks) {
      this.#answer(message, struck);
      return;
    }
    this.#pendingError = message;
    this.#write(markerPacket("break"));
  }

  #told(error: unknown, signal: AbortSignal): OracleError {
    if (error instanceof DatabaseError) return { number: error.number, text: error.message };
    if (error instanceof ProtocolError) throw error;
    if (signal.aborted) return CANCELLED;
    this.#deps.onTrouble(error);
    return { number: SERVER_TROUBLE, text: `the test server failed: ${String(error)}` };
  }

  #answer(message: Buffer, struck: readonly CallFault[]): void {
    for (const fault of struck) {
      if (fault.kind === "silence") return;
      if (fault.kind === "garbage") {
        const nonsense = Buffer.alloc(64, 0xa5);
        this.#write(fault.as === "message" ? dataPackets(nonsense, this.#sdu) : nonsense);
        return;
      }
      if (fault.kind === "cut") {
        const part = dataPackets(message, this.#sdu).subarray(0, fault.afterBytes);
        if (part.length === 0) this.#socket.destroy();
        else this.#socket.write(part, () => this.#socket.destroy());
        return;
      }
    }
    this.#send(message);
  }

  #errorMessage(error: OracleError, isInTransaction = false): Buffer {
    const writer = new MessageWriter();
    writeOutcome(writer, { isInTransaction, error });
    return writer.take();
  }

  #send(message: Buffer): void {
    this.#write(dataPackets(message, this.#sdu));
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable && !this.#deps.faults.isSilent)
      this.#socket.write(bytes);
  }

  #fail(error: unknown): void {
    this.#deps.onTrouble(error);
    this.#socket.destroy();
  }

  #close(): void {
    if (this.#stage === "closed" && this.#session === undefined) {
      this.#deps.onClose(this);
      return;
    }
    this.#stage = "closed";
    this.#running?.abort();
    this.#session?.close();
    this.#session = undefined;
    this.#deps.onClose(this);
  }
}
