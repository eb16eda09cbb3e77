#!/usr/bin/env node
// Plain JavaScript, so that an old Node can say what is missing instead of failing on the first type.
const NEEDED = 24;
if (Number(process.versions.node.split(".")[0]) < NEEDED) {
  process.stderr.write(
    `millrace-relay needs Node.js ${NEEDED} or newer and was started with ${process.version}; install it from https://nodejs.org, or start by "npm run relay --", which brings its own.\n`,
  );
  process.exitCode = 1;
} else {
  // The store holds what a plant does not show to everybody.
  process.umask(0o077);
  const { main } = await import("./main.ts");
  process.exitCode = await main(process.argv.slice(2), process);
}
