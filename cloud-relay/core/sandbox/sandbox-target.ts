// Answers commands in place of an agent: reads, queries and writes of sandbox connections.
import type {
  BrowseBody,
  CommandKind,
  OperateBody,
  QueryBody,
  ReadBody,
  WriteBody,
} from "#common/contract/commands.ts";
import { commandBodyProblem } from "#common/contract/checks.ts";
import { ENTITY_NAMES } from "#common/contract/model/entities.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { sleep, type Clock } from "#common/runtime/clock.ts";
import type { CommandCall, CommandTarget } from "../commands/command-target.ts";
import { plantStatus } from "../commands/command-problem.ts";
import { newId } from "../identifiers.ts";
import { Problem } from "../problem.ts";
import type { ConnectionRow, Reader } from "../store.ts";
import type { Entropy } from "../tokens.ts";
import { SandboxFailure } from "./command-failure.ts";
import type { HeldWrites } from "./held-writes.ts";
import type { RecordIdOf } from "./plant-book.ts";
import type { SandboxConditions } from "./sandbox-conditions.ts";
import { tableOf } from "./sandbox-product.ts";
import { runQuery } from "./sandbox-queries.ts";
import { SandboxSource } from "./sandbox-source.ts";
import { sprung } from "./sandbox-traps.ts";
import { imagine, offeredWrite, writtenRow } from "./sandbox-write.ts";

export interface SandboxTargetDeps {
  readonly clock: Clock;
  readonly reader: Reader;
  readonly recordId: RecordIdOf;
  readonly randomBytes: Entropy["randomBytes"];
  readonly conditions: SandboxConditions;
  readonly held: HeldWrites;
  /** Carries out what an operator could: sync, pause. */
  readonly operate: (connection: ConnectionRow, body: OperateBody) => Promise<void>;
}

type Ended = Omit<CommandResult, "type" | "command_id">;

const OFFLINE_RETRY_S = 5;
/** What opening the imagined source takes. */
const TEST_TOOK_MS = 12;

export class SandboxTarget implements CommandTarget {
  readonly #deps: SandboxTargetDeps;

  constructor(deps: SandboxTargetDeps) {
    this.#deps = deps;
  }

