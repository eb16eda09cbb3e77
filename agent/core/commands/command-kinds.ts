// How each kind of command is done in a room.
import type {
  BrowseAnswer,
  BrowseBody,
  CommandKind,
  OperateBody,
  QueryBody,
  ReadBody,
} from "#common/contract/commands.ts";
import { ConnectorError } from "#common/runtime/errors.ts";
import type { OpenSource } from "../room/open-source.ts";
import type { WishRefusal } from "../room/outside-wish.ts";
import type { Connector } from "../source/connector.ts";
import { CommandFailed } from "./command-failure.ts";
import type { PlantPolicy } from "./plant-policy.ts";
import { runQuery } from "./query-command.ts";
import { readRecords } from "./read-command.ts";
import { atSource, type CommandRunner, type StandingDeps } from "./room-commands.ts";
import { writeRecord, type WriteSettings } from "./write-command.ts";

/** Entries of one level of a catalogue, as the contract has it. */
const MAX_BROWSE_ENTRIES = 10_000;
/** A login is tried anew no more often than this: sources lock accounts out. */
const TEST_EVERY_MS = 10_000;

export interface CommandKindsDeps extends StandingDeps {
  /** A connector of its own, not opened yet. */
  readonly connect: () => Connector;
  readonly policy: PlantPolicy;
  readonly writing: WriteSettings;
  /** Undefined when it is done or will be; otherwise why not. @throws StorageFullError */
  readonly operate: (body: OperateBody, traceparent: string | undefined) => WishRefusal | undefined;
}

export function commandKinds(deps: CommandKindsDeps): Readonly<Partial<Record<CommandKind, CommandRunner>>> {
  const { policy, writing } = deps;
  return {
    read: async (command, signal) =>
      await atSource(deps, command, signal, (source, both) =>
        readRecords(source, command.body as ReadBody, both),
      ),
    query: async (command, signal) =>
      await atSource(deps, command, signal, (source, both) =>
        runQuery(source, command.body as QueryBody, policy, both),
      ),
    write: async (command, signal) =>
      await atSource(deps, command, signal, (source, both) => writeRecord(source, command, writing, both)),
    browse: async (command, signal) =>
      await atSource(deps, command, signal, (source, both) =>
        browse(source, command.body as BrowseBody, both),
      ),
    operate: async ({ body, traceparent }) => {
      const refusal = deps.operate(body as OperateBody, traceparent);
      if (refusal !== undefined) throw new CommandFailed(refusal.code, refusal.detail);
      return {};
    },
    test: testRunner(deps),
  };
}

async function browse(source: OpenSource, { path }: BrowseBody, signal: AbortSignal): Promise<BrowseAnswer> {
  const { connector } = source;
  if (connector.browse === undefined)
    throw new CommandFailed("UNKNOWN_COMMAND", "this kind of source shows no catalogue");
  const found = await connector.browse(path, signal);
  if (found.length > MAX_BROWSE_ENTRIES)
    throw new CommandFailed("RESULT_TOO_LARGE", `${found.length} entries; ask for a level below`);
  const entries = found.map(({ path: at, name, kind, detail }) => ({
    path: [...at],
    name,
    kind,
    detail: { ...detail },
  }));
  return { entries };
}

/** Opens the source anew, with a connector of its own. */
function testRunner({ clock, connect }: CommandKindsDeps): CommandRunner {
  let lastMs = Number.NEGATIVE_INFINITY;
  return async (_command, signal) => {
    const startMs = clock.monotonicMs();
    const retryMs = Math.ceil(lastMs + TEST_EVERY_MS - startMs);
    if (retryMs > 0)
      throw new CommandFailed("RATE_LIMITED", "the source was tested a moment ago", {
        retry_after_ms: retryMs,
      });
    lastMs = startMs;
    await using connector = connect();
    await connector.open(signal);
    if (signal.aborted) throw new ConnectorError("unavailable", "the source did not open in time");
    return { took_ms: Math.round(clock.monotonicMs() - startMs) };
  };
}
