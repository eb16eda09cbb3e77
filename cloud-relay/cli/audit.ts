// The audit trail on the command line: what was done, whether the trail is whole, and what this command line itself does.
import { verifyAudit } from "#relay/core/audit/audit-store.ts";
import { plantHeads } from "#relay/core/audit/head-exchange.ts";
import { findWorkspace } from "#relay/core/administration.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { instantOf } from "#relay/core/revisions.ts";
import { redactText } from "#relay/core/requests/redaction.ts";
import { table, type Action, type AdministrationContext, type CommandResult } from "./command-action.ts";
import type { FlagValues } from "./command-line.ts";

const LISTED = 50;
const MAX_LISTED = 1_000;
/** Commands that only look. */
const LOOKING = /(?:^| )(?:list|show|verify)$/;
/** Where the store is says nothing of what was done to it. */
const ASIDE = new Set(["data-dir", "config", "json"]);

export const AUDIT_ACTIONS: Readonly<Record<string, Action>> = {
  "audit list": auditList,
  "audit verify": auditVerify,
};

async function auditList(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const wanted = Number(values.text("limit") ?? LISTED);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_LISTED)
    throw new MillraceError(`--limit must be a whole number from 1 to ${MAX_LISTED}`);
  const entries = await context.store.audit.list(await trailOf(context, values), { limit: wanted });
  const rows = entries.map(({ number, atMs, actor, action, target }) => [
    String(number),
    instantOf(atMs),
    actor,
    action,
    Object.entries(target)
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
  ]);
  return { json: entries, lines: table(["NO", "AT", "ACTOR", "ACTION", "TARGET"], rows) };
}

/** @throws MillraceError when the trail is not as it was written */
async function auditVerify(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const trail = await trailOf(context, values);
  const { entries, brokenAt, head } = await verifyAudit(
    context.store.audit,
    trail,
    context.entropy.sha256Hex,
  );
  if (brokenAt !== undefined)
    throw new MillraceError(
      `the audit trail is broken: entry ${brokenAt} of ${entries} is not as it was written, or one before it is missing. Compare with a backup of the store`,
    );
  const wanted = values.text("has");
  if (wanted !== undefined) await requireEntry(context, trail, wanted);
  const plants = trail === undefined ? [] : await plantHeads(context.store.audit, trail);
  const rows = plants.map(({ agentId, seq, hash, atMs }) => [agentId, instantOf(atMs), `${seq}:${hash}`]);
  return {
    json: {
      entries,
      broken_at: null,
      head,
      plants: plants.map(({ agentId, seq, hash, atMs }) => ({
        agent: agentId,
        seq,
        hash,
        at: instantOf(atMs),
      })),
    },
    lines: [
      `${entries} entries, all as they were written`,
      `head ${head}`,
      ...(wanted === undefined ? [] : [`it has entry ${wanted}`]),
      ...(rows.length === 0 ? [] : table(["AGENT", "HEARD AT", "PLANT'S HEAD"], rows)),
    ],
  };
}

/** @throws MillraceError when the trail has another entry of that number, or none */
async function requireEntry(
  { store }: AdministrationContext,
  trail: string | undefined,
  wanted: string,
): Promise<void> {
  const [, text, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(wanted) ?? [];
  if (text === undefined)
    throw new MillraceError(`--has ${wanted} is not <entry>:<hash>; the hash has 64 hex digits`);
  const number = Number(text);
  const [entry] = await store.audit.list(trail, { below: number + 1, limit: 1 });
  if (entry?.number === number && entry.hash === hash) return;
  const what =
    entry?.number === number ? `its entry ${number} has another hash` : `it has no entry ${number}`;
  throw new MillraceError(`this is not the trail that the plant has heard of: ${what}`);
}

/** What this command line changed goes to the relay's own trail. */
export async function auditCommand(
  context: AdministrationContext,
  name: string,
  values: FlagValues,
): Promise<void> {
  if (LOOKING.test(name)) return;
  const flags = values.names().filter((flag) => !ASIDE.has(flag));
  const target = flags.map((flag) => [flag, redactText(values.all(flag).join(", "))] as const);
  const { argument } = values;
  await context.store.audit.append({
    workspaceId: undefined,
    atMs: context.nowMs(),
    actor: "command line",
    action: name,
    requestId: undefined,
    target: { ...(argument === undefined ? {} : { argument }), ...Object.fromEntries(target) },
    members: flags,
    digest: undefined,
  });
}

async function trailOf(context: AdministrationContext, values: FlagValues): Promise<string | undefined> {
  const workspace = values.text("workspace");
  return workspace === undefined ? undefined : (await findWorkspace(context.directory, workspace)).id;
}
