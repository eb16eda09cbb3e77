// Chooses how each table's changes are followed, by what the database offers and this login may use; and says what to ask for.
import type { StrategyReport } from "#agent/core/source/connector.ts";
import type { ChangeStrategy, EntityPlan } from "#agent/core/source/plan.ts";
import type { ChangeFeed } from "#agent/core/sql/change-feed.ts";
import { type ColumnFacts, quoteTable, type TableFacts, tableLabel } from "#agent/core/sql/dialect.ts";
import { describeStrategy } from "#agent/core/sql/strategy-report.ts";
import type { Catalogue, ChildShape, EntityShape } from "#agent/core/sql/table-shape.ts";
import type { Clock } from "#common/runtime/clock.ts";
import type { SqlServerCatalogue } from "./catalogue.ts";
import { changeTrackingFeed } from "./change-tracking.ts";
import { SQL_SERVER_DIALECT } from "./connection.ts";
import { dataCaptureFeed } from "./data-capture.ts";
import { askForSnapshots, type DatabaseFacts } from "./database-facts.ts";
import type { SqlServerSettings } from "./definition.ts";
import { quoteName, userOf } from "./grants.ts";

export interface ChoiceDeps {
  readonly database: DatabaseFacts;
  readonly catalogue: SqlServerCatalogue;
  readonly settings: SqlServerSettings;
  readonly clock: Clock;
}

/** A rowversion marks every write by itself: better than no marker, and than a time where an index leads to it. */
export function withRowversions(plan: EntityPlan, deps: ChoiceDeps): EntityPlan {
  const { catalogue, settings, database } = deps;
  if (settings.changes === "marker" || database.isReadOnlyCopy) return plan;
  const children = plan.children.map((child) => {
    const change = betterThan(child.change, catalogue, catalogue.table(child.table));
    return change === undefined ? child : Object.assign({}, child, { change });
  });
  const own = betterThan(plan.change, catalogue, catalogue.table(plan.table));
  // With a full scan of the parent every child is read anyway.
  return own === undefined || own.kind === "full_scan" ? plan : { ...plan, change: own, children };
}

function betterThan(
  change: ChangeStrategy | undefined,
  catalogue: SqlServerCatalogue,
  facts: ReturnType<Catalogue["table"]>,
): ChangeStrategy | undefined {
  const column = facts === undefined ? undefined : catalogue.extras(facts)?.rowversion;
  if (facts === undefined || column === undefined || change?.kind === "counter") return change;
  const isWorthIt = change?.kind !== "timestamp" || facts.indexLeads.includes(column);
  return isWorthIt ? { kind: "counter", column } : change;
}

/** The feed of an entity's table, or of a child's; undefined: the marker of the plan. */
export function feedOf(
  shape: EntityShape,
  child: ChildShape | undefined,
  deps: ChoiceDeps,
): ChangeFeed | undefined {
  if (deps.settings.changes === "marker") return undefined;
  return trackingOf(shape, child, deps) ?? captureOf(shape, child, deps);
}

/** Own table: the columns that a change gives are columns of the table; child: they become the parent's. */
function targetOf(
  shape: EntityShape,
  child: ChildShape | undefined,
): { readonly wanted: readonly ColumnFacts[]; readonly columns: readonly ColumnFacts[] } | undefined {
  if (child === undefined) return undefined;
  return {
    wanted: child.joinAt.map((at) => child.select[at]!),
    columns: child.parentAt.map((at) => shape.select[at]!),
  };
}

function trackingOf(
  shape: EntityShape,
  child: ChildShape | undefined,
  { database, catalogue, clock }: ChoiceDeps,
): ChangeFeed | undefined {
  const { facts } = child ?? shape;
  const extras = catalogue.extras(facts);
  if (extras === undefined || database.isReadOnlyCopy || !database.allowsSnapshots) return undefined;
  if (database.tracked.get(extras.objectId) !== true) return undefined;
  const primaryKey = columnsNamed(facts, extras.primaryKey);
  if (primaryKey === undefined || primaryKey.length === 0) return undefined;
  const target = targetOf(shape, child) ?? { wanted: primaryKey, columns: primaryKey };
  const keyAt = child === undefined ? keyPlaces(shape, primaryKey) : undefined;
  return changeTrackingFeed({ facts, primaryKey, ...target, keyAt }, clock);
}

function captureOf(
  shape: EntityShape,
  child: ChildShape | undefined,
  { database, catalogue, clock }: ChoiceDeps,
): ChangeFeed | undefined {
  const { facts } = child ?? shape;
  const id = catalogue.extras(facts)?.objectId ?? -1;
  const key = shape.keyAt.map((at) => shape.select[at]!);
  const target = targetOf(shape, child) ?? { wanted: key, columns: key };
  const capture = database.captures
    .get(id)
    ?.find(({ columns }) => target.wanted.every((column) => columns.includes(column.name)));
  if (capture === undefined) return undefined;
  const keyAt = child === undefined ? key.map((_, at) => at) : undefined;
  return dataCaptureFeed({ instance: capture.instance, ...target, keyAt }, clock);
}

function columnsNamed(facts: TableFacts, names: readonly string[]): readonly ColumnFacts[] | undefined {
  const columns = names.map((name) => facts.columns.find((column) => column.name === name));
  return columns.every((column) => column !== undefined) ? columns : undefined;
}

/** Where the plan's key stands in the primary key; undefined if deletes cannot be told from it. */
function keyPlaces(shape: EntityShape, primaryKey: readonly ColumnFacts[]): readonly number[] | undefined {
  const places = shape.keyAt.map((at) => primaryKey.indexOf(shape.select[at]!));
  const isWhole = primaryKey.every((column) => shape.select.includes(column));
  return isWhole && !places.includes(-1) ? places : undefined;
}

