// Makes cloud-relay/client/api.d.ts from docs/openapi.json. The generator needs a compiler of its own: it is installed apart.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const tools = join(import.meta.dirname, "tools");
const script = join(tools, "node_modules/openapi-typescript/bin/cli.js");
if (!existsSync(script)) {
  process.stderr.write("the generator is not installed; run: (cd test/contracts/tools && npm ci)\n");
  process.exitCode = 1;
} else {
  const root = join(import.meta.dirname, "../..");
  const args = [script, join(root, "docs/openapi.json"), "-o", join(root, "cloud-relay/client/api.d.ts")];
  process.exitCode = spawnSync(process.execPath, args, { cwd: tools, stdio: "inherit" }).status ?? 1;
}
