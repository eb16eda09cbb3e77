// Which sources a build is made from, and the moment that all its files bear.
import { fileURLToPath } from "node:url";
import { runProgram } from "./run-program.ts";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Where sources come without their history, a build says so by a fixed moment: 2026-01-01. */
const UNKNOWN_AT_S = 1_767_225_600;

export interface SourceCommit {
  /** The commit's id, with `+changes` where files differ from it; `unknown` without a repository. */
  readonly builtFrom: string;
  /** Seconds since 1970: `SOURCE_DATE_EPOCH`, or the commit's moment. */
  readonly epochSeconds: number;
}

export async function sourceCommit(env: NodeJS.ProcessEnv = process.env): Promise<SourceCommit> {
  const given = Number(env["SOURCE_DATE_EPOCH"]);
  const epoch = env["SOURCE_DATE_EPOCH"] !== undefined && Number.isSafeInteger(given) ? given : undefined;
  try {
    const said = await runProgram("git", ["-C", ROOT, "log", "-1", "--format=%H %ct"]);
    const [commit = "unknown", seconds] = said.trim().split(" ");
    const changes = await runProgram("git", ["-C", ROOT, "status", "--porcelain", "--untracked-files=no"]);
    return {
      builtFrom: changes.trim() === "" ? commit : `${commit}+changes`,
      epochSeconds: epoch ?? Number(seconds),
    };
  } catch {
    return { builtFrom: "unknown", epochSeconds: epoch ?? UNKNOWN_AT_S };
  }
}
