// The agent's service under Windows: asks and orders by the service host, reads the log file that the host writes.
import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { ServiceControl, ServiceLogRequest, ServiceStatus } from "#agent/core/service-control.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

/** Looked for new lines so often. */
const FOLLOW_MS = 500;
const READ_BYTES = 1024 * 1024;

export interface WindowsServiceOptions {
  /** Full path of millracesvc.exe; undefined outside of an installation. */
  readonly host: string | undefined;
  /** The folder `logs` beside the configuration. */
  readonly logDir: string;
  /** Ends early when the command is stopped; keeps the process alive. */
  readonly sleep: (ms: number) => Promise<void>;
}

/** @throws MillraceError outside of an installation */
export function windowsService({ host, logDir, sleep }: WindowsServiceOptions): ServiceControl {
  if (host === undefined)
    throw new MillraceError("the service verbs are for an agent that is installed from its package");
  const order = async (verb: "start" | "stop"): Promise<void> => {
    await runHost(host, verb);
  };
  return {
    status: async () => readHostStatus(await runHost(host, "status")),
    start: () => order("start"),
    stop: () => order("stop"),
    restart: async () => {
      await order("stop");
      await order("start");
    },
    logs: (request) => showLog(join(logDir, "agent.log"), sleep, request),
  };
}

/** @internal exported for its test */
export function readHostStatus(line: string): ServiceStatus {
  const facts = JSON.parse(line) as ServiceStatus & { readonly exitCode?: number };
  const { state, startsAtBoot, pid = 0, sinceMs = 0, exitCode = 0 } = facts;
  const hasFailed = state === "stopped" && exitCode !== 0;
  return {
    state,
    startsAtBoot,
    ...(pid > 0 ? { pid } : {}),
    ...(sinceMs > 0 ? { sinceMs } : {}),
    ...(hasFailed ? { detail: `Its host ended last with code ${exitCode}; the event log says why.` } : {}),
  };
}

/** What it printed. @throws MillraceError with what it said */
function runHost(host: string, verb: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(host, [verb], { stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
    let out = "";
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
    child.once("error", (error) =>
      reject(new MillraceError(`running ${host} failed: ${messageOf(error)}; repair the installation`)),
    );
    child.once("close", (code) => {
      if (code === 0) resolve(out);
      else reject(new MillraceError(said.trim() === "" ? `${host} ${verb} ended with ${code}` : said.trim()));
    });
  });
}

async function showLog(
  file: string,
  sleep: WindowsServiceOptions["sleep"],
  { lines, follow, out, signal }: ServiceLogRequest,
): Promise<void> {
  let { text, end } = readFrom(file, undefined);
  out(lastLines(text, lines));
  if (!follow) return;
  while (!signal.aborted) {
    await sleep(FOLLOW_MS);
    ({ text, end } = readFrom(file, end));
    if (text !== "") out(text);
  }
}

/** From a place on, or the last READ_BYTES; from the beginning where the file is a new one. @throws MillraceError */
function readFrom(file: string, from: number | undefined): { text: string; end: number } {
  let handle: number;
  try {
    handle = openSync(file, "r");
  } catch (error) {
    const advice = "open the command prompt as an administrator; before the first start there is no log";
    throw new MillraceError(`the log could not be read: ${messageOf(error)}; ${advice}`, { cause: error });
  }
  try {
    const { size } = fstatSync(handle);
    let at = from === undefined ? Math.max(0, size - READ_BYTES) : from > size ? 0 : from;
    const parts: Buffer[] = [];
    while (at < size) {
      const part = Buffer.alloc(Math.min(READ_BYTES, size - at));
      const count = readSync(handle, part, 0, part.length, at);
      if (count === 0) break;
      parts.push(part.subarray(0, count));
      at += count;
    }
    return { text: Buffer.concat(parts).toString("utf8"), end: at };
  } finally {
    closeSync(handle);
  }
}

function lastLines(text: string, count: number): string {
  const lines = text.split("\n");
  const isWhole = lines.at(-1) === "";
  const kept = lines.slice(-(isWhole ? count + 1 : count));
  return kept.join("\n") + (isWhole || text === "" ? "" : "\n");
}
