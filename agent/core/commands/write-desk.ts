// The plant's side of every write: decided by its file, journalled, approved, done in its hours, told until the relay holds it.
import type { WriteBody } from "#common/contract/commands.ts";
import type { Command, CommandResult } from "#common/contract/messages.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import type { ToRoom } from "../room/messages.ts";
import { StorageFullError } from "../room/storage-errors.ts";
import type { AuditFact, Sha256 } from "./audit-chain.ts";
import { BoundedTrail } from "./bounded-trail.ts";
import { askedDetail, entryFact, outcomeDetail } from "./audit-facts.ts";
import { CommandFailed, failed, unknownOutcome } from "./command-failure.ts";
import { logEnd } from "./command-log-line.ts";
import { roomIsDown } from "./direct-commands.ts";
import type { HaltedPart, JournalEntry } from "./journal.ts";
import type { PlantConnection } from "./plant-commands.ts";
import { WriteBook, type WriteBookDeps } from "./write-book.ts";
import { decideWrite, type WriteDecision } from "./write-decision.ts";
import { WritePrecheck } from "./write-precheck.ts";
import { WriteRate } from "./write-rate.ts";
import { WriteRecovery } from "./write-recovery.ts";

/** The command log in the source holds an id of this length. */
const MAX_ID_CHARS = 64;
/** Windows and times to live are looked at no later than this, ms: wall clocks step. */
const LOOK_EVERY_MS = 60_000;
/** Of a refusal, in the audit trail. */
const MAX_REASON_CHARS = 500;

export interface WriteDeskDeps extends WriteBookDeps {
  /** By the relay's id. */
  readonly connection: (id: string) => PlantConnection | undefined;
  readonly toRoom: (connectionId: string, message: ToRoom) => boolean;
  readonly sha256: Sha256;
  /** The volume has room for nothing but control. */
  readonly isDiskFull: () => boolean;
}

export class WriteDesk {
  readonly #deps: WriteDeskDeps;
  readonly #book: WriteBook;
  readonly #recovery: WriteRecovery;
  readonly #precheck: WritePrecheck;
  readonly #rate: WriteRate;
  readonly #refusals: BoundedTrail;
  readonly #halted: Set<HaltedPart>;
  #cancelTimer: () => void = () => {};

