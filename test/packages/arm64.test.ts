// What packages for arm64 carry, run by an emulator: the runtime, the addon and the bundle of both products.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stagePayload } from "../../installer/payload.ts";
import type { Product } from "../../installer/platforms.ts";
import { Plant } from "#test/support/plant-stack.ts";
import { requireTier } from "#test/support/tiers.ts";

/** It is ten times slower there. */
const WAIT_MS = 600_000;
const EMULATOR = "qemu-aarch64-static";
const missing = [EMULATOR, "mmdebstrap"].filter(
  (program) =>
    !(process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program))),
);
const canRun = requireTier(
  "arm64",
  missing.length === 0,
  `${missing.join(", ")} not found; apt-get install qemu-user-static mmdebstrap`,
);

const run = promisify(execFile);

describe.skipIf(!canRun)("on arm64", () => {
  const dir = mkdtempSync(join(tmpdir(), "millrace-arm64-"));
  const libraries = join(dir, "libraries");

  beforeAll(async () => {
    // The three that the packages depend on, unpacked and nothing of them run.
    const only = ["--variant=extract", "--architectures=arm64", "--skip=check/qemu"];
    await run("mmdebstrap", [...only, "--include=libc6,libstdc++6,libgcc-s1", "bookworm", libraries]);
  }, WAIT_MS);

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  async function said(product: Product, args: readonly string[]): Promise<string> {
    const { folder } = await stagePayload({ product, platform: "linux-arm64", into: join(dir, product) });
    const command = [join(folder, "node"), join(folder, "main.mjs")];
    const { stdout } = await run(EMULATOR, ["-L", libraries, ...command, ...args], { cwd: dir });
    return stdout;
  }

  test(
    "the agent looks into a database",
    async () => {
      using plant = new Plant();
      const connection = {
        name: "plant",
        connector: "sqlite",
        pack: "demo-cmms",
        time_zone: "UTC",
        settings: { file: plant.file },
      };
      const config = join(dir, "agent.yaml");
      const data_dir = join(dir, "data");
      const connections = [connection];
      writeFileSync(config, JSON.stringify({ relay: { url: "ws://127.0.0.1:1" }, data_dir, connections }));
      expect(await said("agent", ["discover", "plant", "--config", config])).toContain("demo-cmms");
    },
    WAIT_MS,
  );

  test(
    "the relay opens its store",
    async () => {
      const args = ["workspace", "create", "--name", "plants", "--data-dir", join(dir, "relay-data")];
      expect(await said("relay", args)).toContain('"plants"');
    },
    WAIT_MS,
  );
});
