// `egress`: what has left the plant, field by field; read beside the running agent or without it.
import type { EgressEntry, EgressField } from "#agent/core/egress.ts";
import { MillraceError } from "#common/runtime/errors.ts";
import { CONFIG_OPTION, EXIT_OK, type Command } from "./command.ts";

export const egressCommand: Command = {
  name: "egress",
  summary: "Say what has left the plant: entities, fields, rows, bytes.",
  details:
    "By connection and entity: how many records were handed out for the relay (new or changed ones; a record counts each time), about how many bytes of JSON, and which fields they had, with those that left masked or as pseudonyms. A field counts with all records of its entity, also where it was empty. Answers to live reads and named queries, and telemetry, are not counted. Kept for 400 days.",
  options: {
    since: { type: "string", value: "<day>", description: "Only from this day (UTC) on, 2026-05-04." },
    json: { type: "boolean", description: "Print JSON, one day and entity a line." },
    config: CONFIG_OPTION,
  },
  positionals: [],
  examples: ["millrace-agent egress", "millrace-agent egress --since 2026-05-04 --json"],
  run: async (args, context) => {
    const since = dayOf(args.text("since"));
    const { config } = context.loadConfig(args.text("config"));
    using database = context.openExistingDatabase(config.dataDir);
    const entries = database?.egress.since(since) ?? [];
    if (args.has("json")) for (const entry of entries) context.out(`${JSON.stringify(entry)}\n`);
    else context.out(textOf(entries));
    return EXIT_OK;
  },
};

/** @throws MillraceError */
function dayOf(text: string | undefined): string {
  if (text === undefined) return "";
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new MillraceError(`--since ${text} is no day; e.g. 2026-05-04`);
  return new Date(atMs).toISOString().slice(0, 10);
}

interface Sum {
  readonly title: string;
  readonly fields: ReadonlyMap<string, EgressField>;
  readonly rows: number;
  readonly bytes: number;
  readonly rawBytes: number;
  readonly from: string;
  readonly to: string;
}

function textOf(entries: readonly EgressEntry[]): string {
  if (entries.length === 0) return "Nothing has left the plant in this time.\n";
  const sums = new Map<string, Sum>();
  for (const entry of entries) {
    const title = `${entry.connection}  ${entry.entity}`;
    sums.set(title, added(sums.get(title), title, entry));
  }
  return [...sums.values()].map(sumText).join("");
}

function added(known: Sum | undefined, title: string, entry: EgressEntry): Sum {
  const fields = new Map(known?.fields);
  for (const one of entry.fields) fields.set(`${one.field} ${one.as ?? ""}`, one);
  return {
    title,
    fields,
    rows: (known?.rows ?? 0) + entry.rows,
    bytes: (known?.bytes ?? 0) + entry.bytes,
    rawBytes: (known?.rawBytes ?? 0) + entry.rawBytes,
    from: known?.from ?? entry.day,
    to: entry.day,
  };
}

function sumText({ title, fields, rows, bytes, rawBytes, from, to }: Sum): string {
  const raw = rawBytes === 0 ? "" : `, and ${rawBytes} bytes of source rows`;
  const names = (as: EgressField["as"]): string =>
    fields
      .values()
      .filter((one) => one.as === as)
      .map(({ field }) => field)
      .toArray()
      .join(", ");
  const lines = [
    `${title}  ${from} to ${to}: ${rows} records, ${bytes} bytes${raw}`,
    ...([undefined, "pseudonymised", "masked"] as const).flatMap((as) =>
      names(as) === "" ? [] : [`    ${as ?? "as they are"}: ${names(as)}`],
    ),
  ];
  return `${lines.join("\n")}\n`;
}
