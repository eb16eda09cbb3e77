// A room's process: one connection with its own files, run by main over the fork's channel. Ends when main goes.
import { hash, randomBytes } from "node:crypto";
import { connectionPack } from "#agent/connection-pack.ts";
import { ConnectionJudge } from "#agent/connection-settings.ts";
import { loadConnector } from "#agent/connectors/registry.ts";
import { encodeBatch, type BatchDeps } from "#agent/core/room/batch-assembler.ts";
import { commandKinds } from "#agent/core/commands/command-kinds.ts";
import { ConnectionDescriber } from "#agent/core/commands/connection-describer.ts";
import type { DescriptionFacts } from "#agent/core/commands/describe-connection.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import { NOTHING_ALLOWED } from "#agent/core/commands/plant-policy.ts";
import { rawWriteSettings } from "#agent/core/sql/write-settings.ts";
import { CommandFailed } from "#agent/core/commands/command-failure.ts";
import { outsideWish } from "#agent/core/room/outside-wish.ts";
import { RoomCommands } from "#agent/core/commands/room-commands.ts";
import { WriteMarks } from "#agent/core/room/write-marks.ts";
import type { FromRoom, RoomBudget, RoomCommand, RoomConfig, ToRoom } from "#agent/core/room/messages.ts";
import { IntegrityRounds, type FileCheck } from "#agent/core/integrity-rounds.ts";
import { EgressTally } from "#agent/core/room/egress-tally.ts";
import { epochBatch, Room } from "#agent/core/room/room.ts";
import type { RoomStore } from "#agent/core/room/room-store.ts";
import { StorageCorruptError, StorageFullError } from "#agent/core/room/storage-errors.ts";
import { SpaceKeeper } from "#agent/core/room/space-keeper.ts";
import type { Connector } from "#agent/core/source/connector.ts";
import { hiddenIssues } from "#agent/core/mapping/hidden.ts";
import type { CompiledPack } from "#agent/core/mapping/mapping.ts";
import { checkIntegrity } from "#agent/outbox/integrity-check.ts";
import { RoomFiles } from "#agent/outbox/room-files.ts";
import { SqliteRoomStore } from "#agent/outbox/sqlite-room-store.ts";
import { lockDataDir } from "#agent/platform/instance-lock.ts";
import { fieldProtection } from "#agent/platform/pseudonyms.ts";
import { endWithParent } from "#agent/platform/parent-watch.ts";
import { batchCodec, type BatchCodec } from "#common/contract/batch.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError, messageOf } from "#common/runtime/errors.ts";
import type { LogFields, Logger } from "#common/runtime/logger.ts";

/** Small tables are compared row by row at each reconcile; larger ones by keys, and row by row once a day. */
const FULL_RECONCILE_ROWS = 20_000;
const MAINTAIN_EVERY_MS = 5_000;
const MAINTAIN_AGAIN_MS = 50;
const MAX_EARLY_WISHES = 100;
const CHECK_SLOT = "maintenance/integrity";

const releases = new Map<string, () => void>();
let room: Room | undefined;
let commands: RoomCommands | undefined;
/** Absent while connector and pack are being loaded. */
let settingsJudge: ConnectionJudge | undefined;
/** Commands that came while the connector and the pack were being loaded. */
const earlyCommands: RoomCommand[] = [];
/** An operator's wishes that came while the connector and the pack were being loaded. */
const early: (ToRoom & { type: "operate" })[] = [];
let space: SpaceKeeper | undefined;
let integrity: IntegrityRounds | undefined;
const stopping = new AbortController();
let changes = 0;
const egress = new EgressTally();

endWithParent();
process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToRoom) => {
  try {
    take(message);
  } catch (error) {
    // An operator's wish could not be written down; everything else is a bug and ends the process.
    if (!(error instanceof StorageFullError)) throw error;
    log("error", {}, error.message);
  }
});

/** Counts what goes out. */
const codec: BatchCodec = {
  decode: (blob) => batchCodec.decode(blob),
  encode: (header, body) => {
    changes += header.entries;
    return batchCodec.encode(header, body);
  },
};

function take(message: ToRoom): void {
  switch (message.type) {
    case "start":
      start(message.config, message.budget).catch(fail);
      break;
    case "budget":
      if (space !== undefined) space.budget = message.budget;
      room?.wake();
      break;
    case "acked":
      room?.acked(message.epoch, message.seq);
      break;
    case "new_epoch":
      room?.newEpoch(message.reason);
      break;
    case "file_released":
      releases.get(message.file)?.();
      break;
    case "rejected":
      log(
        "warn",
        { entity: message.entity, key: message.key },
        `the relay refused a record: ${message.code} ${message.detail}`,
      );
      break;
    case "operate":
      if (room !== undefined) room.operate(message.action, message.entity);
      else if (early.length < MAX_EARLY_WISHES) early.push(message);
      break;
    case "command":
      if (commands === undefined) earlyCommands.push(message.command);
      else commands.take(message.command);
      break;
    case "judge":
      judgeWish(message.revision, message.document).catch(fail);
      break;
    case "command_cancel":
      commands?.cancel(message.id);
      break;
    case "stop":
      stopping.abort();
      break;
  }
}

