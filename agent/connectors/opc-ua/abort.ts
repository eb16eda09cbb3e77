// Ends a wait at once when the caller aborts, whatever the driver is still doing.
import { ConnectorError } from "#common/runtime/errors.ts";

/** The work's outcome, or `unavailable` as soon as the signal aborts; what the work does after that is ignored. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortedError());
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}

export function abortedError(): ConnectorError {
  return new ConnectorError("unavailable", "the call took too long or was ended by the agent");
}
