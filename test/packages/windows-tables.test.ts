// The tables of the Windows package, and that the same content gives the same file. What is in the payload does not matter here.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { requireTier } from "#test/support/tiers.ts";
import { appLockerPolicy, authenticodeHash } from "../../installer/windows/allow-list.ts";
import { buildMsi } from "../../installer/windows/build-msi.ts";
import { buildWindowsPrograms } from "../../installer/windows/build-host.ts";
import type { Payload } from "../../installer/payload.ts";
import { fetchRuntime } from "../../installer/runtime.ts";
import { missingBuildPrograms } from "./support/windows-packages.ts";

const BUILD_MS = 300_000;
const missing = missingBuildPrograms();
const canRun = requireTier(
  "windows-build",
  missing.length === 0,
  `${missing.join(", ")} missing; apt-get install wixl msitools gcc-mingw-w64-x86-64`,
);

/** A few files in place of a payload. */
function smallPayload(into: string, version: string): Payload {
  const folder = join(into, "versions", version);
  mkdirSync(join(folder, "packs"), { recursive: true });
  const manifestFile = join(folder, "manifest.json");
  for (const name of ["main.mjs", "manifest.json", "packs/a&b.yaml"]) {
    writeFileSync(join(folder, name), `${name} of ${version}`);
    utimesSync(join(folder, name), 1_700_000_000, 1_700_000_000);
  }
  return { product: "agent", platform: "win-x64", version, folder, manifestFile };
}

