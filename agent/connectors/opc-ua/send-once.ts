// One request, sent at most once: around the driver's own queue, which would send it again after a reconnect.
import type { CallRequest, CallResponse, StatusCode, WriteRequest, WriteResponse } from "node-opcua";
import { ConnectorError, messageOf } from "#common/runtime/errors.ts";
import { abortedError } from "./abort.ts";
import type { Connection } from "./connection.ts";
import { isNotHeard } from "./status-words.ts";

type Request = WriteRequest | CallRequest;
type Response = WriteResponse | CallResponse;

export type Sent =
  | { readonly kind: "answered"; readonly response: Response }
  /** The server refused the call as a whole. */
  | { readonly kind: "fault"; readonly status: StatusCode }
  /** It may have arrived. */
  | { readonly kind: "no_answer"; readonly detail: string };

/** The part of the driver's client that its own type leaves out. */
interface Transactions {
  performMessageTransaction(
    request: Request,
    done: (error: FaultError | null, answer?: Response) => void,
  ): void;
}
type FaultError = Error & {
  readonly response?: { readonly responseHeader: { readonly serviceResult: StatusCode } };
};

/** @throws ConnectorError unavailable: then nothing was sent, or the server did not look at it */
export async function sendOnce(connection: Connection, request: Request, signal: AbortSignal): Promise<Sent> {
  if (signal.aborted) throw abortedError();
  if (connection.isLost) throw notSent(connection, "the connection is being restored");
  const { client, session } = connection;
  if (session.authenticationToken !== undefined)
    request.requestHeader.authenticationToken = session.authenticationToken;
  const sent = await new Promise<Sent>((resolve, reject) => {
    const onAbort = (): void => resolve({ kind: "no_answer", detail: "the time for it ran out" });
    signal.addEventListener("abort", onAbort, { once: true });
    let isSent = false;
    (client as unknown as Transactions).performMessageTransaction(request, (error, answer) => {
      signal.removeEventListener("abort", onAbort);
      const fault = error?.response?.responseHeader.serviceResult;
      if (fault !== undefined) resolve({ kind: "fault", status: fault });
      else if (answer !== undefined) resolve(answered(answer));
      else if (isSent) resolve({ kind: "no_answer", detail: messageOf(error) });
      // Called before it returned: the request never left.
      else reject(notSent(connection, messageOf(error)));
    });
    isSent = true;
  });
  if (sent.kind === "fault" && isNotHeard(sent.status)) throw notSent(connection, sent.status.name);
  return sent;
}

function answered(response: Response): Sent {
  const { serviceResult } = response.responseHeader;
  return serviceResult.isGood() ? { kind: "answered", response } : { kind: "fault", status: serviceResult };
}

function notSent(connection: Connection, detail: string): ConnectorError {
  const { endpoint } = connection.deps.settings;
  return new ConnectorError(
    "unavailable",
    `writing at ${endpoint} failed: ${detail}; nothing was written, and nothing is kept for later: send it again`,
  );
}
