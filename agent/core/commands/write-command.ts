// One write at the source: encoded by the pack, carried out by the connector, answered in the unified model's words.
import type { WriteAnswer, WriteBody } from "#common/contract/commands.ts";
import type { CommandResult } from "#common/contract/messages.ts";
import { ConnectorError, MillraceError, messageOf } from "#common/runtime/errors.ts";
import { didYouMean } from "#common/runtime/nearest-match.ts";
import { mappedRow, type CompiledWrite } from "../mapping/mapping.ts";
import type { RoomCommand } from "../room/messages.ts";
import type { OpenEntity, OpenSource } from "../room/open-source.ts";
import type { SourceKey, SourceRow } from "../source/connector.ts";
import type { RefusalCode, WriteOutcome, WritePlan, WriteRequest } from "../source/write.ts";
import type { WriteMarks, WrittenState } from "../room/write-marks.ts";
import { canonicalKey } from "../source/key-rules.ts";
import { CommandFailed, fitsWire, succeeded, unknownOutcome } from "./command-failure.ts";
import { entityNamed, parsedKey, pointRows, recordOf } from "./read-command.ts";

export interface WriteSettings {
  /** IANA zone of local wall-clock columns. */
  readonly timeZone: string;
  readonly nowMs: () => number;
  /** Whether the source keeps a log of commands, by which a repeated one is known. */
  readonly hasCommandLog: boolean;
  /** The entity has been written: its change is looked for at once. */
  readonly written: (entity: string) => void;
  /** What writes leave, so that their changes name them. */
  readonly marks: WriteMarks;
}

/** A write, held against its pack. */
interface Job {
  readonly entity: OpenEntity;
  readonly write: CompiledWrite;
  readonly body: WriteBody;
  readonly request: WriteRequest;
  readonly traceparent: string | undefined;
}

const REFUSED: Readonly<Record<RefusalCode, "NOT_WRITABLE" | "INVALID_VALUES" | "REFUSED_BY_SOURCE">> = {
  NOT_WRITABLE: "NOT_WRITABLE",
  NO_VERSION: "INVALID_VALUES",
  CONSTRAINT: "REFUSED_BY_SOURCE",
  VALUE: "REFUSED_BY_SOURCE",
  REFUSED: "REFUSED_BY_SOURCE",
  NOT_ONE_ROW: "REFUSED_BY_SOURCE",
  COMMAND_REUSED: "REFUSED_BY_SOURCE",
};

/** @throws CommandFailed, ConnectorError; then the source was not touched */
export async function writeRecord(
  source: OpenSource,
  command: RoomCommand,
  settings: WriteSettings,
  signal: AbortSignal,
): Promise<CommandResult> {
  const job = jobOf(source, command, settings, signal);
  if (command.isCheck === true) return succeeded(command.id, undefined);
  if (command.isRecovery === true && !job.request.dryRun)
    return await recover(source, command, job, settings);
  return await attempt(source, job, settings);
}

/**
 * The process that had begun this command died. Where the source knows commands by their ids it tells whether this one was done,
 * and one that was not is done now, if there is still time. Elsewhere nobody knows: what is told is how the record stands.
 */
async function recover(
  source: OpenSource,
  { id, ttlMs }: RoomCommand,
  job: Job,
  settings: WriteSettings,
): Promise<CommandResult> {
  const { request, entity } = job;
  const plan = entity.compiled.plan.writes?.find(({ operation }) => operation === job.write.operation);
  if (!settings.hasCommandLog && !isKnownByCommand(plan)) {
    const detail =
      "the agent's process ended while this was being written; whether the source has it is not known";
    return unknownOutcome(id, detail, await standing(source, job));
  }
  const before = await marked(job, settings, () => carryOut(source, { ...request, dryRun: true }));
  if (before.status === "applied" && !before.isRepeat) {
    if (ttlMs > 0) return await attempt(source, job, settings);
    throw new CommandFailed(
      "EXPIRED",
      "the agent's process ended before it was carried out, and its time is over",
    );
  }
  settings.written(request.entity);
  return resultOf(job, before);
}

async function attempt(source: OpenSource, job: Job, settings: WriteSettings): Promise<CommandResult> {
  const outcome = await marked(job, settings, () => carryOut(source, job.request));
  if (outcome.status !== "rejected" && !job.request.dryRun) settings.written(job.request.entity);
  return resultOf(job, outcome);
}

