// `npm run bench`. Plain JavaScript, so that an old Node can say what is missing.
const NEEDED = 24;
if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `the benchmarks need Node.js ${NEEDED} or newer and were started with ${process.version}; run them by "npm run bench" after "npm ci", which brings its own where it can\n`,
  );
  process.exitCode = 1;
} else {
  const { main } = await import("./main.ts");
  process.exitCode = await main(process.argv.slice(2));
}
