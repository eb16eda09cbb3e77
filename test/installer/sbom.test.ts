// The bill of materials and NOTICE, from packages that a bundle's files name.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundledPackages, type BundledPackage } from "../../installer/bundled-packages.ts";
import { noticeText } from "../../installer/notice.ts";
import { sbomText } from "../../installer/sbom.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-sbom-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const SHARED = { licenseTexts: ["The text"], integrity: "sha512-AAEC" };
const OUTER: BundledPackage = {
  ...SHARED,
  folder: "node_modules/@scope/outer",
  name: "@scope/outer",
  version: "1.0.0",
  license: "MIT",
  takes: ["node_modules/inner"],
};
const INNER: BundledPackage = {
  ...SHARED,
  folder: "node_modules/inner",
  name: "inner",
  version: "2.0.0",
  license: "(MIT OR Apache-2.0)",
  licenseTexts: [],
  takes: [],
};

function sbomOf(packages: readonly BundledPackage[], epochSeconds = 0) {
  const request = { product: "agent", platform: "linux-x64", version: "1.2.3" } as const;
  const text = sbomText({ ...request, epochSeconds, packages, direct: ["node_modules/@scope/outer"] });
  return JSON.parse(text) as {
    serialNumber: string;
    components: Record<string, unknown>[];
    dependencies: object[];
  };
}

describe("the bill of materials", () => {
  it("has the runtime, each package with its hash, and who takes whom", () => {
    const { components, dependencies } = sbomOf([OUTER, INNER]);
    expect(components.map(({ name }) => name)).toEqual(["node", "@scope/outer", "inner"]);
    expect(components[1]).toMatchObject({
      purl: "pkg:npm/%40scope/outer@1.0.0",
      licenses: [{ license: { id: "MIT" } }],
      hashes: [{ alg: "SHA-512", content: "000102" }],
    });
    expect(components[2]).toMatchObject({ licenses: [{ expression: "(MIT OR Apache-2.0)" }] });
    expect(dependencies).toContainEqual({
      ref: "millrace-agent@1.2.3",
      dependsOn: ["pkg:generic/node@24.21.0", "pkg:npm/%40scope/outer@1.0.0"],
    });
    expect(dependencies).toContainEqual({
      ref: "pkg:npm/%40scope/outer@1.0.0",
      dependsOn: ["pkg:npm/inner@2.0.0"],
    });
  });

  it("names two copies of one version apart", () => {
    const copy = { ...INNER, folder: "node_modules/@scope/outer/node_modules/inner" };
    const refs = sbomOf([OUTER, INNER, copy]).components.map((component) => component["bom-ref"]);
    expect(new Set(refs).size).toBe(4);
  });

  it("bears a number that comes from what it says", () => {
    const { serialNumber } = sbomOf([OUTER]);
    expect(serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(sbomOf([OUTER]).serialNumber).toBe(serialNumber);
    expect(sbomOf([OUTER], 1).serialNumber).not.toBe(serialNumber);
  });
});

it("NOTICE has each package's texts once, and the runtime's", async () => {
  const license = join(dir, "LICENSE");
  writeFileSync(license, "Node.js is licensed for use as follows:");
  const text = await noticeText(
    [OUTER, { ...OUTER, folder: "node_modules/x/node_modules/outer" }, INNER],
    license,
  );
  expect(text.split("@scope/outer 1.0.0 (MIT)")).toHaveLength(2);
  expect(text).toContain("Its package carries no text; it names: (MIT OR Apache-2.0)");
  expect(text).toContain("Node.js is licensed");
});

describe("packages of a bundle", () => {
  const imports = (path: string) => ({ path, kind: "import-statement" as const });
  const input = (...targets: readonly string[]) => ({ bytes: 1, imports: targets.map(imports) });
  const ws = "node_modules/ws/lib/websocket.js";

  it("are those of which something is in the output", () => {
    const inputs = {
      "agent/main.ts": input(ws, "node_modules/typescript/lib/tsc.js"),
      [ws]: input("node_modules/pg/lib/index.js"),
      "node_modules/pg/lib/index.js": input(),
      "node_modules/typescript/lib/tsc.js": input(),
    };
    const used = ["agent/main.ts", ws, "node_modules/pg/lib/index.js"];
    const output = { bytes: 1, imports: [], exports: [] };
    const outputs = {
      "main.mjs": { ...output, inputs: Object.fromEntries(used.map((path) => [path, { bytesInOutput: 1 }])) },
    };
    const { packages, direct } = bundledPackages({ inputs, outputs });
    expect(packages.map(({ name, takes }) => [name, takes])).toEqual([
      ["pg", []],
      ["ws", ["node_modules/pg"]],
    ]);
    expect(direct).toEqual(["node_modules/ws"]);
    for (const { integrity, licenseTexts } of packages) {
      expect(integrity).toMatch(/^sha512-/);
      expect(licenseTexts.join()).toMatch(/permission/i);
    }
  });
});
