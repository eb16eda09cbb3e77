// The demo's data directory: what lies where, who holds it, and what is remembered from one start to the next.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { messageOf } from "#common/runtime/errors.ts";
import { DemoError } from "./demo-error.ts";

export interface DemoUser {
  readonly email: string;
  readonly password: string;
}

export interface DemoConnection {
  readonly id: string;
  readonly token: string;
}

/** What a start hands on to the next one. Holds tokens: only its owner may read the file. */
export interface DemoState {
  /** False from the first start until the agent is enrolled. */
  readonly isSetUp: boolean;
  readonly relayPort?: number;
  readonly opcuaPort?: number;
  readonly workspaceKey?: string;
  readonly dashboard?: DemoUser;
  readonly connections?: Readonly<Record<string, DemoConnection>>;
}

/** For programs that work with the demo: complete, or not there. */
export interface DemoFile {
  readonly api: string;
  readonly workspaceKey: string;
  readonly dashboard: DemoUser;
  readonly connections: Readonly<Record<string, DemoConnection>>;
  /** `plant` changes the database, `machines` is the OPC UA server, `demo` holds them all. */
  readonly pids: Readonly<Record<"relay" | "agent" | "plant" | "machines" | "demo", number>>;
}

export class DemoFolder implements Disposable {
  readonly path: string;
  readonly #lock: Database.Database;

  private constructor(path: string, lock: Database.Database) {
    this.path = path;
    this.#lock = lock;
  }

  /** @throws DemoError when another demo holds it, or it cannot be made */
  static open(path: string): DemoFolder {
    try {
      mkdirSync(join(path, "logs"), { recursive: true, mode: 0o700 });
      mkdirSync(join(path, "plant"), { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new DemoError(`making ${path} failed: ${messageOf(error)}; name another folder by --data-dir`);
    }
    // The operating system lets go of it when its holder dies, however that happens.
    const lock = new Database(join(path, "demo.lock"), { timeout: 0 });
    try {
      lock.pragma("journal_mode = DELETE");
      lock.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      lock.close();
      if (!(error instanceof Database.SqliteError) || !error.code.startsWith("SQLITE_BUSY")) throw error;
      throw new DemoError(
        `another demo runs in ${path}; stop it first, or give this one a folder of its own by --data-dir`,
      );
    }
    return new DemoFolder(path, lock);
  }

  get relayDir(): string {
    return join(this.path, "relay");
  }
  get agentDir(): string {
    return join(this.path, "agent");
  }
  get agentConfig(): string {
    return join(this.path, "agent.yaml");
  }
  get plantFile(): string {
    return join(this.path, "plant", "plant.db");
  }
  get pkiDir(): string {
    return join(this.path, "plant", "opcua");
  }
  get demoFile(): string {
    return join(this.path, "demo.json");
  }

  log(name: string): string {
    return join(this.path, "logs", `${name}.log`);
  }

  state(): DemoState | undefined {
    const file = join(this.path, "state.json");
    if (!existsSync(file)) return undefined;
    try {
      return JSON.parse(readFileSync(file, "utf8")) as DemoState;
    } catch (error) {
      throw new DemoError(`${file} cannot be read: ${messageOf(error)}; delete ${this.path} to begin anew`);
    }
  }

  saveState(state: DemoState): void {
    writeWhole(join(this.path, "state.json"), state);
  }

  saveDemoFile(demo: DemoFile): void {
    writeWhole(this.demoFile, demo);
  }

  removeDemoFile(): void {
    rmSync(this.demoFile, { force: true });
  }

  /** A set-up that was cut short begins anew; what the demo did not make itself is left alone. @throws DemoError */
  clearForSetUp(): void {
    const made = [this.relayDir, this.agentDir, this.agentConfig];
    if (this.state() === undefined) {
      const found = made.find((path) => existsSync(path));
      if (found !== undefined)
        throw new DemoError(
          `${found} is there already and no demo made it; name another folder by --data-dir`,
        );
    }
    this.saveState({ isSetUp: false });
    for (const path of made) rmSync(path, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** A reader sees the old file or the whole new one. */
function writeWhole(file: string, value: unknown): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
