// Which way of following changes fits a table: what the pack names, what the administrator allows, and why.
import type { StrategyReport } from "#agent/core/source/connector.ts";
import { quoteTable, tableLabel } from "#agent/core/sql/dialect.ts";
import { describeStrategy } from "#agent/core/sql/strategy-report.ts";
import type { ChildShape, EntityShape, TableShape } from "#agent/core/sql/table-shape.ts";
import { hasLong, joinColumns, keyColumns } from "#agent/core/sql/statements.ts";
import { isWallClock } from "#agent/core/sql/timestamps.ts";
import type { TableTraits } from "./catalogue.ts";
import type { OracleSettings } from "./definition.ts";
import { ORACLE_DIALECT } from "./dialect.ts";
import { grant, quotedUser } from "./failures.ts";
import type { FeedKind } from "./feeds.ts";
import type { ScnSource } from "./scn.ts";

/** What was found out about one table when the connection opened. */
export interface TableRights extends TableTraits {
  /** FLASHBACK on the table: its past states may be read. */
  readonly canFlashback: boolean;
}

export interface ChoiceContext {
  readonly settings: OracleSettings;
  readonly scn: ScnSource | undefined;
  readonly rights: (shape: TableShape) => TableRights;
  /** Said where local times are read and the server's clock is in another zone than the connection. */
  readonly clockHint: string | undefined;
}

/** Undefined: the pack's marker, or nothing at all. */
export function chooseFeed(
  shape: EntityShape,
  child: ChildShape | undefined,
  context: ChoiceContext,
): FeedKind | undefined {
  const { settings, scn } = context;
  if (settings.changes === "marker" || scn === undefined) return undefined;
  const table = child ?? shape;
  const rights = context.rights(table);
  if (!rights.isTable) return undefined;
  const possible = possibleFeeds(table, child, rights);
  const wanted = possible.find((kind) => kind === settings.changes);
  if (wanted !== undefined) return wanted;
  if (possible.includes("mview_log")) return "mview_log";
  if (table.marker !== undefined) return undefined;
  // A scan at each poll is no more than what a table without marker costs anyway; lines of an entity with a marker are spared it.
  const isSpared = child !== undefined && shape.marker !== undefined;
  return isSpared ? undefined : possible[0];
}

/** The best first. */
function possibleFeeds(
  table: TableShape,
  child: ChildShape | undefined,
  { log, canFlashback }: TableRights,
): readonly FeedKind[] {
  const named = child === undefined ? keyColumns(table as EntityShape) : joinColumns(child);
  const isLogFit =
    log !== undefined &&
    log.users === 0 &&
    ["XID$$", "DMLTYPE$$", ...named.map(({ name }) => name)].every((name) => log.columns.includes(name));
  return [
    ...(isLogFit ? (["mview_log"] as const) : []),
    ...(canFlashback ? (["flashback"] as const) : []),
    "rowscn",
  ];
}

/** For preview, status and log: how, why, and what the administrator could allow. */
export function describeChoice(shape: EntityShape, context: ChoiceContext): StrategyReport {
  const feed = chooseFeed(shape, undefined, context);
  const rights = context.rights(shape);
  const table = tableLabel(shape.facts.table);
  const base = describeStrategy(shape, {
    timestamp: (overlapMs) =>
      shape.facts.hasHorizon
        ? `the database's change numbers (${numbersOf(rights)}) tell which rows are new, so commits up to ${overlapMs / 60_000} min late are found.`
        : `rows within ${overlapMs / 1000} s of the newest are read again (${noNumbers(rights)}).`,
    counter: shape.facts.hasHorizon
      ? `the database's change numbers (${numbersOf(rights)}) tell which rows are new; commits out of order are found, at the price of a scan.`
      : `${noNumbers(rights)}: a counter that commits out of order is seen by the next full pass only.`,
  });
  const hints = advise(shape, feed, context);
  const childHints = base.advice === undefined || feed !== undefined ? [] : [base.advice];
  // Wrong times are worse than slow polls.
  const advice = [...clockHints(shape, context), ...childHints, ...hints].join(" ");
  const shared = advice === "" ? {} : { advice };
  if (feed === undefined) {
    const { entity, strategy, reason, deletes } = base;
    return { entity, strategy, reason, deletes, ...shared };
  }
  return { entity: shape.plan.entity, ...WORDS[feed](table, rights), ...shared };
}

