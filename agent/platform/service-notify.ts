// Tells systemd how the agent is: up, alive, stopping. Without NOTIFY_SOCKET, which systemd sets, there is nobody to tell.
import { spawn } from "node:child_process";
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { Logger } from "#common/runtime/logger.ts";

/** Signs of life in the time after which systemd takes the agent for dead. */
const SIGNS_PER_TIMEOUT = 4;
/** A helper that hangs is not waited for. */
const HELPER_MS = 10_000;

export interface ServiceNotifyOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Asked before each sign of life; false or a failure leaves it out, and after some left out systemd restarts the agent. */
  readonly isHealthy: () => Promise<boolean>;
  /** The runtime has no datagram sockets for what systemd wants; systemd brings a program that speaks for it. */
  readonly helper?: string;
}

export interface ServiceNotify extends AsyncDisposable {
  /** The agent is up; from now on systemd hears that it lives, if it wants to. Never rejects. */
  ready(status: string): Promise<void>;
}

/** Disposing of it says that the agent stops; the signs of life end. */
export function serviceNotify(options: ServiceNotifyOptions): ServiceNotify {
  return options.env["NOTIFY_SOCKET"] === undefined ? NOBODY : new SystemdNotify(options);
}

const NOBODY: ServiceNotify = {
  ready: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

class SystemdNotify implements ServiceNotify {
  readonly #options: ServiceNotifyOptions;
  #cancelNext: () => void = () => {};
  #isStopping = false;

  constructor(options: ServiceNotifyOptions) {
    this.#options = options;
  }

  async ready(status: string): Promise<void> {
    await this.#say("READY=1", `STATUS=${status}`);
    this.#scheduleSign();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#cancelNext();
    await this.#say("STOPPING=1", "STATUS=");
  }

  #scheduleSign(): void {
    const everyMs = signEveryMs(this.#options);
    if (everyMs === undefined || this.#isStopping) return;
    this.#cancelNext = this.#options.clock.setTimer(everyMs, () => void this.#sign());
  }

  async #sign(): Promise<void> {
    // The next one does not wait for this one: a check that hangs must not look like one that was never made.
    this.#scheduleSign();
    try {
      if (await this.#options.isHealthy()) await this.#say("WATCHDOG=1");
      else
        this.#options.logger.warn({}, "the agent does not answer itself; systemd is not told that it lives");
    } catch (error) {
      this.#options.logger.warn({}, `systemd is not told that the agent lives: ${messageOf(error)}`);
    }
  }

  /** Never rejects: a message that does not arrive is answered by systemd itself. */
  #say(...words: string[]): Promise<void> {
    const { helper = "systemd-notify", env, logger } = this.#options;
    return new Promise((resolve) => {
      const child = spawn(helper, words, { stdio: "ignore", timeout: HELPER_MS, env: { ...env } });
      const failed = (how: string): void => {
        logger.warn({}, `telling systemd ${words[0] ?? ""} by ${helper} failed: ${how}`);
        resolve();
      };
      child.once("error", (error) => failed(messageOf(error)));
      child.once("exit", (code, signal) =>
        code === 0 ? resolve() : failed(`it ended with ${code ?? signal}`),
      );
    });
  }
}

/** Undefined: systemd does not watch, or watches another process. */
function signEveryMs({ env, pid }: ServiceNotifyOptions): number | undefined {
  const timeoutUs = Number(env["WATCHDOG_USEC"]);
  const watched = env["WATCHDOG_PID"];
  if (!(timeoutUs > 0) || (watched !== undefined && watched !== String(pid))) return undefined;
  return Math.max(1, Math.floor(timeoutUs / 1_000 / SIGNS_PER_TIMEOUT));
}
