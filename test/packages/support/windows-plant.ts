// A plant whose agent is installed from the MSI on a Windows machine, at a relay of the checkout on loopback.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnection, createWorkspace } from "#relay/core/administration.ts";
import { createEnrollment } from "#relay/core/enrollment-codes.ts";
import type { Store } from "#relay/core/store.ts";
import { STORE_FILE } from "#relay/compose.ts";
import { makeDataDir } from "#relay/config.ts";
import { systemEntropy } from "#relay/entropy.ts";
import { openIdentity } from "#relay/identity.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { Plant, untilEqual, type HeldByRelay } from "#test/support/plant-stack.ts";
import { StackProcess } from "#test/support/process-stack.ts";
import { until } from "#test/support/until.ts";
import { WineMachine, type WineResult } from "./wine-machine.ts";

/** A busy machine, and Wine. */
const WAIT_MS = 120_000;
const DAY_MS = 86_400_000;
const CONNECTION = "plant-erp";

export class WindowsPlant implements AsyncDisposable, HeldByRelay {
  readonly machine: WineMachine;
  readonly plant: Plant;
  /** Where the installer puts them when it is not told. */
  installDir = "C:\\Program Files\\Millrace Agent";
  dataDir = "C:\\ProgramData\\Millrace Agent";
  workspaceId = "";
  relay: StackProcess | undefined;
  relayUrl = "";
  readonly #dir: string;
  #connectionId = "";

  private constructor(machine: WineMachine, dir: string) {
    this.machine = machine;
    this.#dir = dir;
    mkdirSync(machine.file("C:\\plant"));
    this.plant = new Plant({ file: machine.file("C:\\plant\\plant.db") });
  }

  static async boot(): Promise<WindowsPlant> {
    const machine = await WineMachine.boot();
    const plant = new WindowsPlant(machine, mkdtempSync(join(tmpdir(), "millrace-windows-")));
    try {
      await plant.#startRelay();
    } catch (error) {
      await plant[Symbol.asyncDispose]();
      throw error;
    }
    return plant;
  }

  connectionId(): string {
    return this.#connectionId;
  }

  openStore(): Promise<Store> {
    return openSqliteStore({ path: join(this.#relayDir, STORE_FILE) });
  }

  /** `/i` or `/x` with a package of this Unix, silently. */
  msiexec(what: "/i" | "/x" | "/fa", msi: string, ...properties: readonly string[]): Promise<WineResult> {
    const log = ["/l*v", "C:\\install.log"];
    return this.machine.run("msiexec", what, this.machine.unixPath(msi), "/qn", ...log, ...properties);
  }

  /** The agent's command line, as an administrator calls it. */
  agent(...words: readonly string[]): Promise<WineResult> {
    return this.machine.run("cmd", "/c", `${this.installDir}\\millrace-agent.cmd`, ...words);
  }

  /** `millrace-agent secret set`, the value on standard input. */
  setSecret(name: string, value: string): Promise<WineResult> {
    const host = `${this.installDir}\\millracesvc.exe`;
    return this.machine.feed(value, host, "agent", "secret", "set", name);
  }

  /** A file on the machine with a code that works once. */
  async codeFile(): Promise<string> {
    writeFileSync(this.machine.file("C:\\plant\\code.txt"), `${await this.enrollmentCode()}\r\n`);
    return "C:\\plant\\code.txt";
  }

  async enrollmentCode(): Promise<string> {
    const identity = await openIdentity(this.#relayDir);
    await using store = await this.openStore();
    const { directory } = store;
    const deps = { directory, entropy: systemEntropy, nowMs: () => Date.now() };
    const { code } = await createEnrollment(deps, {
      workspaceId: this.workspaceId,
      connectionIds: [this.#connectionId],
      ttlMs: DAY_MS,
      relayPublicKey: identity.publicKey,
    });
    return code;
  }

  /** As an administrator edits it; `file` may be a reference to a secret. */
  configure(file = "C:\\plant\\plant.db"): void {
    const connection = {
      name: CONNECTION,
      connector: "sqlite",
      pack: "demo-cmms",
      time_zone: "Europe/Berlin",
      release_personal: true,
      raw: false,
      poll: "300ms",
      reconcile: "2s",
      settings: { file },
    };
    const config = { relay: { url: this.relayUrl }, data_dir: "data", connections: [connection] };
    writeFileSync(
      this.machine.file(`${this.dataDir}\\agent.yaml`),
      `# edited\n${JSON.stringify(config, null, 2)}\n`,
    );
  }

  log(): string {
    const file = `${this.dataDir}\\logs\\agent.log`;
    return this.machine.has(file) ? this.machine.read(file) : "";
  }

  /** Resolves when the log has the text so many times. */
  async says(text: string, times = 1): Promise<void> {
    try {
      await until(
        `the log to say "${text}" ${times} times`,
        () => this.log().split(text).length > times,
        WAIT_MS,
      );
    } catch (error) {
      throw new TypeError(`the log never said "${text}":\n${this.log().slice(-4_000)}`, { cause: error });
    }
  }

  /** Resolves when the relay holds what the plant holds. */
  async carries(changes = 20): Promise<void> {
    this.plant.change(changes);
    try {
      await untilEqual(this, CONNECTION, this.plant, WAIT_MS);
    } catch (error) {
      throw new TypeError(`the plant's data did not arrive; the agent's log:\n${this.log().slice(-4_000)}`, {
        cause: error,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.plant[Symbol.dispose]();
    await this.machine[Symbol.asyncDispose]();
    await this.relay?.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #relayDir(): string {
    return join(this.#dir, "relay");
  }

  async #startRelay(): Promise<void> {
    makeDataDir(this.#relayDir);
    await openIdentity(this.#relayDir);
    await using store = await this.openStore();
    const deps = { directory: store.directory, entropy: systemEntropy, nowMs: () => Date.now() };
    const { id: workspaceId } = await createWorkspace(deps, "plant");
    this.workspaceId = workspaceId;
    this.#connectionId = (await createConnection(deps, { workspaceId, name: CONNECTION })).id;
    const args = ["serve", "--json", "--data-dir", this.#relayDir, "--port", "0"];
    this.relay = new StackProcess("cloud-relay/bin.mjs", args, join(this.#dir, "relay.log"));
    const { port } = JSON.parse(await this.relay.says('"port"')) as { readonly port: number };
    this.relayUrl = `ws://127.0.0.1:${port}`;
  }
}
