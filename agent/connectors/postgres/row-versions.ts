// PostgreSQL knows by which transaction each row version was written (xmin): what was not finished at the previous poll
// is new, however old the timestamp in it. This is what makes late commits safe.
import type { ExtraCondition } from "#agent/core/sql/statements.ts";
import type { SqlSession } from "#agent/core/sql/sql-source.ts";
import { ConnectorError } from "#common/runtime/errors.ts";

/** 32-bit transaction ids can be compared over half their circle; a margin keeps well away from its end. */
const COMPARABLE_TRANSACTIONS = 2n ** 31n - 10_000_000n;

/**
 * The oldest transaction still running in this transaction's snapshot, as a 64-bit id in text.
 * @throws ConnectorError cursor_lost if `since` cannot belong to this source any more
 */
export async function readHorizon(
  session: SqlSession,
  since: string | undefined,
  serverVersion: number,
): Promise<string> {
  // txid_* are the names before PostgreSQL 13.
  const text =
    serverVersion >= 130_000
      ? "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text"
      : "SELECT txid_snapshot_xmin(txid_current_snapshot())::text, txid_snapshot_xmax(txid_current_snapshot())::text";
  const [row] = await session.query({ text, parameters: [] });
  const horizon = String(row?.[0]);
  if (since !== undefined) checkComparable(BigInt(since), BigInt(horizon), BigInt(String(row?.[1])));
  return horizon;
}

function checkComparable(since: bigint, horizon: bigint, next: bigint): void {
  if (since > horizon) {
    throw new ConnectorError(
      "cursor_lost",
      `The server's transaction ${horizon} is before ${since}, which was read already: it was restored from a backup or failed over to an older copy. The entity is read anew.`,
    );
  }
  if (next - since > COMPARABLE_TRANSACTIONS) {
    throw new ConnectorError(
      "cursor_lost",
      `${next - since} transactions have passed since the last poll: too many to tell which rows are new. The entity is read anew.`,
    );
  }
}

/**
 * Row versions written by transactions that were not finished at `since`: their ids are at or after it. Both ages count
 * from the same next id; ids frozen before PostgreSQL 9.4 have the greatest age there is.
 */
export function writtenSince(since: string): ExtraCondition {
  const transaction = String(BigInt(since) & 0xffff_ffffn);
  return (writer) => writer.add("age(xmin) <= age(").bind(transaction, undefined).add("::xid)");
}
