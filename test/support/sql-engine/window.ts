// ROW_NUMBER() OVER (…): the only window function that connectors use.
import type { WindowSpec } from "./ast.ts";
import type { Compiled, Scope } from "./scope.ts";
import { DatabaseError } from "./session.ts";

/** @throws DatabaseError always: no statement of ours has one yet */
export function rowNumberIn(name: string, over: WindowSpec, scope: Scope): Compiled {
  const dialect = scope.run.host.dialect;
  const keys = over.partitionBy.length + over.orderBy.length;
  throw new DatabaseError(
    dialect === "oracle" ? 900 : 102,
    `The test engine does not know ${name}() OVER with ${keys} keys.`,
  );
}