/** The write, whose change may come while it is still being done. */
async function marked(
  job: Job,
  { marks }: WriteSettings,
  write: () => Promise<WriteOutcome>,
): Promise<WriteOutcome> {
  const { commandId: command_id, idempotencyKey, entity, key } = job.request;
  const { traceparent } = job;
  const cause = {
    command_id,
    ...(idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  const end = marks.begin(entity, key && canonicalKey(key, job.entity.target.keyRules), cause);
  let left: WrittenState | undefined;
  try {
    const outcome = await write();
    left = leftBehind(job, outcome);
    return outcome;
  } finally {
    end(left);
  }
}

/** Undefined: nothing was written, or it is not known what. */
function leftBehind(job: Job, outcome: WriteOutcome): WrittenState | undefined {
  const { key, operation } = job.request;
  const { compiled, target } = job.entity;
  if (outcome.status !== "applied" || (outcome.isDry && !outcome.isRepeat)) return undefined;
  if (outcome.row === undefined) {
    const form = compiled.plan.writes?.find((plan) => plan.operation === operation)?.form;
    const isGone = key !== undefined && form === "delete";
    return isGone ? { key: canonicalKey(key, target.keyRules), record: undefined } : undefined;
  }
  const mapped = mappedRow(outcome.row, target.map);
  if (!mapped.ok) return undefined;
  const record = mapped.isDeleted ? undefined : mapped.record;
  return { key: canonicalKey(outcome.row.key, target.keyRules), record };
}

/** @throws ConnectorError; then the source was not touched */
async function carryOut(source: OpenSource, request: WriteRequest): Promise<WriteOutcome> {
  const { connector, load } = source;
  const work = async (): Promise<WriteOutcome> => {
    try {
      return (
        (await connector.write?.(request)) ?? { status: "rejected", code: "NOT_WRITABLE", message: NO_WRITES }
      );
    } catch (error) {
      if (error instanceof ConnectorError) throw error;
      // A bug, and nobody knows how far it came.
      return { status: "unknown_outcome", message: `the write failed inside: ${messageOf(error)}` };
    }
  };
  const outcome = await load.once(request.signal, work, () => 1);
  if (outcome !== undefined) return outcome;
  throw new ConnectorError("unavailable", "the write was called off before it began");
}

const NO_WRITES = "this kind of source is never written to";

/** @throws CommandFailed naming every problem of the request */
function jobOf(source: OpenSource, command: RoomCommand, settings: WriteSettings, signal: AbortSignal): Job {
  const body = command.body as WriteBody;
  const entity = entityNamed(source, body.entity);
  const { writes = [] } = entity.compiled;
  const write = writes.find(({ operation }) => operation === body.operation);
  if (write === undefined) {
    const known = writes.map(({ operation }) => operation);
    const hint = didYouMean(body.operation, known) || `; there: ${known.join(", ") || "none"}`;
    throw new CommandFailed("NOT_WRITABLE", `the pack has no ${body.entity}.${body.operation}${hint}`);
  }
  const key: SourceKey | undefined = body.key === undefined ? undefined : parsedKey(entity, body.key);
  const { timeZone, nowMs } = settings;
  const encoded = write.encode(
    { key, values: body.values, commandId: command.id },
    { timeZone, nowMs: nowMs() },
  );
  if (!encoded.ok && encoded.isForbidden === true)
    throw new CommandFailed("NOT_ALLOWED", encoded.problems.map(({ message }) => message).join("; "));
  if (!encoded.ok) {
    const errors = encoded.problems.slice(0, 200).map(({ field, message }) => ({
      field: field.replaceAll(/\[(\d+)\]/g, ".$1").slice(0, 500),
      detail: message.slice(0, 2_000),
    }));
    const detail = errors.map((error) => `${error.field} ${error.detail}`.trim()).join("; ");
    throw new CommandFailed("INVALID_VALUES", detail, { errors });
  }
  const request: WriteRequest = {
    commandId: command.id,
    ...(body.idempotency_key === undefined ? {} : { idempotencyKey: body.idempotency_key }),
    entity: body.entity,
    operation: body.operation,
    key,
    values: encoded.values,
    ...(encoded.children === undefined ? {} : { children: encoded.children }),
    ...(body.if_version === undefined ? {} : { ifVersion: body.if_version }),
    dryRun: body.dry_run === true,
    signal,
  };
  return { entity, write, body, request, traceparent: command.traceparent };
}

function resultOf(job: Job, outcome: WriteOutcome): CommandResult {
  const { commandId: id, dryRun } = job.request;
  switch (outcome.status) {
    case "applied": {
      const { row, outputs, isRepeat, isPending } = outcome;
      const answer = {
        ...recordPart(job, row),
        ...(Object.keys(outputs).length === 0 ? {} : { outputs }),
        is_repeat: isRepeat,
        is_pending: isPending,
        is_dry: dryRun,
      };
      return fitted(id, answer);
    }
    case "conflict": {
      const detail = "the record is not as its caller knew it: somebody has changed it since";
      throw new CommandFailed("VERSION_CONFLICT", detail, {
        result: unchanged(recordPart(job, outcome.row)),
      });
    }
    case "not_found":
      throw new CommandFailed("NOT_FOUND", `the source has no ${job.request.entity} of this key (any more)`);
    case "rejected":
      throw new CommandFailed(REFUSED[outcome.code], outcome.message, { source_code: outcome.code });
    default:
      return unknownOutcome(id, outcome.message);
  }
}

/** It was written: an answer that is too large for the wire goes without its record. */
function fitted(id: string, answer: WriteAnswer): CommandResult {
  const { record: _record, outputs: _outputs, ...least } = answer;
  return succeeded(id, fitsWire(answer) ? answer : least);
}

/** The record, where the row is one; whatever is wrong with it, the write stands. */
function recordPart(
  { entity }: Job,
  row: SourceRow | undefined,
): Pick<WriteAnswer, "key" | "record" | "version"> {
  if (row === undefined) return {};
  try {
    const record = recordOf(entity, row, false);
    return record ?? {};
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return {};
  }
}

function unchanged(record: Pick<WriteAnswer, "key" | "record" | "version">): WriteAnswer {
  return { ...record, is_repeat: false, is_pending: false, is_dry: false };
}

async function standing(source: OpenSource, job: Job): Promise<WriteAnswer | undefined> {
  const { key, entity, signal } = job.request;
  if (key === undefined) return undefined;
  const [row] = await pointRows(source, entity, [key], signal);
  return unchanged(recordPart(job, row));
}

/** The product's own interface table holds the command's id. */
function isKnownByCommand(plan: WritePlan | undefined): boolean {
  return plan?.form === "interface_table" && plan.commandColumn !== undefined;
}
