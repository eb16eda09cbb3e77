// Specmatic makes requests out of the API's own document, right and wrong ones: each answer must be as the document says.
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireTier } from "#test/support/tiers.ts";
import { documentFor } from "./contract-document.ts";
import { writeExamples, type Document } from "./contract-examples.ts";
import { contractRelay, type Answered, type ContractRelay } from "./contract-relay.ts";
import { TOOLS_DIR } from "./tools.ts";

const JAR = join(TOOLS_DIR, "node_modules/specmatic/specmatic.jar");
/** Whatever it does, it is over by then. */
const RUN_TIMEOUT_MS = 230_000;
/** For one answer, on a machine that is busy. */
const ANSWER_TIMEOUT_S = 30;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
const MIN_TESTS = 450;

const canRun =
  requireTier(
    "contracts",
    existsSync(JAR),
    "the tools that judge the API's description are not installed; (cd test/contracts/tools && npm ci)",
  ) &&
  requireTier(
    "java",
    spawnSync("java", ["-version"]).status === 0,
    "java is not installed, which Specmatic runs on; apt-get install default-jre-headless",
  );

interface Run {
  readonly summary: Readonly<Record<"run" | "failures" | "errors", number>>;
  /** What did not pass, in its own words. */
  readonly unsuccessful: readonly string[];
  readonly answered: readonly Answered[];
}

describe.skipIf(!canRun)("the API and its document", () => {
  let folder = "";
  let relay: ContractRelay;
  let document: Document;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "millrace-specmatic-"));
    relay = await contractRelay();
    document = (await relay.call("GET", "/v1/openapi.json")).body as Document;
  });
  afterAll(async () => {
    await relay[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(name: string, judged: Document): Promise<Run> {
    const examples = join(folder, `${name}-examples`);
    const bodies = await writeExamples(relay, judged, examples);
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(documentFor(judged, bodies)));
    relay.answered.length = 0;
    const output = await specmatic(folder, [
      "test",
      file,
      `--examples=${examples}`,
      "--strict",
      `--timeout=${ANSWER_TIMEOUT_S}`,
      `--testBaseURL=${relay.url}`,
    ]);
    return { ...readOutput(output), answered: [...relay.answered] };
  }

  test("generated requests, right and wrong, are answered as documented; none with 500", async () => {
    const { summary, unsuccessful, answered } = await run("all", document);
    expect(unsuccessful).toEqual([]);
    expect(summary).toMatchObject({ failures: 0, errors: 0 });
    expect(summary.run).toBeGreaterThan(MIN_TESTS);
    expect(undocumented(document, answered)).toEqual([]);
    expect(answered.filter(({ status }) => status === 500)).toEqual([]);
    expect(answered.filter(({ status }) => status >= 400).length).toBeGreaterThan(MIN_TESTS / 4);
  });

  test("a document that says something else would not pass", async () => {
    const spoilt = structuredClone(document);
    const path = "/v1/connections";
    spoilt.paths = { [path]: spoilt.paths[path] ?? {} };
    const schema = { type: "object", required: ["never"], properties: { never: { type: "string" } } };
    Object.assign(spoilt.paths[path]?.["get"]?.responses["200"] ?? {}, {
      content: { "application/json": { schema } },
    });
    const { unsuccessful } = await run("spoilt", spoilt);
    expect(unsuccessful.join("\n")).toContain("never");
  });
});

/** Resolves with what it printed, whether it was content or not. */
function specmatic(cwd: string, args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
    SPECMATIC_GENERATIVE_TESTS: "true",
    MAX_TEST_REQUEST_COMBINATIONS: "1",
    SPECMATIC_DISABLE_TELEMETRY: "true",
  };
  const options = { cwd, env, timeout: RUN_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  const java = ["-Xmx1500m", "-XX:TieredStopAtLevel=1", "-jar", JAR, ...args];
  return new Promise((resolve, reject) => {
    execFile("java", java, options, (error, stdout) => {
      if (error?.killed === true) reject(new Error(`Specmatic was not done within ${RUN_TIMEOUT_MS} ms`));
      else resolve(stdout);
    });
  });
}

function readOutput(output: string): Pick<Run, "summary" | "unsuccessful"> {
  const [, run = "0", failures = "1", errors = "1"] =
    /Tests run: (\d+), Successes: \d+, Failures: (\d+), WIP: \d+, Errors: (\d+)/.exec(output) ?? [];
  const summary = { run: Number(run), failures: Number(failures), errors: Number(errors) };
  if (summary.failures + summary.errors === 0) return { summary, unsuccessful: [] };
  const told = output.split("Unsuccessful Scenarios:").at(-1) ?? output;
  return { summary, unsuccessful: told.split("\n").filter((line) => line.trim() !== "") };
}

/** Answers that the document does not have: another status, or a problem whose code is not named there. */
function undocumented(document: Document, answered: readonly Answered[]): string[] {
  const paths = Object.entries(document.paths).map(([path, operations]) => ({
    // Literal addresses before those with parameters in the same place.
    isLiteral: !path.includes("{"),
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, "[^/]*")}$`),
    operations,
  }));
  const inOrder = paths.toSorted((a, b) => Number(b.isLiteral) - Number(a.isLiteral));
  const wrong = answered.flatMap(({ method, url, status, code }) => {
    const path = url.split("?")[0] ?? "";
    const found = inOrder.find(({ pattern }) => pattern.test(path))?.operations[method.toLowerCase()];
    const response = found?.responses[String(status)];
    const isTold =
      response !== undefined && (code === undefined || response.description.includes(`${code}:`));
    return found === undefined || isTold ? [] : [`${method} ${path}: ${status} ${code ?? ""}`];
  });
  return [...new Set(wrong)];
}
