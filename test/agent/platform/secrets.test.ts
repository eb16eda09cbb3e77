// Secrets of this machine: stored sealed or private, read back, refused when others may read them, found in the configuration.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { Readable } from "node:stream";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseAgentConfig } from "#agent/platform/config.ts";
import {
  isSecretName,
  runTool,
  secretPlaces,
  type SecretPlaces,
  type Tool,
} from "#agent/platform/secret-places.ts";
import { openSecretStore } from "#agent/platform/secret-store.ts";
import { secretUseOf } from "#agent/platform/secret-use.ts";
import { readSecret } from "#agent/platform/secret-input.ts";
import { secretReader } from "#agent/platform/secrets.ts";
import { ConfigError } from "#common/runtime/errors.ts";

let dir: string;
let places: SecretPlaces;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "millrace-secrets-"));
  places = secretPlaces(join(dir, "agent.yaml"), join(dir, "data"), {});
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Turns bytes around: enough to see who sealed what. */
function turned(text: Uint8Array | string): Buffer {
  return Buffer.from(Uint8Array.from(Buffer.from(text)).toReversed());
}

/** systemd-creds, systemctl and the Windows host as they behave; what they were asked is kept. */
function fakeTools(asked: string[], missing: readonly string[] = []): Tool {
  return (command, args, input) => {
    asked.push([command, ...args].join(" "));
    if (missing.includes(command)) return { ok: false, message: `${command}: spawnSync ${command} ENOENT` };
    return {
      ok: true,
      output:
        args[0] === "encrypt" || args[0]?.includes("protect") === true ? turned(input) : Buffer.alloc(0),
    };
  };
}

function read(name: string, env: NodeJS.ProcessEnv = {}): ReturnType<ReturnType<typeof secretReader>> {
  return secretReader(places, env)({ scheme: "credential", name });
}

describe("a secret in a private file", () => {
  it("is stored for its owner alone, replaced, listed, read and removed", () => {
    const store = openSecretStore({ places, env: {} });
    expect(store.put("erp", "first")).toMatchObject({ binding: "file" });
    const { file } = store.put("erp", "pässwort");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, "data", "secrets")).mode & 0o777).toBe(0o700);
    expect(read("erp")).toEqual({ ok: true, value: "pässwort" });
    expect(readdirSync(join(dir, "data", "secrets"))).toEqual(["erp"]);
    expect(store.list()).toEqual([{ name: "erp", binding: "file" }]);
    expect([store.drop("erp"), store.drop("erp"), store.list()]).toEqual([true, false, []]);
  });

  it.each([0o640, 0o604, 0o644])("is refused while others may read it (%o)", (mode) => {
    const { file } = openSecretStore({ places, env: {} }).put("erp", "geheim");
    chmodSync(file, mode);
    expect(read("erp")).toMatchObject({
      ok: false,
      message: expect.stringMatching(/read by others.*chmod 600/),
    });
    chmodSync(file, 0o400);
    expect(read("erp")).toEqual({ ok: true, value: "geheim" });
  });
});

describe("a secret that systemd hands over", () => {
  it("comes before a file of the same name", () => {
    openSecretStore({ places, env: {} }).put("erp", "from the file");
    mkdirSync(join(dir, "handed"));
    writeFileSync(join(dir, "handed", "erp"), "from systemd\n");
    expect(read("erp", { CREDENTIALS_DIRECTORY: join(dir, "handed") })).toEqual({
      ok: true,
      value: "from systemd",
    });
    expect(read("erp", { CREDENTIALS_DIRECTORY: join(dir, "empty") })).toEqual({
      ok: true,
      value: "from the file",
    });
  });

  it("is encrypted, named in a drop-in, and systemd is told", () => {
    const asked: string[] = [];
    const dropInDir = join(dir, "unit.d");
    const store = openSecretStore({ places, env: {}, tool: fakeTools(asked), dropInDir, isUnit: true });
    const { file, binding } = store.put("erp", "geheim");
    store.put("proxy", "auch");
    expect(binding).toBe("sealed");
    expect(readFileSync(file)).toEqual(turned("geheim"));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(asked).toEqual([
      "systemd-creds encrypt --name=erp - -",
      "systemctl daemon-reload",
      "systemd-creds encrypt --name=proxy - -",
      "systemctl daemon-reload",
    ]);
    const folder = join(dir, "credentials");
    expect(readFileSync(join(dropInDir, "credentials.conf"), "utf8")).toContain(
      `[Service]\nLoadCredentialEncrypted=erp:${folder}/erp\nLoadCredentialEncrypted=proxy:${folder}/proxy\n`,
    );
    store.drop("erp");
    expect(readFileSync(join(dropInDir, "credentials.conf"), "utf8")).not.toContain("erp:");
    expect(store.list()).toEqual([{ name: "proxy", binding: "sealed" }]);
  });

  it("is root's plain file where systemd cannot encrypt, and that is told", () => {
    const dropInDir = join(dir, "unit.d");
    const tool = fakeTools([], ["systemd-creds", "systemctl"]);
    const store = openSecretStore({ places, env: {}, tool, dropInDir, isUnit: true });
    expect(store.put("erp", "geheim")).toMatchObject({
      binding: "root",
      notes: [expect.stringContaining("systemctl daemon-reload")],
    });
    expect(readFileSync(join(dropInDir, "credentials.conf"), "utf8")).toContain("LoadCredential=erp:");
    expect(store.list()).toEqual([{ name: "erp", binding: "root" }]);
  });

  it("is not stored when encrypting fails: what was there stays", () => {
    const dropInDir = join(dir, "unit.d");
    openSecretStore({ places, env: {}, tool: fakeTools([]), dropInDir, isUnit: true }).put("erp", "geheim");
    const broken: Tool = () => ({ ok: false, message: "systemd-creds ended with 1: no TPM" });
    const store = openSecretStore({ places, env: {}, tool: broken, dropInDir, isUnit: true });
    expect(() => store.put("erp", "neu")).toThrow(
      "encrypting erp failed: systemd-creds ended with 1: no TPM; nothing was changed",
    );
    expect(readFileSync(join(dir, "credentials", "erp"))).toEqual(turned("geheim"));
  });
});

