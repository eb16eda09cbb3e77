// How values are bound that go into a column, where the comparison of a key would bind them otherwise.
import type { ColumnFacts } from "#agent/core/sql/dialect.ts";
import { nationalPaddedPlaceholder, paddedPlaceholder } from "./dialect.ts";

const SECONDS = "SYYYY-MM-DD HH24:MI:SS";
type Wrap = (placeholder: string) => string;

/** Packs may write a T between date and time. */
const blank: Wrap = (placeholder) => `REPLACE(${placeholder}, 'T', ' ')`;
const date: Wrap = (placeholder) => `TO_DATE(${blank(placeholder)}, '${SECONDS}')`;
const timestamp: Wrap = (placeholder) => `TO_TIMESTAMP(${blank(placeholder)}, '${SECONDS}.FF')`;
/** Instants come in UTC. */
const instant: Wrap = (placeholder) =>
  `FROM_TZ(TO_TIMESTAMP(RTRIM(${blank(placeholder)}, 'Z'), '${SECONDS}.FF'), '+00:00')`;

export function writtenColumn(column: ColumnFacts): ColumnFacts {
  const parameter = wrapOf(column.type);
  return parameter === undefined ? column : { ...column, parameter };
}

/** `type` as the dictionary or a pack's `cast` names it; undefined where the value goes in as a key's does. */
export function wrapOf(type: string): Wrap | undefined {
  switch (type.toUpperCase().replaceAll(/\([^)]*\)/g, "")) {
    // As a key it is cast to the longest there is, which no column takes.
    case "CHAR":
      return paddedPlaceholder;
    case "NCHAR":
      return nationalPaddedPlaceholder;
    case "DATE":
      return date;
    case "TIMESTAMP":
      return timestamp;
    case "TIMESTAMP WITH TIME ZONE":
    case "TIMESTAMP WITH LOCAL TIME ZONE":
      return instant;
    case "RAW":
      return (placeholder) => `HEXTORAW(${placeholder})`;
    default:
      return undefined;
  }
}
