// A relay that an agent was enrolled with and that has turned against it: its key is right, and everything else it says is a test's.
import { join } from "node:path";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { batchCodec } from "#common/contract/batch.ts";
import { decodeUpFrame, encodeControl } from "#common/contract/frame.ts";
import type { CommandResult, UpMessage } from "#common/contract/messages.ts";
import { loadIdentityKey } from "#common/contract/identity-key.ts";
import { openIdentity } from "#relay/identity.ts";
import type { Random } from "#test/demo/plant/random.ts";
import type { ProcessStack } from "./process-stack.ts";
import { until } from "./until.ts";
import { startTestRelay, type RelaySession, type TestRelay } from "./wire.ts";

const WAIT_MS = 60_000;

export class HostileRelay implements AsyncDisposable {
  readonly connectionId: string;
  /** As text, everything that the agent has said; batches as the records in them. */
  readonly heard: string[] = [];
  readonly results = new Map<string, CommandResult>();
  readonly #relay: TestRelay;
  readonly #read = new WeakMap<RelaySession, number>();

  private constructor(relay: TestRelay, connectionId: string) {
    this.#relay = relay;
    this.connectionId = connectionId;
  }

  /** In the place of the stack's relay, which has to be stopped; with its key, and the key of its agent. */
  static async start(stack: ProcessStack, connection: string): Promise<HostileRelay> {
    const connectionId = stack.connectionId(connection);
    const publicKey = publicKeyOf(stack);
    const welcome = {
      type: "welcome",
      session: 1_000_000,
      workspace_id: stack.workspaceId,
      connections: [{ id: connectionId, name: connection }],
      relay_time_ms: Date.now(),
    };
    const relay = await startTestRelay({
      relayKey: await openIdentity(stack.relayDir),
      findAgent: () => Promise.resolve({ publicKey, state: "active" }),
      greet: (channel) => channel.send(encodeControl(welcome)),
    });
    return new HostileRelay(relay, connectionId);
  }

  get port(): number {
    return this.#relay.port;
  }

  get sessions(): number {
    return this.#relay.sessions.length;
  }

