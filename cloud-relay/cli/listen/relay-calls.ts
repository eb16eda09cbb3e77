// What `listen` asks of a relay: plain calls with a token, and the stream of deliveries.
import { MillraceError } from "#common/runtime/errors.ts";

export interface HandedDelivery {
  readonly ticket: string;
  /** As a receiver would get them, lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The line was lost, or could not be opened; it may be tried again. */
export class LineLostError extends MillraceError {
  override name = "LineLostError";
}

const CALL_TIMEOUT_MS = 30_000;
/** Twice the relay's heartbeat, and some. */
const SILENT_AFTER_MS = 40_000;
/** A payload of 256 KiB as JSON within JSON, and its headers. */
const MAX_EVENT_CHARS = 4 * 1024 * 1024;

export class RelayCalls {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url.replace(/\/$/, "");
    this.#token = token;
  }

  /** @throws LineLostError when nothing answers, MillraceError with what the relay says against it */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await this.#fetch(method, path, AbortSignal.timeout(CALL_TIMEOUT_MS), body);
    const text = await response.text();
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  }

  /** Deliveries until the signal; `opened` is called when the line is there. @throws LineLostError when the line ends otherwise */
  async *deliveries(
    endpointId: string,
    signal: AbortSignal,
    opened: () => Promise<void>,
  ): AsyncGenerator<HandedDelivery> {
    const silence = new AbortController();
    const stop = AbortSignal.any([signal, silence.signal]);
    const path = `/v1/webhook-listeners/${endpointId}/deliveries`;
    let timer = setTimeout(() => silence.abort(), SILENT_AFTER_MS);
    try {
      const response = await this.#fetch("GET", path, stop);
      await opened();
      let text = "";
      for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENT_AFTER_MS);
        text += chunk;
        if (text.length > MAX_EVENT_CHARS) throw new LineLostError("the relay sent an event beyond measure");
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          const delivery = readEvent(event);
          if (delivery !== undefined) yield delivery;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof MillraceError) throw error;
      throw new LineLostError("the line to the relay was lost", { cause: error });
    } finally {
      clearTimeout(timer);
    }
    if (!signal.aborted) throw new LineLostError("the relay has ended the line");
  }

  async #fetch(method: string, path: string, signal: AbortSignal, body?: object): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.#url}${path}`, {
        method,
        signal,
        redirect: "error",
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw new LineLostError(`the relay at ${this.#url} does not answer; does it run, and is --url right?`, {
        cause: error,
      });
    }
    if (response.ok) return response;
    throw await refusalOf(response, `${method} ${path}`);
  }
}

async function refusalOf(response: Response, what: string): Promise<MillraceError> {
  const text = await response.text();
  const isTemporary = response.status === 429 || response.status >= 500;
  let detail = `HTTP ${response.status}`;
  try {
    const problem = JSON.parse(text) as { detail?: string; errors?: { pointer: string; detail: string }[] };
    const errors = (problem.errors ?? []).map((each) => `${each.pointer}: ${each.detail}`);
    detail = [problem.detail ?? detail, ...errors].join("\n  ");
  } catch {
    // Something between us and the relay has answered.
  }
  const message = `${what} was refused: ${detail}`;
  return isTemporary ? new LineLostError(message) : new MillraceError(message);
}

/** @throws MillraceError when the relay says why it ends */
function readEvent(text: string): HandedDelivery | undefined {
  const fields = text.split("\n").map((line) => [line.split(":", 1)[0] ?? "", line.replace(/^[^:]*: ?/, "")]);
  const name = fields.find(([field]) => field === "event")?.[1];
  const data = fields.find(([field]) => field === "data")?.[1];
  if (data === undefined) return undefined;
  if (name === "delivery") return JSON.parse(data) as HandedDelivery;
  const { detail = "the relay has ended it" } = JSON.parse(data) as { detail?: string };
  throw new MillraceError(`listening has ended: ${detail}`);
}
