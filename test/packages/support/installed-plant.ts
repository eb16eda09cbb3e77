// A plant with its own machine: the relay and the agent as packages on it, a database that the test changes, and the question
// whether the relay holds what the plant holds.
import type { ChildProcess } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Store } from "#relay/core/store.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { feedOf, feedProblems, Plant, untilEqual, type HeldByRelay } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { NspawnMachine } from "./nspawn-machine.ts";

const WAIT_MS = 120_000;
const CONNECTION = "plant-erp";
const MACHINES = "machines";
const OPC_UA = fileURLToPath(new URL("opcua-beside.ts", import.meta.url));
/** An answer of the relay's API; the machine's loopback is reached from within its network only. */
const FETCH =
  "const [url, token] = process.argv.slice(1); console.log(await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).text());";
const AGENT = "millrace-agent.service";
/** Where the machine has the plant's database. */
export const PLANT_FILE = "/srv/plant/plant.db";
export const AGENT_CONFIG = "/etc/millrace-agent/agent.yaml";

interface OpcUaPlace {
  readonly endpoint: string;
  readonly fingerprint: string;
  readonly node: string;
}

export class InstalledPlant implements AsyncDisposable, HeldByRelay {
  readonly machine: NspawnMachine;
  readonly plant: Plant;
  workspaceId = "";
  #token = "";
  #opcua: { readonly process: ChildProcess; readonly at: OpcUaPlace } | undefined;
  #connectionId = "";

  private constructor(machine: NspawnMachine) {
    this.machine = machine;
    const folder = machine.file(dirname(PLANT_FILE));
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    this.plant = new Plant({ file: machine.file(PLANT_FILE) });
  }

  static async boot(): Promise<InstalledPlant> {
    return new InstalledPlant(await NspawnMachine.boot());
  }

  connectionId(): string {
    return this.#connectionId;
  }

  /** The relay's store beside the running relay. */
  openStore(): Promise<Store> {
    return openSqliteStore({ path: this.machine.file("/var/lib/millrace-relay/relay.db") });
  }

  /** Copies a package to the machine; gives its path there. */
  bring(file: string): string {
    const path = join("/root", basename(file));
    copyFileSync(file, this.machine.file(path));
    return path;
  }

  async prepareRelay(): Promise<void> {
    const made = async (what: string): Promise<Record<string, string>> =>
      JSON.parse(await this.machine.sh(`millrace-relay ${what} --json`)) as Record<string, string>;
    this.workspaceId = (await made("workspace create --name Acme"))["id"] ?? "";
    this.#connectionId = (await made(`connection create --workspace Acme --name ${CONNECTION}`))["id"] ?? "";
    await made(`connection create --workspace Acme --name ${MACHINES}`);
    this.#token = (await made("token create --workspace Acme"))["token"] ?? "";
  }

  /** An OPC UA server in the machine's network, as long as the machine is not started anew. */
  async startOpcUa(): Promise<void> {
    const pki = join(this.machine.root, "..", "opcua-pki");
    const server = this.machine.startInItsNetwork(process.execPath, [OPC_UA, pki]);
    if (server.stdout === null) throw new TypeError("a pipe is missing");
    const [line] = (await once(createInterface(server.stdout), "line")) as [string];
    this.#opcua = { process: server, at: JSON.parse(line) as OpcUaPlace };
  }

  /** What the packaged relay answers. */
  async api(path: string): Promise<string> {
    const words = ["--input-type=module", "-e", FETCH, `http://127.0.0.1:8080${path}`, this.#token];
    return await this.machine.inItsNetwork(process.execPath, words);
  }

  async enrollmentCode(): Promise<string> {
    const text = await this.machine.sh(
      `millrace-relay enrollment-code create --workspace Acme --connection ${CONNECTION} --connection ${MACHINES} --json`,
    );
    return (JSON.parse(text) as { code: string }).code;
  }

  /** As an administrator would write it; `file` may be a reference to a secret. */
  configure(file = PLANT_FILE): void {
    const lines = [
      "# edited by the administrator",
      "connections:",
      `  - name: ${CONNECTION}`,
      "    connector: sqlite",
      "    pack: demo-cmms",
      "    time_zone: Europe/Berlin",
      "    release_personal: true",
      "    raw: false",
      "    poll: 300ms",
      "    reconcile: 2s",
      "    settings:",
      `      file: ${JSON.stringify(file)}`,
      ...opcUaLines(this.#opcua?.at),
      "",
    ];
    // Written into the file that is there: owner and mode are the package's.
    writeFileSync(this.machine.file(AGENT_CONFIG), lines.join("\n"));
  }

  /** People at the plant work; resolves when the relay holds what the plant holds, and its feed is sound. */
  async carries(changes = 20): Promise<void> {
    this.plant.change(changes);
    await untilEqual(this, CONNECTION, this.plant, WAIT_MS);
    const problems = feedProblems(await feedOf(this));
    if (problems.length > 0) throw new Error(`the feed is not sound: ${problems.join("; ")}`);
  }

  async unit(property: string): Promise<string> {
    return (await this.machine.sh(`systemctl show --value -p ${property} ${AGENT}`)).trim();
  }

  async mainPid(): Promise<number> {
    return Number(await this.unit("MainPID"));
  }

  /** Resolves when the service is up with another main process; gives that process. */
  async restarted(from: number): Promise<number> {
    return await until(
      "the service to be up again",
      async () => {
        const pid = await this.mainPid();
        return pid !== 0 && pid !== from && (await this.unit("ActiveState")) === "active" && pid;
      },
      WAIT_MS,
    );
  }

  async agents(): Promise<readonly string[]> {
    const text = await this.machine.sh("millrace-relay agent list --workspace Acme --json");
    return (JSON.parse(text) as { id: string }[]).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opcua?.process.stdin?.end();
    this.plant[Symbol.dispose]();
    await this.machine[Symbol.asyncDispose]();
  }
}

function opcUaLines(place: OpcUaPlace | undefined): readonly string[] {
  if (place === undefined) return [];
  return [
    `  - name: ${MACHINES}`,
    "    connector: opc-ua",
    "    settings:",
    `      endpoint: ${place.endpoint}`,
    "      user: { name: millrace, password: secret }",
    `      server_fingerprint: ${JSON.stringify(place.fingerprint)}`,
    `      nodes: [{ node: ${JSON.stringify(place.node)} }]`,
  ];
}
