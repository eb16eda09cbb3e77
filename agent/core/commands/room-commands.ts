// Carries out the commands of one connection at its source: so many at once, each with its time, each with one result.
import type { CommandKind } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";
import type { RoomCommand } from "../room/messages.ts";
import type { OpenSource } from "../room/open-source.ts";
import type { Trouble } from "../room/room-report.ts";
import { CommandFailed, failed, succeeded } from "./command-failure.ts";

/** Commands under way at once; the others wait for their turn, in order. */
export const MAX_COMMANDS_UNDER_WAY = 8;
/** From its beginning, a command of each kind may take this long, ms. */
const TIME_MS: Readonly<Record<CommandKind, number>> = {
  read: 30_000,
  query: 60_000,
  write: 60_000,
  operate: 10_000,
  browse: 30_000,
  test: 60_000,
};

/** How one kind is done; the signal ends with its time, its caller, or the session at the source. */
export type CommandRunner = (command: RoomCommand, signal: AbortSignal) => Promise<object | CommandResult>;

export interface RoomCommandsDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly kinds: Readonly<Partial<Record<CommandKind, CommandRunner>>>;
  readonly done: (result: CommandResult) => void;
}

/** The source if it is open, else what keeps it from being so. */
export interface SourceStanding {
  readonly source: OpenSource | undefined;
  readonly trouble: Trouble | undefined;
}

export interface StandingDeps {
  readonly clock: Clock;
  readonly standing: () => SourceStanding;
}

/** A command waits so long for a source that is being opened, and no longer than its own time. */
const MAX_OPENING_MS = 20_000;
const LOOK_EVERY_MS = 25;

interface Waiting {
  readonly command: RoomCommand;
  readonly expiresAtMs: number;
}

export class RoomCommands {
  readonly #deps: RoomCommandsDeps;
  #waiting: Waiting[] = [];
  readonly #underWay = new Map<string, AbortController>();

  constructor(deps: RoomCommandsDeps) {
    this.#deps = deps;
  }

  /** One result follows, sooner or later; main limits how many wait. */
  take(command: RoomCommand): void {
    this.#waiting.push({ command, expiresAtMs: this.#deps.clock.monotonicMs() + command.ttlMs });
    this.#next();
  }

  /** What has begun to write goes on; its result says which. */
  cancel(id: string): void {
    const at = this.#waiting.findIndex(({ command }) => command.id === id);
    if (at < 0) this.#underWay.get(id)?.abort(new CommandFailed("CANCELLED", "its caller called it off"));
    else {
      this.#waiting.splice(at, 1);
      this.#deps.done(failed(id, new CommandFailed("CANCELLED", "its caller called it off before it began")));
    }
  }

  #next(): void {
    while (this.#underWay.size < MAX_COMMANDS_UNDER_WAY) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      // One that had begun before is found out about, however late.
      const isLate = this.#deps.clock.monotonicMs() >= next.expiresAtMs;
      if (isLate && next.command.isRecovery !== true) {
        const why = "its time to live ended while it waited for its turn at the source";
        this.#deps.done(failed(next.command.id, new CommandFailed("EXPIRED", why)));
      } else void this.#run(next.command);
    }
  }

  async #run(command: RoomCommand): Promise<void> {
    const { clock, kinds, logger, done } = this.#deps;
    const { id, kind } = command;
    const end = new AbortController();
    this.#underWay.set(id, end);
    const limitMs = TIME_MS[kind];
    const cancelTimer = clock.setTimer(limitMs, () =>
      end.abort(new CommandFailed("TIMEOUT", `the source did not answer within ${limitMs / 1_000} s`)),
    );
    let result: CommandResult;
    try {
      const run = kinds[kind];
      if (run === undefined)
        throw new CommandFailed("UNKNOWN_COMMAND", `this connection knows no command of kind ${kind}`);
      const answer = await run(command, end.signal);
      result = isResult(answer) ? answer : succeeded(id, answer);
    } catch (error) {
      if (!(error instanceof MillraceError))
        logger.error({ kind, command: id }, `a command failed: ${messageOf(error)}`);
      result = failed(id, reasonOf(error, end.signal));
    } finally {
      cancelTimer();
      this.#underWay.delete(id);
    }
    done(result);
    this.#next();
  }
}

/**
 * Runs a command's work on the open source; the signal ends with its time, its caller, or the session at the source.
 * @throws CommandFailed, ConnectorError
 */
export async function atSource<T>(
  { clock, standing }: StandingDeps,
  { ttlMs }: Pick<RoomCommand, "ttlMs">,
  signal: AbortSignal,
  work: (source: OpenSource, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const untilMs = clock.monotonicMs() + Math.min(ttlMs, MAX_OPENING_MS);
  let { source, trouble } = standing();
  // It has not failed: it is being opened, and a command that comes with the agent's start waits for it.
  while (source === undefined && trouble === undefined && !signal.aborted && clock.monotonicMs() < untilMs) {
    await sleep(clock, LOOK_EVERY_MS, signal);
    ({ source, trouble } = standing());
  }
  if (source === undefined) throw notOpen(trouble);
  return await source.use(() => work(source, AbortSignal.any([signal, source.signal])));
}

function notOpen(trouble: Trouble | undefined): CommandFailed {
  const code =
    trouble?.status === "reauthorization_required" ? "REAUTHORIZATION_REQUIRED" : "SYSTEM_UNREACHABLE";
  return new CommandFailed(code, `the source is not open: ${trouble?.reason ?? "it is being opened"}`);
}

/** A driver that was cut off fails in its own words; what cut it off says why. */
function reasonOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && !(error instanceof CommandFailed) ? signal.reason : error;
}

function isResult(answer: object): answer is CommandResult {
  return "type" in answer && answer.type === "command_result";
}
