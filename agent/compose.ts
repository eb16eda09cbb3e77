// Puts the agent's main process together: lock, agent.db, the agent itself (agent.ts), control socket. Rooms are composed in room.ts.
import { join } from "node:path";
import { Agent, AGENT_DATABASE, type AgentOptions } from "#agent/agent.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { listenForControl } from "#agent/platform/control-socket.ts";
import { lockDataDir } from "#agent/platform/instance-lock.ts";
import { MillraceError } from "#common/runtime/errors.ts";

export interface RunningAgent extends AsyncDisposable {
  /** Resolves when the agent was asked to stop over its control socket. */
  readonly stopRequested: Promise<void>;
}

/** @throws FolderInUseError, AgentDatabaseError, ControlError, or MillraceError if the agent is not enrolled */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  await using stack = new AsyncDisposableStack();
  const { dataDir } = options.config;
  stack.use(lockDataDir(dataDir));
  const database = stack.use(AgentDatabase.open(join(dataDir, AGENT_DATABASE)));
  const identity = database.identity();
  if (identity === undefined)
    throw new MillraceError(
      `this agent is not enrolled: ${dataDir} holds no identity; run: millrace-agent enroll --relay <url> --code <code>`,
    );
  const agent = new Agent(options, database, identity);
  stack.use(agent);
  stack.use(await listenForControl(dataDir, agent));
  agent.start();
  const owned = stack.move();
  return {
    stopRequested: agent.stopRequested,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
