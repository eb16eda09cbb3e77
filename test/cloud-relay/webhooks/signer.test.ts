// Signatures as Standard Webhooks publishes them, and that whoever checks them finds every change.
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { WebhookSigner } from "#relay/webhooks/signer.ts";
import { verifyDelivery, type ReceivedDelivery } from "#relay/webhooks/verify.ts";

/** https://github.com/standard-webhooks/standard-webhooks: the vectors of its specification. */
const VECTOR = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1614265330,
  body: '{"test": 2432232314}',
  shared: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  v1: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  private: "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
  public: "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
  v1a: "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
} as const;
const nowMs = VECTOR.timestamp * 1_000;
const signer = new WebhookSigner();

function delivery(changes: Partial<ReceivedDelivery> = {}): ReceivedDelivery {
  const { id, timestamp, body } = VECTOR;
  return { id, timestamp: String(timestamp), signature: `${VECTOR.v1} ${VECTOR.v1a}`, body, ...changes };
}

describe("signing", () => {
  test("gives the published signatures, of several secrets in their order", () => {
    const { id, timestamp, body } = VECTOR;
    expect(signer.sign([VECTOR.shared], id, timestamp, body)).toBe(VECTOR.v1);
    expect(signer.sign([VECTOR.private], id, timestamp, body)).toBe(VECTOR.v1a);
    expect(signer.sign([VECTOR.private, VECTOR.shared], id, timestamp, body)).toBe(
      `${VECTOR.v1a} ${VECTOR.v1}`,
    );
  });

  test("new secrets are all different, of 32 bytes, and usable", () => {
    const made = Array.from({ length: 20 }, () => signer.newSecret("v1").secret);
    expect(new Set(made).size).toBe(20);
    for (const secret of made) {
      expect(Buffer.from(secret.slice("whsec_".length), "base64")).toHaveLength(32);
      expect(signer.adopt(secret)).toEqual({ kind: "v1", publicKey: undefined });
    }
    const { secret, publicKey } = signer.newSecret("v1a");
    expect(signer.adopt(secret)).toEqual({ kind: "v1a", publicKey });
    expect(publicKey).toMatch(/^whpk_/);
  });

  test("a secret that was brought along says what it is", () => {
    expect(signer.adopt(VECTOR.private)).toEqual({ kind: "v1a", publicKey: VECTOR.public });
    expect(signer.adopt(VECTOR.shared)).toEqual({ kind: "v1", publicKey: undefined });
  });

  test.each([
    ["too short", `whsec_${Buffer.alloc(23).toString("base64")}`],
    ["too long", `whsec_${Buffer.alloc(65).toString("base64")}`],
    ["no base64", "whsec_this is not base64 at all, is it?!"],
    ["without a prefix", Buffer.alloc(32).toString("base64")],
    ["a public key", VECTOR.public],
    ["a seed alone", `whsk_${Buffer.alloc(32, 1).toString("base64")}`],
    ["a foreign public half", `whsk_${Buffer.alloc(64, 1).toString("base64")}`],
  ])("a secret that is %s is refused without being repeated", (_name, secret) => {
    let message = "";
    try {
      signer.adopt(secret);
    } catch (error) {
      message = String(error);
    }
    expect(message).toMatch(/the secret is not usable/);
    expect(message).not.toContain(secret.slice(-20));
  });

  test("convinces the published verifier, with the current and with the old secret", () => {
    const current = signer.newSecret("v1").secret;
    const old = signer.newSecret("v1").secret;
    const timestamp = Math.floor(Date.now() / 1_000);
    const body = JSON.stringify({ type: "purchase_order.updated", text: "ü \u{1f527}" });
    const headers = {
      "webhook-id": "evt_1",
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signer.sign([current, old], "evt_1", timestamp, body),
    };
    for (const secret of [current, old])
      expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(signer.newSecret("v1").secret).verify(body, headers)).toThrow(
      "No matching signature found",
    );
  });
});

describe("verifying", () => {
  test.each([
    ["v1", VECTOR.shared],
    ["v1a", VECTOR.public],
  ])("%s accepts the published vector, given as text or as bytes", (_kind, key) => {
    expect(verifyDelivery(delivery(), [key], nowMs)).toEqual({ ok: true });
    expect(verifyDelivery(delivery({ body: Buffer.from(VECTOR.body) }), [key], nowMs)).toEqual({ ok: true });
    const another = signer.newSecret("v1").secret;
    expect(verifyDelivery(delivery(), [another, key], nowMs)).toEqual({ ok: true });
    expect(verifyDelivery(delivery(), [another], nowMs)).toMatchObject({ ok: false });
    expect(verifyDelivery(delivery(), [], nowMs)).toMatchObject({ ok: false });
  });

  test.each([
    ["v1", VECTOR.shared, VECTOR.v1],
    ["v1a", VECTOR.public, VECTOR.v1a],
  ])("%s refuses every flipped bit of id, timestamp, body and signature", (_kind, key, signature) => {
    const whole = delivery({ signature });
    let refused = 0;
    for (const part of ["id", "timestamp", "signature", "body"] as const) {
      const bytes = Buffer.from(whole[part]);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const altered = Buffer.from(bytes);
        altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const changed = { ...whole, [part]: part === "body" ? altered : altered.toString("latin1") };
        const verdict = verifyDelivery(changed, [key], nowMs);
        expect(verdict, `${part}, bit ${bit}`).toMatchObject({ ok: false });
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(700);
  });

  test("refuses a part that moved into another", () => {
    const { id, body } = VECTOR;
    const moved = delivery({ id: `${id}.${VECTOR.timestamp}`, timestamp: "1614265330", body });
    expect(verifyDelivery(moved, [VECTOR.shared], nowMs)).toMatchObject({ ok: false });
  });

  test("refuses what is older or newer than five minutes", () => {
    const verdict = (ms: number) => verifyDelivery(delivery(), [VECTOR.shared], ms).ok;
    expect([nowMs - 300_000, nowMs, nowMs + 300_000].map(verdict)).toEqual([true, true, true]);
    expect([nowMs - 301_000, nowMs + 301_000].map(verdict)).toEqual([false, false]);
  });

  test.each([
    ["webhook-id", { id: "" }],
    ["webhook-signature", { signature: "" }],
    ["webhook-timestamp", { timestamp: "" }],
    ["webhook-timestamp", { timestamp: "now" }],
  ])("says that %s is missing or wrong", (name, changes) => {
    const verdict = verifyDelivery(delivery(changes), [VECTOR.shared], nowMs);
    expect(verdict).toMatchObject({ ok: false, reason: expect.stringContaining(name) as string });
  });

  test("does not take a signature of one kind for the other", () => {
    const [, mac = ""] = VECTOR.v1.split(",");
    expect(verifyDelivery(delivery({ signature: `v1a,${mac}` }), [VECTOR.shared], nowMs).ok).toBe(false);
    expect(verifyDelivery(delivery({ signature: `v2,${mac}` }), [VECTOR.shared], nowMs).ok).toBe(false);
    expect(verifyDelivery(delivery({ signature: mac }), [VECTOR.shared], nowMs).ok).toBe(false);
  });
});
