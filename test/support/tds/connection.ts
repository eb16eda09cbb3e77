// One client's connection: from PRELOGIN over the login to its requests, one after the other, and cancels in between.
import type { Socket } from "node:net";
import { DatabaseError, type DatabaseSession } from "#test/support/sql-engine/session.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { writeOutcome } from "./answers.ts";
import { TdsProtocolError } from "./byte-reader.ts";
import { LOGIN_SUBJECTS, type Fault, type TdsFaults } from "./faults.ts";
import { parseLogin7, type Login7 } from "./login7.ts";
import {
  negotiatedPacketBytes,
  negotiatedVersion,
  writeLoginAnswer,
  writeLoginFailure,
} from "./login-answer.ts";
import { NtlmExchange } from "./ntlm.ts";
import { PACKET, PacketReader, packetsOf, STATUS, type Message } from "./packets.ts";
import { ENCRYPTION, negotiate, parsePrelogin, preloginAnswer } from "./prelogin.ts";
import { parseBatch, parseCall, parseTransaction } from "./requests.ts";
import type { TdsServerOptions } from "./server-options.ts";
import { engineSettings } from "./session-settings.ts";
import { asDatabaseError, refused, TdsSession, type Outcome, type Work } from "./tds-session.ts";
import { TDS_VERSION, TOKEN, writeDone, writeResetDone, writeSspi } from "./tokens.ts";
import { Transport } from "./transport.ts";

const FIRST_PACKET_BYTES = 4096;
const MAX_WAITING_MESSAGES = 100;

export interface ConnectionDeps {
  readonly socket: Socket;
  readonly spid: number;
  readonly options: TdsServerOptions;
  readonly faults: TdsFaults;
  /** @returns the entry of the log, to count rows in */
  readonly onRequest: (spid: number, subject: string) => { rows: number };
  readonly onClose: (connection: TdsConnection) => void;
}

interface Running {
  readonly controller: AbortController;
  isCancelled: boolean;
}

