// `audit`: the trail of the relay's commands, shown or proved to be whole; read beside the running agent or without it.
import { ChainCheck, type AuditEntry } from "#agent/core/commands/audit-chain.ts";
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
    "`audit show` prints every entry: who asked for what, what was decided, by whom it was approved, what came of it. `audit verify` goes through the chain of hashes and names the first entry that is not as it was written; it exits with 1 then. The head that it prints can be held against the one that the relay was told with the last results: a trail that was cut off and written anew has another.",
  options: {
    since: {
      type: "string",
      value: "<time>",
      description: "With show: only from this time on, 2026-05-04 or with T and a time.",
    },
    connection: { type: "string", value: "<name>", description: "With show: only those of one connection." },
    json: { type: "boolean", description: "Print JSON, one entry a line." },
    config: CONFIG_OPTION,
  },
  positionals: [{ name: "what", description: "show or verify", isRequired: true }],
  examples: [
    "millrace-agent audit verify",
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
  const { problem } = check;
  const count = check.head.seq - anchor.seq;
  if (args.has("json")) {
    const result = {
      ok: problem === undefined,
      entries: count,
      head: check.head,
      ...(problem === undefined ? {} : { problem }),
    };
    context.out(`${JSON.stringify(result)}\n`);
  } else if (problem === undefined)
    context.out(`The audit trail is whole: ${count} entries. Head: ${head.seq} ${head.hash}\n`);
  else context.err(`The audit trail was changed: ${problem}. What comes before it is as it was written.\n`);
  return problem === undefined ? EXIT_OK : EXIT_FAILURE;
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
