// A relay and an agent as processes, with a plant that lets itself be written to, and a token that may write.
import { askAgent } from "#agent/platform/control-socket.ts";
import type { Plant } from "./plant-stack.ts";
import { ProcessStack } from "./process-stack.ts";
import { until } from "./until.ts";

export interface Answer {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into arbitrary answers
  readonly body: any;
  readonly headers: Headers;
}

const COMMAND_LOG = `CREATE TABLE MILLRACE_COMMANDS (COMMAND_ID TEXT PRIMARY KEY, IDEMPOTENCY_KEY TEXT, ENTITY TEXT, OPERATION TEXT,
  RECORD_KEY TEXT, RESULT TEXT)`;

/** A busy machine takes its time to start processes. */
const READY_MS = 60_000;

const ALLOW = {
  live_reads: true,
  writes_per_minute: 6_000,
  writes: {
    work_order: { update: "apply", create: "apply", change_status: "hold" },
    purchase_order: { create: "apply", update: "apply" },
  },
};

export interface WritingOptions {
  /** What the plant's file allows; default: writes of orders, live reads. */
  readonly allow?: Readonly<Record<string, unknown>>;
  /** Whether the source notes the commands that it carried out; default: it does. */
  readonly hasCommandLog?: boolean;
  /** Further members of the connection in the agent's file. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export class WritingStack implements AsyncDisposable {
  readonly stack: ProcessStack;
  readonly #token: string;

  private constructor(stack: ProcessStack, token: string) {
    this.stack = stack;
    this.#token = token;
  }

  /** Resolves when the agent runs, and the relay knows what may be written. */
  static async start(
    plant: Plant,
    { allow = ALLOW, hasCommandLog = true, more = {} }: WritingOptions = {},
  ): Promise<WritingStack> {
    if (hasCommandLog) plant.db.exec(COMMAND_LOG);
    const base = plant.connection({ allow, ...more });
    const write = { allow: true, ...(hasCommandLog ? { command_log: "MILLRACE_COMMANDS" } : {}) };
    const connection = { ...base, settings: { ...base.settings, write } };
    const stack = await ProcessStack.create({ connections: { plant: connection } });
    try {
      const scopes = ["--scope", "read", "--scope", "write"];
      const made = await stack.command("relay", ["token", "create", "--workspace", "stack", ...scopes]);
      const token = /mr_ws_\w+/.exec(made)?.[0] ?? "";
      const writing = new WritingStack(stack, token);
      stack.startAgent();
      await until(
        "the connection to describe itself and its records to come",
        () => writing.#isReady(),
        READY_MS,
      );
      return writing;
    } catch (error) {
      await stack[Symbol.asyncDispose]();
      throw error;
    }
  }

  get connectionId(): string {
    return this.stack.connectionId("plant");
  }

  async send(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.stack.relayPort}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text === "" ? undefined : JSON.parse(text),
      headers: response.headers,
    };
  }

  /** As somebody at the plant. */
  async atPlant(request: Parameters<typeof askAgent>[1]): Promise<unknown> {
    return askAgent(this.stack.agentDir, request);
  }

  /** The operation, once it is over. */
  async ended(id: string): Promise<Answer["body"]> {
    return until(
      `operation ${id} to end`,
      async () => {
        const { body } = await this.send("GET", `/v1/operations/${id}`);
        return body.is_finished === true ? body : undefined;
      },
      READY_MS,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack[Symbol.asyncDispose]();
  }

  async #isReady(): Promise<boolean> {
    const { connectionId } = this;
    const described = await this.send("GET", `/v1/connections/${connectionId}/capabilities`);
    const { body } = await this.send("GET", "/v1/work-orders?limit=1");
    return described.body?.known === true && body.data?.length === 1;
  }
}
