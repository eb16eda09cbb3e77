// `npm run package`: what comes out, that it is sound, and that whoever builds it again gets the same bytes.
import { execFile } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../../installer/bundle.ts";
import type { Manifest } from "../../installer/manifest.ts";
import { packageVersion } from "../../installer/payload.ts";
import { PLATFORM_FACTS, type Platform } from "../../installer/platforms.ts";
import { requireTier } from "#test/support/tiers.ts";
import { copySources } from "./support/source-copy.ts";

const BUILD_MS = 600_000;
const HERE: Platform = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
const { deb: debArch, rpm: rpmArch } = PLATFORM_FACTS[HERE].architecture ?? { deb: "", rpm: "" };
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PROGRAMS = ["dpkg-deb", "rpmbuild", "lintian", "zstd", "xz"];
const missing = PROGRAMS.filter(
  (program) =>
    !(process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program))),
);
const canRun = requireTier(
  "packages",
  missing.length === 0,
  `${missing.join(", ")} not found; apt-get install dpkg rpm lintian zstd xz-utils`,
);

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), "millrace-build-"));
const dist = join(dir, "dist");
let version = "";
let said = "";

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** In a checkout's folder, as `npm run package` does. */
async function build(folder: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout } = await run(process.execPath, [join(folder, "installer/main.ts"), ...args], {
    cwd: folder,
    env: { ...process.env, MILLRACE_SIGNING_KEY_FILE: "", ...env },
  });
  return stdout;
}

function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function built(ending: string): readonly string[] {
  return readdirSync(dist).filter((file) => file.endsWith(ending));
}

