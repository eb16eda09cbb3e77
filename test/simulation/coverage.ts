// Line coverage of both cores by V8's own counters: type stripping keeps every offset, so offsets are lines.
import { readFileSync } from "node:fs";
import { Session, type Profiler } from "node:inspector/promises";
import { fileURLToPath } from "node:url";

const CORES = ["/agent/core/", "/cloud-relay/core/"];

/** Starts counting; the function returned stops and gives the counts. */
export async function startCoverage(): Promise<() => Promise<readonly Profiler.ScriptCoverage[]>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage");
    session.disconnect();
    return result.filter(({ url }) => CORES.some((core) => url.includes(core)));
  };
}

/** A line for each file and one for all; a line counts when it holds code and any of it ran. */
export function lineCoverage(scripts: readonly Profiler.ScriptCoverage[]): string {
  const rows = scripts.map((script) => {
    const source = readFileSync(fileURLToPath(script.url), "utf8");
    const { lines, covered } = countLines(source, script.functions);
    const path = script.url.slice(script.url.search(/agent\/core|cloud-relay\/core/));
    return { path, lines, covered };
  });
  rows.sort((a, b) => (a.path < b.path ? -1 : 1));
  const lines = rows.reduce((sum, row) => sum + row.lines, 0);
  const covered = rows.reduce((sum, row) => sum + row.covered, 0);
  const text = rows.map((row) => `  ${percent(row.covered, row.lines)} ${row.path}`);
  return [...text, `line coverage of both cores: ${percent(covered, lines)} (${covered} of ${lines})`].join(
    "\n",
  );
}

function countLines(
  source: string,
  functions: readonly Profiler.FunctionCoverage[],
): { lines: number; covered: number } {
  const counts = new Uint8Array(source.length).fill(1);
  // Ranges are nested: later ones, further in, overrule.
  const ranges = functions
    .flatMap((fn) => fn.ranges)
    .sort((a, b) => b.endOffset - b.startOffset - (a.endOffset - a.startOffset));
  for (const { startOffset, endOffset, count } of ranges)
    counts.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  let lines = 0;
  let covered = 0;
  let at = 0;
  let isComment = false;
  for (const line of source.split("\n")) {
    const code = line.trim();
    if (code.startsWith("/*")) isComment = true;
    if (!isComment && isCode(code)) {
      lines += 1;
      const first = at + line.indexOf(code);
      if (counts.subarray(first, first + code.length).includes(1)) covered += 1;
    }
    if (code.includes("*/")) isComment = false;
    at += line.length + 1;
  }
  return { lines, covered };
}

function isCode(line: string): boolean {
  return (
    line !== "" &&
    !line.startsWith("//") &&
    !/^[\])};,]+$/.test(line) &&
    !/^(import|export type|type|interface|readonly) /.test(line)
  );
}

function percent(part: number, all: number): string {
  return `${(all === 0 ? 100 : (100 * part) / all).toFixed(1).padStart(5)} %`;
}