  constructor(deps: WriteDeskDeps) {
    this.#deps = deps;
    this.#book = new WriteBook(deps);
    this.#rate = new WriteRate(deps.clock);
    this.#refusals = new BoundedTrail("refused", deps);
    this.#halted = new Set(deps.journal.halted());
    this.#precheck = new WritePrecheck(deps);
    this.#recovery = new WriteRecovery({
      clock: deps.clock,
      toRoom: deps.toRoom,
      find: (id) => this.#book.find(id),
      ttlMs: (entry) => (this.#halted.has("writes") ? 0 : this.#ttlMs(entry)),
      done: (entry, result) => this.#finish(entry, result),
    });
  }

  get halted(): ReadonlySet<HaltedPart> {
    return this.#halted;
  }

  /** Not settled, oldest first. */
  get open(): readonly JournalEntry[] {
    return this.#book.inState("held", "waiting", "started", "finished");
  }

  /** After a start of the agent: what had begun is found out about, what waited goes on waiting. */
  start(): void {
    for (const entry of this.#book.inState("started")) this.#recovery.begin(entry);
    this.#look();
  }

  stop(): void {
    this.#cancelTimer();
    this.#recovery.stop();
    this.#precheck.stop();
    this.#book.stop();
  }

  /** The body fits; one result follows, however late. */
  take(command: Command, connection: PlantConnection): void {
    const id = command.command_id;
    if (this.#precheck.has(id)) return;
    const known = this.#book.find(id) ?? this.#deps.journal.find(id);
    if (known !== undefined) return this.#book.tellAgain(known);
    if (this.#deps.journal.wasTaken(id)) {
      const detail = "this command was taken before, and its result is not kept any more: look at the record";
      this.#deps.answer(unknownOutcome(id, detail));
      return;
    }
    const decision = this.#decide(command, connection);
    if (decision.verdict === "refuse") return this.#refuse(command, connection, decision.failure);
    if (decision.verdict === "apply") return this.#enter(command, connection, decision);
    this.#precheck.begin(command, (refusal) => {
      const failure = refusal ?? (this.#halted.has("writes") ? isHaltedHere() : undefined);
      if (failure === undefined) this.#enter(command, connection, decision);
      else this.#refuse(command, connection, failure);
    });
  }

  #enter(
    command: Command,
    connection: PlantConnection,
    decision: Exclude<WriteDecision, { readonly verdict: "refuse" }>,
  ): void {
    const id = command.command_id;
    const body = command.body as WriteBody;
    const nowMs = this.#deps.clock.nowMs();
    const entry: JournalEntry = {
      id,
      connectionId: command.connection_id,
      connection: connection.name,
      state: decision.verdict === "hold" ? "held" : decision.verdict === "wait" ? "waiting" : "started",
      body,
      receivedAtMs: nowMs,
      expiresAtMs: nowMs + command.ttl_ms,
      ...(decision.verdict === "apply" ? { startedAtMs: nowMs } : {}),
      ...(command.traceparent === undefined ? {} : { traceparent: command.traceparent }),
    };
    const asked = askedDetail(body, this.#deps.sha256, connection.policy.auditValues);
    const fact = entryFact("received", entry, nowMs, { ...asked, decision: decision.verdict });
    try {
      this.#book.put(entry, [fact], detailOf(decision));
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      return this.#refuse(command, connection, new CommandFailed("BUSY", error.message));
    }
    if (entry.state === "started") this.#toRoom(entry);
    else this.#look();
  }

  /** False: it is no open write. What has begun to write goes on. */
  cancel(id: string): boolean {
    if (this.#precheck.cancel(id)) {
      this.#deps.answer(
        failed(id, new CommandFailed("CANCELLED", "its caller called it off before it began")),
      );
      return true;
    }
    const entry = this.#book.find(id);
    if (entry === undefined) return false;
    if (entry.state === "started") this.#deps.toRoom(entry.connectionId, { type: "command_cancel", id });
    else if (entry.state !== "finished")
      this.#fail(entry, new CommandFailed("CANCELLED", "its caller called it off before it began"));
    return true;
  }

  settled(id: string): void {
    this.#book.settled(id);
  }

  welcomed(): void {
    this.#book.welcomed();
  }

  /** A room's answer. False: it is to none of these. */
  answered(result: CommandResult): boolean {
    if (this.#precheck.answered(result)) return true;
    const entry = this.#book.find(result.command_id);
    if (entry?.state !== "started") return entry !== undefined;
    const judged = this.#recovery.judge(result);
    if (judged !== undefined) this.#finish(entry, this.#halted.has("writes") ? asHalted(judged) : judged);
    return true;
  }

  roomEnded(connectionId: string): void {
    this.#precheck.roomEnded(connectionId);
    for (const entry of this.#book.inState("started"))
      if (entry.connectionId === connectionId) this.#recovery.begin(entry);
  }

  /** @throws MillraceError when there is nothing of this id to approve, or it could not be written down */
  approve(id: string, by: string): void {
    const held = this.#held(id);
    const approved: JournalEntry = { ...held, approvedBy: by };
    const nowMs = this.#deps.clock.nowMs();
    this.#proceed(approved, [entryFact("approved", approved, nowMs, { by })]);
  }

  /** @throws MillraceError when there is nothing of this id to reject */
  reject(id: string, by: string, reason: string | undefined): void {
    const entry = this.#held(id);
    const why = reason === undefined ? "" : `: ${reason}`;
    const fact = entryFact("rejected", entry, this.#deps.clock.nowMs(), {
      by,
      ...(reason === undefined ? {} : { reason }),
    });
    this.#fail(entry, new CommandFailed("REJECTED_AT_PLANT", `somebody at the plant rejected it${why}`), [
      fact,
    ]);
  }

  /** In effect when it returns, also where it throws. @throws StorageFullError when it could not be written down */
  halt(part: HaltedPart, isHalted: boolean, by: string): void {
    if (isHalted) this.#halted.add(part);
    else this.#halted.delete(part);
    const atMs = this.#deps.clock.nowMs();
    if (part === "writes" && isHalted) this.#stopWrites();
    this.#deps.journal.commit({
      halts: { [part]: isHalted },
      facts: [{ atMs, event: isHalted ? "halted" : "unhalted", connection: "", detail: { part, by } }],
    });
  }

  /** What waits is refused; what is at the source and not committed yet is called off. */
  #stopWrites(): void {
    for (const entry of this.#book.inState("held", "waiting")) this.#fail(entry, isHaltedHere());
    for (const { id, connectionId } of this.#book.inState("started"))
      this.#deps.toRoom(connectionId, { type: "command_cancel", id });
  }

  #decide(command: Command, { policy, timeZone }: PlantConnection): WriteDecision {
    const failure = this.#obstacle(command);
    if (failure !== undefined) return { verdict: "refuse", failure };
    const nowMs = this.#deps.clock.nowMs();
    const input = { policy, timeZone, nowMs, ttlMs: command.ttl_ms, isApproved: false };
    const decision = decideWrite(command.body as WriteBody, input);
    if (decision.verdict === "refuse") return decision;
    const retryMs = this.#rate.take(command.connection_id, policy.writesPerMinute);
    if (retryMs === 0) return decision;
    const detail = `the plant takes ${policy.writesPerMinute} writes a minute on this connection`;
    const limited = new CommandFailed("RATE_LIMITED", detail, { retry_after_ms: retryMs });
    return { verdict: "refuse", failure: limited };
  }

  #obstacle({ command_id: id }: Command): CommandFailed | undefined {
    if (id.length > MAX_ID_CHARS)
      return new CommandFailed("UNKNOWN_COMMAND", `a write's id has at most ${MAX_ID_CHARS} characters`);
    if (this.#halted.has("writes")) return isHaltedHere();
    if (this.#deps.isDiskFull())
      return new CommandFailed(
        "BUSY",
        "the agent's disk is full: nothing is written that could not be noted down",
      );
    if (this.#deps.journal.hasRoom()) return undefined;
    return new CommandFailed("BUSY", "too many writes are open at the agent");
  }

  #refuse(command: Command, connection: PlantConnection, failure: CommandFailed): void {
    const { command_id: id, body } = command;
    const result = failed(id, failure);
    this.#deps.answer(result);
    const what = `${(body as WriteBody).entity}.${(body as WriteBody).operation}`;
    logEnd(this.#deps.logger, "info", { ...command, what, connection: connection.name }, result);
    const asked = askedDetail(body as WriteBody, this.#deps.sha256, connection.policy.auditValues);
    const reason = failure.message.slice(0, MAX_REASON_CHARS);
    this.#refusals.add({ id, connection: connection.name }, { ...asked, code: failure.code, reason });
  }

  /** Begins a write whose time has come, or says why it does not. `facts` are noted in any case. */
  #proceed(entry: JournalEntry, facts: readonly AuditFact[] = []): void {
    const connection = this.#deps.connection(entry.connectionId);
    if (connection === undefined)
      return this.#fail(
        entry,
        new CommandFailed("NOT_ALLOWED", "the agent does not serve this connection any more"),
        facts,
      );
    const { policy, timeZone } = connection;
    const nowMs = this.#deps.clock.nowMs();
    const isApproved = entry.approvedBy !== undefined;
    const decision = decideWrite(entry.body, {
      policy,
      timeZone,
      nowMs,
      ttlMs: this.#ttlMs(entry),
      isApproved,
    });
    if (decision.verdict === "refuse") return this.#fail(entry, decision.failure, facts);
    if (decision.verdict !== "apply") {
      const state = decision.verdict === "hold" ? "held" : "waiting";
      if (state !== entry.state || facts.length > 0)
        this.#book.put({ ...entry, state }, facts, detailOf(decision));
      return this.#look();
    }
    const started: JournalEntry = { ...entry, state: "started", startedAtMs: nowMs };
    this.#book.put(started, [...facts, entryFact("started", started, nowMs)]);
    this.#toRoom(started);
  }

  #toRoom(entry: JournalEntry): void {
    const { id, connectionId, body, traceparent } = entry;
    const trace = traceparent === undefined ? {} : { traceparent };
    const command = { id, kind: "write", body, ttlMs: this.#ttlMs(entry), ...trace } as const;
    if (!this.#deps.toRoom(connectionId, { type: "command", command })) this.#fail(entry, roomIsDown());
  }

  #held(id: string): JournalEntry {
    const entry = this.#book.find(id);
    if (entry?.state === "held") return entry;
    const held = this.#book.inState("held").map((one) => one.id);
    throw new MillraceError(
      `no command ${id} waits for approval; ${held.length === 0 ? "none does" : `these do: ${held.slice(0, 20).join(", ")}`}`,
    );
  }

  #fail(entry: JournalEntry, failure: CommandFailed, facts: readonly AuditFact[] = []): void {
    this.#finish(entry, failed(entry.id, failure), facts);
  }

  #finish(entry: JournalEntry, result: CommandResult, facts: readonly AuditFact[] = []): void {
    const { connection, body } = entry;
    logEnd(
      this.#deps.logger,
      "info",
      { ...entry, what: `${body.entity}.${body.operation}`, connection },
      result,
    );
    const fact = entryFact("finished", entry, this.#deps.clock.nowMs(), outcomeDetail(result));
    this.#book.finish(entry, result, [...facts, fact]);
  }

  #ttlMs({ expiresAtMs }: JournalEntry): number {
    return Math.max(0, expiresAtMs - this.#deps.clock.nowMs());
  }

  /** What waits and has become due: its window, or the end of its time. */
  #look(): void {
    this.#cancelTimer();
    const { clock } = this.#deps;
    let nextMs = LOOK_EVERY_MS;
    for (const entry of this.#book.inState("held", "waiting")) {
      if (entry.state === "held" && this.#ttlMs(entry) === 0)
        this.#fail(
          entry,
          new CommandFailed("EXPIRED", "nobody at the plant approved it within its time to live"),
        );
      else if (entry.state === "waiting") nextMs = Math.min(nextMs, this.#lookAtWindow(entry));
      else nextMs = Math.min(nextMs, this.#ttlMs(entry));
    }
    this.#cancelTimer = clock.setTimer(Math.max(1, nextMs), () => this.#look());
  }

  /** ms until it is looked at again; what is due is begun, what cannot be any more ends. */
  #lookAtWindow(entry: JournalEntry): number {
    const connection = this.#deps.connection(entry.connectionId);
    if (connection !== undefined) {
      const { policy, timeZone } = connection;
      const isApproved = entry.approvedBy !== undefined;
      const input = {
        policy,
        timeZone,
        nowMs: this.#deps.clock.nowMs(),
        ttlMs: this.#ttlMs(entry),
        isApproved,
      };
      const decision = decideWrite(entry.body, input);
      if (decision.verdict === "wait") return Math.min(decision.inMs, this.#ttlMs(entry));
    }
    try {
      this.#proceed(entry);
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      this.#deps.logger.error({ command: entry.id }, error.message);
    }
    return LOOK_EVERY_MS;
  }
}

function isHaltedHere(): CommandFailed {
  return new CommandFailed("HALTED", "writes are stopped at the plant until somebody there lets them go on");
}

/** Called off because writes were stopped meanwhile: not by its caller. */
function asHalted(result: CommandResult): CommandResult {
  return result.code === "CANCELLED" ? failed(result.command_id, isHaltedHere()) : result;
}

/** For whoever waits for it. */
function detailOf(decision: WriteDecision): string | undefined {
  if (decision.verdict === "hold") return "waits until somebody at the plant approves it";
  return decision.verdict === "wait" ? `waits for its hours, which begin at ${decision.opens}` : undefined;
}