async function start(config: RoomConfig, budget: RoomBudget): Promise<void> {
  beat(config.heartbeatMs);
  // A room of an earlier main that still hangs in native code must not write beside this one.
  lockDataDir(config.roomDir);
  const definition = await loadConnector(config.connector);
  const settings = definition.parseConfig(config.settings);
  if (!settings.ok) throw new ConfigError(`settings of connection ${config.connection}`, settings.issues);
  const { connection, pack: packName, packSettings } = config;
  const plantPack = await connectionPack(connection, packName, definition, packSettings, settings.value);
  const hidden = hiddenIssues(plantPack, config.hidden);
  if (hidden.length > 0) throw new ConfigError(`connection ${config.connection}`, hidden);
  const protection = config.protection && fieldProtection(config.protection, config.pseudonymKey);
  const judge = new ConnectionJudge({
    config,
    protection,
    definition,
    pack: plantPack,
    connect: (pack) => connectTo(pack),
  });
  settingsJudge = judge;
  const pack = packInEffect(config, judge) ?? plantPack;
  const logger = roomLogger({});
  const batch: BatchDeps = {
    codec,
    nowMs: () => systemClock.nowMs(),
    randomId: () => randomBytes(8).toString("hex"),
    mappingVersion: pack.mappingVersion,
  };
  const files = new RoomFiles({
    dir: config.roomDir,
    newId: batch.randomId,
    beginBatch: ({ detail }) => epochBatch(batch, "corruption", systemClock.nowMs(), detail),
    emptyBatch: () => encodeBatch(batch, "records", 0, ""),
    releaseFile,
    logger,
  });
  const keeper = new SpaceKeeper({ policy: config.telemetryPolicy, codec, nowMs: batch.nowMs }, budget);
  space = keeper;
  const connectTo = (wanted: CompiledPack): Connector =>
    definition.create(settings.value, {
      connection: config.connection,
      plans: wanted.entities.map(({ plan }) => plan),
      timeZone: config.timeZone,
      clock: systemClock,
      logger,
      dataDir: config.roomDir,
    });
  const connect = (): Connector => connectTo(pack);
  const write = rawWriteSettings(config.settings);
  const policy = config.allow ?? NOTHING_ALLOWED;
  const { connectionId, connector, hidden: hiddenNames } = config;
  const facts: DescriptionFacts = {
    connectionId,
    connector,
    pack,
    hidden: hiddenNames,
    policy,
    isWritable: write.isAllowed,
    hasCommandLog: write.commandLog !== undefined,
  };
  const tell = (description: ConnectionDescription): void => send({ type: "description", description });
  const shortHash = (text: string): string => hash("sha256", text, "base64url").slice(0, 22);
  const marks = new WriteMarks({ clock: systemClock, hash: shortHash });
  const describer = new ConnectionDescriber({ facts, tell, logger });
  const made = new Room({
    settings: { ...config, protection, shape: definition.shape, fullReconcileRows: FULL_RECONCILE_ROWS },
    pack,
    connect,
    storage: files,
    clock: systemClock,
    random: Math.random,
    randomId: batch.randomId,
    hash: shortHash,
    marks,
    batch,
    allowance: (store) => keeper.allowance(store),
    keepBelowBytes: () => keeper.keepBelowBytes(),
    opened: (store, reason) => {
      if (!(store instanceof SqliteRoomStore)) return;
      store.wal.budget(keeper.budget.outboxBytes);
      send({ type: "opened", file: store.file, epoch: store.position().epoch, reason });
      tellCheck(lastCheck(store));
    },
    committed: (store) => committed(store, keeper),
    reported: (report) => {
      send({ type: "report", report });
      describer.reported(report);
    },
    sourceOpened: (source) => describer.opened(source),
    ...(config.overlay === undefined ? {} : { mapped: tellMapped }),
    sent: (entity, bytes, rawBytes) => egress.add(entity, bytes, rawBytes),
    logger,
  });
  room = made;
  for (const { action, entity } of early.splice(0)) made.operate(action, entity);
  commands = new RoomCommands({
    clock: systemClock,
    logger,
    kinds: commandKinds({
      clock: systemClock,
      connect,
      policy,
      writing: {
        timeZone: config.timeZone,
        nowMs: batch.nowMs,
        hasCommandLog: facts.hasCommandLog,
        written: (entity) => void setImmediate(() => made.runner?.nudge(entity)), // the answer goes first
        marks,
      },
      standing: () => ({ source: made.runner?.source, trouble: made.runner?.trouble }),
      operate: (body, traceparent) => {
        const { runner } = made;
        if (runner === undefined)
          throw new CommandFailed("SYSTEM_UNREACHABLE", "the connection's files are not open yet");
        const names = pack.entities.map(({ plan }) => plan.entity);
        return outsideWish(runner, body, names, traceparent);
      },
    }),
    done: (result) => send({ type: "command_result", result }),
  });
  for (const command of earlyCommands.splice(0)) commands.take(command);
  const rounds = new IntegrityRounds({
    check: checkIntegrity,
    nowMs: batch.nowMs,
    random: Math.random,
    logger,
  });
  integrity = rounds;
  maintain(made, rounds);
  await made.run(stopping.signal);
  files.close();
  tellEgress();
  send({ type: "stopped" });
  process.disconnect();
}

