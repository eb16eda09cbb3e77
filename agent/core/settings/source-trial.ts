// Tries a mapping at the source before it takes effect: are its tables and columns there, and do their values fit?
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import { mappedRow, type CompiledPack, type MapperContext } from "../mapping/mapping.ts";
import type { Connector, SourceRow } from "../source/connector.ts";
import { pointerTo, type SettingsProblem } from "./judge.ts";

/** Rows of each entity that are mapped for a trial. */
const SAMPLE_ROWS = 50;

export interface TrialDeps {
  readonly document: ConnectionSettingsDocument;
  readonly pack: CompiledPack;
  /** One over the pack's plans, not opened yet. */
  readonly connect: () => Connector;
  readonly context: Omit<MapperContext, "keyRules">;
  readonly signal: AbortSignal;
}

/** Undefined: the source cannot be asked now. */
export async function trySettings(deps: TrialDeps): Promise<readonly SettingsProblem[] | undefined> {
  const touched = touchedEntities(deps.document);
  // What is read, and how often, is no matter of the source.
  if (touched.size === 0) return [];
  try {
    await using connector = deps.connect();
    await connector.open(deps.signal);
    const problems: SettingsProblem[] = [];
    for (const entity of touched) problems.push(...(await tryEntity(entity, connector, deps)));
    return problems;
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return error.kind === "misconfigured" ? namedProblems(deps.document, messageOf(error)) : undefined;
  }
}

function touchedEntities(document: ConnectionSettingsDocument): ReadonlySet<string> {
  const { remap = {}, custom_fields: fields = {}, custom_entities: customs = [] } = document;
  return new Set([...Object.keys(remap), ...Object.keys(fields), ...customs.map(({ entity }) => entity)]);
}

async function tryEntity(
  entity: string,
  connector: Connector,
  { document, pack, context, signal }: TrialDeps,
): Promise<readonly SettingsProblem[]> {
  const compiled = pack.entities.find(({ plan }) => plan.entity === entity);
  if (compiled === undefined) return [];
  const known = new Set(pack.entities.map(({ plan }) => plan.entity));
  const keyRules = (name: string): ReturnType<Connector["keyRules"]> =>
    known.has(name) ? connector.keyRules(name) : [];
  const map = compiled.mapper({ ...context, keyRules });
  const rows = await sample(entity, connector, signal);
  const rejected = rows.flatMap((row) => {
    const mapped = mappedRow(row, map);
    return mapped.ok ? [] : [`${mapped.code}: ${mapped.detail}`];
  });
  const [first] = rejected;
  if (first === undefined || rejected.length * 2 <= rows.length) return [];
  const counted = `${rejected.length} of ${rows.length} rows could not be read so, e.g. ${first}`;
  const named = Object.entries(document.remap?.[entity] ?? {}).filter(([, { column }]) =>
    rejected.some((text) => mentions(text, column)),
  );
  if (named.length > 0)
    return named.map(([field]) => ({ pointer: pointerTo("remap", entity, field), detail: counted }));
  const at = (document.custom_entities ?? []).findIndex((one) => one.entity === entity);
  return [{ pointer: at < 0 ? "" : pointerTo("custom_entities", at), detail: `${entity}: ${counted}` }];
}

async function sample(
  entity: string,
  connector: Connector,
  signal: AbortSignal,
): Promise<readonly SourceRow[]> {
  const request = { entity, pass: "snapshot", after: undefined, maxRows: SAMPLE_ROWS, signal } as const;
  for await (const { rows } of connector.read(request)) if (rows.length > 0) return rows;
  return [];
}

/** The catalogue's verdict names tables and columns; who wished for one of these is told at its place. */
function namedProblems(document: ConnectionSettingsDocument, message: string): readonly SettingsProblem[] {
  const problems: SettingsProblem[] = [];
  const look = (name: string, ...place: readonly (string | number)[]): void => {
    if (mentions(message, name)) problems.push({ pointer: pointerTo(...place), detail: message });
  };
  for (const [entity, columns] of Object.entries(document.custom_fields ?? {}))
    for (const [at, column] of columns.entries()) look(column, "custom_fields", entity, at);
  for (const [entity, fields] of Object.entries(document.remap ?? {}))
    for (const [field, { column }] of Object.entries(fields)) look(column, "remap", entity, field, "column");
  for (const [at, one] of (document.custom_entities ?? []).entries()) {
    const before = problems.length;
    for (const [part, column] of one.key.entries()) look(column, "custom_entities", at, "key", part);
    for (const [part, column] of (one.columns ?? []).entries())
      look(column, "custom_entities", at, "columns", part);
    if (one.changed_column !== undefined) look(one.changed_column, "custom_entities", at, "changed_column");
    if (problems.length === before) look(one.table, "custom_entities", at, "table");
  }
  return problems.length > 0 ? problems : [{ pointer: "", detail: message }];
}

function mentions(text: string, name: string): boolean {
  const at = text.toLowerCase().indexOf(name.toLowerCase());
  if (at < 0) return false;
  const isWord = (character: string | undefined): boolean =>
    character !== undefined && /[\p{L}\p{N}_]/u.test(character);
  return !isWord(text[at - 1]) && !isWord(text[at + name.length]);
}
