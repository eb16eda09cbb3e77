// Space for what the agent must keep, whether it can be written, and what waits in each connection's files.
import { randomBytes } from "node:crypto";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentConfig } from "#agent/core/agent-config.ts";
import type { AgentStatus } from "#agent/core/agent-status.ts";
import { PAUSE_AT, SLOW_POLL_AT, STOP_SNAPSHOTS_AT, splitBudget } from "#agent/core/room/budget.ts";
import { roomFacts, type RoomFacts } from "#agent/outbox/room-facts.ts";
import { measureSpace, type SpaceMeasure } from "#agent/platform/disk-space.ts";
import type { BoundConnection } from "#common/contract/messages.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { formatSize } from "#common/runtime/units.ts";
import { Checks, codeOf, systemWordsOf } from "./checks.ts";

/** Below this, little is left before the agent stops taking in. */
const LOW_BYTES = 256 * 1024 * 1024;
const PROBE_BYTES = 64 * 1024;
const WEEKS_WITHOUT_CHECK = 2;
const WEEK_MS = 7 * 24 * 3_600_000;

export interface DiskRequest {
  readonly config: AgentConfig;
  readonly bound: readonly BoundConnection[];
  readonly status: AgentStatus | undefined;
  /** Another account's files are not opened: SQLite would leave files of ours beside them. */
  readonly mayOpen: boolean;
  readonly nowMs: number;
}

export function diskChecks(request: DiskRequest): Checks {
  const { config, bound, status, mayOpen, nowMs } = request;
  const checks = new Checks();
  const { dataDir, space } = config;
  if (statSync(dataDir, { throwIfNoEntry: false }) === undefined) {
    checks.skipped("space", `${dataDir} does not exist yet`);
    return checks;
  }
  let measured: SpaceMeasure;
  try {
    measured = measureSpace(dataDir, space.totalBytes);
  } catch (error) {
    checks.failed("space", `${dataDir} cannot be measured: ${systemWordsOf(error)}`, [
      "Run doctor as the account that the agent runs under.",
    ]);
    return checks;
  }
  spaceCheck(checks, measured, dataDir, space.totalBytes !== undefined);
  writable(checks, dataDir);
  const rooms = bound.filter(({ name }) => config.connections.some((one) => one.name === name));
  if (!mayOpen && rooms.length > 0)
    checks.skipped(
      "buffers",
      "the room files belong to another account: run doctor as that account to look into them",
    );
  else
    for (const room of rooms) bufferCheck(checks, room, { ...request, measured, rooms: rooms.length, nowMs });
  if (status?.checks !== undefined) fileChecks(checks, status.checks);
  return checks;
}

function spaceCheck(
  checks: Checks,
  { totalBytes, usedBytes, freeDiskBytes, volumeFull }: SpaceMeasure,
  dataDir: string,
  isSet: boolean,
): void {
  const quota = `${formatSize(usedBytes)} of ${formatSize(totalBytes)} (space.total${isSet ? "" : ", by itself"}) used`;
  const text = `${dataDir}: ${formatSize(freeDiskBytes)} free on the disk; ${quota}`;
  if (volumeFull)
    checks.failed("space", `${text}: THE DISK IS FULL, nothing new is read`, [
      "Free space on this volume; the agent goes on by itself.",
    ]);
  else if (freeDiskBytes < LOW_BYTES)
    checks.warning("space", `${text}: little is left`, [
      "Free space on this volume: below 64 MiB nothing new is read.",
    ]);
  else if (usedBytes > totalBytes * STOP_SNAPSHOTS_AT)
    checks.warning("space", text, ["Mend the way to the relay so that it drains, or raise space.total."]);
  else if (totalBytes - usedBytes > freeDiskBytes)
    checks.warning("space", `${text}: the disk is fuller than space.total needs`, [
      "Free space, or lower space.total.",
    ]);
  else checks.ok("space", text);
}