type Words = Pick<StrategyReport, "strategy" | "reason" | "deletes">;

const WORDS: Readonly<Record<FeedKind, (table: string, rights: TableRights) => Words>> = {
  mview_log: (table, { log }) => ({
    strategy: `mview_log ${log?.table.name ?? ""}`,
    reason: `${table} has a materialized view log that this user may read and nobody else empties; it is only read, never purged. Direct-path loads and TRUNCATE do not stand in it and are found by the daily full pass.`,
    deletes: "feed",
  }),
  flashback: (table) => ({
    strategy: "flashback",
    reason: `this user may read the past of ${table} (FLASHBACK): each poll asks for the versions since the last one, deletes included, as far as undo reaches. Each poll scans the table on the server; TRUNCATE is found by the daily full pass.`,
    deletes: "feed",
  }),
  rowscn: (table, rights) => ({
    strategy: "rowscn",
    reason: `${table} has no marker in the pack; ORA_ROWSCN tells which rows changed (${numbersOf(rights)}). Each poll scans the table on the server and gives out only these.`,
    deletes: "keys",
  }),
};

function numbersOf({ hasRowNumbers }: TableRights): string {
  return hasRowNumbers
    ? "ROWDEPENDENCIES: for each row"
    : "for each block: neighbours of a changed row are read as well";
}

function noNumbers({ isTable }: TableRights): string {
  return isTable ? "this user may not ask for change numbers" : "a view has no change numbers";
}

function clockHints({ marker }: EntityShape, { clockHint }: ChoiceContext): readonly string[] {
  const isLocal = marker?.strategy.kind === "timestamp" && isWallClock(marker.strategy.format);
  return isLocal && clockHint !== undefined ? [clockHint] : [];
}

/** A snapshot of one instant wants the right on all of an entity's tables. */
function flashbackHints(
  shape: EntityShape,
  feed: FeedKind | undefined,
  { settings, rights }: ChoiceContext,
): readonly string[] {
  const tables: readonly TableShape[] = [shape, ...shape.children];
  const isPossible = tables.every((table) => rights(table).isTable && !hasLong(table.select));
  const gains = [
    ...(isPossible ? ["a first snapshot of one instant"] : []),
    ...(feed === "rowscn" ? ["deletes at each poll"] : []),
  ];
  const wanted = (isPossible ? tables : [shape]).filter((table) => !rights(table).canFlashback);
  if (gains.length === 0 || wanted.length === 0) return [];
  const grants = wanted.map(({ facts }) => {
    const table = quoteTable(ORACLE_DIALECT, facts.table);
    return grant("FLASHBACK", table, settings.user);
  });
  return [`${[...new Set(grants)].join(" ")} gives ${gains.join(", and ")}.`];
}

function advise(shape: EntityShape, feed: FeedKind | undefined, context: ChoiceContext): readonly string[] {
  const { settings, scn } = context;
  const rights = context.rights(shape);
  const table = quoteTable(ORACLE_DIALECT, shape.facts.table);
  const user = quotedUser(settings.user);
  if (!rights.isTable) return [];
  const hints: string[] = [];
  if (feed !== settings.changes && settings.changes !== "auto" && settings.changes !== "marker") {
    hints.push(`changes: ${settings.changes} is not possible for ${table}.`);
  }
  if (scn === undefined)
    hints.push(`GRANT EXECUTE ON SYS.DBMS_FLASHBACK TO ${user}; makes late commits visible.`);
  else if (scn.betterGrant !== undefined) {
    hints.push(
      `${scn.betterGrant} TO ${user}; gives exact change numbers instead of ones that are 10 s behind.`,
    );
  }
  hints.push(...flashbackHints(shape, feed, context));
  if (rights.log !== undefined && rights.log.users > 0) {
    hints.push(
      `The log ${rights.log.table.name} is not used: ${rights.log.users} materialized view(s) empty it when they refresh.`,
    );
  }
  if (feed === "rowscn" || (feed === undefined && shape.marker === undefined)) {
    hints.push(
      `CREATE MATERIALIZED VIEW LOG ON ${table} WITH PRIMARY KEY; and GRANT SELECT on it would spare the scans and tell deletes (it grows until an administrator trims it).`,
    );
  }
  return hints;
}
