// `npm run package`: builds every package, or those that are asked for.
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { BuildError } from "./build-error.ts";
import { PLATFORMS, PRODUCTS } from "./platforms.ts";
import { stagePayload } from "./payload.ts";

const { values } = parseArgs({ options: { out: { type: "string", default: "dist" } } });
const out = resolve(values.out);
await mkdir(out, { recursive: true });
try {
  for (const product of PRODUCTS)
    for (const platform of PLATFORMS) {
      const { folder } = await stagePayload({ product, platform, into: `${out}/${product}-${platform}` });
      process.stdout.write(`${folder}\n`);
    }
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
