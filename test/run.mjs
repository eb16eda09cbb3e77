// `npm test` and `npm run check`. Plain JavaScript, so that an old Node can say what is missing.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const NEEDED = 24;
/** Tests of whole processes that may need a second try in one run; more is a defect. */
const MAX_RETRIED = 3;
const root = fileURLToPath(new URL("..", import.meta.url));

if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `the tests need Node.js ${NEEDED} or newer and were started with ${process.version}; run them by "npm test" after "npm ci", which brings its own where it can, or install Node.js from https://nodejs.org\n`,
  );
  process.exitCode = 1;
} else process.exitCode = main(process.argv.slice(2));

/** @param {readonly string[]} args */
function main(args) {
  const rest = args.filter((arg) => arg !== "--check");
  const failed = [];
  if (rest.length < args.length) {
    if (!runTool("types", "typescript/bin/tsc", [])) failed.push("types");
    if (!runTool("types of the dashboard", "typescript/bin/tsc", ["--project", "cloud-relay/dashboard"]))
      failed.push("types of the dashboard");
    if (!runTool("lint", "oxlint/bin/oxlint", [])) failed.push("lint");
    if (!runTool("format", "oxfmt/bin/oxfmt", ["--check"])) failed.push("format (npm run fix)");
    rest.unshift("--project", "unit");
  }
  const isGreen = runTests(rest);
  if (failed.length > 0) process.stdout.write(`failed besides the tests: ${failed.join(", ")}\n`);
  return isGreen && failed.length === 0 ? 0 : 1;
}

/** Runs vitest, names the tiers that did not run, and ends with the line `N passed, N failed, N skipped`. */
function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), "millrace-test-"));
  const [results, tiers] = [join(folder, "results.json"), join(folder, "missing-tiers.jsonl")];
  process.env["MILLRACE_MISSING_TIERS_FILE"] = tiers;
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${results}`];
    const isGreen = runTool("tests", "vitest/vitest.mjs", ["run", ...reporters, ...args]);
    for (const line of new Set(read(tiers).split("\n").filter(Boolean))) {
      const { name, reason } = JSON.parse(line);
      process.stdout.write(`not run: ${name}: ${reason}\n`);
    }
    const { passed, failed, skipped, failures, retried } = count(read(results), isGreen);
    for (const name of skipped) process.stdout.write(`not run: ${name}\n`);
    for (const retry of retried) process.stdout.write(`passed only at a second try: ${retry}\n`);
    for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
    const isShaky = retried.length > MAX_RETRIED;
    if (isShaky)
      process.stdout.write(`more than ${MAX_RETRIED} tests needed a second try: that is no chance\n`);
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped.length} skipped\n`);
    return isGreen && failed === 0 && !isShaky;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * A file that could not be loaded counts as one failure; so does whatever made vitest fail beside the tests. Failures are
 * named again at the end, where whoever sees only the end of a log finds them.
 */
function count(results, isGreen) {
  if (results === "") return { passed: 0, failed: 1, skipped: [], failures: [], retried: [] };
  const { numPassedTests: passed, numFailedTests, testResults } = JSON.parse(results);
  const unloaded = testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  const failed = numFailedTests + unloaded.length;
  const skipped = testResults.flatMap((file) =>
    file.assertionResults
      .filter(({ status }) => status === "pending" || status === "skipped")
      .map(({ fullName }) => fullName),
  );
  const failures = unloaded.map((file) => `${relative(root, file.name)}: ${firstLines(file.message)}`);
  const retried = [];
  for (const { name, assertionResults } of testResults) {
    for (const { fullName, status, failureMessages } of assertionResults) {
      if (failureMessages.length === 0) continue;
      const told = status === "failed" ? failures : retried;
      told.push(`${relative(root, name)}: ${fullName}: ${firstLines(failureMessages.join("\n"))}`);
    }
  }
  return { passed, failed: isGreen ? failed : Math.max(1, failed), skipped, failures, retried };
}

/** Enough of a failure's text to know it by. */
function firstLines(text) {
  return text.slice(0, 1_500);
}

/** Tools run on this same Node, wherever the PATH leads. */
function runTool(title, script, args) {
  process.stdout.write(`\n== ${title}\n`);
  const { status, error } = spawnSync(process.execPath, [join(root, "node_modules", script), ...args], {
    cwd: root,
    stdio: "inherit",
  });
  if (error)
    process.stderr.write(`${title}: ${script} could not be started: ${error.message}; run "npm ci"\n`);
  return status === 0;
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
