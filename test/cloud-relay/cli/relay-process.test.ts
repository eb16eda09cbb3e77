// The real command in real processes: serve beside administration on one store.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get as httpsGet } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseEnrollmentCode } from "#common/contract/enrollment-code.ts";
import { CertificateAuthority } from "#test/support/certificates.ts";

const BIN = resolve(import.meta.dirname, "../../../cloud-relay/bin.mjs");

let dataDir: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "millrace-relay-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  rmSync(dataDir, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Promise<Ran> {
  return new Promise((done) => {
    execFile(process.execPath, [BIN, ...args, "--data-dir", dataDir], (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function json(...args: string[]): Promise<Record<string, string>> {
  const ran = await run(...args, "--json");
  expect([args, ran.code, ran.stderr]).toEqual([args, 0, ""]);
  return JSON.parse(ran.stdout);
}

interface Served {
  readonly child: ChildProcess;
  readonly url: string;
  readonly started: Record<string, unknown>;
  readonly log: () => string;
}

async function serve(...args: string[]): Promise<Served> {
  const command = [BIN, "serve", "--json", "--port", "0", "--data-dir", dataDir, ...args];
  const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  children.push(child);
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
  if (child.stdout === null) throw new TypeError("no stdout");
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), "line"),
    once(child, "exit").then(() => {
      throw new TypeError(`serve ended: ${log}`);
    }),
  ])) as [string];
  const started = JSON.parse(line) as Record<string, unknown>;
  return { child, url: String(started["url"]), started, log: () => log };
}

async function status(url: string, token: string): Promise<number> {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await answer.arrayBuffer();
  return answer.status;
}