/** The pack with what the relay has set; undefined: the plant's own holds, because nothing is set or it does not fit any more. */
function packInEffect({ overlay }: RoomConfig, judge: ConnectionJudge): CompiledPack | undefined {
  if (overlay === undefined) return undefined;
  const judgement = judge.judge(overlay);
  if (judgement.ok) return judgement.pack;
  send({ type: "settings_outdated", problems: judgement.problems });
  return undefined;
}

async function judgeWish(revision: number, document: unknown): Promise<void> {
  const problems = await settingsJudge?.try(document, stopping.signal);
  send({ type: "judged", revision, ...(problems === undefined ? {} : { problems }) });
}

let hasMapped = false;
function tellMapped(accepted: number, rejected: number): void {
  if (!hasMapped) send({ type: "mapped", accepted, rejected });
  hasMapped ||= accepted > 0;
}

/** Gives space back and checks known records in rounds, a little at a time. */
function maintain(current: Room, rounds: IntegrityRounds): void {
  const { store } = current;
  let hasMore = false;
  try {
    if (store instanceof SqliteRoomStore) {
      if (space !== undefined) store.wal.budget(space.budget.outboxBytes);
      hasMore = store.maintain(announced === maintainedAt);
      checkWeekly(current, store, rounds);
    }
  } catch (error) {
    current.failed(error);
  }
  maintainedAt = announced;
  setTimeout(() => maintain(current, rounds), hasMore ? MAINTAIN_AGAIN_MS : MAINTAIN_EVERY_MS);
}

/** The file says itself when it was last checked: a new epoch's is new. */
function checkWeekly(current: Room, store: SqliteRoomStore, rounds: IntegrityRounds): void {
  const { file } = store;
  rounds.look({
    file,
    last: lastCheck(store),
    keep: (check) => {
      // Another file is in its place by now; a damaged one is about to be.
      const isKept = current.store === store && (check.detail === "ok" || check.detail === "");
      if (isKept) store.commit({ cursors: [{ slot: CHECK_SLOT, cursor: { ...check } }] });
      tellCheck(check);
    },
    damaged: (detail) => {
      if (current.store !== store) return;
      current.failed(new StorageCorruptError(`room file ${file}: the weekly check says ${detail}`));
    },
  });
}

function lastCheck(store: SqliteRoomStore): FileCheck | undefined {
  return store.cursor(CHECK_SLOT) as unknown as FileCheck | undefined;
}

function tellCheck(check: FileCheck | undefined): void {
  if (check !== undefined && check.detail !== "") send({ type: "file_checked", check });
}

let announced = "";
/** What was announced when `maintain` last looked: the same means idle. */
let maintainedAt = "";

function committed(store: RoomStore, keeper: SpaceKeeper): void {
  keeper.afterCommit(store);
  const { epoch, nextSeq } = store.position();
  const position = `${epoch}/${nextSeq}`;
  if (position === announced) return;
  announced = position;
  send({ type: "committed", epoch, nextSeq });
}

/** Main closes its handle first: a file must not be moved under a reader. */
async function releaseFile(file: string): Promise<void> {
  await integrity?.settled();
  await new Promise<void>((resolve) => {
    releases.set(file, () => {
      releases.delete(file);
      resolve();
    });
    send({ type: "release_file", file });
  });
}

function beat(everyMs: number): void {
  const { rss, heapUsed } = process.memoryUsage();
  const usage = room?.store?.usage() ?? { outboxBytes: 0, knownBytes: 0 };
  send({ type: "heartbeat", rssBytes: rss, heapBytes: heapUsed, ...usage, changes });
  tellEgress();
  setTimeout(() => beat(everyMs), everyMs);
}

function tellEgress(): void {
  const counts = egress.take();
  if (counts.length > 0) send({ type: "egress", counts });
}

/** What the configuration can mend is said and waited for; anything else is a bug, and a fresh process helps best. */
function fail(error: unknown): void {
  if (error instanceof ConfigError) {
    send({ type: "misconfigured", message: error.message });
    return;
  }
  throw error;
}

function send(message: FromRoom): void {
  if (process.connected) process.send?.(message);
}

function log(level: "debug" | "info" | "warn" | "error", fields: LogFields, message: string): void {
  send({ type: "log", level, fields, message });
}

function roomLogger(own: LogFields): Logger {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (fields: LogFields, message: string): void =>
      log(level, plain({ ...own, ...fields }), message);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => roomLogger({ ...own, ...fields }),
  };
}

/** Errors do not survive the channel; their message is what the log needs. */
function plain(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? messageOf(value) : value]),
  );
}