function writable(checks: Checks, dataDir: string): void {
  const file = join(dataDir, `.doctor-${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(file, randomBytes(PROBE_BYTES), { mode: 0o600, flag: "wx", flush: true });
    checks.ok("writable", `${formatSize(PROBE_BYTES)} written to ${dataDir}, synced, and removed`);
  } catch (error) {
    const code = codeOf(error);
    checks.failed("writable", `writing to ${dataDir}: ${systemWordsOf(error)}`, [
      code === "ENOSPC" || code === "EDQUOT"
        ? "Free space on this volume, or raise this account's quota."
        : code === "EROFS"
          ? "The file system is mounted read-only: look at the machine's log for why."
          : "Run doctor as the account that the agent runs under, or give it the folder.",
    ]);
  } finally {
    rmSync(file, { force: true });
  }
}

function bufferCheck(
  checks: Checks,
  { id, name }: BoundConnection,
  {
    config,
    status,
    measured,
    rooms,
    nowMs,
  }: DiskRequest & { readonly measured: SpaceMeasure; readonly rooms: number },
): void {
  const check = `buffer:${name}`;
  let facts: RoomFacts | undefined;
  try {
    facts = roomFacts(join(config.dataDir, "rooms", id));
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    checks.failed(check, error.message, [
      "The agent repairs a damaged file by itself when it runs; what could not be saved becomes a gap. Look at the disk.",
    ]);
    return;
  }
  if (facts === undefined) {
    checks.ok(check, `${name}: nothing read yet`);
    return;
  }
  const room = status?.connections.find((one) => one.name === name)?.room;
  const share = shareOf(facts, room?.outboxBytes, measured, rooms);
  const checked =
    facts.checked === undefined
      ? "not checked yet"
      : `checked on ${dayOf(facts.checked.atMs)}: ${facts.checked.detail}`;
  const text = `${name}: ${backlogText(facts, nowMs)}; ${formatSize(facts.bytes)} on disk, ${Math.round(share * 100)} % of its share; epoch ${facts.epoch} (${facts.reason}); ${checked}`;
  if (facts.checked !== undefined && facts.checked.detail !== "ok")
    checks.failed(check, text, [
      "Look at the disk; start the agent anew: it repairs the file by a new epoch.",
    ]);
  else if (share >= SLOW_POLL_AT) checks.warning(check, text, [stageWords(share)]);
  else if (facts.checked !== undefined && nowMs - facts.checked.atMs > WEEKS_WITHOUT_CHECK * WEEK_MS)
    checks.warning(check, text, [
      "The agent checks each file once a week while it runs: has it been stopped?",
    ]);
  else checks.ok(check, text);
}

function backlogText({ backlogBatches, backlogBytes, oldestUnsentMs }: RoomFacts, nowMs: number): string {
  if (backlogBatches === 0) return "nothing waits";
  const age = oldestUnsentMs === undefined ? "" : `, the oldest ${ageText(nowMs - oldestUnsentMs)} old`;
  return `${backlogBatches} batch${backlogBatches === 1 ? "" : "es"} (${formatSize(backlogBytes)}) wait for the relay${age}`;
}

/** In the unit in which people would say it. */
function ageText(ms: number): string {
  const minutes = Math.max(0, ms) / 60_000;
  if (minutes < 2) return `${Math.round(minutes * 60)} s`;
  if (minutes < 120) return `${Math.round(minutes)} min`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 60 / 24)} days`;
}

/** Of the space that the outbox of one connection gets. */
function shareOf(
  facts: RoomFacts,
  outboxBytes: number | undefined,
  measured: SpaceMeasure,
  rooms: number,
): number {
  const uses = Array.from({ length: rooms }, () => ({ outboxBytes: 0, knownBytes: 0 }));
  const [budget] = splitBudget(measured.totalBytes, uses, measured.volumeFull);
  return (outboxBytes ?? facts.backlogBytes) / Math.max(1, budget?.outboxBytes ?? 0);
}

function stageWords(share: number): string {
  const drain = "mend the way to the relay, it drains by itself; or raise space.total";
  if (share >= PAUSE_AT) return `The outbox is full: reading waits, telemetry leaves gaps: ${drain}.`;
  if (share >= STOP_SNAPSHOTS_AT) return `The outbox is almost full, snapshots wait: ${drain}.`;
  return `The outbox fills up, sources are asked less often: ${drain}.`;
}

function fileChecks(checks: Checks, found: AgentStatus["checks"]): void {
  for (const [name, { atMs, detail }] of Object.entries(found))
    if (detail !== "ok" && detail !== "")
      checks.failed("integrity", `${name}: the check of ${dayOf(atMs)} found: ${detail}`, [
        "See troubleshooting: damaged files.",
      ]);
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
