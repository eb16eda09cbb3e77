// The signed list of a payload's files, and the keys that may sign it.
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signingKey, writeManifest, type Manifest } from "../../installer/manifest.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-manifest-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const ABOUT = { product: "agent", version: "1.2.3", platform: "linux-x64", built_from: "abc" } as const;

describe("the manifest", () => {
  it("names every file with hash and size, sorted, and bears the key's signature", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    mkdirSync(join(dir, "packs"));
    writeFileSync(join(dir, "packs", "a.yaml"), "a: 1\n");
    writeFileSync(join(dir, "main.mjs"), "");
    const file = await writeManifest(dir, ABOUT, { privateKey, isRelease: true });
    const bytes = readFileSync(file);
    expect(JSON.parse(bytes.toString())).toEqual({
      ...ABOUT,
      files: {
        "main.mjs": {
          sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          bytes: 0,
        },
        "packs/a.yaml": { sha256: expect.stringMatching(/^[0-9a-f]{64}$/), bytes: 5 },
      },
    } satisfies Manifest);
    const signature = Buffer.from(readFileSync(`${file}.sig`, "utf8"), "base64");
    const publicKey = createPublicKey(readFileSync(join(dir, "signing-key.pem")));
    expect(verify(null, bytes, publicKey, signature)).toBe(true);
    // Made again over its own files, it is the same.
    await writeManifest(dir, ABOUT, { privateKey, isRelease: true });
    expect(readFileSync(file)).toEqual(bytes);
  });
});

describe("the key", () => {
  it("is the one of the file, which must hold an Ed25519 key", () => {
    const file = join(dir, "key.pem");
    const env = { MILLRACE_SIGNING_KEY_FILE: file };
    expect(() => signingKey(env)).toThrow(/MILLRACE_SIGNING_KEY_FILE.*could not be read/);
    const { privateKey } = generateKeyPairSync("ed25519");
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
    expect(signingKey(env)).toMatchObject({ isRelease: true });
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    writeFileSync(file, other.export({ type: "pkcs8", format: "pem" }));
    expect(() => signingKey(env)).toThrow("another kind of key");
  });

  it("is made once a run when none is given, and is no release key", () => {
    const key = signingKey({});
    expect(key.isRelease).toBe(false);
    expect(signingKey({ MILLRACE_SIGNING_KEY_FILE: "" }).privateKey).toBe(key.privateKey);
  });
});
