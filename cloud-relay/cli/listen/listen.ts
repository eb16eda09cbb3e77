// `millrace-relay listen`: receives webhooks on a developer's machine, over a connection that this machine opens.
import { appendFile } from "node:fs/promises";
import { hostname } from "node:os";
import { sleep, systemClock } from "#common/runtime/clock.ts";
import { ConfigError, messageOf } from "#common/runtime/errors.ts";
import { parseDuration } from "#common/runtime/units.ts";
import { verifyDelivery, type Verdict } from "../../webhooks/verify.ts";
import type { FlagValues } from "../command-line.ts";
import { forward, type Forwarded } from "./forward.ts";
import { LineLostError, RelayCalls, type HandedDelivery } from "./relay-calls.ts";
import { tokenOf } from "./token.ts";

export interface ListenHost {
  readonly stdout: { write(text: string): unknown };
  readonly env: NodeJS.ProcessEnv;
}

interface Options {
  readonly forwardUrl: string | undefined;
  readonly storeFile: string | undefined;
  readonly isVerbose: boolean;
  readonly isJson: boolean;
  readonly key: string;
}

/** One line of the file that `--store` keeps. */
export interface StoredDelivery {
  readonly at: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly is_verified: boolean;
  readonly status: number | null;
}

export const DEFAULT_URL = "http://127.0.0.1:8080";
const RETRY_FIRST_MS = 500;
const RETRY_CAP_MS = 15_000;

/** Until the signal. The endpoint lives as long as this does. @throws MillraceError, ConfigError */
export async function listen(values: FlagValues, host: ListenHost, signal: AbortSignal): Promise<void> {
  const relay = new RelayCalls(values.text("url") ?? DEFAULT_URL, tokenOf(values, host.env));
  const say = (line: string): void => void host.stdout.write(`${line}\n`);
  const since = sinceOf(values.text("since"), Date.now());
  const made = (await relay.call("POST", "/v1/webhook-endpoints", endpointOf(values))) as {
    readonly id: string;
    readonly secret: string;
  };
  const { id, secret: key } = made;
  const options: Options = {
    forwardUrl: values.text("forward"),
    storeFile: values.text("store"),
    isVerbose: values.has("verbose"),
    isJson: values.has("json"),
    key,
  };
  say(options.isJson ? JSON.stringify({ endpoint_id: id, secret: key }) : greeting(id, key, options));
  // While it waits for the relay to come back there is no line, and a timer of the product keeps no process alive.
  const keepAlive = setInterval(() => {}, 60_000);
  try {
    await follow(relay, id, options, { say, since, signal });
  } finally {
    clearInterval(keepAlive);
    await relay.call("DELETE", `/v1/webhook-endpoints/${id}`).catch((error: unknown) => {
      say(
        `The endpoint ${id} could not be deleted (${messageOf(error)}); the relay disables it after some minutes.`,
      );
    });
  }
}

interface Following {
  readonly say: (line: string) => void;
  readonly since: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens the line again for as long as the relay may come back. */
async function follow(relay: RelayCalls, id: string, options: Options, following: Following): Promise<void> {
  const { say, signal } = following;
  let failures = 0;
  let isRecovered = following.since === undefined;
  while (!signal.aborted) {
    try {
      // Not before: what comes while nobody listens has to wait.
      const opened = async (): Promise<void> => {
        if (isRecovered) return;
        await relay.call("POST", `/v1/webhook-endpoints/${id}/recover`, { since: following.since });
        isRecovered = true;
      };
      for await (const delivery of relay.deliveries(id, signal, opened)) {
        failures = 0;
        // Not waited for: the next one is on its way.
        void handle(relay, id, options, delivery, say);
      }
    } catch (error) {
      if (!(error instanceof LineLostError)) throw error;
      if (failures === 0) say(`${messageOf(error)}; trying again`);
      await sleep(systemClock, Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 10)), signal);
      failures += 1;
    }
  }
}

