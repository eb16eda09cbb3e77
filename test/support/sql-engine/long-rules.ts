// Where Oracle forbids LONG columns: everywhere but in the plain select list of a whole statement.
import type { Select } from "./ast.ts";
import type { Compiled, Scope } from "./scope.ts";
import { DatabaseError, type DbType } from "./session.ts";

export function isLong({ kind }: DbType): boolean {
  return kind === "long" || kind === "long_raw";
}

export function illegalLong(): DatabaseError {
  return new DatabaseError(997, "ORA-00997: illegal use of LONG datatype");
}

/**
 * LONGs among the outputs of a query that is part of another, is cut to some rows (both become subqueries in Oracle), groups,
 * or reads the past. @throws DatabaseError
 */
export function refuseLongOutputs(
  select: Select,
  outputs: readonly Compiled[],
  scope: Scope,
  isCutOrGrouped: boolean,
): void {
  if (!outputs.some(({ type }) => isLong(type))) return;
  const statement = scope.parent;
  const isWhole = statement !== undefined && statement.parent === undefined && statement.sources.length === 0;
  const isPast = select.from?.kind === "table" && select.from.flashback !== undefined;
  if (!isWhole || isCutOrGrouped || isPast || select.isDistinct) throw illegalLong();
}
