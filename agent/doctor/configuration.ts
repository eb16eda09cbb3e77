// The configuration file: every problem of it, of the connectors' settings and of the packs.
import type { CommandContext, LoadedConfig } from "#agent/commands/command.ts";
import { ConfigError, formatIssue, type Issue } from "#common/runtime/errors.ts";
import { Checks } from "./checks.ts";

export interface ConfigurationFound {
  readonly checks: Checks;
  /** Undefined when the file cannot be used at all. */
  readonly loaded: LoadedConfig | undefined;
}

export async function configurationChecks(
  load: () => LoadedConfig,
  checkConnection: CommandContext["checkConnection"],
): Promise<ConfigurationFound> {
  const checks = new Checks();
  let loaded: LoadedConfig;
  try {
    loaded = load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    checks.failed("file", error.message.split("\n", 1)[0] ?? "", [
      ...error.issues.map(plain),
      "Correct these; millrace-agent check-config says when all is well.",
    ]);
    return { checks, loaded: undefined };
  }
  const { config } = loaded;
  const issues: Issue[] = [];
  for (const [index, connection] of config.connections.entries())
    for (const found of await checkConnection(connection))
      issues.push(...loaded.locate(index, found.part, found.issues));
  const names = config.connections.map(({ name }) => name);
  if (issues.length === 0)
    checks.ok(
      "file",
      `${config.file} is good: ${names.length} connection${names.length === 1 ? "" : "s"} (${names.join(", ") || "none"})`,
    );
  else
    checks.failed(
      "file",
      `${config.file}: ${issues.length} problem${issues.length === 1 ? "" : "s"}`,
      issues.map(plain),
    );
  return { checks, loaded };
}

function plain(issue: Issue): string {
  return formatIssue(issue).trimStart();
}
