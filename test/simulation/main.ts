// Runs seeds: node test/simulation/main.ts [--seeds 2000] [--from 1] [--seed N] [--bug name] [--coverage]
import { parseArgs } from "node:util";
import { lineCoverage, startCoverage } from "./coverage.ts";
import { runSeed } from "./scenario.ts";
import { NO_BUGS, type SimBugs } from "./sim-bugs.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    bug: { type: "string" },
    coverage: { type: "boolean", default: false },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  const { bug } = values;
  if (bug !== undefined && !Object.hasOwn(NO_BUGS, bug)) {
    console.error(`--bug ${bug} is not known; there are: ${Object.keys(NO_BUGS).join(", ")}`);
    return 2;
  }
  const bugs: SimBugs = bug === undefined ? NO_BUGS : { ...NO_BUGS, [bug]: true };
  const coverage = values.coverage ? await startCoverage() : undefined;
  const from = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const startedMs = performance.now();
  let faults = 0;
  for (let seed = from; seed < from + count; seed += 1) {
    const result = await runSeed(seed, bugs);
    faults += result.faults;
    if (values.seed !== undefined) console.log(result.story.join("\n"));
    if (result.problem === undefined) continue;
    console.log(`seed ${seed} failed: ${result.problem}`);
    console.log(
      `  it goes again with: node test/simulation/main.ts --seed ${seed}${bug === undefined ? "" : ` --bug ${bug}`}`,
    );
    return 1;
  }
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  console.log(`${count} seeds passed with ${faults} faults in ${seconds} s`);
  if (coverage !== undefined) console.log(lineCoverage(await coverage()));
  return 0;
}
