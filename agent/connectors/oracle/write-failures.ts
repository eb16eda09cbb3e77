// Which of the server's errors are its refusal of the values, and in which words that is told.
import type { RefusalCode } from "#agent/core/source/write.ts";
import { WriteRefused } from "#agent/core/sql/write-source.ts";
import { OracleError } from "./failures.ts";

/** ORA- numbers (Oracle Database Error Messages). */
const REFUSALS: ReadonlyMap<number, RefusalCode> = new Map(
  (
    [
      // 2091 is a commit that a deferred constraint turned into a rollback.
      ["CONSTRAINT", [1, 1400, 1402, 1407, 2091, 2290, 2291, 2292]],
      ["VALUE", [1401, 1426, 1438, 1461, 1465, 1722, 1830, 1839, 1840, 1841, 1843, 1847, 1858, 1861]],
      ["VALUE", [6502, 12_899]],
      // Raised in a trigger or procedure and not caught there.
      ["REFUSED", [1403, 1422, 4091, 6510]],
    ] satisfies [RefusalCode, number[]][]
  ).flatMap(([code, numbers]) => numbers.map((number) => [number, code] as const)),
);
/** RAISE_APPLICATION_ERROR of the product's own triggers and procedures. */
const FIRST_OWN = 20_000;
const LAST_OWN = 20_999;

/** Undefined if the server did not refuse the values, but failed. */
export function refusalOf(error: unknown): WriteRefused | undefined {
  if (error instanceof WriteRefused) return error;
  if (!(error instanceof OracleError) || error.serverNumber === undefined) return undefined;
  const number = error.serverNumber;
  const isOwn = number >= FIRST_OWN && number <= LAST_OWN;
  const code = isOwn ? "REFUSED" : REFUSALS.get(number);
  if (code === undefined) return undefined;
  return new WriteRefused(code, `The source refused: ${saidBy(error)}`, { cause: error });
}

/** `budget exceeded (ORA-20001)`, without the stack of triggers that follows; of 2091 the constraint's own line, too. */
function saidBy({ cause, serverNumber }: OracleError): string {
  const text = cause instanceof Error ? cause.message : "";
  const lines = text
    .split("\n")
    .filter((line) => !/^(?:ORA-06512|ORA-04088|Help:)/.test(line) && line.trim() !== "");
  const told = serverNumber === 2091 ? lines.slice(0, 2) : lines.slice(0, 1);
  const words = told.map((line) => line.replace(/^ORA-\d{5}: /, "").trim()).join(": ");
  return `${words} (ORA-${String(serverNumber).padStart(5, "0")})`;
}
