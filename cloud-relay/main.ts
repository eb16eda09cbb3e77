// The command line of the relay.
import { join } from "node:path";
import { systemClock } from "#common/runtime/clock.ts";
import { ConfigError, messageOf, MillraceError } from "#common/runtime/errors.ts";
import { ACTIONS } from "./cli/administration.ts";
import { auditCommand } from "./cli/audit.ts";
import type { CommandResult } from "./cli/command-action.ts";
import { readCommandLine, UnknownCommandError, type FlagValues } from "./cli/command-line.ts";
import { COMMANDS } from "./cli/commands.ts";
import { DEFAULT_URL, listen } from "./cli/listen/listen.ts";
import { RelayCalls } from "./cli/listen/relay-calls.ts";
import { replay } from "./cli/listen/replay.ts";
import { tokenOf } from "./cli/listen/token.ts";
import { serve, type ServeHost } from "./cli/serve.ts";
import { WEBHOOK_ACTIONS } from "./cli/webhook-commands.ts";
import { STORE_FILE } from "./compose.ts";
import { loadRelayConfig, makeDataDir, type RelayConfig } from "./config.ts";
import { Problem } from "./core/problem.ts";
import { systemEntropy } from "./entropy.ts";
import { openIdentity } from "./identity.ts";
import { openSqliteStore } from "./store/sqlite/open-store.ts";

const PROGRAM = "millrace-relay";

/** 0: done. 1: it failed, and the message says why. 2: the command line or the settings are wrong. */
export type ExitCode = 0 | 1 | 2;

export interface MainHost extends ServeHost {
  readonly stderr: { write(text: string): unknown };
  readonly env: NodeJS.ProcessEnv;
}

/** Never rejects. */
export async function main(args: readonly string[], host: MainHost): Promise<ExitCode> {
  try {
    const read = readCommandLine(PROGRAM, COMMANDS, args);
    if ("help" in read) {
      host.stdout.write(read.help);
      return 0;
    }
    const name = read.command.words.join(" ");
    if (name.startsWith("listen")) {
      await listenTo(name, read.values, host);
      return 0;
    }
    const remote = WEBHOOK_ACTIONS[name];
    if (remote !== undefined) {
      const { values } = read;
      const relay = new RelayCalls(values.text("url") ?? DEFAULT_URL, tokenOf(values, host.env));
      print(host, await remote(relay, values), values.has("json"));
      return 0;
    }
    const config = loadRelayConfig(configFlags(read.values), host.env);
    const isJson = read.values.has("json");
    if (name === "serve") await serve(config, host, isJson);
    else print(host, await administer(name, config, read.values), isJson);
    return 0;
  } catch (error) {
    host.stderr.write(`${explain(error)}\n`);
    return error instanceof ConfigError || error instanceof UnknownCommandError ? 2 : 1;
  }
}

/** On a developer's machine: it needs a relay's address, and nothing of a relay's own. */
async function listenTo(name: string, values: FlagValues, host: MainHost): Promise<void> {
  if (name === "listen replay") return replay(values, host);
  const stop = new AbortController();
  const end = (): void => stop.abort();
  for (const event of ["SIGINT", "SIGTERM", "disconnect"] as const) host.once(event, end);
  await listen(values, host, stop.signal);
}

async function administer(name: string, config: RelayConfig, values: FlagValues): Promise<CommandResult> {
  const action = ACTIONS[name];
  if (action === undefined) throw new TypeError(`the command ${name} has no action`);
  makeDataDir(config.dataDir);
  await using store = await openSqliteStore({ path: join(config.dataDir, STORE_FILE) });
  const context = {
    store,
    directory: store.directory,
    entropy: systemEntropy,
    nowMs: () => systemClock.nowMs(),
    publicUrl: config.publicUrl ?? localUrl(config),
    relayPublicKey: async () => (await openIdentity(config.dataDir)).publicKey,
  };
  const result = await action(context, values);
  await auditCommand(context, name, values);
  return result;
}

/** Where the relay listens by these settings, if it runs. */
function localUrl({ host, port, tls }: RelayConfig): string {
  return `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function print(host: MainHost, result: CommandResult, isJson: boolean): void {
  host.stdout.write(isJson ? `${JSON.stringify(result.json)}\n` : `${result.lines.join("\n")}\n`);
}

function configFlags(values: FlagValues): Parameters<typeof loadRelayConfig>[0] {
  return {
    config: values.text("config"),
    dataDir: values.text("data-dir"),
    host: values.text("host"),
    port: values.text("port"),
    tlsCert: values.text("tls-cert"),
    tlsKey: values.text("tls-key"),
    publicUrl: values.text("public-url"),
    logLevel: values.text("log-level"),
  };
}

/** Ours are written for people; anything else is a defect and shows where it came from. */
function explain(error: unknown): string {
  if (error instanceof UnknownCommandError) return `${error.message}\n${PROGRAM} --help lists all commands`;
  if (error instanceof ConfigError || error instanceof MillraceError || error instanceof Problem)
    return error.message;
  return `${PROGRAM} failed, and this is a defect: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`;
}
