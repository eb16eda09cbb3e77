// From what the database gave to the tokens of an answer.
import type { DatabaseError, ResultSet } from "#test/support/sql-engine/session.ts";
import type { AnswerWriter } from "./answer-writer.ts";
import { writeColumns, writeRow } from "./rows.ts";
import { asDatabaseError, type Outcome } from "./tds-session.ts";
import {
  TOKEN,
  writeDone,
  writeError,
  writeReturnStatus,
  writeReturnValue,
  writeTransactionChange,
} from "./tokens.ts";

/** No token of TDS. */
const MALFORMED = Buffer.of(0x42, 0x13, 0x37, 0x00);
const END_OF_SESSION_SEVERITY = 20;

export interface AnswerOptions {
  readonly isProcedure: boolean;
  readonly mayUseNullMap: boolean;
  readonly isCancelled: () => boolean;
  /** Of the transaction that this request began or ended. */
  readonly transactionDescriptor: Uint8Array;
}

/** Writes the answer, not its end. @returns whether the session ends with it */
export async function writeOutcome(
  answer: AnswerWriter,
  outcome: Outcome,
  options: AnswerOptions,
): Promise<boolean> {
  const { tokens, fault } = answer;
  if (outcome.transaction !== undefined)
    writeTransactionChange(tokens, outcome.transaction, options.transactionDescriptor);
  const planned = fault?.kind === "error" ? fault.error : outcome.error;
  if (fault?.kind === "malformed_token" && outcome.result.sets.length === 0) tokens.bytes(MALFORMED);
  const error = planned ?? (await writeParts(answer, outcome, options));
  const isError = error !== undefined || options.isCancelled();
  if (error !== undefined) writeError(tokens, messageOf(error));
  if (options.isProcedure) {
    if (!isError) {
      writeReturnStatus(tokens, outcome.result.returnStatus ?? 0);
      for (const { ordinal, name, type, value } of outcome.outputs)
        writeReturnValue(tokens, ordinal, name, type, value);
    }
    writeDone(tokens, TOKEN.doneProcedure, { isError });
  } else if (isError) writeDone(tokens, TOKEN.done, { isError });
  return (error?.severity ?? 0) >= END_OF_SESSION_SEVERITY;
}

interface Part {
  readonly set?: ResultSet;
  readonly count: number | undefined;
}

/** Result sets and counts, each behind its own DONE. @returns an error that came in their midst */
async function writeParts(
  answer: AnswerWriter,
  outcome: Outcome,
  options: AnswerOptions,
): Promise<DatabaseError | undefined> {
  const { tokens, fault } = answer;
  const parts = fault?.kind === "no_rows" ? [{ count: undefined }] : partsOf(outcome);
  for (const [index, { set, count }] of parts.entries()) {
    if (set !== undefined) {
      const error = await writeSet(answer, set, options);
      if (error !== undefined || options.isCancelled()) return error;
    }
    const token = options.isProcedure ? TOKEN.doneInProcedure : TOKEN.done;
    writeDone(tokens, token, { hasMore: options.isProcedure || index < parts.length - 1, count });
  }
  return undefined;
}

/** The engine says how many rows the last write touched, not where among the result sets that was: before them, or it is OUTPUT's. */
function partsOf({ result, text, isCounted }: Outcome): readonly Part[] {
  const written: Part = { count: isCounted ? result.rowsAffected : undefined };
  const sets = result.sets.map((set): Part => ({ set, count: isCounted ? set.rows.length : undefined }));
  const isApart = sets.length === 0 || (result.rowsAffected > 0 && !/\boutput\b/i.test(text));
  return isApart ? [written, ...sets] : sets;
}

async function writeSet(
  answer: AnswerWriter,
  { columns, rows }: ResultSet,
  { mayUseNullMap, isCancelled }: AnswerOptions,
): Promise<DatabaseError | undefined> {
  const { tokens, fault } = answer;
  try {
    writeColumns(tokens, columns);
    if (fault?.kind === "malformed_token") tokens.bytes(MALFORMED);
    for (const [index, row] of rows.entries()) {
      if (fault?.kind === "error_mid_rows" && index === fault.afterRows) return fault.error;
      if (isCancelled()) return undefined;
      writeRow(tokens, columns, row, mayUseNullMap);
      await answer.flush();
    }
    if (fault?.kind === "error_mid_rows") return fault.error;
  } catch (error) {
    return asDatabaseError(error);
  }
  return undefined;
}

function messageOf(error: DatabaseError): {
  readonly number: number;
  readonly message: string;
  readonly severity: number;
} {
  return { number: error.number, message: error.message, severity: error.severity };
}
