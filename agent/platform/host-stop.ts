// Hears the Windows service host say stop: Windows has no signal for it, so the host writes a line on standard input.
import type { Readable } from "node:stream";

/** Longest that is kept of a line; the host says nothing but `stop`. */
const MAX_HELD_CHARS = 64;

/**
 * Calls `onStop` once, at the line `stop` or the end of the input: the host closes it to be sure, and it closes when
 * the host dies. Does nothing unless the host set `MILLRACE_STOP_BY_STDIN`: elsewhere the input is a terminal's or nobody's.
 */
export function listenForHostStop(
  env: Readonly<Record<string, string | undefined>>,
  input: () => Readable & { unref?(): unknown },
  onStop: () => void,
): void {
  if (env["MILLRACE_STOP_BY_STDIN"] !== "1") return;
  const stream = input();
  let held = "";
  let isOver = false;
  const stop = (): void => {
    if (isOver) return;
    isOver = true;
    stream.destroy();
    onStop();
  };
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    held = (held + chunk).slice(-MAX_HELD_CHARS);
    if (/(?:^|\n)stop\r?\n/.test(held)) stop();
  });
  stream.once("end", stop);
  stream.once("error", stop);
  // Waiting for it must not keep a process that has nothing else to do.
  stream.unref?.();
}