describe.skipIf(!canRun)("npm run package", () => {
  beforeAll(async () => {
    version = await packageVersion();
    said = await build(ROOT, ["--platform", HERE, "--out", dist]);
  }, BUILD_MS);

  test("builds both products in every kind, and says what the key is worth", () => {
    expect(readdirSync(dist).sort()).toEqual(
      [
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "signing-key.pem",
        ...["agent", "relay"].flatMap((product) => [
          `millrace-${product}_${version}_${debArch}.deb`,
          `millrace-${product}-${version}-1.${rpmArch}.rpm`,
          `millrace-${product}-${version}-${HERE}.tar.zst`,
          `millrace-${product}-${version}-${HERE}.cdx.json`,
        ]),
      ].sort(),
    );
    expect(said).toContain("signed by a key made for this build, not a release key");
  });

  test("SHA256SUMS names every file, as it is, and is signed", () => {
    const text = readFileSync(join(dist, "SHA256SUMS"));
    const lines = text.toString().trim().split("\n");
    const names = lines.map((line) => line.slice(66));
    expect(names).toEqual(
      readdirSync(dist)
        .filter((file) => file.startsWith("millrace-"))
        .sort(),
    );
    for (const line of lines) expect(sha256(join(dist, line.slice(66)))).toBe(line.slice(0, 64));
    const key = createPublicKey(readFileSync(join(dist, "signing-key.pem")));
    const signature = Buffer.from(readFileSync(join(dist, "SHA256SUMS.sig"), "utf8"), "base64");
    expect(verify(null, text, key, signature)).toBe(true);
    expect(verify(null, Buffer.concat([text, Buffer.from(" ")]), key, signature)).toBe(false);
  });

  test(
    "lintian finds nothing in the .debs that has no reason",
    async () => {
      const env = { ...process.env, LC_ALL: "C" };
      const files = built(".deb").map((file) => join(dist, file));
      expect(files).toHaveLength(2);
      const { stdout } = await run("lintian", ["--fail-on", "none", ...files], { env });
      expect(stdout).toBe("");
    },
    BUILD_MS,
  );

  test.each(["agent", "relay"])(
    ".deb and .rpm of the %s put down the same files, root's own",
    async (product) => {
      const deb = await run("dpkg-deb", [
        "--contents",
        join(dist, `millrace-${product}_${version}_${debArch}.deb`),
      ]);
      const inDeb = deb.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/))
        .filter(([mode = ""]) => mode.startsWith("-"));
      for (const [, owner] of inDeb) expect(owner).toBe("root/root");
      const debFiles = inDeb.map(([mode = "", , , , , path = ""]) => `${mode} ${path.slice(1)}`);
      const format = "[%{FILEMODES:perms} %{FILENAMES} %{FILEUSERNAME}/%{FILEGROUPNAME}\\n]";
      const rpm = await run("rpm", [
        "-qp",
        "--qf",
        format,
        join(dist, `millrace-${product}-${version}-1.${rpmArch}.rpm`),
      ]);
      const inRpm = rpm.stdout
        .trim()
        .split("\n")
        .filter((line) => line.startsWith("-"));
      const ofDebian = /\/usr\/share\/(doc|lintian)\//;
      expect(inRpm).toEqual(
        debFiles
          .filter((line) => !ofDebian.test(line))
          .map((line) => `${line} root/root`)
          .sort((a, b) => (a.slice(11) < b.slice(11) ? -1 : 1)),
      );
      expect(debFiles).toContainEqual(`-rwxr-x--- /usr/lib/millrace-${product}/versions/${version}/node`);
    },
  );

  test("the archive runs from where it is unpacked, and every file in it is in its signed manifest", async () => {
    const archive = built("tar.zst").find((file) => file.includes("agent")) ?? "";
    await run("tar", ["--zstd", "-xf", join(dist, archive), "-C", dir]);
    const root = join(dir, archive.replace(".tar.zst", ""));
    expect((await run(join(root, "millrace-agent"), ["--version"])).stdout.trim()).toBe(version);
    const folder = join(root, "versions", version);
    const bytes = readFileSync(join(folder, "manifest.json"));
    const key = createPublicKey(readFileSync(join(folder, "signing-key.pem")));
    const signature = Buffer.from(readFileSync(join(folder, "manifest.json.sig"), "utf8"), "base64");
    expect(verify(null, bytes, key, signature)).toBe(true);
    const manifest = JSON.parse(bytes.toString()) as Manifest;
    expect(manifest).toMatchObject({ product: "agent", version, platform: HERE });
    const there = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .filter((path) => !/^(manifest\.json(\.sig)?|signing-key\.pem)$/.test(path));
    expect(Object.keys(manifest.files)).toEqual(there.sort());
    for (const path of there) expect(sha256(join(folder, path))).toBe(manifest.files[path]?.sha256);
  });

  test("the bill of materials and NOTICE name the same packages, and the runtime", async () => {
    const sbom = JSON.parse(
      readFileSync(join(dist, `millrace-agent-${version}-${HERE}.cdx.json`), "utf8"),
    ) as { readonly components: readonly { readonly name: string; readonly version: string }[] };
    const file = `./usr/lib/millrace-agent/versions/${version}/NOTICE`;
    const { stdout: notice } = await run(
      "bash",
      [
        "-c",
        'dpkg-deb --fsys-tarfile "$0" | tar -xO "$1"',
        join(dist, `millrace-agent_${version}_${debArch}.deb`),
        file,
      ],
      { maxBuffer: 16 * 1024 * 1024 },
    );
    const names = sbom.components.map(({ name, version }) => `${name} ${version}`);
    expect(names.length).toBeGreaterThan(100);
    expect(
      names.map((name) => name.replace(/^node /, "Node.js ")).filter((name) => !notice.includes(name)),
    ).toEqual([]);
    for (const name of ["better-sqlite3", "tedious", "oracledb", "pg", "node-opcua-client", "ws"])
      expect(names.some((each) => each.startsWith(`${name} `))).toBe(true);
    for (const name of ["fastify", "vite", "node-opcua-server", "typescript"])
      expect(names.some((each) => each.startsWith(`${name} `))).toBe(false);
  });

  test(
    "the same sources give the same bytes, wherever they lie and whoever packs them",
    async () => {
      const keyFile = join(dir, "key.pem");
      const { privateKey } = generateKeyPairSync("ed25519");
      writeFileSync(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }));
      const looked = join(dir, "looked");
      mkdirSync(looked);
      const { inputs } = await bundle({ product: "agent", platform: HERE, version, into: looked });
      const folders = Object.keys(inputs).map(
        (path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? "",
      );
      const packages = [...new Set(folders)].filter((folder) => folder !== "");
      const hashes = await Promise.all(
        ["here", "deeper/elsewhere"].map(async (place) => {
          const folder = join(dir, place);
          await copySources(folder, packages);
          const out = join(folder, "dist");
          const only = ["--only", "deb,rpm,tar", "--product", "agent", "--platform", HERE];
          const told = await build(folder, [...only, "--out", out], { MILLRACE_SIGNING_KEY_FILE: keyFile });
          expect(told).toContain("signed by the given key");
          return readFileSync(join(out, "SHA256SUMS"), "utf8");
        }),
      );
      expect(hashes[0]?.trim().split("\n")).toHaveLength(4);
      expect(hashes[1]).toBe(hashes[0]);
    },
    BUILD_MS,
  );
});
