// Relay and agent as two real processes over one small plant's database, for tests that kill them.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { launch, type ChildSpec } from "#test/demo/child.ts";
import { DemoFolder, type DemoConnection } from "#test/demo/demo-folder.ts";
import { AGENT, RELAY, enrol } from "#test/demo/enrol.ts";
import { RelayApi } from "#test/demo/relay-api.ts";

export type Program = "relay" | "agent";

const NEVER = new AbortController().signal;

export class TestStack implements AsyncDisposable {
  readonly folder: DemoFolder;
  readonly #running = new Map<Program, ChildProcess>();
  #port = 0;
  #api: RelayApi | undefined;

  /** `dataDir` is made; the plant's database in it is the caller's. */
  constructor(dataDir: string) {
    this.folder = DemoFolder.open(dataDir);
  }

  /** With a token that sees the whole workspace. */
  get api(): RelayApi {
    if (this.#api === undefined) throw new Error("the stack is not set up");
    return this.#api;
  }

  /** Starts the relay and enrols the agent, which does not run yet. */
  async setUp(connection: string, yaml: (relayUrl: string) => string): Promise<DemoConnection> {
    await this.start("relay");
    const url = `http://127.0.0.1:${this.#port}`;
    const config = yaml(url.replace("http", "ws"));
    const { workspaceKey, connections } = await enrol(this.folder, url, [connection], config, NEVER);
    this.#api = new RelayApi(url, workspaceKey);
    const made = connections[connection];
    if (made === undefined) throw new Error(`no connection ${connection}`);
    return made;
  }

  /** Resolves when the relay listens; of the agent, when its process is there. */
  async start(program: Program): Promise<void> {
    const ready = await launch(this.#spec(program), (child) => this.#running.set(program, child));
    if (program === "relay") this.#port = (ready as { readonly port: number }).port;
  }

  /** Resolves when it is gone. Nothing it could say about it: SIGKILL. */
  async kill(program: Program): Promise<void> {
    const child = this.#running.get(program);
    this.#running.delete(program);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("agent");
    await this.kill("relay");
    this.folder[Symbol.dispose]();
  }

  #spec(program: Program): ChildSpec {
    const { relayDir, agentConfig } = this.folder;
    return program === "relay"
      ? {
          title: "the relay",
          script: RELAY,
          args: () => ["serve", "--json", "--data-dir", relayDir, "--port", String(this.#port)],
          logFile: this.folder.log("relay"),
          ready: "line",
        }
      : {
          title: "the agent",
          script: AGENT,
          args: () => ["run", "--config", agentConfig],
          logFile: this.folder.log("agent"),
          ready: "none",
        };
  }
}
