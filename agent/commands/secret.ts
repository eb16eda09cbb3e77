// `secret`: stores what the configuration refers to by `{credential:…}`, bound to this machine; never shows it.
import { MillraceError } from "#common/runtime/errors.ts";
import { CONFIG_OPTION, EXIT_FAILURE, EXIT_OK, type Command, type CommandContext } from "./command.ts";

/** How a stored secret is protected, in words. */
const BINDINGS = {
  sealed: "encrypted, only this machine opens it",
  root: "not encrypted, a file that only root reads",
  file: "not encrypted, a file that only the agent's account reads",
} as const;

/** What `secret` needs of the machine. */
export interface SecretDesk {
  /** By name. */
  list(): readonly { readonly name: string; readonly binding: keyof typeof BINDINGS }[];
  /** @throws MillraceError */
  put(
    name: string,
    value: string,
  ): { readonly binding: keyof typeof BINDINGS; readonly file: string; readonly notes: readonly string[] };
  /** False: there is none. @throws MillraceError */
  drop(name: string): boolean;
  isName(name: string): boolean;
  /** What makes the running agent see a change. */
  readonly restart: string;
  /** Settings that refer to secrets of this machine, by the secret's name. */
  readonly uses: ReadonlyMap<string, readonly string[]>;
  /** Settings whose text is the secret itself. */
  readonly inline: readonly string[];
}

export const secretCommand: Command = {
  name: "secret",
  summary: "Store, list or remove secrets of this machine, for {credential:…} in the configuration.",
  details:
    "`secret set <name>` asks for the value (or reads it from standard input: never from an argument, which others could see) and stores it bound to this machine: encrypted by systemd-creds where a Linux package's service runs, by DPAPI on Windows, and otherwise as a file that only the agent's account reads; it says which. `secret list` shows names, how they are protected and which settings use them. `secret remove <name>` forgets one. Needs root, or an administrator, where a service is installed.",
  options: {
    json: { type: "boolean", description: "With list: print JSON." },
    config: CONFIG_OPTION,
  },
  positionals: [
    { name: "what", description: "set, list or remove", isRequired: true },
    { name: "name", description: "the secret's name, as in {credential:<name>}", isRequired: false },
  ],
  examples: [
    "millrace-agent secret set erp-password",
    'printf %s "$PASSWORD" | millrace-agent secret set erp-password',
    "millrace-agent secret list",
    "millrace-agent secret remove erp-password",
  ],
  run: async (args, context) => {
    const [what, name] = args.positionals;
    const desk = context.openSecrets(args.text("config"));
    if (what === "list" && name === undefined) return list(desk, context, args.has("json"));
    if (what !== "set" && what !== "remove")
      throw new MillraceError(
        "secret what? millrace-agent secret set <name>, secret list, or secret remove <name>",
      );
    if (name === undefined) throw new MillraceError(`which secret? millrace-agent secret ${what} <name>`);
    if (!desk.isName(name))
      throw new MillraceError(
        `"${name}" cannot be a secret's name: letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 100`,
      );
    return what === "set" ? await set(name, desk, context) : remove(name, desk, context);
  },
};

async function set(name: string, desk: SecretDesk, context: CommandContext): Promise<number> {
  const value = await context.readSecret(`Value of ${name} (not shown): `);
  if (value === "") throw new MillraceError(`no value came for ${name}; nothing was changed`);
  const { binding, file, notes } = desk.put(name, value);
  context.security.note("secret_stored", { secret: name, binding, by: context.userName });
  const uses = desk.uses.get(name) ?? [];
  const lines = [
    `Stored ${name}: ${BINDINGS[binding]} (${file}).`,
    ...notes,
    uses.length === 0
      ? `No setting refers to it yet: write "{credential:${name}}" where it belongs.`
      : `Used by ${uses.join(", ")}. To use it now: ${desk.restart}`,
  ];
  context.out(`${lines.join("\n")}\n`);
  return EXIT_OK;
}

function remove(name: string, desk: SecretDesk, context: CommandContext): number {
  if (!desk.drop(name)) {
    const names = desk.list().map((each) => each.name);
    context.err(`There is no secret ${name}; there: ${names.join(", ") || "none"}.\n`);
    return EXIT_FAILURE;
  }
  context.security.note("secret_removed", { secret: name, by: context.userName });
  const uses = desk.uses.get(name) ?? [];
  const warning =
    uses.length === 0 ? "" : ` Still used by ${uses.join(", ")}: the agent will not start without it.`;
  context.out(`Removed ${name}.${warning}\n`);
  return EXIT_OK;
}

function list(desk: SecretDesk, context: CommandContext, asJson: boolean): number {
  const stored = desk.list();
  const missing = [...desk.uses.keys()].filter((name) => stored.every((each) => each.name !== name));
  if (asJson) {
    const secrets = stored.map(({ name, binding }) => ({
      name,
      binding,
      used_by: desk.uses.get(name) ?? [],
    }));
    context.out(`${JSON.stringify({ secrets, missing, inline: desk.inline })}\n`);
    return EXIT_OK;
  }
  const lines = stored.map(({ name, binding }) => {
    const uses = desk.uses.get(name) ?? [];
    return `${name}: ${BINDINGS[binding]}; ${uses.length === 0 ? "used by no setting" : `used by ${uses.join(", ")}`}`;
  });
  if (lines.length === 0) lines.push("No secret is stored on this machine.");
  for (const name of missing)
    lines.push(
      `${name}: MISSING; used by ${(desk.uses.get(name) ?? []).join(", ")}; store it: millrace-agent secret set ${name}`,
    );
  for (const path of desk.inline)
    lines.push(`${path}: stands in the configuration file as plain text; better: "{credential:<name>}"`);
  context.out(`${lines.join("\n")}\n`);
  return EXIT_OK;
}
