// `audit`: the trail of the relay's commands, shown or proved to be whole; read beside the running agent or without it.
import { lastRelayHead } from "#agent/core/commands/relay-heads.ts";
import { ChainCheck, type AuditEntry, type AuditHead } from "#agent/core/commands/audit-chain.ts";
import type { CommandJournal } from "#agent/core/commands/journal.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import {
  CONFIG_OPTION,
  EXIT_FAILURE,
  EXIT_OK,
  type Command,
  type CommandArguments,
  type CommandContext,
} from "./command.ts";

const PAGE = 1_000;

export const auditCommand: Command = {
  name: "audit",
  summary: "Show the audit trail of the relay's commands, or verify that nobody has changed it.",
  details:
    "`audit show` prints every entry: who asked for what, what was decided, by whom it was approved, what came of it. `audit verify` goes through the chain of hashes and names the first entry that is not as it was written; it exits with 1 then. The head that it prints can be held against what the relay keeps (`millrace-relay audit verify`): relay and plant write each other's newest entry into their trails, about every hour in which something was added, so that neither can be written anew unseen. With `--has <entry>:<hash>`, as the relay keeps it, `audit verify` also says whether this trail has, or had, that very entry.",
  options: {
    since: {
      type: "string",
      value: "<time>",
      description: "With show: only from this time on, 2026-05-04 or with T and a time.",
    },
    has: {
      type: "string",
      value: "<entry>:<hash>",
      description: "With verify: an entry that the trail must have, as the relay keeps it.",
    },
    connection: { type: "string", value: "<name>", description: "With show: only those of one connection." },
    json: { type: "boolean", description: "Print JSON, one entry a line." },
    config: CONFIG_OPTION,
  },
  positionals: [{ name: "what", description: "show or verify", isRequired: true }],
  examples: [
    "millrace-agent audit verify",
    "millrace-agent audit verify --has 1042:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "millrace-agent audit show --since 2026-05-04 --connection plant-erp",
  ],
  run: async (args, context) => {
    const [what] = args.positionals;
    if (what !== "show" && what !== "verify")
      throw new MillraceError("audit what? millrace-agent audit show, or audit verify");
    const { config } = context.loadConfig(args.text("config"));
    using database = context.openExistingDatabase(config.dataDir);
    if (database === undefined)
      throw new MillraceError(
        `${config.dataDir} holds no agent.db: this agent has never been enrolled or run`,
      );
    return what === "show" ? show(args, context, database.journal) : verify(args, context, database.journal);
  },
};

function show(args: CommandArguments, context: CommandContext, journal: CommandJournal): number {
  const since = sinceOf(args.text("since"));
  const connection = args.text("connection");
  for (const { text } of entriesOf(journal)) {
    const entry = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (since !== undefined && String(entry["at"]) < since) continue;
    if (connection !== undefined && entry["connection"] !== connection) continue;
    context.out(args.has("json") ? `${text}\n` : lineOf(entry));
  }
  return EXIT_OK;
}

function verify(args: CommandArguments, context: CommandContext, journal: CommandJournal): number {
  const { anchor, head } = journal.auditBounds();
  const check = new ChainCheck(anchor, (text) => context.sha256(text));
  for (const entry of entriesOf(journal)) check.take(entry);
  check.end(head);
  const wanted = wantedOf(args.text("has"));
  const problem = check.problem ?? absence(journal, anchor.seq, wanted);
  const relayHead = lastRelayHead(journal);
  const count = check.head.seq - anchor.seq;
  if (args.has("json")) {
    const result = {
      ok: problem === undefined,
      entries: count,
      head: check.head,
      relay_head: relayHead ?? null,
      ...(problem === undefined ? {} : { problem }),
    };
    context.out(`${JSON.stringify(result)}\n`);
  } else if (problem === undefined) {
    context.out(`The audit trail is whole: ${count} entries. Head: ${head.seq} ${head.hash}\n`);
    if (wanted !== undefined) context.out(`It has entry ${wanted.seq} as the relay keeps it.\n`);
    if (relayHead !== undefined)
      context.out(
        `The relay's trail of ${relayHead.workspaceId}, as heard at ${relayHead.at}: ${relayHead.seq} ${relayHead.hash}\n`,
      );
  } else if (check.problem === undefined) context.err(`${problem}\n`);
  else context.err(`The audit trail was changed: ${problem}. What comes before it is as it was written.\n`);
  return problem === undefined ? EXIT_OK : EXIT_FAILURE;
}

/** @throws MillraceError */
function wantedOf(text: string | undefined): AuditHead | undefined {
  if (text === undefined) return undefined;
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new MillraceError(`--has ${text} is not <entry>:<hash>; the hash has 64 hex digits`);
  return { seq: Number(seq), hash };
}

/** Undefined: the trail has the entry, or nobody asks. */
function absence(
  journal: CommandJournal,
  anchorSeq: number,
  wanted: AuditHead | undefined,
): string | undefined {
  if (wanted === undefined) return undefined;
  if (wanted.seq < anchorSeq)
    return `Entry ${wanted.seq} is older than what is kept, which begins after ${anchorSeq}: it cannot be compared.`;
  const { anchor } = journal.auditBounds();
  const entry = wanted.seq === anchor.seq ? anchor : journal.audit(wanted.seq - 1, 1)[0];
  if (entry?.seq === wanted.seq && entry.hash === wanted.hash) return undefined;
  return `This is not the trail that the relay has heard of: ${entry?.seq === wanted.seq ? `its entry ${wanted.seq} has another hash` : `it has no entry ${wanted.seq}`}.`;
}

function* entriesOf(journal: CommandJournal): Generator<AuditEntry> {
  let after = 0;
  for (;;) {
    const page = journal.audit(after, PAGE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.seq;
  }
}

/** ISO, so that it compares with what entries say. @throws MillraceError */
function sinceOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs))
    throw new MillraceError(`--since ${text} is no time; e.g. 2026-05-04 or 2026-05-04T06:00:00Z`);
  return new Date(atMs).toISOString();
}

/** One line: when, what, where, then whatever the entry says. */
function lineOf({ seq, at, event, connection, command, ...rest }: Readonly<Record<string, unknown>>): string {
  const more = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const line = [seq, at, event, connection, command, ...more]
    .filter((part) => part !== undefined && part !== "")
    .join("  ");
  return `${line.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�")}\n`;
}
