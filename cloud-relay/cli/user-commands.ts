// Users of the dashboard on the command line.
import { ConfigError } from "#common/runtime/errors.ts";
import { findWorkspace } from "#relay/core/administration.ts";
import { Problem } from "#relay/core/problem.ts";
import type { Role, UserRow } from "#relay/core/users/user-store.ts";
import { ROLES, Users } from "#relay/core/users/users.ts";
import { ScryptPasswords } from "../passwords.ts";
import { userView } from "../http/user-routes.ts";
import { table, type Action, type AdministrationContext, type CommandResult } from "./command-action.ts";
import type { FlagValues } from "./command-line.ts";

export const USER_ACTIONS: Readonly<Record<string, Action>> = {
  "user create": userCreate,
  "user list": userList,
  "user update": userUpdate,
  "user delete": userDelete,
};

async function userCreate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const { user, password } = await usersOf(context).create({
    workspaceId: workspace.id,
    email: values.needed("email"),
    name: values.text("name"),
    role: roleOf(values) ?? "viewer",
  });
  return {
    json: { ...userView(user), password },
    lines: [
      `user ${user.id} ${user.email} (${user.role})`,
      "the password is shown this once:",
      password ?? "",
      `sign in at ${context.publicUrl}/dashboard`,
    ],
  };
}

async function userList(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const views = (await context.store.users.list(workspace.id)).map(userView);
  const rows = views.map((view) => [
    view.id,
    view.email,
    view.role,
    view.disabled ? "disabled" : "enabled",
    view.last_sign_in_at ?? "never",
  ]);
  return { json: views, lines: table(["ID", "E-MAIL", "ROLE", "STATE", "LAST SIGN-IN"], rows) };
}

async function userUpdate(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const row = await foundUser(context, values);
  if (values.has("disable") && values.has("enable"))
    throw wrong("--disable", "--disable and --enable exclude each other");
  const users = usersOf(context);
  const role = roleOf(values);
  const password = values.has("new-password") ? users.newPassword() : undefined;
  const disabled = values.has("disable") ? true : values.has("enable") ? false : undefined;
  if (role === undefined && password === undefined && disabled === undefined)
    throw wrong("user update", "say what to change: --role, --new-password, --disable or --enable");
  const user = await users.change(row.workspaceId, row.id, { role, password, disabled });
  const shown = password === undefined ? [] : ["the new password is shown this once:", password];
  return {
    json: { ...userView(user), password },
    lines: [`user ${user.id} ${user.email} (${user.role}) was changed and is signed out`, ...shown],
  };
}

async function userDelete(context: AdministrationContext, values: FlagValues): Promise<CommandResult> {
  const row = await foundUser(context, values);
  await usersOf(context).remove(row.workspaceId, row.id);
  return { json: { id: row.id, deleted: true }, lines: [`user ${row.id} ${row.email} is deleted`] };
}

/** A running relay asks the store about its sessions every second: nobody has to be told. */
function usersOf(context: AdministrationContext): Users {
  const { store, entropy } = context;
  const nowMs = (): number => context.nowMs();
  return new Users({ store, entropy, passwords: new ScryptPasswords(), nowMs, changed: () => {} });
}

async function foundUser(context: AdministrationContext, values: FlagValues): Promise<UserRow> {
  const workspace = await findWorkspace(context.directory, values.needed("workspace"));
  const wanted = (values.argument ?? "").trim();
  const users = await context.store.users.list(workspace.id);
  const found = users.find(({ id, email }) => id === wanted || email === wanted.toLowerCase());
  if (found !== undefined) return found;
  throw new Problem(
    "NOT_FOUND",
    `There is no user ${wanted} in this workspace. millrace-relay user list shows them.`,
  );
}

function roleOf(values: FlagValues): Role | undefined {
  const text = values.text("role");
  const role = ROLES.find((known) => known === text);
  if (text !== undefined && role === undefined)
    throw wrong("--role", `expected ${ROLES.join(", ")}, not "${text}"`);
  return role;
}

function wrong(path: string, message: string): ConfigError {
  return new ConfigError("millrace-relay", [{ path, message }]);
}
