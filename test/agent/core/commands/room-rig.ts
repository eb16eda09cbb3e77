// A room's commands over one table in memory: a connector that a test steers, an open source, and a clock.
import type { CommandResult } from "#common/contract/messages.ts";
import type { CommandKind, OperateBody } from "#common/contract/commands.ts";
import { commandKinds } from "#agent/core/commands/command-kinds.ts";
import { NOTHING_ALLOWED, type PlantPolicy } from "#agent/core/commands/plant-policy.ts";
import { RoomCommands } from "#agent/core/commands/room-commands.ts";
import { SourceLoad } from "#agent/core/load/source-load.ts";
import type { CompiledPack, CompiledWrite } from "#agent/core/mapping/mapping.ts";
import type { RoomCommand } from "#agent/core/room/messages.ts";
import { OpenSource } from "#agent/core/room/open-source.ts";
import type { Trouble } from "#agent/core/room/room-report.ts";
import type { ReadRequest, SourceBatch } from "#agent/core/source/connector.ts";
import type { QueryRequest, QueryResult } from "#agent/core/source/query.ts";
import type { WriteOutcome, WriteRequest } from "#agent/core/source/write.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { recordingLogger } from "#test/support/recording-logger.ts";
import type { WishRefusal } from "#agent/core/room/outside-wish.ts";
import { WriteMarks } from "#agent/core/room/write-marks.ts";
import { hashOf, TableConnector, TestTable, testPack } from "../room/harness.ts";

const UPDATE: CompiledWrite = {
  operation: "update",
  form: "update",
  fields: [{ name: "name", isRequired: true, type: "text", maxLength: 10 }],
  encode: ({ values }) =>
    typeof values["name"] === "string"
      ? { ok: true, values: { T: values["name"] } }
      : { ok: false, problems: [{ field: "lines[0].name", message: "is required" }] },
};

class SteeredConnector extends TableConnector {
  write?: (request: WriteRequest) => Promise<WriteOutcome>;
  query?: (request: QueryRequest) => Promise<QueryResult>;
  /** Called before each point read. */
  onRead: (request: ReadRequest) => Promise<void> = async () => {};
  isClosed = false;

  override async *read(request: ReadRequest): AsyncGenerator<SourceBatch> {
    await this.onRead(request);
    if (!request.signal.aborted) yield* super.read(request);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}

export class RoomRig {
  readonly clock = new FakeClock();
  readonly table = new TestTable();
  readonly logger = recordingLogger();
  readonly results: CommandResult[] = [];
  readonly written: string[] = [];
  readonly marks = new WriteMarks({ clock: this.clock, hash: hashOf });
  readonly connector = new SteeredConnector(this.table);
  readonly session = new AbortController();
  source: OpenSource | undefined;
  trouble: Trouble | undefined;
  refusal: WishRefusal | undefined;
  readonly operated: OperateBody[] = [];
  readonly commands: RoomCommands;
  #ids = 0;

  constructor({
    policy = NOTHING_ALLOWED,
    hasCommandLog = false,
  }: { policy?: PlantPolicy; hasCommandLog?: boolean } = {}) {
    const { clock } = this;
    this.source = new OpenSource({
      connector: this.connector,
      load: new SourceLoad({}, "UTC", clock),
      pack: writable(testPack()),
      context: { connectionId: "c1", timeZone: "UTC", raw: false, hidden: [] },
      signal: this.session.signal,
    });
    this.commands = new RoomCommands({
      clock,
      logger: this.logger,
      done: (result) => this.results.push(result),
      kinds: commandKinds({
        clock,
        policy,
        connect: () => new SteeredConnector(this.table),
        standing: () => ({ source: this.source, trouble: this.trouble }),
        writing: {
          timeZone: "UTC",
          nowMs: () => clock.nowMs(),
          hasCommandLog,
          written: (entity) => this.written.push(entity),
          marks: this.marks,
        },
        operate: (body) => {
          this.operated.push(body);
          return this.refusal;
        },
      }),
    });
  }

  take(kind: CommandKind, body: object, more: Partial<RoomCommand> = {}): string {
    this.#ids += 1;
    const id = `cmd_${this.#ids}`;
    this.commands.take({ id, kind, body, ttlMs: 60_000, ...more });
    return more.id ?? id;
  }

  /** Takes it, lets everything happen that can, and gives its result. */
  async ask(
    kind: CommandKind,
    body: object,
    more: Partial<RoomCommand> = {},
  ): Promise<CommandResult | undefined> {
    const id = this.take(kind, body, more);
    await this.settle();
    return this.resultOf(id);
  }

  /** Time passes in small steps, so that whoever looks again and again does so. */
  async pass(ms: number): Promise<void> {
    for (let done = 0; done < ms; done += 50) {
      this.clock.advance(50);
      await this.settle();
    }
  }

  resultOf(id: string): CommandResult | undefined {
    return this.results.find(({ command_id }) => command_id === id);
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1)
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
  }
}

function writable(pack: CompiledPack): CompiledPack {
  return {
    ...pack,
    entities: pack.entities.map((entity) => Object.assign({}, entity, { writes: [UPDATE] })),
  };
}
