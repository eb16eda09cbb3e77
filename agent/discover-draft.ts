// Says which bundled pack a source fits, column by column; where none does, drafts one that the pack compiler takes.
import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { DiscoverRequest } from "#agent/commands/command.ts";
import { draftEntities, type DraftEntity, type SourceTable } from "#agent/core/mapping/draft-pack.ts";
import { LINE_WORDS, plainName, TABLE_NAMES, wordsOf } from "#agent/core/mapping/draft-names.ts";
import { draftText } from "#agent/core/mapping/draft-text.ts";
import { packFit } from "#agent/core/mapping/pack-fit.ts";
import type { BrowseEntry, Connector } from "#agent/core/source/connector.ts";
import type { EntityPlan } from "#agent/core/source/plan.ts";
import { bundledPacks, loadPack, readPack } from "#agent/packs/load-pack.ts";
import { MillraceError, messageOf, type Issue } from "#common/runtime/errors.ts";

/** Schemas and tables that are looked through, at most; of tables with columns fewer: each is a question to the source. */
const MAX_SCHEMAS = 200;
const MAX_TABLES = 20_000;
const MAX_TABLES_WITH_COLUMNS = 400;
/** A pack of which fewer tables are there is of another product; of which as many columns are there, fits. */
const MIN_TABLES = 0.5;
const GOOD_COLUMNS = 0.8;
/** Missing names that are listed. */
const MAX_MISSING = 20;
/** Each round leaves out what the compiler did not take. */
const MAX_ROUNDS = 10;

interface Fit {
  readonly name: string;
  readonly system: string;
  readonly tables: number;
  readonly found: number;
  readonly columns: number;
  readonly columnsFound: number;
  readonly missing: readonly string[];
}

/** @throws ConnectorError; MillraceError when the file cannot be written */
export async function draftPack(
  request: DiscoverRequest,
  connector: Connector,
  signal: AbortSignal,
): Promise<string> {
  const source = new Source(connector, signal);
  const tables = await source.tables();
  if (tables.length === 0) return "Nothing is to be seen: look at this user's rights.\n";
  const fits = await bundledFits(request, source, tables);
  const best = fits[0];
  const lines = fits.flatMap(fitLines);
  if (best !== undefined && best.columnsFound / best.columns >= GOOD_COLUMNS)
    return `${[...lines, "", `Use it: pack: ${best.name}. No draft is made where a bundled pack fits.`].join("\n")}\n`;
  const drafted = await draft(request, source, tables);
  if (drafted === undefined) {
    const none =
      "No table is called as purchase orders, work orders, vendors or items mostly are: write the pack by hand (docs/packs.md).";
    return `${[...lines, none].join("\n")}\n`;
  }
  return `${[...lines, ...(lines.length === 0 ? [] : [""]), ...delivered(request, drafted)].join("\n")}\n`;
}

/** Asks each thing once. */
class Source {
  readonly #connector: Connector;
  readonly #signal: AbortSignal;
  readonly #columns = new Map<BrowseEntry, Promise<readonly BrowseEntry[]>>();
  asked = 0;

  constructor(connector: Connector, signal: AbortSignal) {
    this.#connector = connector;
    this.#signal = signal;
  }

