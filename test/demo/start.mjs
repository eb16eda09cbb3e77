// `npm start`. Plain JavaScript, so that an old Node can say what is missing instead of failing on the first type.
const NEEDED = 24;
if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `the demo needs Node.js ${NEEDED} or newer and was started with ${process.version}; start it by "npm start" after "npm ci", which brings its own where it can, or install Node.js from https://nodejs.org\n`,
  );
  process.exitCode = 1;
} else {
  // What the demo keeps holds tokens.
  process.umask(0o077);
  const { runDemo } = await import("./start.ts");
  process.exitCode = await runDemo(process.argv.slice(2));
}