export class TdsConnection {
  readonly spid: number;
  readonly #deps: ConnectionDeps;
  readonly #transport: Transport;
  readonly #reader = new PacketReader();
  readonly #inbox: Message[] = [];
  #isWorking = false;
  #running: Running | undefined;
  #isEncryptionRequired = false;
  #login: Login7 | undefined;
  #ntlm: NtlmExchange | undefined;
  #session: TdsSession | undefined;
  #packetBytes = FIRST_PACKET_BYTES;
  #tdsVersion: number = TDS_VERSION["7.4"];
  #transactions = 0n;
  #hasSettings = false;
  #closeReason: Error | undefined;

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
    this.spid = deps.spid;
    this.#transport = new Transport({
      socket: deps.socket,
      tls: deps.options.tls,
      isHalfOpen: () => deps.faults.isHalfOpen,
      onBytes: (chunk) => this.#receive(chunk),
      onClose: (reason) => this.#closed(reason),
    });
  }

  /** Undefined before the login; without its password. */
  get login(): Omit<Login7, "password" | "sspi"> | undefined {
    if (this.#login === undefined || this.#session === undefined) return undefined;
    const { password: _password, sspi: _sspi, ...login } = this.#login;
    return login;
  }

  get tlsVersion(): string | undefined {
    return this.#transport.tlsVersion;
  }

  /** On TCP, encryption included. */
  get sentBytes(): number {
    return this.#transport.sentBytes;
  }

  get packetBytes(): number {
    return this.#packetBytes;
  }

  /** Why the server gave the connection up. */
  get failure(): Error | undefined {
    return this.#closeReason;
  }

  destroy(): void {
    this.#transport.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) {
        if (message.type === PACKET.attention) this.#attention();
        else if (this.#inbox.push(message) > MAX_WAITING_MESSAGES)
          throw new TdsProtocolError(`more than ${MAX_WAITING_MESSAGES} requests wait for their turn`);
      }
    } catch (error) {
      this.#giveUp(error);
    }
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let message = this.#inbox.shift(); message !== undefined; message = this.#inbox.shift())
      try {
        await this.#handle(message);
      } catch (error) {
        this.#giveUp(error);
      }
    this.#isWorking = false;
  }

  #giveUp(error: unknown): void {
    this.#closeReason ??= error instanceof Error ? error : new TdsProtocolError(String(error));
    this.#transport.destroy();
  }

  #closed(reason: Error | undefined): void {
    this.#closeReason ??= reason;
    this.#inbox.length = 0;
    this.#running?.controller.abort();
    this.#session?.close();
    this.#deps.onClose(this);
  }

  async #handle(message: Message): Promise<void> {
    if (message.type === PACKET.prelogin) await this.#prelogin(message.payload);
    else if (message.type === PACKET.login) await this.#logIn(parseLogin7(message.payload));
    else if (message.type === PACKET.sspi) await this.#proveWindowsUser(message.payload);
    else if (this.#session === undefined) throw new TdsProtocolError("a request came before the login");
    else await this.#serve(message, this.#session);
  }

  async #prelogin(payload: Buffer): Promise<void> {
    const { options, faults } = this.#deps;
    const client = parsePrelogin(payload);
    const policy = options.encryption ?? (options.tls === undefined ? "not_supported" : "off");
    if (policy === "strict" && !this.#transport.isEncrypted) return this.#transport.destroy();
    const agreed = this.#transport.isEncrypted ? ENCRYPTION.notSupported : negotiate(policy, client);
    const answer = preloginAnswer(agreed, options.majorVersion ?? 16);
    const fault = faults.take(LOGIN_SUBJECTS.prelogin);
    if (fault?.kind === "no_answer") return;
    if (fault?.kind === "drop_request") return this.#transport.destroy();
    this.#isEncryptionRequired = agreed === ENCRYPTION.on || agreed === ENCRYPTION.required;
    await this.#transport.write(packetsOf(PACKET.answer, answer, { packetBytes: FIRST_PACKET_BYTES }));
    if (this.#isEncryptionRequired && client !== ENCRYPTION.notSupported) this.#transport.expectTls();
  }

  async #logIn(login: Login7): Promise<void> {
    if (this.#isEncryptionRequired && !this.#transport.isEncrypted)
      throw new TdsProtocolError("a login came in plain text where encryption is required");
    this.#login = login;
    this.#tdsVersion = negotiatedVersion(login, this.#deps.options);
    if (login.sspi === undefined) return this.#openSession(login);
    this.#ntlm = new NtlmExchange(this.#deps.options.windowsAccounts ?? []);
    const answer = this.#answer(this.#deps.faults.take(LOGIN_SUBJECTS.login));
    writeSspi(answer.tokens, this.#ntlm.challenge());
    await answer.end();
  }

  async #proveWindowsUser(token: Buffer): Promise<void> {
    const account = this.#ntlm?.check(token);
    if (this.#login === undefined) throw new TdsProtocolError("a proof of identity came before its login");
    const user = account === undefined ? "" : `${account.domain}\\${account.user}`;
    await this.#openSession(
      { ...this.#login, user, password: account?.password ?? "" },
      account === undefined,
    );
  }

  async #openSession(login: Login7, isRefused = false): Promise<void> {
    const { options, faults } = this.#deps;
    const fault = faults.take(LOGIN_SUBJECTS.login);
    if (fault?.kind === "drop_request") return this.#transport.destroy();
    if (fault?.kind === "no_answer") return;
    const answer = this.#answer(fault);
    try {
      if (fault?.kind === "error") throw fault.error;
      if (isRefused)
        throw new DatabaseError(18_452, "Login failed. The login is from an untrusted domain.", 14);
      this.#session = new TdsSession(this.#open(login));
    } catch (error) {
      writeLoginFailure(answer.tokens, asDatabaseError(error), login.user);
      await answer.end();
      return this.#transport.end();
    }
    this.#login = login;
    const packetBytes = negotiatedPacketBytes(login);
    writeLoginAnswer(answer.tokens, { login, options, packetBytes, tdsVersion: this.#tdsVersion });
    await answer.end();
    this.#packetBytes = packetBytes;
  }

  #open(login: Login7): DatabaseSession {
    return this.#deps.options.database.logIn({
      user: login.user,
      password: login.password,
      database: login.database === "" ? (this.#deps.options.defaultDatabase ?? "") : login.database,
      applicationName: login.applicationName,
      isReadOnlyIntent: login.isReadOnlyIntent,
    });
  }

  async #serve(message: Message, session: TdsSession): Promise<void> {
    if ((message.status & STATUS.ignore) !== 0) return this.#answerIgnored();
    const isReset = (message.status & (STATUS.resetConnection | STATUS.resetKeepTransaction)) !== 0;
    const work = this.#understood(message, isReset ? this.#resetSession() : session);
    const entry = this.#deps.onRequest(this.spid, work.subject);
    const fault = this.#deps.faults.take(work.subject);
    if (fault?.kind === "drop_request") return this.#transport.destroy();
    const running: Running = { controller: new AbortController(), isCancelled: false };
    this.#running = running;
    const outcome = await work.run(running.controller.signal);
    entry.rows = outcome.result.sets.reduce((sum, { rows }) => sum + rows.length, 0);
    if (fault?.kind === "no_answer") await aborted(running.controller.signal);
    if (!this.#transport.isClosed) await this.#send(work, outcome, fault, isReset);
    this.#running = undefined;
    if (running.isCancelled) await this.#acknowledgeAttention();
  }

  async #send(work: Work, outcome: Outcome, fault: Fault | undefined, isReset: boolean): Promise<void> {
    const answer = this.#answer(fault);
    if (isReset) writeResetDone(answer.tokens);
    const isLast = await writeOutcome(answer, outcome, {
      isProcedure: work.isProcedure,
      mayUseNullMap: this.#tdsVersion !== TDS_VERSION["7.2"],
      isCancelled: () => this.#running?.isCancelled === true || this.#transport.isClosed,
      transactionDescriptor: this.#descriptor(outcome),
    });
    await answer.end();
    if (isLast) this.#transport.end();
  }

  #descriptor({ transaction }: Outcome): Buffer {
    if (transaction === "begin") this.#transactions += 1n;
    const descriptor = Buffer.alloc(8);
    descriptor.writeBigUInt64LE((BigInt(this.spid) << 32n) | this.#transactions);
    return descriptor;
  }

  /** What cannot be read is answered with an error, so that a test sees it. */
  #understood(message: Message, session: TdsSession): Work {
    try {
      return this.#workOf(message, session);
    } catch (error) {
      const refusal = new DatabaseError(8009, `the test server does not take this request: ${String(error)}`);
      return {
        subject: `UNKNOWN REQUEST ${message.type}`,
        isProcedure: message.type === PACKET.call,
        run: () => Promise.resolve(refused(refusal)),
      };
    }
  }

  #workOf({ type, payload }: Message, session: TdsSession): Work {
    if (type === PACKET.call) return session.call(parseCall(payload, true));
    if (type === PACKET.transaction) return session.transaction(parseTransaction(payload, true));
    if (type !== PACKET.batch) throw new TdsProtocolError(`messages of the type ${type} are not known`);
    const text = parseBatch(payload, true);
    const settings = this.#hasSettings ? undefined : engineSettings(text);
    this.#hasSettings = true;
    if (settings === undefined) return session.batch(text);
    const work = session.batch(settings);
    if (settings !== "") return { ...work, subject: LOGIN_SUBJECTS.settings };
    const nothing = { text, result: { sets: [], rowsAffected: 0 }, isCounted: true, outputs: [] };
    return { ...work, subject: LOGIN_SUBJECTS.settings, run: () => Promise.resolve(nothing) };
  }

  /** The session starts anew: what was open is rolled back, prepared statements and settings are gone. */
  #resetSession(): TdsSession {
    if (this.#login === undefined) throw new TdsProtocolError("a reset came before the login");
    this.#session?.close();
    this.#hasSettings = false;
    this.#session = new TdsSession(this.#open(this.#login));
    return this.#session;
  }

  async #answerIgnored(): Promise<void> {
    const answer = this.#answer(undefined);
    writeDone(answer.tokens, TOKEN.done, { isError: true });
    await answer.end();
  }

  #attention(): void {
    if (this.#deps.faults.isIgnoringAttention) return;
    if (this.#running === undefined) {
      void this.#acknowledgeAttention();
      return;
    }
    this.#running.isCancelled = true;
    this.#running.controller.abort();
  }

  async #acknowledgeAttention(): Promise<void> {
    const answer = this.#answer(undefined);
    writeDone(answer.tokens, TOKEN.done, { isAttention: true });
    await answer.end();
  }

  #answer(fault: Fault | undefined): AnswerWriter {
    return new AnswerWriter({
      sink: this.#transport,
      packetBytes: this.#packetBytes,
      spid: this.spid,
      fault,
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