  async tables(): Promise<readonly BrowseEntry[]> {
    const top = (await this.#browse([])) ?? [];
    const found = top.filter(({ kind }) => kind === "table");
    for (const schema of top.filter(({ kind }) => kind === "schema").slice(0, MAX_SCHEMAS)) {
      for (const table of await this.#browse(schema.path)) found.push(table);
      if (found.length > MAX_TABLES) break;
    }
    return found.slice(0, MAX_TABLES);
  }

  /** Undefined: enough has been asked. */
  async columns(table: BrowseEntry): Promise<readonly BrowseEntry[] | undefined> {
    let columns = this.#columns.get(table);
    if (columns === undefined) {
      if (this.asked >= MAX_TABLES_WITH_COLUMNS) return undefined;
      this.asked += 1;
      columns = this.#browse(table.path);
      this.#columns.set(table, columns);
    }
    return (await columns).filter(({ kind }) => kind === "column");
  }

  async #browse(path: readonly string[]): Promise<readonly BrowseEntry[]> {
    return (await this.#connector.browse?.(path, this.#signal)) ?? [];
  }
}

async function bundledFits(
  { connection }: DiscoverRequest,
  source: Source,
  tables: readonly BrowseEntry[],
): Promise<readonly Fit[]> {
  const names = tables.map(({ name }) => name);
  const fits: Fit[] = [];
  for (const name of bundledPacks()) {
    const { connector, packSettings = {} } = connection;
    const loaded = loadPack(name, { connector, settings: packSettings });
    if (!loaded.ok) continue;
    const plans = loaded.pack.entities.map(({ plan }) => plan);
    const { tables: wanted, found } = packFit(plans, names);
    if (found / wanted < MIN_TABLES) continue;
    const columns = await columnFit(plans, source, tables);
    fits.push({ name, system: loaded.pack.system, tables: wanted, found, ...columns });
  }
  return fits.toSorted((one, other) => other.columnsFound / other.columns - one.columnsFound / one.columns);
}

/** Of tables with plain names: those of companies are found by the connector alone. */
async function columnFit(
  plans: readonly EntityPlan[],
  source: Source,
  tables: readonly BrowseEntry[],
): Promise<Pick<Fit, "columns" | "columnsFound" | "missing">> {
  const byName = new Map(tables.map((table) => [table.name.toLowerCase(), table]));
  const missing = new Set<string>();
  let columns = 0;
  let columnsFound = 0;
  for (const { table, columns: wanted, named = [], optionalColumns = [], children } of plans) {
    const parts = [
      { table, wanted: [...wanted, ...named] },
      ...children.map((child) => ({ table: child.table, wanted: child.columns })),
    ];
    for (const part of parts) {
      const names = new Set(part.wanted.filter((name) => name !== "*" && !optionalColumns.includes(name)));
      const entry = part.table.company === undefined ? byName.get(part.table.name.toLowerCase()) : undefined;
      columns += names.size;
      if (entry === undefined) {
        missing.add(part.table.name);
        continue;
      }
      const there = new Set(((await source.columns(entry)) ?? []).map(({ name }) => name.toLowerCase()));
      for (const name of names)
        if (there.has(name.toLowerCase())) columnsFound += 1;
        else missing.add(`${part.table.name}.${name}`);
    }
  }
  return { columns: Math.max(1, columns), columnsFound, missing: [...missing] };
}

function fitLines({ name, system, tables, found, columns, columnsFound, missing }: Fit): readonly string[] {
  const share = Math.floor((columnsFound / columns) * 100);
  const more = missing.length - MAX_MISSING;
  return [
    `${name} (${system}): ${found} of ${tables} tables, ${share} % of its columns`,
    ...missing.slice(0, MAX_MISSING).map((one) => `  missing: ${one}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

interface Drafted {
  readonly text: string;
  readonly entities: readonly DraftEntity[];
  readonly left: ReadonlySet<string>;
}

async function draft(
  { connection }: DiscoverRequest,
  source: Source,
  tables: readonly BrowseEntry[],
): Promise<Drafted | undefined> {
  const known: SourceTable[] = [];
  for (const table of tables.filter(({ name }) => isCandidate(name))) {
    const columns = await source.columns(table);
    if (columns === undefined) break;
    known.push({
      schema: table.path.length > 1 ? table.path[0] : undefined,
      name: table.name,
      columns: columns.map(({ name, detail }) => ({
        name,
        type: String(detail["type"] ?? ""),
        isKey: detail["key"] === true,
      })),
    });
  }
  const entities = draftEntities(known).filter(({ key }) => key.length > 0);
  if (entities.length === 0) return undefined;
  const name = `${
    connection.name
      .toLowerCase()
      .replaceAll(/[^a-z\d]+/g, "-")
      .replace(/^[^a-z]+|-+$/g, "") || "draft"
  }-draft`;
  const about = { name: name.slice(0, 60), system: connection.name };
  const left = new Set<string>();
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const text = draftText(about, entities, left);
    const compiled = readPack(text, "draft.yaml", { connector: connection.connector, settings: {} });
    if (compiled.ok) return { text, entities, left };
    const before = left.size;
    for (const issue of compiled.issues) for (const field of fieldOf(issue)) left.add(field);
    if (left.size === before)
      throw new MillraceError(
        `the draft does not pass the pack compiler: ${compiled.issues.map(({ path, message }) => `${path}: ${message}`).join("; ")}`,
      );
  }
  throw new MillraceError("the draft does not pass the pack compiler");
}

/** `entities.vendor.fields.status.map` → `vendor.status`; of lines: `purchase_order.lines.status`. */
function fieldOf({ path }: Issue): readonly string[] {
  const own = /^entities\.(\w+)\.fields\.(\w+)/.exec(path);
  if (own !== null) return [`${own[1]}.${own[2]}`];
  const line = /^entities\.(\w+)\.children\.lines\.fields\.(\w+)/.exec(path);
  return line === null ? [] : [`${line[1]}.lines.${line[2]}`];
}

function isCandidate(name: string): boolean {
  const words = wordsOf(name);
  const whole = plainName(name);
  if (LINE_WORDS.test(words.at(-1) ?? "")) return true;
  return Object.values(TABLE_NAMES).some((names) =>
    Object.keys(names).some((known) => whole.includes(known)),
  );
}

function delivered(
  { draft: wanted, connection }: DiscoverRequest,
  { text, entities }: Drafted,
): readonly string[] {
  const file = wanted?.packOut;
  if (file === undefined) return ["No bundled pack fits. A draft of one:", "", text.trimEnd()];
  const path = resolve(file);
  if (existsSync(path)) throw new MillraceError(`${path} is there already; name another file by --pack-out`);
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o644 });
  } catch (error) {
    throw new MillraceError(`writing ${path} failed: ${messageOf(error)}; name another place by --pack-out`, {
      cause: error,
    });
  }
  const [first] = entities;
  return [
    `No bundled pack fits. A draft is in ${path}:`,
    ...entities.map(({ entity, table, score, fields, lines }) => {
      const rows = lines === undefined ? "" : `, lines from ${lines.table.name}`;
      return `  ${entity}: ${table.name} (${Math.round(score * 100)} % by its names), ${fields.length} fields${rows}`;
    }),
    "",
    "Nothing in it is known to be right: go through its CHECK marks, name it in the connection (pack: …), then look at real rows:",
    `  millrace-agent preview ${connection.name} ${first?.entity ?? "<entity>"}`,
  ];
}
