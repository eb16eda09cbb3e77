#!/usr/bin/env node
// The command's first step: a Node that is too old gets one sentence, not a syntax error.
import { setFlagsFromString } from "node:v8";

const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 24) {
  console.error(
    `millrace-agent needs Node 24 or newer, this is ${process.version}; install it from https://nodejs.org, or run it by npm (npm run agent), which brings its own.`,
  );
  process.exitCode = 2;
} else {
  // The agent passes batches on and keeps little: V8's young generation, which would grow to 64 MB, stays as it begins.
  setFlagsFromString("--semi-space-growth-factor=1");
  await import("./main.ts");
}