/** Never rejects. */
async function handle(
  relay: RelayCalls,
  id: string,
  options: Options,
  { ticket, headers, body }: HandedDelivery,
  say: (line: string) => void,
): Promise<void> {
  const verdict = verifyDelivery(
    {
      id: headers["webhook-id"] ?? "",
      timestamp: headers["webhook-timestamp"] ?? "",
      signature: headers["webhook-signature"] ?? "",
      body,
    },
    [options.key],
    Date.now(),
  );
  const forwarded = await outcomeOf(options, verdict, headers, body);
  const { status, detail, tookMs } = forwarded;
  try {
    await relay.call("POST", `/v1/webhook-listeners/${id}/answers`, {
      ticket,
      ...(status === undefined ? {} : { status }),
      ...(detail === undefined ? {} : { detail: detail.slice(0, 500) }),
      headers: forwarded.headers,
      body: forwarded.body,
      took_ms: tookMs,
    });
  } catch (error) {
    say(`! the answer did not reach the relay: ${messageOf(error)}`);
  }
  const stored: StoredDelivery = {
    at: new Date().toISOString(),
    headers,
    body,
    is_verified: verdict.ok,
    status: status ?? null,
  };
  if (options.storeFile !== undefined) await appendFile(options.storeFile, `${JSON.stringify(stored)}\n`);
  if (options.isJson) say(JSON.stringify(stored));
  else say(lineOf(stored, verdict, forwarded, options));
}

/** What is not from the relay is shown, and goes no further. */
function outcomeOf(
  { forwardUrl }: Options,
  verdict: Verdict,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Forwarded> {
  const own = { detail: undefined, headers: {}, tookMs: 0 };
  if (!verdict.ok) return Promise.resolve({ ...own, status: 401, body: verdict.reason });
  if (forwardUrl === undefined) return Promise.resolve({ ...own, status: 200, body: "received by listen" });
  return forward(forwardUrl, headers, body);
}

function lineOf(
  { at, body }: StoredDelivery,
  verdict: Verdict,
  { status, detail, tookMs }: Forwarded,
  { forwardUrl, isVerbose }: Options,
): string {
  const event = eventOf(body);
  const signature = verdict.ok ? "signature ok" : `SIGNATURE WRONG: ${verdict.reason}`;
  const went = forwardUrl === undefined || !verdict.ok ? "" : ` → ${status ?? detail} in ${tookMs} ms`;
  const line = `${at.slice(11, 23)}  ${event.type.padEnd(28)} ${event.subject}  ${signature}${went}`;
  return isVerbose ? `${line}\n${event.pretty}` : line;
}

function eventOf(body: string): { readonly type: string; readonly subject: string; readonly pretty: string } {
  try {
    const event = JSON.parse(body) as { type?: string; record_id?: string | null; id?: string };
    return {
      type: event.type ?? "?",
      subject: event.record_id ?? event.id ?? "",
      pretty: JSON.stringify(event, undefined, 2),
    };
  } catch {
    return { type: "?", subject: "", pretty: body };
  }
}

function endpointOf(values: FlagValues): object {
  const connectionId = values.text("connection");
  const condition = values.text("condition");
  return {
    transport: "listener",
    name: `listen on ${hostname()}`.slice(0, 100),
    types: (values.text("types") ?? "*").split(",").map((type) => type.trim()),
    ...(connectionId === undefined ? {} : { connection_id: connectionId }),
    ...(condition === undefined ? {} : { condition }),
  };
}

/** `2h` ago, or an instant. */
function sinceOf(text: string | undefined, nowMs: number): string | undefined {
  if (text === undefined) return undefined;
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return new Date(nowMs - agoMs).toISOString();
  if (!Number.isNaN(Date.parse(text))) return new Date(text).toISOString();
  const message = `expected a duration such as 2h, or an instant, not "${text}"`;
  throw new ConfigError("millrace-relay listen", [{ path: "--since", message }]);
}

function greeting(id: string, key: string, { forwardUrl }: Options): string {
  return [
    `Listening as ${id}${forwardUrl === undefined ? "" : `, forwarding to ${forwardUrl}`}. Ctrl-C ends it.`,
    `  secret  ${key}`,
    "",
  ].join("\n");
}
