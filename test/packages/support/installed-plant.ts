// A plant with its own machine: the relay and the agent as packages on it, a database that the test changes, and the question
// whether the relay holds what the plant holds.
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Store } from "#relay/core/store.ts";
import { openSqliteStore } from "#relay/store/sqlite/open-store.ts";
import { feedOf, feedProblems, Plant, untilEqual, type HeldByRelay } from "#test/support/plant-stack.ts";
import { until } from "#test/support/until.ts";
import { NspawnMachine } from "./nspawn-machine.ts";

const WAIT_MS = 120_000;
const CONNECTION = "plant-erp";
const AGENT = "millrace-agent.service";
/** Where the machine has the plant's database. */
export const PLANT_FILE = "/srv/plant/plant.db";
export const AGENT_CONFIG = "/etc/millrace-agent/agent.yaml";

export class InstalledPlant implements AsyncDisposable, HeldByRelay {
  readonly machine: NspawnMachine;
  readonly plant: Plant;
  workspaceId = "";
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
  }

  async enrollmentCode(): Promise<string> {
    const text = await this.machine.sh(
      `millrace-relay enrollment-code create --workspace Acme --connection ${CONNECTION} --json`,
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
    this.plant[Symbol.dispose]();
    await this.machine[Symbol.asyncDispose]();
  }
}