  async ask(call: CommandCall): Promise<CommandResult> {
    const { clock, randomBytes } = this.#deps;
    const id = call.commandId ?? newId("cmd", clock.nowMs(), randomBytes);
    const ended = await this.#ended(call, id).catch((error: unknown): Ended => {
      if (error instanceof SandboxFailure) return { outcome: "failed", ...error.failure };
      throw error;
    });
    return { type: "command_result", command_id: id, ...ended };
  }

  async #ended(call: CommandCall, id: string): Promise<Ended> {
    const { connection, kind, body, timeoutMs } = call;
    await this.#endure(connection, timeoutMs, call.signal);
    const problem = commandBodyProblem(kind, body);
    if (problem !== undefined)
      throw new SandboxFailure("UNKNOWN_COMMAND", `the body does not fit: ${problem}`);
    return this.#carriedOut(kind, call, id);
  }

  async #carriedOut(
    kind: CommandKind,
    { connection, body, timeoutMs }: CommandCall,
    id: string,
  ): Promise<Ended> {
    switch (kind) {
      case "read":
        return this.#read(connection, body as ReadBody);
      case "query":
        return this.#query(connection, body as QueryBody);
      case "write":
        return this.#write(connection, body as WriteBody, id, timeoutMs);
      case "browse":
        return { outcome: "succeeded", result: { entries: catalogue(body as BrowseBody) } };
      case "operate":
        await this.#deps.operate(connection, body as OperateBody);
        return { outcome: "succeeded" };
      case "test":
    }
    return { outcome: "succeeded", result: { took_ms: TEST_TOOK_MS } };
  }

  /** What the sandbox was told to be like. @throws Problem AGENT_OFFLINE, SOURCE_TIMEOUT; SandboxFailure */
  async #endure(
    connection: ConnectionRow,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { conditions, clock, randomBytes } = this.#deps;
    const { state, delayMs, errorRate } = conditions.of(connection.id);
    if (state === "agent_offline") throw agentOffline(connection);
    if (delayMs > 0) await sleep(clock, Math.min(delayMs, timeoutMs), signal);
    if (signal?.aborted === true)
      throw new Problem("CANCELLED", "The caller has gone before the answer came.");
    if (delayMs > timeoutMs) {
      throw new Problem("SOURCE_TIMEOUT", "The plant did not answer in time. Try again, or ask for less.");
    }
    if (state === "source_offline") {
      throw new SandboxFailure(
        "SYSTEM_UNREACHABLE",
        "The agent is there, but its source does not answer. Try again later.",
      );
    }
    if (state === "reauthorization_required") {
      throw new SandboxFailure("REAUTHORIZATION_REQUIRED", "The source refuses the agent's login.");
    }
    const [byte = 0] = randomBytes(1);
    if (byte / 256 < errorRate) {
      throw new SandboxFailure(
        "SYSTEM_UNREACHABLE",
        "The source failed, as this sandbox was told to (`error_rate`). Try again.",
      );
    }
  }

  async #read(connection: ConnectionRow, { entity, keys, raw = false }: ReadBody): Promise<Ended> {
    const source = this.#source(connection);
    const records = [];
    for (const key of keys) {
      const row = await source.byKey(entity, key);
      if (row === undefined) continue;
      const { record, version } = row;
      records.push({
        key,
        record,
        ...(raw && row.raw !== undefined ? { raw: row.raw } : {}),
        ...(version === undefined ? {} : { version }),
      });
    }
    return { outcome: "succeeded", result: { records } };
  }

  async #query(connection: ConnectionRow, body: QueryBody): Promise<Ended> {
    const source = this.#source(connection);
    const result = await runQuery(body, async (entity) =>
      (await source.all(entity)).map(({ record }) => record),
    );
    if (result !== undefined) return { outcome: "succeeded", result };
    throw new SandboxFailure(
      "NOT_ALLOWED",
      `The plant's file names no query ${body.query}. GET /v1/queries lists them.`,
    );
  }

  async #write(
    connection: ConnectionRow,
    body: WriteBody,
    commandId: string,
    timeoutMs: number,
  ): Promise<Ended> {
    const { clock, held } = this.#deps;
    const context = { source: this.#source(connection), body, commandId, nowMs: clock.nowMs() };
    const offer = offeredWrite(body);
    const row = await writtenRow(context);
    const trap = await sprung(body.key, row, (ms) => sleep(clock, Math.min(ms, timeoutMs)));
    if (trap !== undefined) return trap;
    if (body.dry_run !== true && offer.policy === "hold")
      await held.approval(commandId, connection.id, timeoutMs);
    if (body.dry_run !== true && offer.policy === "window") await held.window(commandId, timeoutMs);
    return { outcome: "succeeded", result: await imagine(context, offer, row) };
  }

  #source(connection: ConnectionRow): SandboxSource {
    return new SandboxSource(this.#deps.reader, this.#deps.recordId, connection);
  }
}

function catalogue({ path }: BrowseBody) {
  if (path.length > 0) return [];
  return ENTITY_NAMES.map((entity) => {
    const { name, key } = tableOf(entity);
    return { path: [name], name, kind: "table", detail: { key: [key], entity } };
  });
}

function agentOffline({ reason, advice }: ConnectionRow): Problem {
  return new Problem(
    "AGENT_OFFLINE",
    "The agent of this connection is not connected to the relay, so its source cannot be asked. Try again when it is back.",
    {
      connectionStatus: plantStatus({ state: "offline", reason, advice }),
      retryAfterSeconds: OFFLINE_RETRY_S,
    },
  );
}
