// The suite's procedure `set_status(site, num, state)` for our own servers: gives (code, message) and refuses the state NO.
import type { Procedure } from "#test/support/sql-engine/database.ts";
import type { DbType, DbValue } from "#test/support/sql-engine/session.ts";

const TEXT: DbType = { kind: "varchar", length: 100 };

/** `table` is where the orders are, as the caller's session finds them. */
export const setStatus =
  (table: string): Procedure =>
  async ({ parameters, execute }) => {
    const [site, num, state, code, message] = parameters;
    const text = (value: DbValue | undefined): string => String(value).replaceAll("'", "''");
    const { rowsAffected } = await execute(
      `UPDATE ${table} SET status = '${text(state?.value)}', stamp = stamp + 1 ` +
        `WHERE site = '${text(site?.value)}' AND ponum = '${text(num?.value)}'`,
    );
    const isRefused = state?.value === "NO";
    const outputs = new Map([
      [code?.name ?? "", { type: TEXT, value: isRefused ? "7" : "0" }],
      [message?.name ?? "", { type: TEXT, value: isRefused ? "not allowed" : "done" }],
    ]);
    return { sets: [], rowsAffected, outputs, returnStatus: isRefused ? 7 : 0 };
  };
