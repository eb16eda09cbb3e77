// Runs a program of the build and says what it said when it fails.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BuildError } from "./build-error.ts";

const run = promisify(execFile);
/** No step of a build takes longer; ms. */
const MAX_MS = 10 * 60_000;
/** Of what a program says; bytes. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_TOLD_CHARS = 4_000;

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** What it wrote to its standard output. @throws BuildError when it is missing, fails, or takes too long */
export async function runProgram(
  program: string,
  args: readonly string[],
  { cwd, env = process.env }: ProgramOptions = {},
): Promise<string> {
  try {
    const options = {
      cwd,
      env,
      maxBuffer: MAX_OUTPUT_BYTES,
      timeout: MAX_MS,
      killSignal: "SIGKILL" as const,
    };
    const { stdout } = await run(program, [...args], options);
    return stdout;
  } catch (error) {
    throw new BuildError(`${program} ${args.join(" ")} failed: ${said(program, error)}`, { cause: error });
  }
}

function said(program: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "ENOENT")
    return `there is no program ${program} here; docs/packaging.md names the Debian packages that a build needs`;
  const output = ["stderr", "stdout"].map((name) => String(Reflect.get(error, name) ?? "").trim());
  return (output.find((text) => text !== "") ?? error.message).slice(-MAX_TOLD_CHARS);
}
