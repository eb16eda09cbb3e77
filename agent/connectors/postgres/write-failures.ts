// What a failed write means: refused by the source's own rules, not allowed, or as every other failure.
import pg from "pg";
import type { RefusalCode } from "#agent/core/source/write.ts";
import { WriteRefused } from "#agent/core/sql/write-source.ts";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import type { PostgresSettings } from "./definition.ts";
import { failureOf } from "./failures.ts";

/** By SQLSTATE, exact codes before classes; PostgreSQL's documentation, appendix A. */
const REFUSALS: Readonly<Record<string, RefusalCode>> = {
  "22": "VALUE",
  "23": "CONSTRAINT",
  "44": "CONSTRAINT",
  "428C9": "VALUE",
  "27": "REFUSED",
  P0: "REFUSED",
  "2D": "REFUSED",
  "38": "REFUSED",
  "39": "REFUSED",
};

/** Undefined if the server did not refuse the values, but failed. */
export function refusalOf(error: unknown): WriteRefused | undefined {
  if (error instanceof WriteRefused) return error;
  if (!(error instanceof pg.DatabaseError)) return undefined;
  const code = error.code ?? "";
  const refusal = REFUSALS[code] ?? REFUSALS[code.slice(0, 2)];
  if (refusal === undefined) return undefined;
  const detail = error.detail === undefined ? "" : ` ${error.detail}`;
  return new WriteRefused(refusal, `The source refused: ${messageOf(error)}.${detail} (${code})`, {
    cause: error,
  });
}

export function writeFailureOf(error: unknown, settings: PostgresSettings): unknown {
  const code = error instanceof pg.DatabaseError ? error.code : undefined;
  if (code !== "42501" && code !== "25006") return failureOf(error, settings, "Writing");
  const advice =
    code === "25006"
      ? "The server is a standby, which only reads: name the primary."
      : `Have an administrator grant it to "${settings.user}": INSERT, UPDATE, DELETE or EXECUTE on what the pack's writes name.`;
  return new ConnectorError("misconfigured", `Writing: ${messageOf(error)} (${code}). ${advice}`, {
    cause: error,
  });
}
