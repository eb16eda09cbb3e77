// Says in plain words how an entity is read, why so, and what the source's administrator could make better.
import type { StrategyReport } from "../source/connector.ts";
import { tableLabel } from "./dialect.ts";
import type { ChildShape, EntityShape, TableShape } from "./table-shape.ts";

export interface StrategyWords {
  /** How the connector follows a timestamp or counter column, as the end of "CHANGEDATE marks every write; …". */
  readonly timestamp: (overlapMs: number) => string;
  readonly counter: string;
  /** How the source's own feed is followed, where there is one. */
  readonly feed?: Pick<StrategyReport, "strategy" | "reason" | "deletes"> | undefined;
  /** Children whose changes come from a feed. */
  readonly fed?: ReadonlySet<ChildShape>;
  /** What comes before everything else that could be made better. */
  readonly first?: readonly string[];
}

export function describeStrategy(shape: EntityShape, words: StrategyWords): StrategyReport {
  const { marker, plan } = shape;
  const { feed, fed, first = [] } = words;
  const own = feed === undefined ? adviceFor(shape) : [];
  const advice = [
    ...first,
    ...own,
    ...shape.children.flatMap((child) => adviceForChild(child, fed?.has(child) ?? false)),
  ];
  const report = {
    entity: plan.entity,
    ...(feed ?? {
      strategy: marker === undefined ? "full_scan" : `${marker.strategy.kind} ${marker.column.name}`,
      reason: reasonFor(shape, words),
      deletes: "keys" as const,
    }),
  };
  return advice.length === 0 ? report : { ...report, advice: advice.join(" ") };
}

function reasonFor(shape: EntityShape, words: StrategyWords): string {
  const { marker, facts } = shape;
  if (marker === undefined) {
    return `${tableLabel(facts.table)} has no marker column in the pack: every poll reads every row and compares content.`;
  }
  const how =
    marker.strategy.kind === "timestamp" ? words.timestamp(marker.strategy.overlapMs) : words.counter;
  return `${marker.column.name} marks every write of ${tableLabel(facts.table)}; ${how}`;
}

function adviceFor(shape: TableShape): string[] {
  const { marker, facts } = shape;
  const table = tableLabel(facts.table);
  if (marker === undefined) {
    return [`A column in ${table} that every write changes (with an index) would spare the full scan.`];
  }
  if (marker.isIndexed) return [];
  return [
    `No index on ${table}.${marker.column.name}: each poll scans the table. Ask for an index that begins with it.`,
  ];
}

function adviceForChild(child: ChildShape, isFed: boolean): string[] {
  const table = tableLabel(child.facts.table);
  const lead = child.joinAt.map((at) => child.select[at]!.name);
  const join = lead.some((name) => child.facts.indexLeads.includes(name))
    ? []
    : [`No index on ${table} begins with ${lead.join(" or ")}: each page of parents scans it. Ask for one.`];
  if (isFed) return join;
  if (child.marker === undefined) {
    return [
      ...join,
      `${table} has no marker in the pack: a change of its rows alone is seen by the next full pass only.`,
    ];
  }
  return [...join, ...adviceFor(child)];
}
