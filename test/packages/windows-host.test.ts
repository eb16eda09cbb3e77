// The service host by itself, under Wine: secrets, the first configuration, the log, what it does when the agent ends.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseAgentConfig } from "#agent/platform/config.ts";
import { requireTier } from "#test/support/tiers.ts";
import { buildWindowsPrograms } from "../../installer/windows/build-host.ts";
import { fetchRuntime } from "../../installer/runtime.ts";
import { missingBuildPrograms } from "./support/windows-packages.ts";
import { exitCode, WineMachine, wineIsThere, type WineResult } from "./support/wine-machine.ts";

const BOOT_MS = 300_000;
const HOST = "C:\\host\\millracesvc.exe";
const DATA = "C:\\Daten schütz\\Fließband";
const KEY = "HKLM\\SOFTWARE\\Millrace\\Agent";
const missing = [...missingBuildPrograms(), ...(wineIsThere() ? [] : ["wine64"])];
const canRun = requireTier(
  "windows",
  missing.length === 0,
  `${missing.join(", ")} missing; apt-get install wine64 wixl msitools gcc-mingw-w64-x86-64`,
);

describe.skipIf(!canRun)("the Windows service host", () => {
  let dir: string;
  let machine: WineMachine;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "millrace-host-test-"));
    machine = await WineMachine.boot();
    const { host } = await buildWindowsPrograms("0.1.0", dir);
    mkdirSync(machine.file("C:\\host\\versions\\0.1.0"), { recursive: true });
    copyFileSync(host, machine.file(HOST));
    const { file } = await fetchRuntime("win-x64");
    copyFileSync(file, machine.file("C:\\host\\versions\\0.1.0\\node.exe"));
    await machine.run("reg", "add", KEY, "/v", "DataDir", "/d", DATA, "/f");
  }, BOOT_MS);
  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });
  afterEach(() => rmSync(machine.file(DATA), { recursive: true, force: true }));

  function configure(...wishes: readonly string[]): Promise<WineResult> {
    return machine.feed(["VERSION=0.1.0", ...wishes, ""].join("\n"), HOST, "configure");
  }

  async function opened(file: string): Promise<string> {
    return (await machine.feed(readFileSync(machine.file(file)), HOST, "unprotect")).out;
  }

  /** In place of the agent's script. */
  function agentScript(lines: readonly string[]): void {
    writeFileSync(machine.file("C:\\host\\versions\\0.1.0\\main.mjs"), `${lines.join("\n")}\n`);
  }

  it("gives a secret back on this machine, whatever bytes it has, and no other bytes", async () => {
    const secret = "pa\0ß\r\n word \n";
    const sealed = await machine.feed(secret, HOST, "protect");
    expect(sealed.code).toBe(0);
    expect(sealed.out).not.toContain("word");
    const blob = Buffer.from(sealed.out, "latin1");
    const opened = await machine.feed(blob, HOST, "unprotect");
    expect(Buffer.from(opened.out, "latin1").toString("utf8")).toBe(secret);

    const at = blob.length - 30;
    blob[at] = (blob[at] ?? 0) ^ 0xff;
    const damaged = await machine.feed(blob, HOST, "unprotect");
    expect(damaged.code).toBe(1);
    expect(damaged.out).toBe("");
    expect(damaged.err).toContain("set the secret again");
  });

  it("writes a configuration that says what the installer was told, whatever characters that has", async () => {
    const url = 'wss://relay.example/"a"\\b: #c\'é';
    const done = await configure(
      `SERVERURL=${url}`,
      "PROXYURL=http://plant%40acme:p%3Aw%22ort@proxy.example:3128/",
      "ENROLLTOKEN=mre_a-code",
    );
    expect(done).toMatchObject({ code: 0, err: "" });
    const text = machine.read(`${DATA}\\agent.yaml`);
    expect(parse(text)).toEqual({
      relay: {
        url,
        proxy: "http://proxy.example:3128/",
        proxy_user: "plant@acme",
        proxy_password: "{credential:proxy-password}",
      },
      data_dir: "data",
      status_page: { listen: "127.0.0.1:8692" },
      connections: [],
    });
    expect(text).not.toContain("ort");
    expect(await opened(`${DATA}\\secrets\\proxy-password`)).toBe('p:w"ort');
    const code = `${DATA}\\data\\enrollment-code`;
    expect(machine.read(code)).not.toContain("mre_");
    expect(await opened(code)).toBe("mre_a-code");
    expect(done.out + done.err).not.toContain("mre_");
    expect(machine.read("C:\\host\\current.txt")).toBe("0.1.0");
  });

  it("writes what the agent takes, with and without wishes, and leaves a configuration that is there", async () => {
    await configure();
    const first = machine.read(`${DATA}\\agent.yaml`);
    expect(parseAgentConfig(first, "/etc/agent.yaml", {}).config.relay.url).toBeUndefined();
    const second = await configure("SERVERURL=wss://other.example");
    expect(second.out).toContain("is there already and stays as it is");
    expect(machine.read(`${DATA}\\agent.yaml`)).toBe(first);
  });

  it("takes a certificate in PEM or DER, and names a file that is neither, or not there", async () => {
    mkdirSync(machine.file("C:\\given"), { recursive: true });
    writeFileSync(machine.file("C:\\given\\ca.cer"), Buffer.from("3003020101", "hex"));
    expect((await configure("SERVERURL=wss://a.example", "CAFILE=C:\\given\\ca.cer")).code).toBe(0);
    const pem = machine.read(`${DATA}\\relay-ca.pem`).replaceAll("\r", "");
    expect(pem).toBe("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n");
    expect(parse(machine.read(`${DATA}\\agent.yaml`))).toMatchObject({ relay: { ca_file: "relay-ca.pem" } });

    rmSync(machine.file(DATA), { recursive: true });
    writeFileSync(machine.file("C:\\given\\no.cer"), "nothing");
    const wrong = await configure("CAFILE=C:\\given\\no.cer");
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain("holds no certificate in PEM or DER");
    expect(machine.has(`${DATA}\\agent.yaml`)).toBe(false);
    const relative = await configure("ENROLLTOKENFILE=code.txt");
    expect(relative.err).toContain("is not a full path");
    const absent = await configure("ENROLLTOKENFILE=C:\\given\\absent.txt");
    expect(absent.code).toBe(1);
    expect(absent.err).toContain("ENROLLTOKENFILE=C:\\given\\absent.txt could not be read");
  });

  it("starts an agent again that ends, later each time, and stops with one that was told to", async () => {
    await configure();
    agentScript([
      'import { appendFileSync, readFileSync, existsSync } from "node:fs";',
      'const runs = existsSync("runs") ? readFileSync("runs", "utf8").length : 0;',
      'appendFileSync("runs", "x");',
      "console.log(JSON.stringify({ run: runs, host: process.env.MILLRACE_SERVICE_HOST, words: process.argv.slice(2) }));",
      "process.exit(runs < 2 ? 7 : 0);",
    ]);
    expect((await machine.run(HOST, "console")).code).toBe(0);
    const log = machine.read(`${DATA}\\logs\\agent.log`);
    const lines = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter((line) => "run" in line)).toEqual(
      [0, 1, 2].map((run) => ({ run, host: HOST, words: ["run"] })),
    );
    const told = lines.map((line) => String(line["message"]));
    expect(told.filter((text) => text.includes("exit code 7"))).toEqual([
      expect.stringContaining("again after 1 s"),
      expect.stringContaining("again after 2 s"),
    ]);
    expect(told.at(-1)).toBe("the service host stops");
  });

  it("uses a code up that works, or that the relay refuses", async () => {
    agentScript([
      "const [word] = process.argv.slice(2);",
      'console.log(word === "enroll" ? `with ${process.env.MILLRACE_ENROLLMENT_CODE.length}` : "runs");',
      'console.log(word === "run" ? `no code: ${process.env.MILLRACE_ENROLLMENT_CODE === undefined}` : "");',
      'process.exit(word === "enroll" ? 3 : 0);',
    ]);
    await configure("ENROLLTOKEN=mre_a-code");
    await machine.run(HOST, "console");
    const log = machine.read(`${DATA}\\logs\\agent.log`);
    expect(log).toContain('"message":"with 10"');
    expect(log).toContain("no code: true");
    expect(log).toContain("which is deleted");
    expect(machine.has(`${DATA}\\data\\enrollment-code`)).toBe(false);
  });

  it("rotates the log between lines, and keeps so many files", async () => {
    for (const [name, value] of [
      ["LogFileBytes", "4096"],
      ["LogFiles", "2"],
    ] as const)
      await machine.run("reg", "add", KEY, "/v", name, "/t", "REG_DWORD", "/d", value, "/f");
    await configure();
    agentScript([
      "let text = '';",
      'for (let n = 0; n < 400; n += 1) text += `{"line":${n},"pad":"${\'p\'.repeat(90)}"}\\n`;',
      "for (let at = 0; at < text.length; at += 700) process.stdout.write(text.slice(at, at + 700));",
    ]);
    await machine.run(HOST, "console");
    const names = machine.list(`${DATA}\\logs`);
    expect(names).toEqual(["agent.1.log", "agent.2.log", "agent.log"]);
    const kept = ["agent.2.log", "agent.1.log", "agent.log"].flatMap((name) =>
      machine.read(`${DATA}\\logs\\${name}`).trim().split("\n"),
    );
    const numbers = kept
      .map((line) => (JSON.parse(line) as { readonly line?: number }).line)
      .filter((line) => line !== undefined);
    expect(numbers.at(-1)).toBe(399);
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
    for (const name of ["LogFileBytes", "LogFiles"])
      await machine.run("reg", "delete", KEY, "/v", name, "/f");
  });

  it("takes an entry for the event log, and says how when it is called wrongly", async () => {
    expect((await machine.feed("änderung", HOST, "event", "warning", "1001")).code).toBe(0);
    for (const words of [["event", "loud", "1"], ["event", "error", "0"], ["event", "error", "70000"], []]) {
      const wrong = await machine.run(HOST, ...words);
      expect({ words, code: wrong.code }).toEqual({ words, code: exitCode(2) });
      expect(wrong.err).toContain("millracesvc");
    }
  });

  it("removes what the product made and nothing else", async () => {
    await configure("PROXYURL=http://u:p@proxy:1");
    await machine.run("cmd", "/c", "mkdir", `${DATA}\\data\\rooms\\deep`);
    writeFileSync(machine.file(`${DATA}\\data\\rooms\\deep\\file`), "");
    await machine.run(HOST, "unconfigure");
    expect(machine.has("C:\\host\\current.txt")).toBe(false);
    expect(machine.has(`${DATA}\\agent.yaml`)).toBe(true);
    writeFileSync(machine.file(`${DATA}\\foreign.txt`), "");
    await machine.run(HOST, "unconfigure", "--purge");
    expect(machine.list(DATA)).toEqual(["foreign.txt"]);
    rmSync(machine.file(`${DATA}\\foreign.txt`));
    await machine.run(HOST, "unconfigure", "--purge");
    expect(machine.has(DATA)).toBe(false);
  });
});
