// An installed version against its signed manifest: changed, missing and added files, forged signatures, other keys.
import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { installationChecks } from "#agent/doctor/installation.ts";
import { checkInstallation } from "#agent/platform/installation-check.ts";

const release = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
let folder: string;
let manifestFile: string;

function pem(key: KeyObject): string {
  return String(key.export({ type: "spki", format: "pem" }));
}

function writeManifest(files: readonly string[], key: KeyObject): void {
  const entries = files.map((path) => {
    const bytes = readFileSync(join(folder, path));
    return [path, { sha256: createHash("sha256").update(bytes).digest("hex"), bytes: bytes.length }];
  });
  const about = { product: "agent", version: "1.2.3", platform: "linux-x64", built_from: "abc" };
  const bytes = Buffer.from(JSON.stringify({ ...about, files: Object.fromEntries(entries) }));
  writeFileSync(manifestFile, bytes);
  writeFileSync(`${manifestFile}.sig`, `${sign(null, bytes, key).toString("base64")}\n`);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-installed-"));
  manifestFile = join(folder, "manifest.json");
  mkdirSync(join(folder, "packs"));
  writeFileSync(join(folder, "main.mjs"), "console.log(1)");
  writeFileSync(join(folder, "packs", "demo.yaml"), "name: demo");
  writeFileSync(join(folder, "signing-key.pem"), pem(release.publicKey));
  writeManifest(["main.mjs", "packs/demo.yaml"], release.privateKey);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function told(signingKeyFile?: string) {
  const { list } = await installationChecks({ folder, manifestFile }, signingKeyFile);
  const words = list.map(({ check, outcome, text, more = [] }) => [
    check,
    `${outcome}: ${[text, ...more].join("\n")}`,
  ]);
  return Object.fromEntries(words) as Record<string, string>;
}

it("is as it was built", async () => {
  const found = await checkInstallation(manifestFile, undefined);
  expect(found).toMatchObject({
    version: "1.2.3",
    builtFrom: "abc",
    files: 2,
    signature: "good",
    isKeyGiven: false,
  });
  expect([found.changed, found.missing, found.extra, found.unreadable]).toEqual([[], [], [], []]);
  const words = await told();
  expect(words["files"]).toBe("ok: all 2 files of version 1.2.3 (linux-x64) are as they were built");
  expect(words["signature"]).toMatch(
    /^ok: .*key that came with it \(key [0-9a-f]{64}\)[^]*doctor --signing-key/,
  );
});

it("tells what was changed, is missing, was added, or became a link", async () => {
  writeFileSync(join(folder, "main.mjs"), "console.log(2)");
  rmSync(join(folder, "packs", "demo.yaml"));
  writeFileSync(join(folder, "packs", "evil.yaml"), "name: evil");
  expect(await checkInstallation(manifestFile, undefined)).toMatchObject({
    signature: "good",
    changed: ["main.mjs"],
    missing: ["packs/demo.yaml"],
    extra: ["packs/evil.yaml"],
  });
  expect((await told())["files"]).toMatch(
    /^failed: 3 of the files[^]*changed: main\.mjs\n[^]*Install the package/,
  );
  writeFileSync(join(folder, "original"), "console.log(1)");
  rmSync(join(folder, "main.mjs"));
  symlinkSync(join(folder, "original"), join(folder, "main.mjs"));
  expect((await checkInstallation(manifestFile, undefined)).changed).toEqual(["main.mjs"]);
});

it("is held against a key from elsewhere: a manifest signed anew with another key does not pass", async () => {
  const key = join(folder, "..", `release-${process.pid}.pem`);
  writeFileSync(key, pem(release.publicKey));
  try {
    expect((await checkInstallation(manifestFile, key)).signature).toBe("good");
    writeFileSync(join(folder, "main.mjs"), "console.log('mine')");
    writeFileSync(join(folder, "signing-key.pem"), pem(other.publicKey));
    writeManifest(["main.mjs", "packs/demo.yaml"], other.privateKey);
    expect((await checkInstallation(manifestFile, undefined)).signature).toBe("good");
    expect((await checkInstallation(manifestFile, key)).signature).toBe("other_key");
    expect((await told(key))["signature"]).toMatch(/^failed: .*another key than the one given/);
  } finally {
    rmSync(key, { force: true });
  }
});

it("tells a manifest that was changed, has no signature, or leads outside", async () => {
  writeFileSync(manifestFile, readFileSync(manifestFile, "utf8").replace("1.2.3", "1.2.4"));
  expect((await told())["signature"]).toMatch(/^failed: the manifest's signature does not fit it/);
  rmSync(`${manifestFile}.sig`);
  expect((await told())["signature"]).toMatch(/^failed: the manifest has no signature/);
  writeFileSync(
    manifestFile,
    '{"version":"1","platform":"x","files":{"../../etc/passwd":{"sha256":"","bytes":0}}}',
  );
  expect((await told())["manifest"]).toMatch(/^failed: .*it names \.\.\/\.\.\/etc\/passwd/);
  rmSync(manifestFile);
  expect((await told())["manifest"]).toMatch(/^failed: the manifest .* cannot be read/);
  expect((await told(join(folder, "no-key")))["manifest"]).toMatch(/^failed: /);
});

it("is not asked about in a checkout", async () => {
  const { list } = await installationChecks(undefined, undefined);
  expect(list).toMatchObject([{ outcome: "ok" }, { check: "manifest", outcome: "skipped" }]);
});