/** How an entity is read and why so, and what the administrator could make better. */
export function reportOf(shape: EntityShape, deps: ChoiceDeps): StrategyReport {
  const { database, catalogue } = deps;
  const feed = feedOf(shape, undefined, deps);
  const fed = new Set(shape.children.filter((child) => feedOf(shape, child, deps) !== undefined));
  const isRowversion =
    shape.marker !== undefined && shape.marker.column.name === catalogue.extras(shape.facts)?.rowversion;
  const warnings = warningsOf(deps.settings);
  const report = describeStrategy(shape, {
    feed: feed === undefined ? undefined : feedWords(feed, shape),
    fed,
    first: [
      ...(database.allowsSnapshots || database.isReadOnlyCopy ? [] : [askForSnapshots(database.name)]),
      ...adviceFor(shape, undefined, feed, deps),
      ...shape.children.flatMap((child) => adviceFor(shape, child, feedOf(shape, child, deps), deps)),
      ...trackingAdvice(shape, deps),
    ],
    timestamp: (overlapMs) =>
      `rows within ${overlapMs / 1000} s of the newest are read again, for commits that come late.`,
    counter: !isRowversion
      ? "a number that is not a rowversion may be committed out of order: such rows are seen by the next full pass only."
      : database.isReadOnlyCopy
        ? "this is a readable copy, which cannot say which transactions of the original are open: rows committed out of order are seen by the next full pass only."
        : "rows at or above MIN_ACTIVE_ROWVERSION() wait for their transactions to end, so late commits are not lost.",
  });
  return warnings.length === 0 ? report : { ...report, warning: warnings.join(" ") };
}

function feedWords(
  feed: ChangeFeed,
  shape: EntityShape,
): Pick<StrategyReport, "strategy" | "reason" | "deletes"> {
  const isCdc = feed.slot.startsWith("cdc ");
  const how = isCdc
    ? `CDC captures every write of ${tableLabel(shape.facts.table)} from the transaction log`
    : `Change Tracking notes every write of ${tableLabel(shape.facts.table)}`;
  const deletes =
    feed.keyAt === undefined
      ? "; its deletes name the primary key, which is not the pack's key, so they are found by comparing keys"
      : ", deletes included";
  return {
    strategy: isCdc ? feed.slot : "change_tracking",
    reason: `${how}${deletes}; changed rows are read as they are now.`,
    deletes: feed.keyAt === undefined ? "keys" : "feed",
  };
}

/** What keeps a table that is tracked from being followed so, and what a feed does not tell. */
function adviceFor(
  shape: EntityShape,
  child: ChildShape | undefined,
  feed: ChangeFeed | undefined,
  { database, catalogue, settings }: ChoiceDeps,
): readonly string[] {
  const { facts } = child ?? shape;
  const extras = catalogue.extras(facts);
  if (extras === undefined || settings.changes === "marker") return [];
  const table = quoteTable(SQL_SERVER_DIALECT, facts.table);
  if (feed !== undefined) {
    const parents = child?.joinAt.map((at) => child.select[at]!.name) ?? [];
    const isNamed = feed.slot.startsWith("cdc ") || parents.every((name) => extras.primaryKey.includes(name));
    return isNamed
      ? []
      : [
          `The primary key of ${table} does not name its parent: rows deleted there are seen by the next full pass only.`,
        ];
  }
  const state = database.tracked.get(extras.objectId);
  if (database.isReadOnlyCopy) {
    return child === undefined
      ? ["A readable copy has no Change Tracking: set intent: read-write to read the original."]
      : [];
  }
  if (state === false) {
    const user = quoteName(userOf(settings));
    return [
      `Change Tracking is on, but not for this login: ask for GRANT VIEW CHANGE TRACKING ON OBJECT::${table} TO ${user}.`,
    ];
  }
  if (state === true) {
    return database.allowsSnapshots
      ? []
      : [`Change Tracking of ${table} is on, and can only be followed safely with snapshot isolation.`];
  }
  return [];
}

/** Tables that could be tracked, in one sentence. */
function trackingAdvice(shape: EntityShape, deps: ChoiceDeps): readonly string[] {
  const { database, catalogue, settings } = deps;
  if (settings.changes === "marker" || database.isReadOnlyCopy) return [];
  const untracked = [undefined, ...shape.children].flatMap((child) => {
    const { facts } = child ?? shape;
    const extras = catalogue.extras(facts);
    const isPossible =
      extras !== undefined && extras.primaryKey.length > 0 && !database.tracked.has(extras.objectId);
    return isPossible && feedOf(shape, child, deps) === undefined
      ? [quoteTable(SQL_SERVER_DIALECT, facts.table)]
      : [];
  });
  if (untracked.length === 0) return [];
  const tables = untracked.map((table) => `ALTER TABLE ${table} ENABLE CHANGE_TRACKING`).join("; ");
  return [
    `Change Tracking would show changes and deletes at once: ask for ${tables} (millrace-agent grants prints all of it).`,
  ];
}

/** What is less safe than it should be, by somebody's decision. */
function warningsOf({ tls }: SqlServerSettings): readonly string[] {
  const warnings: string[] = [];
  if (tls.mode === "disable")
    warnings.push("tls.mode: disable sends everything in the clear, the password included.");
  if (tls.mode === "legacy")
    warnings.push(
      "tls.mode: legacy allows TLS 1.0 and weak ciphers; whoever stands between may read along. Update the server.",
    );
  if (tls.mode !== "disable" && tls.verify === "none")
    warnings.push(
      "tls.verify: none does not check whom it talks to; pin the certificate with tls.fingerprint.",
    );
  return warnings;
}