describe("millrace-relay", () => {
  test("administration before and while it serves; a revocation reaches the running relay within a second", async () => {
    const workspace = await json("workspace", "create", "--name", "acme");
    await json("connection", "create", "--workspace", "acme", "--name", "erp", "--label", "line=3");
    const early = await json("token", "create", "--workspace", "acme");
    const relay = await serve();
    expect(await status(`${relay.url}/v1/vendors`, early["token"] ?? "")).toBe(200);

    const late = await json(
      "token",
      "create",
      "--workspace",
      "acme",
      "--connection",
      "erp",
      "--expires",
      "1h",
    );
    expect(late["token"]).toMatch(/^mr_live_/);
    expect(await status(`${relay.url}/v1/connections`, late["token"] ?? "")).toBe(200);
    await json("token", "revoke", late["id"] ?? "");
    await vi.waitFor(
      async () => expect(await status(`${relay.url}/v1/connections`, late["token"] ?? "")).toBe(401),
      1_500,
    );

    const code = await json(
      "enrollment-code",
      "create",
      "--workspace",
      workspace["id"] ?? "",
      "--connection",
      "erp",
      "--ttl",
      "5m",
    );
    expect(parseEnrollmentCode(code["code"] ?? "").fingerprint).toBe(relay.started["relay_fingerprint"]);
    expect(await json("connection", "show", "erp", "--workspace", "acme")).toMatchObject({
      name: "erp",
      status: "pending",
    });
  });

  test("links, and the end of a connection, reach the running relay", async () => {
    const relay = await serve();
    const own = ["--workspace", "acme"] as const;
    await json("workspace", "create", "--name", "acme");
    const link = await json(
      "connection-link",
      "create",
      ...own,
      "--system",
      "maximo",
      "--public-url",
      relay.url,
    );
    const page = await fetch(link["url"] ?? "");
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("pack: maximo")]);
    await json("connection-link", "revoke", link["id"] ?? "", ...own);
    const dead = await fetch(link["url"] ?? "");
    await dead.arrayBuffer();
    expect(dead.status).toBe(404);

    const token = await json("token", "create", ...own, "--connection", "maximo");
    const part = await json("token", "create", ...own, "--only-entity", "vendor");
    expect(await status(`${relay.url}/v1/work-orders`, part["token"] ?? "")).toBe(403);
    const changed = await json("connection", "update", "maximo", ...own, "--when-offline", "refuse");
    expect(changed).toMatchObject({ when_offline: "refuse", labels: {} });
    expect(await status(`${relay.url}/v1/vendors`, token["token"] ?? "")).toBe(200);
    await json("connection", "disconnect", "maximo", ...own);
    await vi.waitFor(
      async () => expect(await status(`${relay.url}/v1/vendors`, token["token"] ?? "")).toBe(401),
      1_500,
    );
    await json("connection", "reconnect", "maximo", ...own);
    const early = await run("connection", "delete", "maximo", ...own);
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining("Disconnect it first")]);
    await json("connection", "disconnect", "maximo", ...own);
    await json("connection", "delete", "maximo", ...own);
    expect(await json("connection", "list", ...own)).toEqual([]);
  });

  test("stops cleanly on SIGTERM, keeps its identity, and starts again on the same data", async () => {
    const first = await serve();
    const exit = once(first.child, "close");
    first.child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
    expect(first.log()).toContain("relay has stopped");
    const second = await serve();
    expect(second.started["relay_key"]).toBe(first.started["relay_key"]);
    const identity = join(dataDir, "relay-identity.json");
    expect(readFileSync(identity, "utf8")).not.toBe("");
    expect(process.platform === "win32" || (statSync(identity).mode & 0o077) === 0).toBe(true);
  });

  test("stops when the parent that started it goes", async () => {
    const relay = await serve();
    const exit = once(relay.child, "exit");
    relay.child.disconnect();
    expect(await exit).toEqual([0, null]);
  });

  test("an open event stream does not hold up the stop", async () => {
    await json("workspace", "create", "--name", "acme");
    const { token } = await json("token", "create", "--workspace", "acme");
    const relay = await serve();
    const stream = await fetch(`${relay.url}/v1/events`, {
      headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" },
    });
    const exit = once(relay.child, "exit");
    relay.child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
    expect(await stream.text()).toContain("retry: ");
  });

  test("a second relay on the same data, and a port in use, are refused with what to do", async () => {
    await serve();
    const second = await run("serve", "--port", "0");
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("another relay serves from")]);
    const blocker = createServer().listen(0, "127.0.0.1");
    await once(blocker, "listening");
    const other = mkdtempSync(join(tmpdir(), "millrace-relay-"));
    const port = String((blocker.address() as AddressInfo).port);
    const blocked = await new Promise<Ran>((done) => {
      execFile(
        process.execPath,
        [BIN, "serve", "--port", port, "--data-dir", other],
        (error, stdout, stderr) => done({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });
    blocker.close();
    rmSync(other, { recursive: true, force: true });
    expect([blocked.code, blocked.stderr]).toEqual([1, expect.stringContaining("choose another by --port")]);
  });

  test("a damaged identity stops everything that needs it, and is never replaced", async () => {
    await json("workspace", "create", "--name", "acme");
    await json("connection", "create", "--workspace", "acme", "--name", "erp");
    const path = join(dataDir, "relay-identity.json");
    writeFileSync(path, "{}");
    const ran = await run("enrollment-code", "create", "--workspace", "acme", "--connection", "erp");
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("put the file back from a backup")]);
    expect((await run("serve", "--port", "0")).code).toBe(1);
    expect(readFileSync(path, "utf8")).toBe("{}");
  });

  test("wrong command lines exit with 2 and name the nearest word", async () => {
    const flag = await run("workspace", "list", "--jsno");
    expect([flag.code, flag.stderr]).toEqual([2, expect.stringContaining('did you mean "--json"')]);
    const unknown = await run("connection", "list", "--workspace", "acme");
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringContaining('There is no workspace with the id or name "acme"'),
    ]);
  });

  test("serves HTTPS with the certificate it is given", async () => {
    const authority = new CertificateAuthority();
    const issued = authority.issue({ commonName: "relay" });
    const [cert, key] = [join(dataDir, "cert.pem"), join(dataDir, "key.pem")];
    writeFileSync(cert, issued.certificatePem);
    writeFileSync(key, issued.privateKeyPem);
    const relay = await serve("--tls-cert", cert, "--tls-key", key);
    expect(relay.url).toMatch(/^https:/);
    const headers = await new Promise<NodeJS.Dict<string | string[]>>((done, fail) => {
      const { port } = new URL(relay.url);
      httpsGet(
        { host: "127.0.0.1", port, path: "/healthz", ca: authority.certificatePem, servername: "localhost" },
        (answer) => {
          answer.resume();
          done(answer.headers);
        },
      ).on("error", fail);
    });
    expect(headers["strict-transport-security"]).toContain("max-age");
  });
});