describe.skipIf(!canRun)("the Windows package", () => {
  let dir: string;
  let msi: string;
  let newer: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "millrace-tables-"));
    // Or else a commit in between would be another moment.
    vi.stubEnv("SOURCE_DATE_EPOCH", "1700000000");
    const build = (version: string, out: string): Promise<string> =>
      buildMsi({ payload: smallPayload(join(dir, `${out}-payload`), version), version, out: join(dir, out) });
    msi = await build("1.2.3", "first");
    newer = await build("1.3.0", "second");
  }, BUILD_MS);
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true, force: true });
  });

  function rows(table: string, file = msi): string[][] {
    const text = execFileSync("msiinfo", ["export", file, table], { encoding: "utf8" });
    return text
      .split(/\r?\n/)
      .slice(3)
      .filter((line) => line !== "")
      .map((line) => line.split("\t"));
  }

  it("does everything in the order that upgrade, removal and rollback need", () => {
    const sequence = rows("InstallExecuteSequence")
      .map(([action, condition, place]) => ({ action, condition, place: Number(place) }))
      .toSorted((a, b) => a.place - b.place);
    expect(sequence.map(({ action, condition }) => [action, condition].filter(Boolean).join(": "))).toEqual([
      "FindRelatedProducts",
      "AppSearch",
      "LaunchConditions",
      "MillraceDataDir: NOT DATADIR",
      "ValidateProductID",
      "CostInitialize",
      "FileCost",
      "CostFinalize",
      "MigrateFeatureStates",
      "InstallValidate",
      "InstallInitialize",
      "RemoveExistingProducts",
      'MillracePrepare: NOT (REMOVE~="ALL")',
      "ProcessComponents",
      "UnpublishFeatures",
      'MillraceStop: REMOVE~="ALL"',
      "StopServices",
      'MillraceKeep: REMOVE~="ALL" AND NOT UPGRADINGPRODUCTCODE AND PURGE<>"1"',
      'MillracePurge: REMOVE~="ALL" AND NOT UPGRADINGPRODUCTCODE AND PURGE="1"',
      "DeleteServices: VersionNT",
      "RemoveRegistryValues",
      "RemoveEnvironmentStrings",
      "RemoveFiles",
      "InstallFiles",
      "WriteRegistryValues",
      "WriteEnvironmentStrings",
      "InstallServices",
      "MillraceUndo: NOT Installed",
      'MillraceConfigure: NOT (REMOVE~="ALL")',
      'MillraceForget: NOT (REMOVE~="ALL")',
      'StartServices: STARTSERVICE<>"0"',
      "RegisterUser",
      "RegisterProduct",
      "PublishFeatures",
      "PublishProduct",
      "InstallFinalize",
    ]);
    const places = sequence.map(({ place }) => place);
    expect(new Set(places).size).toBe(places.length);
  });

  it("runs its actions as the system, hidden, and undoes what it configured", () => {
    const actions = new Map(rows("CustomAction").map(([action = "", type]) => [action, Number(type)]));
    const has = (action: string, flag: number): boolean => ((actions.get(action) ?? 0) & flag) === flag;
    for (const action of [
      "MillraceConfigure",
      "MillraceStop",
      "MillraceKeep",
      "MillracePurge",
      "MillraceUndo",
    ]) {
      expect({ action, asSystem: has(action, 0x400 + 0x800) }).toEqual({ action, asSystem: true });
      expect(has(action, 0x100)).toBe(action === "MillraceUndo");
    }
    expect(has("MillraceConfigure", 0x2000)).toBe(true);
    // A configuration that fails must fail the installation; what cleans up must not.
    expect(has("MillraceConfigure", 0x40)).toBe(false);
    for (const action of ["MillraceStop", "MillraceKeep", "MillracePurge", "MillraceUndo"])
      expect({ action, goesOn: has(action, 0x40) }).toEqual({ action, goesOn: true });
    expect(actions.get("MillracePrepare")).toBe(1 + 0x2000);
    const line = rows("CustomAction")
      .map((row) => row.join(" "))
      .join("\n");
    expect(line).not.toMatch(/\[(ENROLLTOKEN|PROXYURL)\]/);
  });

  it("hides what is secret, and lets every property reach the part that runs as the system", () => {
    const properties = new Map(rows("Property").map(([name = "", value = ""]) => [name, value.split(";")]));
    expect(properties.get("MsiHiddenProperties")).toEqual(["ENROLLTOKEN", "PROXYURL", "MillraceConfigure"]);
    expect(properties.get("SecureCustomProperties")).toEqual([
      "SERVERURL",
      "ENROLLTOKENFILE",
      "ENROLLTOKEN",
      "PROXYURL",
      "CAFILE",
      "INSTALLDIR",
      "DATADIR",
      "STARTSERVICE",
      "PURGE",
      "WIX_UPGRADE_DETECTED",
      "WIX_DOWNGRADE_DETECTED",
    ]);
  });

  it("is one product in each version, and finds older and newer ones of it", () => {
    const value = (file: string, name: string): string =>
      rows("Property", file).find(([property]) => property === name)?.[1] ?? "";
    expect(value(msi, "UpgradeCode")).toBe(value(newer, "UpgradeCode"));
    expect(value(msi, "ProductCode")).not.toBe(value(newer, "ProductCode"));
    const [upgrade, downgrade] = rows("Upgrade");
    expect(upgrade?.slice(1)).toEqual(["", "1.2.3", "", "1", "", "WIX_UPGRADE_DETECTED"]);
    expect(downgrade?.slice(1)).toEqual(["1.2.3", "", "", "2", "", "WIX_DOWNGRADE_DETECTED"]);
    expect(rows("LaunchCondition").map(([condition]) => condition)).toContain("NOT WIX_DOWNGRADE_DETECTED");
  });

  it("installs the service with an account of little power, and every file as a 64-bit component", () => {
    const [service] = rows("ServiceInstall");
    expect(service?.slice(1, 6)).toEqual(["MillraceAgent", "Millrace Agent", "16", "2", "1"]);
    expect(service).toContain("NT AUTHORITY\\LocalService");
    for (const [component, , , attributes] of rows("Component"))
      expect({ component, bits: Number(attributes) & 256 }).toEqual({ component, bits: 256 });
    expect(rows("File").map(([, , name]) => name)).toEqual(
      expect.arrayContaining(["millracesvc.exe", "millrace-agent.cmd", "applocker.xml", "a&b.yaml"]),
    );
    const directories = rows("Directory").map(([, , name]) => name);
    expect(directories).toEqual(expect.arrayContaining(["versions", "1.2.3", "packs"]));
  });

  it(
    "is the same file when it is built again elsewhere",
    async () => {
      const payload = smallPayload(join(dir, "again-payload"), "1.2.3");
      const again = await buildMsi({ payload, version: "1.2.3", out: join(dir, "again elsewhere") });
      const hash = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
      expect(hash(again)).toBe(hash(msi));
    },
    BUILD_MS,
  );

  it("brings rules with the hashes that Windows takes of its programs", async () => {
    const { file } = await fetchRuntime("win-x64");
    const node = readFileSync(file);
    // Its signature holds the hash that was signed.
    const hash = authenticodeHash(node);
    expect(node.lastIndexOf(Buffer.from(hash, "hex"))).toBeGreaterThan(node.length - 100_000);
    const altered = Buffer.from(node);
    altered[2_000_000] = (altered[2_000_000] ?? 0) ^ 1;
    expect(authenticodeHash(altered)).not.toBe(hash);
    const policy = appLockerPolicy("1.2.3", [
      { name: "node.exe", bytes: node },
      { name: "win32-x64.node", bytes: node },
    ]);
    expect(policy.split(`Data="0x${hash.toUpperCase()}"`)).toHaveLength(3);
    const kinds = policy.split("<RuleCollection ");
    expect(kinds[1]).toContain('Type="Exe"');
    expect(kinds[1]).toContain('SourceFileName="node.exe"');
    expect(kinds[2]).toContain('SourceFileName="win32-x64.node"');
    expect(() => authenticodeHash(Buffer.from("#!/bin/sh"))).toThrow(TypeError);
  });

  it(
    "needs no library that Windows does not have",
    async () => {
      const { host, actions } = await buildWindowsPrograms("1.2.3", join(dir, "programs"));
      const imports = (file: string): string[] => {
        const text = execFileSync("x86_64-w64-mingw32-objdump", ["-p", file], { encoding: "utf8" });
        return [...text.matchAll(/DLL Name: (\S+)/g)].map(([, name = ""]) => name.toLowerCase()).toSorted();
      };
      expect(imports(host)).toEqual([
        "advapi32.dll",
        "crypt32.dll",
        "kernel32.dll",
        "msvcrt.dll",
        "shell32.dll",
      ]);
      expect(imports(actions)).toEqual(["advapi32.dll", "kernel32.dll", "msi.dll", "msvcrt.dll"]);
    },
    BUILD_MS,
  );
});
