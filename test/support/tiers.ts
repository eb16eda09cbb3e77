// Tests that need a program which this machine may not have: they say so, and the runner names what did not run.
import { appendFileSync } from "node:fs";

/**
 * Whether a tier can run: `describe.skipIf(!requireTier("nats", await hasProgram("nats-server"), "nats-server is not
 * installed; apt-get install nats-server"))`. With `CI=true` nothing may be missing.
 * @throws when it is missing under `CI=true`
 */
export function requireTier(name: string, isAvailable: boolean, reason: string): boolean {
  if (isAvailable) return true;
  if (process.env["CI"] === "true")
    throw new Error(`the tier ${name} cannot run, and with CI=true every tier must: ${reason}`);
  tierDenied(name, reason);
  return false;
}

/** For what nothing that is installed can change: the run names it, and goes on under `CI=true` too. */
export function tierDenied(name: string, reason: string): void {
  // One JSON line for each tier that did not run; test/run.mjs reads it.
  const file = process.env["MILLRACE_MISSING_TIERS_FILE"];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ name, reason })}\n`);
}
