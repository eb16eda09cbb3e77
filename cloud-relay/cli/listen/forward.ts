// Hands a delivery to a program on this machine as the relay would have sent it, and says what it answered.
import { messageOf } from "#common/runtime/errors.ts";
import { MAX_RESPONSE_BYTES } from "#relay/core/webhooks/delivery.ts";

export interface Forwarded {
  /** Undefined: nothing answered. */
  readonly status: number | undefined;
  readonly detail: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly tookMs: number;
}

/** Within the relay's own patience of 10 s. */
const TIMEOUT_MS = 9_000;
const KEPT_HEADERS = ["content-type", "retry-after", "webhook-delivery", "location", "server"];

/** Never rejects. */
export async function forward(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<Forwarded> {
  const startMs = performance.now();
  const tookMs = (): number => Math.round(performance.now() - startMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { ...headers },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const kept = KEPT_HEADERS.flatMap((name) => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value.slice(0, 500)] as const];
    });
    return {
      status: response.status,
      detail: undefined,
      headers: Object.fromEntries(kept),
      // In characters: never more than its bytes.
      body: Buffer.from(text).subarray(0, MAX_RESPONSE_BYTES).toString().slice(0, MAX_RESPONSE_BYTES),
      tookMs: tookMs(),
    };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : messageOf(cause);
    const detail = `${url} does not answer: ${code}`;
    return { status: undefined, detail, headers: {}, body: "", tookMs: tookMs() };
  }
}
