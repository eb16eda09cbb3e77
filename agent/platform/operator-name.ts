// Who asks for something at the command line, for the audit trail: the person behind sudo, where that can be believed.
import { userInfo } from "node:os";

/** Nobody becomes one of these but by root's leave, so that what sudo has noted is true. */
const BEHIND_SUDO: ReadonlySet<string> = new Set(["root", "millrace-agent"]);

export function operatorName(
  env: Readonly<Record<string, string | undefined>>,
  account: string = accountName(),
): string {
  const person = env["SUDO_USER"] ?? "";
  return BEHIND_SUDO.has(account) && person !== "" ? person : account;
}

/** An account may have no name (a container's number). */
function accountName(): string {
  try {
    return userInfo().username;
  } catch {
    return "somebody";
  }
}
