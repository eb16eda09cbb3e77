// The tools of the contracts tier: installed by themselves, because nothing else needs them.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { requireTier } from "#test/support/tiers.ts";

export const TOOLS_DIR = join(import.meta.dirname, "tools");
export const OPENAPI_FILE = resolve(import.meta.dirname, "../../docs/openapi.json");
const MODULES = join(TOOLS_DIR, "node_modules");
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const TOOL_TIMEOUT_MS = 120_000;

export const hasTools = requireTier(
  "contracts",
  existsSync(MODULES),
  "the tools that judge the API's description are not installed; (cd test/contracts/tools && npm ci)",
);

interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** Runs a tool on this same Node, in the folder of its settings; none of them may tell anybody of it. */
export async function runTool(script: string, args: readonly string[]): Promise<Outcome> {
  const env = {
    ...process.env,
    REDOCLY_TELEMETRY: "off",
    REDOCLY_SUPPRESS_UPDATE_NOTICE: "true",
    NO_COLOR: "1",
  };
  const options = { cwd: TOOLS_DIR, env, maxBuffer: MAX_OUTPUT_BYTES, timeout: TOOL_TIMEOUT_MS };
  try {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [join(MODULES, script), ...args],
      options,
    );
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== "number") throw error;
    return { code, output: stdout + stderr };
  }
}
