// Looks around in a source that nobody has documented: schemas, tables, columns or nodes, and which pack would fit.
import { packFit } from "#agent/core/mapping/pack-fit.ts";
import type { BrowseEntry, Connector } from "#agent/core/source/connector.ts";
import type { DiscoverRequest } from "#agent/commands/command.ts";
import { draftPack } from "#agent/discover-draft.ts";
import { draftPoints } from "#agent/discover-points.ts";
import { bundledPacks, loadPack } from "#agent/packs/load-pack.ts";
import { sourceAccess } from "#agent/source-access.ts";
import { MillraceError } from "#common/runtime/errors.ts";

/** Schemas whose tables are compared with the packs, at most. */
const MAX_SCHEMAS = 200;
/** A pack of which fewer tables are there is of another product. */
const MIN_FIT = 0.5;

/** @throws ConfigError, ConnectorError, MillraceError */
export async function discoverSource(request: DiscoverRequest): Promise<string> {
  const { connection, path, asJson, dataDir } = request;
  const access = await sourceAccess(connection, dataDir, request.signal);
  await using connector = access.connector([]);
  await connector.open(access.signal);
  if (request.draft !== undefined)
    return access.definition.shape === "tabular"
      ? await draftPack(request, connector, access.signal)
      : await draftPoints(connector, access.signal);
  const entries = await browse(connector, path, access.signal, connection.connector);
  if (asJson) return `${JSON.stringify(entries, undefined, 2)}\n`;
  const lines = listed(entries, path);
  if (path.length === 0 && access.definition.shape === "tabular") {
    const tables = await tableNames(connector, entries, access.signal);
    lines.push("", ...packLines(request, tables));
  }
  lines.push("", ...hints(request, entries));
  return `${lines.join("\n")}\n`;
}

async function browse(
  connector: Connector,
  path: readonly string[],
  signal: AbortSignal,
  type: string,
): Promise<readonly BrowseEntry[]> {
  if (connector.browse === undefined)
    throw new MillraceError(`the connector ${type} cannot look around; its README says what it reads`);
  return await connector.browse(path, signal);
}

async function tableNames(
  connector: Connector,
  entries: readonly BrowseEntry[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names = entries.filter(({ kind }) => kind === "table").map(({ name }) => name);
  for (const schema of entries.filter(({ kind }) => kind === "schema").slice(0, MAX_SCHEMAS)) {
    for (const { name } of (await connector.browse?.(schema.path, signal)) ?? []) names.push(name);
  }
  return names;
}

function listed(entries: readonly BrowseEntry[], path: readonly string[]): string[] {
  const where = path.length === 0 ? "" : ` in ${path.join(".")}`;
  if (entries.length === 0)
    return [`Nothing is to be seen${where}: look at its name, and at this user's rights.`];
  const width = Math.max(...entries.map(({ name }) => name.length));
  return entries.map(({ name, kind, detail }) => {
    const facts = Object.entries(detail).filter(([, value]) => value !== null && value !== false);
    const text = facts.map(([fact, value]) => (value === true ? fact : `${fact} ${value}`)).join(", ");
    return `${kind.padEnd(8)}  ${name.padEnd(width)}  ${text}`.trimEnd();
  });
}

function packLines({ connection }: DiscoverRequest, tables: readonly string[]): readonly string[] {
  const fits = bundledPacks().flatMap((name) => {
    const { connector, packSettings = {} } = connection;
    const loaded = loadPack(name, { connector, settings: packSettings });
    if (!loaded.ok) return [];
    const fit = packFit(
      loaded.pack.entities.map(({ plan }) => plan),
      tables,
    );
    return fit.found / fit.tables >= MIN_FIT ? [{ name, system: loaded.pack.system, ...fit }] : [];
  });
  if (fits.length === 0) return ["No bundled pack's tables are here; docs/packs.md tells how to write one."];
  const best = fits.toSorted((one, other) => other.found / other.tables - one.found / one.tables);
  return [
    "Packs whose tables are here:",
    ...best.map(({ name, system, found, tables: all }) => `  ${name} (${system}): ${found} of ${all} tables`),
  ];
}

function hints({ connection, path }: DiscoverRequest, entries: readonly BrowseEntry[]): readonly string[] {
  const inner = entries.find(({ kind }) => kind !== "column" && kind !== "variable" && kind !== "method");
  const command = `millrace-agent discover ${connection.name}`;
  if (inner !== undefined) return [`Further: ${command} ${inner.path.map(quoted).join(" ")}`];
  return path.length === 0 ? [] : [`Back: ${[command, ...path.slice(0, -1).map(quoted)].join(" ")}`];
}

function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `'${text}'`;
}
