// A plant's side of writes in memory: a clock that is moved on, a room that a test plays, a relay that only listens.
import type { WriteBody } from "#common/contract/commands.ts";
import type { CommandResult, CommandState } from "#common/contract/messages.ts";
import { MemoryJournal } from "#agent/core/commands/memory-journal.ts";
import type { PlantConnection } from "#agent/core/commands/plant-commands.ts";
import { NOTHING_ALLOWED, type PlantPolicy } from "#agent/core/commands/plant-policy.ts";
import { WatchedJournal } from "#agent/core/commands/watched-journal.ts";
import { WriteDesk } from "#agent/core/commands/write-desk.ts";
import { NO_SECURITY_EVENTS, type SecurityEvents } from "#agent/core/security-events.ts";
import type { RoomCommand } from "#agent/core/room/messages.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";

export const POLICY: PlantPolicy = {
  ...NOTHING_ALLOWED,
  writesPerMinute: 5,
  writes: {
    work_order: {
      update: { mode: "apply", windows: [] },
      create: { mode: "hold", windows: [] },
      close: { mode: "apply", windows: ["06:00-18:00"] },
      cancel: { mode: "hold", windows: ["06:00-18:00"] },
      remove: { mode: "refuse", windows: [], reason: "never" },
    },
  },
};

export const HOUR_MS = 3_600_000;

export class DeskRig {
  readonly clock: FakeClock;
  readonly journal: MemoryJournal;
  readonly logger = recordingLogger();
  readonly told: (CommandResult | CommandState)[] = [];
  /** What the room was asked, oldest first. */
  readonly asked: RoomCommand[] = [];
  readonly cancelled: string[] = [];
  isRoomUp = true;
  isOnline = true;
  isDiskFull = false;
  connection: PlantConnection | undefined = { name: "plant", timeZone: "UTC", policy: POLICY };
  desk: WriteDesk;
  #ids = 0;

  /** With another rig's journal and clock: the agent's next process. One that was killed has done nothing at its end; its timers still run. */
  constructor(before?: DeskRig, isKilled = false, security: SecurityEvents = NO_SECURITY_EVENTS) {
    this.clock = before?.clock ?? new FakeClock();
    this.journal = before?.journal ?? new MemoryJournal(sha256);
    if (!isKilled) before?.desk.stop();
    this.desk = new WriteDesk({
      clock: this.clock,
      logger: this.logger,
      journal: new WatchedJournal(this.journal, security),
      sha256,
      connection: () => this.connection,
      isDiskFull: () => this.isDiskFull,
      answer: (answer) => {
        if (this.isOnline) this.told.push(answer);
        return this.isOnline;
      },
      toRoom: (_id, message) => {
        if (this.isRoomUp && message.type === "command") this.#toRoom(message.command);
        if (this.isRoomUp && message.type === "command_cancel") this.cancelled.push(message.id);
        return this.isRoomUp;
      },
    });
    this.desk.start();
  }

  /** A room takes whatever values it is asked about, unless a test plays it. */
  check: ((command: RoomCommand) => void) | undefined = ({ id }) => this.done(id);

  #toRoom(command: RoomCommand): void {
    if (command.isCheck === true) this.check?.(command);
    else this.asked.push(command);
  }

  /** Gives the command's id. */
  write(
    operation = "update",
    more: {
      readonly ttlMs?: number;
      readonly id?: string;
      readonly body?: Partial<WriteBody>;
      readonly traceparent?: string;
    } = {},
  ): string {
    this.#ids += 1;
    const { id = `cmd_${this.#ids}`, ttlMs = 60_000, body = {}, traceparent } = more;
    const whole = { entity: "work_order", operation, key: '["1"]', values: { title: "x" }, ...body };
    const command = {
      type: "command",
      command_id: id,
      connection_id: "c1",
      kind: "write",
      ttl_ms: ttlMs,
      body: whole,
      ...(traceparent === undefined ? {} : { traceparent }),
    } as const;
    if (this.connection !== undefined) this.desk.take(command, this.connection);
    return id;
  }

  /** The room has done it. */
  done(id: string, more: Partial<CommandResult> = {}): void {
    this.desk.answered({ type: "command_result", command_id: id, outcome: "succeeded", ...more });
  }

  results(id: string): readonly CommandResult[] {
    return this.told.filter(
      (answer): answer is CommandResult => answer.type === "command_result" && answer.command_id === id,
    );
  }

  /** States told of a command, in order. */
  states(id: string): readonly string[] {
    return this.told.flatMap((answer) =>
      answer.type === "command_state" && answer.command_id === id ? [answer.state] : [],
    );
  }

  /** Events of the audit trail, in short: `received cmd_1 apply`. */
  get trail(): readonly string[] {
    return this.journal.audit(0, 1_000).map(({ text }) => {
      const { event, command, decision, code, outcome, by } = JSON.parse(text) as Record<
        string,
        string | undefined
      >;
      return [event, command, decision ?? code ?? outcome ?? by]
        .filter((part) => part !== undefined)
        .join(" ");
    });
  }

  /** To an hour of the day, UTC. */
  toHour(hour: number): void {
    const now = this.clock.nowMs();
    const dayMs = 24 * HOUR_MS;
    const target = Math.floor(now / dayMs) * dayMs + hour * HOUR_MS;
    this.clock.advance(target > now ? target - now : target + dayMs - now);
  }
}