it("opens what the Windows host has sealed, and says so when it cannot", () => {
  mkdirSync(places.sealedDir);
  writeFileSync(join(places.sealedDir, "erp"), turned("geheim\n"));
  const host = (opens: boolean): SecretPlaces => ({
    ...places,
    unseal: (file) =>
      opens
        ? { ok: true, value: turned(readFileSync(file)).toString() }
        : { ok: false, message: "store the secret again" },
  });
  expect(secretReader(host(true), {})({ scheme: "credential", name: "erp" })).toEqual({
    ok: true,
    value: "geheim",
  });
  expect(secretReader(host(false), {})({ scheme: "credential", name: "erp" })).toMatchObject({ ok: false });
});

it("names the command that stores a missing secret", () => {
  const text =
    'connections:\n  - { name: a, connector: sqlite, settings: { password: "{credential:erp}" } }\n';
  const file = join(dir, "agent.yaml");
  expect(() => parseAgentConfig(text, file, {})).toThrow(ConfigError);
  expect(() => parseAgentConfig(text, file, {})).toThrow(
    `{credential:erp} cannot be read: no secret of this name is stored on this machine; store it: millrace-agent secret set erp --config ${file}`,
  );
});

it.each([
  "",
  ".",
  "..",
  "../x",
  "a/b",
  "a\\b",
  "-x",
  "a:b",
  "a b",
  "con",
  "NUL.txt",
  "x".repeat(101),
  "ends.",
])("takes no name like %j", (name) => {
  expect(isSecretName(name)).toBe(false);
  expect(read(name)).toMatchObject({
    ok: false,
    message: expect.stringContaining("cannot be a secret's name"),
  });
});

it("finds what the configuration refers to, and what stands in it as plain text", () => {
  const text = `
relay: { proxy: "http://p:1", proxy_user: u, proxy_password: plain-1 }
data_dir: data
connections:
  - name: a
    connector: postgres
    settings: { user: reader, password: "{credential:erp}", tls: { key_file: k.pem, private_key: plain-2 } }
  - { name: b, connector: sqlite, settings: { password: {env:PW} } }
`;
  const { dataDir, references, inline } = secretUseOf(text, "agent.yaml");
  expect(dataDir).toBe("data");
  expect(references.map(({ scheme, name, path }) => `${path} ${scheme}:${name}`)).toEqual([
    "connections[0].settings.password credential:erp",
    "connections[1].settings.password env:PW",
  ]);
  expect(inline.map(({ path }) => path)).toEqual([
    "relay.proxy_password",
    "connections[0].settings.tls.private_key",
  ]);
});

it("runs a program with its input, and says what went wrong", () => {
  expect(runTool(process.execPath, ["-e", "process.stdin.pipe(process.stdout)"], "ein Text")).toEqual({
    ok: true,
    output: Buffer.from("ein Text"),
  });
  const failed = runTool(process.execPath, ["-e", "console.error('not today'); process.exit(3)"], "");
  expect(failed).toEqual({ ok: false, message: `${process.execPath} ended with 3: not today` });
  expect(runTool(join(dir, "nothing"), [], "")).toMatchObject({
    ok: false,
    message: expect.stringContaining("ENOENT"),
  });
});

describe("a secret that is piped in", () => {
  const read = (...chunks: readonly string[]): Promise<string> =>
    readSecret(
      "",
      () => {},
      new AbortController().signal,
      Readable.from(chunks.map((chunk) => Buffer.from(chunk))),
    );

  it.each([
    [["geheim"], "geheim"],
    [["gehe", "im\n"], "geheim"],
    [["two\nlines\r\n"], "two\nlines"],
    [[" spaces stay "], " spaces stay "],
    [[], ""],
  ])("%j is %j", async (chunks, expected) => {
    expect(await read(...chunks)).toBe(expected);
  });

  it("is not taken when it is too long", async () => {
    await expect(read("x".repeat(64 * 1024 + 1))).rejects.toThrow("a secret has at most 65536 bytes");
  });
});
