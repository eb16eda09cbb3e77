// A whole agent, with its rooms as processes, at a relay that a test plays: commands go down, and what the agent says is kept.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent, type RunningAgent } from "#agent/compose.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { loadAgentConfig } from "#agent/platform/config.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { decodeUpFrame, encodeControl } from "#common/contract/frame.ts";
import type { Command, CommandResult, DownMessage, UpMessage } from "#common/contract/messages.ts";
import type { ReportedSettings } from "#common/contract/settings.ts";
import type { Clock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import { until } from "./until.ts";
import { AGENT_ID, startTestRelay, type TestRelay } from "./wire.ts";

/** A busy machine takes its time. */
const WAIT_MS = 60_000;

type Up = Exclude<ReturnType<typeof decodeUpFrame>, { type: "batch" }>;

/** A mark's header begins with these. */
const MARK = /"op":"mark","mark":"([^"]+)","entity":"([^"]+)"/g;

export interface AgentAtRelayOptions {
  /** Connections of the agent's file; JSON is YAML. */
  readonly connections: readonly Readonly<Record<string, unknown>>[];
  /** By which settings are on trial; default: the system's. */
  readonly settingsClock?: Clock;
}

export class AgentAtRelay implements AsyncDisposable {
  readonly dir: string;
  readonly #relay: TestRelay;
  #agent: RunningAgent | undefined;
  #commands = 0;
  readonly #settingsClock: Clock | undefined;
  /** Open ones of the relay's. */
  readonly #sockets = new Set<Socket>();
  #isAway = false;

  private constructor(dir: string, relay: TestRelay, { settingsClock }: AgentAtRelayOptions) {
    this.dir = dir;
    this.#relay = relay;
    this.#settingsClock = settingsClock;
    relay.server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      if (this.#isAway) socket.destroy();
    });
  }

  /** The relay is not reached any more, until it is back. */
  away(isAway: boolean): void {
    this.#isAway = isAway;
    if (isAway) for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when the agent is connected; each connection's id is `c-<name>`. */
  static async start(options: AgentAtRelayOptions): Promise<AgentAtRelay> {
    const { connections } = options;
    const dir = mkdtempSync(join(tmpdir(), "millrace-agent-"));
    const bound = connections.map(({ name }) => ({ id: `c-${String(name)}`, name: String(name) }));
    const relay = await startTestRelay({
      greet: (channel) => {
        const welcome = { session: 1, workspace_id: "ws_1", connections: bound, relay_time_ms: Date.now() };
        channel.send(encodeControl({ type: "welcome", ...welcome }));
      },
    });
    const file = join(dir, "agent.yaml");
    writeFileSync(file, JSON.stringify({ data_dir: "data", relay: { url: relay.url }, connections }));
    mkdirSync(join(dir, "data"));
    {
      using database = AgentDatabase.open(join(dir, "data", "agent.db"));
      const identity = {
        agentId: AGENT_ID,
        name: "test",
        workspaceId: "ws_1",
        workspaceName: "Acme",
        relayUrl: `${relay.url}/agent`,
        relayKey: relay.relayKey.publicKey,
        secretKey: relay.agentKey.exportSecret(),
        enrolledAtMs: 0,
      };
      database.saveEnrolment(identity, bound);
    }
    const made = new AgentAtRelay(dir, relay, options);
    await made.startAgent();
    return made;
  }

  get dataDir(): string {
    return join(this.dir, "data");
  }

  async startAgent({ connects = true } = {}): Promise<void> {
    const before = this.sessions;
    const { config } = loadAgentConfig(join(this.dir, "agent.yaml"));
    const trial = this.#settingsClock === undefined ? {} : { settingsClock: this.#settingsClock };
    this.#agent = await startAgent({ config, logger: silentLogger, ...trial });
    if (connects) await until("the agent to connect", () => this.sessions > before, WAIT_MS);
  }

  /** How often the agent has connected. */
  get sessions(): number {
    return this.#relay.sessions.length;
  }

  /** Whether its last session has ended. */
  get isCut(): boolean {
    return (this.#relay.sessions.at(-1)?.ear.closes.length ?? 0) > 0;
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    this.#agent = undefined;
  }

  /** Everything that the agent has said in all its sessions, batches left out. */
  get said(): readonly Up[] {
    return this.#frames.filter((frame): frame is Up => frame.type !== "batch");
  }

  /** Whether some batch holds the text. */
  streamed(text: string): boolean {
    return this.#frames.some(
      (frame) => frame.type === "batch" && batchCodec.decode(frame.blob).body.includes(text),
    );
  }

  /** Entities of the marks of one kind in every batch, in order. */
  marks(mark: string): readonly string[] {
    return this.#frames.flatMap((frame) =>
      frame.type === "batch"
        ? [...batchCodec.decode(frame.blob).body.matchAll(MARK)].flatMap(([, kind, entity = ""]) =>
            kind === mark ? [entity] : [],
          )
        : [],
    );
  }

  lastReport(): ReportedSettings | undefined {
    const { frames = [] } = this.#relay.sessions.at(-1)?.ear ?? {};
    return frames
      .map((frame) => decodeUpFrame(frame))
      .findLast((said): said is ReportedSettings => said.type === "reported_settings");
  }

  /** Of a stopped agent's file. */
  changeConnection(at: number, more: Readonly<Record<string, unknown>>): void {
    const file = join(this.dir, "agent.yaml");
    const config = JSON.parse(readFileSync(file, "utf8")) as { connections: object[] };
    config.connections[at] = { ...config.connections[at], ...more };
    writeFileSync(file, JSON.stringify(config));
  }

  get #frames(): readonly ReturnType<typeof decodeUpFrame>[] {
    return this.#relay.sessions.flatMap(({ ear }) => ear.frames.map((frame) => decodeUpFrame(frame)));
  }

  ofType<Type extends UpMessage["type"]>(type: Type): readonly Extract<UpMessage, { type: Type }>[] {
    return this.said.filter(
      (message): message is Extract<UpMessage, { type: Type }> => message.type === type,
    );
  }

  tell(message: DownMessage): void {
    this.#relay.sessions.at(-1)?.channel.send(encodeControl(message));
  }

  /** Lets the connection's batches come, from the first; nothing is acknowledged. */
  async openStream(name: string): Promise<void> {
    const connection_id = `c-${name}`;
    const opened = await until("a stream", () =>
      this.ofType("stream_open").findLast((message) => message.connection_id === connection_id),
    );
    const at = { stream: 0, epoch: opened.epoch, acked_seq: 0, acked_id: "" };
    this.tell({ type: "stream_ready", connection_id, verdict: "resume", ...at });
  }

  /** Resolves when the connection's source is open and read. */
  async online(name: string): Promise<void> {
    const id = `c-${name}`;
    const isOnline = (frame: Buffer): boolean => {
      const said = decodeUpFrame(frame);
      return said.type === "connection_report" && said.connection_id === id && said.status === "online";
    };
    await until(
      `${name} to be online`,
      () => (this.#relay.sessions.at(-1)?.ear.frames ?? []).some(isOnline),
      WAIT_MS,
    );
  }

  /** Sends a command; gives its id. */
  send(name: string, kind: string, body: object, more: Partial<Command> = {}): string {
    this.#commands += 1;
    const id = `cmd_${this.#commands}`;
    const connection_id = `c-${name}`;
    this.tell({ type: "command", command_id: id, connection_id, kind, ttl_ms: 10_000, body, ...more });
    return more.command_id ?? id;
  }

  resultsOf(id: string): readonly CommandResult[] {
    return this.ofType("command_result").filter(({ command_id }) => command_id === id);
  }

  result(id: string): Promise<CommandResult> {
    return until(`the result of ${id}`, () =>
      this.ofType("command_result").find(({ command_id }) => command_id === id),
    );
  }

  ask(name: string, kind: string, body: object, more: Partial<Command> = {}): Promise<CommandResult> {
    return this.result(this.send(name, kind, body, more));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    await this.#relay[Symbol.asyncDispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