  get isCut(): boolean {
    return (this.#relay.sessions.at(-1)?.ear.closes.length ?? 0) > 0;
  }

  /** Resolves when the agent has a session that is open. */
  async connected(): Promise<void> {
    await until("the agent to connect", () => this.sessions > 0 && !this.isCut, WAIT_MS);
  }

  /** Any bytes, in a frame that opens. */
  sendBytes(bytes: Uint8Array): void {
    this.#relay.sessions.at(-1)?.channel.send(bytes);
  }

  tell(message: object): void {
    this.sendBytes(encodeControl(message));
  }

  command(id: string, kind: unknown, body: unknown, more: object = {}): void {
    const base = { type: "command", command_id: id, connection_id: this.connectionId, ttl_ms: 60_000 };
    this.tell({ ...base, kind, body, ...more });
  }

  /** Resolves with the answer to a command. */
  result(id: string): Promise<CommandResult> {
    return until(
      `the result of ${id}`,
      () => {
        this.listen();
        return this.results.get(id);
      },
      WAIT_MS,
    );
  }

  /** Reads what has come since the last look. */
  listen(): void {
    for (const session of this.#relay.sessions) {
      const { frames } = session.ear;
      for (const frame of frames.slice(this.#read.get(session) ?? 0)) this.#take(decodeUpFrame(frame));
      this.#read.set(session, frames.length);
    }
  }

  #take(message: UpMessage | Extract<ReturnType<typeof decodeUpFrame>, { type: "batch" }>): void {
    if (message.type === "batch") {
      this.heard.push(batchCodec.decode(message.blob).body);
      return;
    }
    this.heard.push(JSON.stringify(message));
    if (message.type === "command_result") this.results.set(message.command_id, message);
    if (message.type === "stream_open") {
      const { connection_id, epoch } = message;
      const at = { stream: 0, epoch, acked_seq: 0, acked_id: "" };
      this.tell({ type: "stream_ready", connection_id, verdict: "resume", ...at });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay[Symbol.asyncDispose]();
  }
}

function publicKeyOf(stack: ProcessStack): string {
  using database = AgentDatabase.open(join(stack.agentDir, "agent.db"));
  const identity = database.identity();
  if (identity === undefined) throw new TypeError("the stack's agent is not enrolled");
  return loadIdentityKey(identity.secretKey).publicKey;
}

const WORDS = [
  "x'; DROP TABLE WORKORDER; --",
  "1 OR 1=1",
  "'||(SELECT TAXREGISTRATION FROM COMPANIES LIMIT 1)||'",
  "UNION SELECT TAXREGISTRATION FROM COMPANIES",
  "ATTACH DATABASE '/tmp/x' AS y",
  "../../../../etc/passwd",
  "{file:/etc/passwd}",
  "{env:PATH}",
  "${process.env.PATH}",
  "$(id > /tmp/millrace-was-here)",
  "__proto__",
  "constructor",
  "toString",
  "WORKORDER",
  "COMPANIES",
  "sqlite_master",
  "work_order",
  "vendor",
  "purchase_order",
  "title",
  "tax_id",
  "TAXREGISTRATION",
  "update",
  "create",
  "delete",
  "adjust",
  "change_status",
  "resync",
  "",
  "\u0000",
  "\ud800",
  "é".repeat(300),
  "A".repeat(60_000),
] as const;

const MEMBERS = [
  "entity",
  "entities",
  "keys",
  "key",
  "operation",
  "values",
  "query",
  "parameters",
  "action",
  "path",
  "raw",
  "dry_run",
  "if_version",
  "idempotency_key",
  "actor",
  "statement",
  "table",
  "columns",
  "lines",
  "schedules",
  "custom_fields",
  "custom_entities",
  "remap",
  "__proto__",
  "constructor",
  "prototype",
] as const;

const KINDS = [
  "read",
  "query",
  "write",
  "operate",
  "browse",
  "test",
  "erase",
  "exec",
  "__proto__",
  "constructor",
  "",
];

/** What a malicious relay might say: members that exist with values that do not belong there, and the reverse. */
export class Malice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  kind(): string {
    return this.#random.pick(KINDS);
  }

  word(): string {
    return this.#random.pick(WORDS);
  }

  value(depth = 0): unknown {
    switch (this.#random.int(0, depth > 3 ? 5 : 8)) {
      case 0:
        return null;
      case 1:
        return this.#random.pick([0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, 2 ** 64]);
      case 2:
        return this.#random.int(0, 1) === 1;
      case 6:
        return Array.from({ length: this.#random.int(0, 4) }, () => this.value(depth + 1));
      case 7:
        return this.body(depth + 1);
      case 8:
        return nested(this.#random.pick([5, 40, 400]));
      default:
        return this.word();
    }
  }

  /** Of any kind of command, or of none. */
  body(depth = 0): object {
    const members = Array.from({ length: this.#random.int(0, 5) }, () => [
      this.#random.pick(MEMBERS),
      this.value(depth),
    ]);
    // Not by assignment: `__proto__` is to be a member like any other.
    return Object.fromEntries(members) as object;
  }

  /** A write as it would be if its entity, key and values were other ones. */
  write(key: string): object {
    const { pick } = { pick: <T>(from: readonly T[]): T => this.#random.pick(from) };
    return {
      entity: pick(["work_order", "vendor", "purchase_order", "stock_level", this.word()]),
      operation: pick(["create", "delete", "change_status", "adjust", this.word()]),
      key: pick([key, '["x"]', "[]", "{}", this.word()]),
      values: this.#random.int(0, 1) === 1 ? this.body(2) : { title: this.word(), status: this.word() },
      ...(this.#random.int(0, 3) === 0 ? { if_version: this.word() } : {}),
    };
  }
}

function nested(depth: number): unknown {
  let value: unknown = "deep";
  for (let level = 0; level < depth; level += 1) value = { values: value };
  return value;
}
