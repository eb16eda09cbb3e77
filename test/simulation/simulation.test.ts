// Thousands of seeds of the real cores on simulated time, network, disk and source; and proof that mistakes are caught.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { NO_BUGS } from "./sim-bugs.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
/** More by `MILLRACE_SEEDS`. Split between two processes, one for each core of the smallest machine. */
const SEEDS = Number(process.env["MILLRACE_SEEDS"] ?? 2_000);
/** Coverage slows a run down; it is taken over this many of the seeds. */
const COVERED_SEEDS = 200;
/** Seeds within which a planted mistake must show. */
const BUG_SEEDS = 500;

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

function simulate(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

describe("simulation", () => {
  it(`holds its invariants over ${SEEDS} seeds`, { timeout: 1_800_000 }, async () => {
    const half = Math.ceil((SEEDS - COVERED_SEEDS) / 2);
    const outcomes = await Promise.all([
      simulate("--from", String(COVERED_SEEDS + 1), "--seeds", String(half)),
      simulate("--from", String(COVERED_SEEDS + half + 1), "--seeds", String(SEEDS - COVERED_SEEDS - half)),
    ]);
    for (const { code, output } of outcomes) {
      console.log(output.trim());
      expect({ code, output }).toMatchObject({ code: 0 });
    }
  });

  it("runs through nearly all of both cores", { timeout: 600_000 }, async () => {
    const { code, output } = await simulate("--seeds", String(COVERED_SEEDS), "--coverage");
    console.log(output.trim());
    expect({ code, output }).toMatchObject({ code: 0 });
    const covered = Number(/line coverage of both cores: +([\d.]+) %/.exec(output)?.[1]);
    expect(covered).toBeGreaterThanOrEqual(90);
  });

  it.each(Object.keys(NO_BUGS))("catches a planted mistake: %s", { timeout: 600_000 }, async (bug) => {
    const { code, output } = await simulate("--seeds", String(BUG_SEEDS), "--bug", bug);
    expect(output).toContain(`--bug ${bug}`);
    expect(code).toBe(1);
  });

  it("refuses a mistake that it does not know", async () => {
    const { code, output } = await simulate("--bug", "sleepy");
    expect(code).toBe(2);
    expect(output).toContain("ackBeforeCommit");
  });
});
