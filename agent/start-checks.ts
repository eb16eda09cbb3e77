// What is held against the last start, for the security log: the configuration, what it releases, the audit trail.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { AgentConfig, ConnectionSettings } from "#agent/core/agent-config.ts";
import { ChainCheck } from "#agent/core/commands/audit-chain.ts";
import type { CommandJournal } from "#agent/core/commands/journal.ts";
import { personalFields, protectedAs, UNPROTECTED } from "#agent/core/mapping/protection.ts";
import type { SecurityEvents } from "#agent/core/security-events.ts";
import type { AgentDatabase } from "#agent/platform/agent-database.ts";
import { AgentDatabaseError } from "#agent/platform/agent-database.ts";
import { sha256 } from "#agent/platform/command-journal.ts";
import { checkInstallation } from "#agent/platform/installation-check.ts";
import { VERSION } from "#agent/platform/version.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";

/** In agent.db, scope `agent`. */
const CONFIG_FACT = "config-sha256";
const RELEASED_FACT = "released-fields";
/** Read at once; in between others have their turn. */
const AUDIT_PAGE = 500;

export interface StartCheckDeps {
  readonly config: AgentConfig;
  readonly database: AgentDatabase;
  readonly events: SecurityEvents;
  readonly logger: Logger;
}

/** At once, before anything is read or sent. */
export function noteStart({ config, database, events, logger }: StartCheckDeps): void {
  const hash = hashOf(config.file);
  events.note("agent_started", { version: VERSION, config: config.file, config_sha256: hash });
  const before = database.fact("agent", CONFIG_FACT);
  if (before !== undefined && before !== hash)
    events.note("configuration_changed", { config: config.file, before_sha256: before, config_sha256: hash });
  const known = JSON.parse(database.fact("agent", RELEASED_FACT) ?? "{}") as Record<string, string[]>;
  const released = Object.fromEntries(config.connections.map((each) => [each.name, releasedOf(each)]));
  for (const [connection, fields] of Object.entries(released)) {
    const fresh = fields.filter((field) => known[connection]?.includes(field) !== true);
    if (fresh.length === 0) continue;
    const isAll = fresh.length === personalFields().length;
    events.note("personal_data_released", { connection, fields: isAll ? "*" : fresh.join(" ") });
  }
  try {
    if (before !== hash) database.setFact("agent", CONFIG_FACT, hash);
    database.setFact("agent", RELEASED_FACT, JSON.stringify(released));
  } catch (error) {
    if (!(error instanceof AgentDatabaseError)) throw error;
    logger.error({}, error.message);
  }
}

/** In pieces, beside everything else; ends early with the signal. */
export async function checkAuditTrail(
  journal: CommandJournal,
  events: SecurityEvents,
  signal: AbortSignal,
): Promise<void> {
  const { anchor, head } = journal.auditBounds();
  const check = new ChainCheck(anchor, sha256);
  let after = anchor.seq;
  while (after < head.seq && check.problem === undefined) {
    const page = journal.audit(after, AUDIT_PAGE).filter(({ seq }) => seq <= head.seq);
    for (const entry of page) check.take(entry);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.seq;
    await turn();
    if (signal.aborted) return;
  }
  check.end(head);
  // Its oldest entries may have gone while this looked.
  if (journal.auditBounds().anchor.seq !== anchor.seq) return;
  if (check.problem !== undefined) events.note("audit_chain_broken", { problem: check.problem });
}

/** Beside everything else: it reads the whole installation. Nothing in a checkout. */
export async function checkInstalledFiles(
  manifestFile: string,
  events: SecurityEvents,
  logger: Logger,
): Promise<void> {
  const problem = await alteration(manifestFile);
  if (problem !== undefined) events.note("installation_altered", { folder: dirname(manifestFile), problem });
  else logger.info({}, "the installed files are those of the signed manifest");
}

/** The first thing that is wrong, and how many more there are. */
async function alteration(manifestFile: string): Promise<string | undefined> {
  try {
    const { signature, changed, missing, extra } = await checkInstallation(manifestFile, undefined);
    const found = [
      ...(signature === "good" ? [] : [`the manifest's signature is ${signature}`]),
      ...changed.map((path) => `${path} was changed`),
      ...missing.map((path) => `${path} is missing`),
      ...extra.map((path) => `${path} does not belong there`),
    ];
    return found.length > 1 ? `${found[0]}, and ${found.length - 1} more` : found[0];
  } catch (error) {
    return messageOf(error);
  }
}

/** Fields that name people and leave as they are. */
function releasedOf({ protection = UNPROTECTED }: ConnectionSettings): string[] {
  return personalFields().filter((field) => {
    const [entity = "", ...path] = field.split(".");
    return protectedAs(protection, entity, path.join(".")) === undefined;
  });
}

/** Of the bytes as they are now; a file that is gone by now has none. */
function hashOf(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch {
    return "";
  }
}
