// Puts the agent's main process together: lock, agent.db, the agent itself (agent.ts), control socket. Rooms are composed in room.ts.
import { join } from "node:path";
import { Agent, AGENT_DATABASE, type AgentOptions } from "#agent/agent.ts";
import { NotEnrolledError } from "#agent/core/agent-identity.ts";
import { rememberDataFormats } from "#agent/data-formats.ts";
import { NO_SECURITY_EVENTS } from "#agent/core/security-events.ts";
import { AgentDatabase } from "#agent/platform/agent-database.ts";
import { listenForControl } from "#agent/platform/control-socket.ts";
import { lockDataDir } from "#agent/platform/instance-lock.ts";
import { VERSION } from "#agent/platform/version.ts";
import { noteStart } from "#agent/start-checks.ts";
import { systemClock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";

export interface RunningAgent extends AsyncDisposable {
  /** Resolves when the agent was asked to stop over its control socket. */
  readonly stopRequested: Promise<void>;
}

/** @throws FolderInUseError, AgentDatabaseError, ControlError, NotEnrolledError */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  await using stack = new AsyncDisposableStack();
  const { dataDir } = options.config;
  stack.use(lockDataDir(dataDir));
  const database = stack.use(AgentDatabase.open(join(dataDir, AGENT_DATABASE)));
  const identity = database.identity();
  if (identity === undefined)
    throw new NotEnrolledError(
      `this agent is not enrolled: ${dataDir} holds no identity; run: millrace-agent enroll --relay <url> --code <code>`,
    );
  try {
    rememberDataFormats(dataDir);
  } catch (error) {
    options.logger.warn(
      {},
      `noting in ${dataDir} which versions can read its data failed: ${messageOf(error)}`,
    );
  }
  const { config, logger, security: events = NO_SECURITY_EVENTS } = options;
  const agent = new Agent(options, database, identity);
  stack.use(agent);
  const refused = (reason: string): void => events.note("control_refused", { reason });
  stack.use(await listenForControl(dataDir, agent, refused));
  noteStart({ config, database, events, logger });
  stack.defer(() => events.note("agent_stopped", { version: VERSION }));
  agent.start();
  if (config.statusPage !== undefined) {
    // After the agent's start: a port that is taken must not hold it up.
    const { StatusServer } = await import("#agent/status/status-server.ts");
    const parts = { source: agent, security: events, logger, clock: systemClock };
    await stack.use(new StatusServer({ listen: config.statusPage, ...parts })).start();
  }
  const owned = stack.move();
  return {
    stopRequested: agent.stopRequested,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
