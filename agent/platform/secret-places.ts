// Where this machine keeps the agent's secrets: by systemd, by Windows, or as files that only their owner reads.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { userInfo } from "node:os";
import type { SecretReader } from "#common/runtime/secret-reference.ts";
import { messageOf } from "#common/runtime/errors.ts";
import { installation } from "./installation.ts";

/** Valid as a file name everywhere, and as a systemd credential. */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?$/;
/** Names that Windows takes for devices. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
const TOOL_TIMEOUT_MS = 20_000;
/** Where packages put the service's unit. */
const UNITS = ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"];
const UNIT = "millrace-agent.service";
const PACKAGED_CONFIG_DIR = "/etc/millrace-agent";

export function isSecretName(name: string): boolean {
  return NAME.test(name) && !DEVICE.test(name);
}

/** Runs a program with a text on its standard input; never throws. */
export type Tool = (
  command: string,
  args: readonly string[],
  input: Uint8Array | string,
) => { readonly ok: true; readonly output: Buffer } | { readonly ok: false; readonly message: string };

export interface SecretPlaces {
  /** The configuration file's folder: what relative references start from. */
  readonly configDir: string;
  /** Files that the machine can open and nobody else. */
  readonly sealedDir: string;
  /** Opens one of them; absent: nothing here can. */
  readonly unseal: ((file: string) => ReturnType<SecretReader>) | undefined;
  /** Fallback: files readable by the agent's account alone. */
  readonly plainDir: string;
  /** A service manager runs the agent, and hands secrets over at its start. */
  readonly isAdministered: boolean;
  /** What stores a secret of this name. */
  readonly setCommand: (name: string) => string;
}

export function secretPlaces(
  configFile: string,
  dataDir: string,
  env: NodeJS.ProcessEnv,
  tool: Tool = runTool,
): SecretPlaces {
  const configDir = dirname(configFile);
  const host = serviceHost(env);
  const isAdministered = isPackagedUnit(configDir) || host !== undefined;
  const sudo = process.platform !== "win32" && isAdministered ? "sudo " : "";
  const where = isUsualPlace(configDir) ? "" : ` --config ${configFile}`;
  return {
    configDir,
    sealedDir: join(configDir, process.platform === "win32" ? "secrets" : "credentials"),
    unseal: host === undefined ? undefined : (file) => unprotect(host, file, tool),
    plainDir: join(dataDir, "secrets"),
    isAdministered,
    setCommand: (name) => `${sudo}millrace-agent secret set ${name}${where}`,
  };
}

/** The Windows service host of this installation; undefined elsewhere, and in a checkout. */
export function serviceHost(env: NodeJS.ProcessEnv): string | undefined {
  if (process.platform !== "win32") return undefined;
  const named = env["MILLRACE_SERVICE_HOST"];
  if (named !== undefined && named !== "") return named;
  const folder = installation()?.folder;
  const beside = folder === undefined ? undefined : join(folder, "..", "..", "millracesvc.exe");
  return beside !== undefined && existsSync(beside) ? beside : undefined;
}

/** Whether the configuration is that of the service which a Linux package has installed. */
export function isPackagedUnit(configDir: string): boolean {
  if (process.platform === "win32" || configDir !== PACKAGED_CONFIG_DIR) return false;
  return UNITS.some((folder) => existsSync(join(folder, UNIT)));
}

export function runTool(
  command: string,
  args: readonly string[],
  input: Uint8Array | string,
): ReturnType<Tool> {
  const options = { input, timeout: TOOL_TIMEOUT_MS, windowsHide: true } as const;
  const { error, status, signal, stdout, stderr } = spawnSync(command, [...args], options);
  if (error !== undefined) return { ok: false, message: `${command}: ${messageOf(error)}` };
  if (status === 0) return { ok: true, output: stdout };
  const said = messageOf(stderr.toString("utf8").trim());
  return { ok: false, message: `${command} ended with ${status ?? signal ?? "?"}: ${said}` };
}

/** Who owns the folder's files, where that is somebody else and we may give files away. */
export function ownerOf(folder: string): { readonly uid: number; readonly gid: number } | undefined {
  const stats = statSync(folder, { throwIfNoEntry: false });
  const me = userInfo().uid;
  if (process.platform === "win32" || stats === undefined || me !== 0 || stats.uid === me) return undefined;
  return { uid: stats.uid, gid: stats.gid };
}

function isUsualPlace(configDir: string): boolean {
  return configDir === PACKAGED_CONFIG_DIR || process.platform === "win32";
}

function unprotect(host: string, file: string, tool: Tool): ReturnType<SecretReader> {
  let sealed: Uint8Array;
  try {
    sealed = readFileSync(file);
  } catch (error) {
    return { ok: false, message: messageOf(error) };
  }
  const opened = tool(host, ["unprotect"], sealed);
  if (opened.ok) return { ok: true, value: opened.output.toString("utf8") };
  return {
    ok: false,
    message: `${file} could not be opened on this machine (${opened.message}); store the secret again`,
  };
}
