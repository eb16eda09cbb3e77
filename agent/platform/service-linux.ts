// The agent's service under systemd: asks and orders by systemctl, reads the journal by journalctl.
import { spawn } from "node:child_process";
import type { ServiceControl, ServiceLogRequest, ServiceStatus } from "#agent/core/service-control.ts";
import { MillraceError, messageOf } from "#common/runtime/errors.ts";

const UNIT = "millrace-agent.service";
const PROPERTIES = [
  "LoadState",
  "ActiveState",
  "SubState",
  "MainPID",
  "StateChangeTimestampMonotonic",
  "UnitFileState",
  "Result",
  "ExecMainStatus",
  "NRestarts",
  "StatusText",
];
/** Of what a program says that is kept for a message. */
const MAX_SAID_CHARS = 2_000;

export interface LinuxServiceOptions {
  /** Names of the programs; tests put others in their place. */
  readonly systemctl?: string;
  readonly journalctl?: string;
  /** ms since the Unix epoch at which the machine's monotonic clock began. */
  readonly bootedAtMs: number;
}

export function linuxService({
  systemctl = "systemctl",
  journalctl = "journalctl",
  bootedAtMs,
}: LinuxServiceOptions): ServiceControl {
  const order = async (...words: string[]): Promise<void> => {
    const { code, said } = await runProgram(systemctl, words);
    if (code !== 0) throw new MillraceError(orderFailed(words.join(" "), said));
  };
  return {
    status: async () => {
      const { code, out, said } = await runProgram(systemctl, [
        "show",
        UNIT,
        `--property=${PROPERTIES.join(",")}`,
      ]);
      if (code !== 0) throw new MillraceError(`asking systemd about ${UNIT} failed: ${said}`);
      return readStatus(out, bootedAtMs);
    },
    start: () => order("enable", "--now", UNIT),
    stop: () => order("stop", UNIT),
    restart: () => order("restart", UNIT),
    logs: (request) => showLog(journalctl, request),
  };
}

function orderFailed(what: string, said: string): string {
  const advice = /denied|authentication|not permitted|access/i.test(said)
    ? "an administrator may: sudo millrace-agent service …"
    : "why: sudo millrace-agent service logs";
  return `systemctl ${what} failed: ${said === "" ? "it gave no reason" : said}; ${advice}`;
}

/** @internal exported for its test */
export function readStatus(text: string, bootedAtMs: number): ServiceStatus {
  const values = new Map(
    text.split("\n").map((line): [string, string] => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const value = (name: string): string => values.get(name) ?? "";
  if (value("LoadState") !== "loaded") return { state: "absent", startsAtBoot: false };
  const pid = Number(value("MainPID"));
  const sinceUs = Number(value("StateChangeTimestampMonotonic"));
  const detail = detailOf(value);
  return {
    state: stateOf(value("ActiveState"), value("SubState")),
    startsAtBoot: value("UnitFileState") === "enabled",
    ...(pid > 0 ? { pid } : {}),
    ...(sinceUs > 0 ? { sinceMs: Math.round(bootedAtMs + sinceUs / 1_000) } : {}),
    ...(detail === "" ? {} : { detail }),
  };
}

function stateOf(active: string, sub: string): ServiceStatus["state"] {
  if (sub === "auto-restart") return "waiting";
  if (active === "active" || active === "reloading") return "running";
  if (active === "activating") return "starting";
  if (active === "deactivating") return "stopping";
  return active === "failed" ? "failed" : "stopped";
}

function detailOf(value: (name: string) => string): string {
  const restarts = Number(value("NRestarts"));
  const result = value("Result");
  return [
    value("StatusText"),
    result === "success" || result === ""
      ? ""
      : `It ended last by ${result} (code ${value("ExecMainStatus")}).`,
    restarts > 0 ? `Started again by systemd ${restarts} time${restarts === 1 ? "" : "s"}.` : "",
  ]
    .filter((part) => part !== "")
    .join(" ");
}

async function showLog(journalctl: string, { lines, follow, out, signal }: ServiceLogRequest): Promise<void> {
  const words = [
    "--unit",
    UNIT,
    "--lines",
    String(lines),
    "--no-pager",
    "--output=cat",
    ...(follow ? ["--follow"] : []),
  ];
  const { code, said } = await runProgram(journalctl, words, { out, signal });
  if (code !== 0 && !signal.aborted)
    throw new MillraceError(
      `reading the journal of ${UNIT} failed: ${said}; an administrator may read it, or the group systemd-journal`,
    );
}

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  /** What it had to say, for a message: one line. */
  readonly said: string;
}

/** @throws MillraceError if the program is not there */
function runProgram(
  program: string,
  words: readonly string[],
  { out, signal }: { readonly out?: (text: string) => void; readonly signal?: AbortSignal } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    let said = "";
    const end = (): void => void child.kill("SIGTERM");
    signal?.addEventListener("abort", end, { once: true });
    child.stdout
      .setEncoding("utf8")
      .on("data", (chunk: string) => (out === undefined ? (text += chunk) : out(chunk)));
    child.stderr
      .setEncoding("utf8")
      .on("data", (chunk: string) => (said = (said + chunk).slice(-MAX_SAID_CHARS)));
    child.once("error", (error) =>
      reject(
        new MillraceError(`running ${program} failed: ${messageOf(error)}; the service verbs need systemd`),
      ),
    );
    child.once("close", (code) => {
      signal?.removeEventListener("abort", end);
      resolve({ code, out: text, said: said.replaceAll(/\s+/g, " ").trim() });
    });
  });
}
