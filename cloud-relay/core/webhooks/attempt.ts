// One try to deliver: the request is put together, signed and sent; what came back is written down.
import type { Clock } from "#common/runtime/clock.ts";
import { messageOf } from "#common/runtime/errors.ts";
import type { AttemptRow, DeliveryRow } from "./delivery.ts";
import type { EndpointRow, EndpointTransport } from "./endpoint.ts";
import type { Entropy } from "../tokens.ts";
import type { Outgoing } from "./payloads.ts";
import {
  placeOfHeader,
  placeOfSecret,
  type SecretBox,
  type Sender,
  type SendResult,
  type Signer,
} from "./sender.ts";
import { nextSpan } from "./trace-parent.ts";

export interface AttemptDeps {
  /** By transport; one that is missing is the relay's own fault. */
  readonly senders: Partial<Readonly<Record<EndpointTransport, Sender>>>;
  readonly signer: Signer;
  readonly box: SecretBox;
  /** `Millrace-Webhooks/1.2.3` */
  readonly userAgent: string;
  readonly clock: Clock;
  /** Names the span of each try. */
  readonly randomBytes: Entropy["randomBytes"];
}

export interface Attempt {
  readonly row: AttemptRow;
  readonly result: SendResult;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly tookMs: number;
}

/** Shown instead of the values of an endpoint's own headers. */
const MASK = "***";

/** Never rejects: what cannot be tried is an attempt with `local_fault`. */
export async function attempt(
  deps: AttemptDeps,
  endpoint: EndpointRow,
  delivery: DeliveryRow,
  { body, traceparent }: Outgoing,
  signal: AbortSignal,
): Promise<Attempt> {
  const { clock } = deps;
  const startedAtMs = clock.nowMs();
  const startedMs = clock.monotonicMs();
  const own = {
    ...ownHeaders(delivery, startedAtMs, deps.userAgent),
    traceparent: nextSpan(traceparent, deps.randomBytes),
  };
  let result: SendResult;
  try {
    result = await send(deps, endpoint, own, body, startedAtMs, signal);
  } catch (error) {
    result = localFault(messageOf(error));
  }
  const tookMs = clock.monotonicMs() - startedMs;
  const row: AttemptRow = {
    deliveryId: delivery.id,
    number: delivery.attempts + 1,
    trigger: delivery.trigger,
    atMs: startedAtMs,
    url: endpoint.url,
    requestHeaders: { ...own, ...Object.fromEntries(endpoint.headers.map(({ name }) => [name, MASK])) },
    status: result.status,
    error: result.error,
    detail: result.detail,
    responseHeaders: result.headers,
    responseBody: result.body,
    remoteAddress: result.remoteAddress,
    timings: result.timings,
  };
  return { row, result, startedAtMs, endedAtMs: startedAtMs + Math.round(tookMs), tookMs };
}

async function send(
  { senders, signer, box }: AttemptDeps,
  endpoint: EndpointRow,
  own: Record<string, string>,
  body: string | undefined,
  atMs: number,
  signal: AbortSignal,
): Promise<SendResult> {
  const sender = senders[endpoint.transport];
  if (body === undefined) return localFault("the payload was erased");
  if (sender === undefined) return localFault(`this relay cannot send by ${endpoint.transport}`);
  const secrets = endpoint.secrets
    .filter(({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > atMs)
    .map((secret) => opened(box, secret, placeOfSecret(endpoint.id, secret)));
  const custom = endpoint.headers.map(
    (header) => [header.name, opened(box, header, placeOfHeader(endpoint.id, header.name))] as const,
  );
  const timestamp = Number(own["webhook-timestamp"]);
  // Kept with the attempt: a signature proves what was sent, and is of no use for another body.
  own["webhook-signature"] = signer.sign(secrets, own["webhook-id"] ?? "", timestamp, body);
  const headers = { ...own, ...Object.fromEntries(custom) };
  return sender.send({ endpointId: endpoint.id, url: endpoint.url, headers, body }, signal);
}

/** Remembered for as long as the endpoint's row is held: many deliveries are signed by one secret. */
const openedTexts = new WeakMap<object, string>();

function opened(box: SecretBox, of: { readonly sealed: string }, place: string): string {
  const text = openedTexts.get(of) ?? box.open(of.sealed, place);
  openedTexts.set(of, text);
  return text;
}

function ownHeaders({ eventId }: DeliveryRow, atMs: number, userAgent: string): Record<string, string> {
  return {
    "content-type": "application/json",
    "user-agent": userAgent,
    "webhook-id": eventId,
    "webhook-timestamp": String(Math.floor(atMs / 1_000)),
  };
}

function localFault(detail: string): SendResult {
  return {
    status: undefined,
    error: "local_fault",
    detail,
    headers: {},
    body: undefined,
    remoteAddress: undefined,
    timings: { dnsMs: undefined, connectMs: undefined, tlsMs: undefined, firstByteMs: undefined, totalMs: 0 },
  };
}
