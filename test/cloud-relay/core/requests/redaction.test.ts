// Nothing secret is kept for people to look at: a corpus of where secrets turn up, and what must stay readable.
import { describe, expect, test } from "vitest";
import { redactText, redactUrl, redactValue, REDACTED } from "#relay/core/requests/redaction.ts";

const TOKEN = "mr_live_0123456789abcdefghijABCDEFGHIJ0123456789";
const SECRETS = [
  TOKEN,
  "mr_ws_0123456789abcdefghijABCDEFGHIJ0123456789",
  "mr_admin_0123456789abcdefghijABCDEFGHIJ01234567",
  "mre_0123456789ABCDEFGHJKMNPQRS_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
];

describe("texts", () => {
  test.each(SECRETS)("hides %s wherever it stands", (secret) => {
    for (const text of [secret, `see ${secret}.`, `{"a":"${secret}"}`, `/connect/${secret}?x=1`]) {
      const shown = redactText(text);
      expect(shown).not.toContain(secret.slice(10, 24));
      expect(shown).toContain(REDACTED);
    }
  });

  test("hides credentials of a header and of an address", () => {
    expect(redactText("Authorization: Bearer abc.def-ghi")).toBe(`Authorization: Bearer ${REDACTED}`);
    expect(redactText("Basic dXNlcjpwYXNz")).toBe(`Basic ${REDACTED}`);
    expect(redactText("https://user:s3cr3t@host/x")).toBe(`https://user:${REDACTED}@host/x`);
  });

  test("leaves everything else as it is", () => {
    const text = "PO 4711 of vendor ACME: mr_life is no token, 12:30@noon, http://host:8080/a";
    expect(redactText(text)).toBe(text);
  });
});

describe("values", () => {
  test("hides by name, at any depth, and by looks", () => {
    const shown = redactValue({
      password: "p1",
      nested: [{ api_key: "k1", Authorization: "x", private_key: { d: "p2" } }],
      note: `use ${TOKEN}`,
      number: "4711",
      count: 3,
      none: null,
    });
    expect(shown).toEqual({
      password: REDACTED,
      nested: [{ api_key: REDACTED, Authorization: REDACTED, private_key: REDACTED }],
      note: `use ${REDACTED}`,
      number: "4711",
      count: 3,
      none: null,
    });
  });

  test("ids of tokens are no secrets; an empty secret is shown as empty", () => {
    expect(redactValue({ token_id: "tok_1", secret: null })).toEqual({ token_id: "tok_1", secret: null });
  });

  test("does not follow a bottomless value", () => {
    let value: unknown = "deep-canary";
    for (let depth = 0; depth < 1_000; depth += 1) value = { value };
    expect(JSON.stringify(redactValue(value))).not.toContain("deep-canary");
  });
});

test("addresses: parameters by name and by looks, the rest stays to be read", () => {
  expect(redactUrl(`/v1/vendors?limit=5&access_token=abc&q=${TOKEN}`)).toBe(
    `/v1/vendors?limit=5&access_token=${REDACTED}&q=${REDACTED}`,
  );
  expect(redactUrl(`/connect/${TOKEN}`)).toBe(`/connect/${REDACTED}`);
});
