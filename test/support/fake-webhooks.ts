// Webhooks over a real store whose sender is a fake: it notes what it is given and answers as a test says.
import { systemClock, type Clock } from "#common/runtime/clock.ts";
import { silentLogger } from "#common/runtime/logger.ts";
import type { Bus } from "#relay/core/bus.ts";
import type { Store } from "#relay/core/store.ts";
import type { Entropy } from "#relay/core/tokens.ts";
import type { OutgoingRequest, SecretBox, Sender, SendResult } from "#relay/core/webhooks/sender.ts";
import { Webhooks } from "#relay/core/webhooks/webhooks.ts";
import { CelConditions } from "#relay/conditions/cel-conditions.ts";
import { RECORD_EXAMPLES } from "#relay/http/examples.ts";
import { WebhookSigner } from "#relay/webhooks/signer.ts";

export class FakeSender implements Sender {
  readonly sent: OutgoingRequest[] = [];
  answer: Partial<SendResult> = {};

  send(request: OutgoingRequest): Promise<SendResult> {
    this.sent.push(request);
    const timings = { dnsMs: 1, connectMs: 2, tlsMs: 3, firstByteMs: 4, totalMs: 10 };
    const usual = { status: 200, error: undefined, detail: undefined, headers: {}, body: "ok", timings };
    return Promise.resolve({ ...usual, remoteAddress: "93.184.216.34", ...this.answer });
  }

  refusal(url: string): string | undefined {
    return url.startsWith("https://") ? undefined : "it must begin with https://";
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Seals by place alone: what is sealed is not readable, and does not open elsewhere. */
const box: SecretBox = {
  seal: (text, place) => Buffer.from(`${place}\n${text}`).toString("base64url"),
  open: (sealed, place) => {
    const [first, ...rest] = Buffer.from(sealed, "base64url").toString().split("\n");
    if (first !== place) throw new Error(`sealed for ${first}, not for ${place}`);
    return rest.join("\n");
  },
};

const meter = {
  published: () => {},
  publishLag: () => {},
  attempted: () => {},
  finished: () => {},
  underWay: () => {},
};

export interface FakeWebhooksOptions {
  readonly store: Store;
  readonly bus: Bus;
  readonly entropy: Entropy;
  readonly clock?: Clock;
  readonly sender?: Sender;
  readonly listener?: Sender;
}

export function fakeWebhooks(options: FakeWebhooksOptions): Webhooks {
  const { store, bus, entropy, clock = systemClock, sender = new FakeSender(), listener } = options;
  return new Webhooks({
    store,
    bus,
    clock,
    logger: silentLogger,
    randomBytes: entropy.randomBytes,
    senders: { http: sender, ...(listener === undefined ? {} : { listener }) },
    signer: new WebhookSigner(),
    box,
    conditions: new CelConditions(),
    meter,
    userAgent: "Millrace-Webhooks/test",
    exampleRecord: (entity) => JSON.stringify(RECORD_EXAMPLES[entity]),
  });
}
