// Reading command lines: flags, help, and every mistake at once.
import { describe, expect, test } from "vitest";
import { ConfigError } from "#common/runtime/errors.ts";
import { ACTIONS } from "#relay/cli/administration.ts";
import { readCommandLine, UnknownCommandError } from "#relay/cli/command-line.ts";
import { COMMANDS } from "#relay/cli/commands.ts";
import { WEBHOOK_ACTIONS } from "#relay/cli/webhook-commands.ts";

const read = (...args: string[]) => readCommandLine("millrace-relay", COMMANDS, args);

function values(...args: string[]) {
  const result = read(...args);
  if ("help" in result) throw new TypeError(`help instead of values: ${result.help}`);
  return result.values;
}

function issuesOf(...args: string[]): readonly string[] {
  try {
    read(...args);
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

describe("the command line", () => {
  test("every command but those that go on has an action, and every action a command", () => {
    const goOn = new Set(["serve", "listen", "listen replay"]);
    const names = COMMANDS.map((command) => command.words.join(" ")).filter((name) => !goOn.has(name));
    const actions = [...Object.keys(ACTIONS), ...Object.keys(WEBHOOK_ACTIONS)];
    expect(names.toSorted()).toEqual(actions.toSorted());
  });

  test("values, repeated flags, switches and the argument", () => {
    const create = values(
      "connection",
      "create",
      "--workspace",
      "w",
      "--name=erp",
      "--label",
      "a=1",
      "--label",
      "b=2",
      "--json",
    );
    expect([
      create.text("workspace"),
      create.needed("name"),
      create.all("label"),
      create.has("json"),
    ]).toEqual(["w", "erp", ["a=1", "b=2"], true]);
    expect(values("token", "revoke", "tok_1").argument).toBe("tok_1");
  });

  test("every mistake at once, with the nearest flag", () => {
    expect(
      issuesOf("token", "create", "--workspce", "x", "--admin=yes", "--name", "--json", "stray"),
    ).toEqual([
      '--workspce: is not a flag of this command (did you mean "--workspace"?)',
      "--admin: takes no value",
      "--name: needs a value: what it is for",
      "stray: is one word too many",
    ]);
    expect(issuesOf("workspace", "create")).toEqual(["--name: is missing: its name"]);
    expect(issuesOf("token", "revoke")).toEqual(["<id>: is missing"]);
    expect(issuesOf("serve", "--port", "1", "--port", "2")).toEqual(["--port: is given twice"]);
  });

  test.each([
    [["serv"], 'did you mean "serve"'],
    [["workspace", "crate"], 'did you mean "create"'],
    [["workspace"], "needs one more word; known: create, list"],
    [["--port", "1"], "known: serve, listen, webhook, workspace"],
  ])("%j is no command, and the message helps", (args, hint) => {
    expect(() => read(...args)).toThrow(UnknownCommandError);
    expect(() => read(...args)).toThrow(hint);
  });

  test.each([
    [[]],
    [["--help"]],
    [["help"]],
    [["token", "--help"]],
    [["token", "create", "--help"]],
    [["serve", "-h"]],
  ])("%j asks for help", (args) => {
    expect(read(...args)).toHaveProperty("help");
  });

  test("each command's help names all its flags", () => {
    for (const command of COMMANDS) {
      const result = read(...command.words, "--help");
      const help = "help" in result ? result.help : "";
      for (const name of [...Object.keys(command.flags), "json", "help"]) expect(help).toContain(`--${name}`);
    }
  });
});
