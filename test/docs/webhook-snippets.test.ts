// The JavaScript of docs/webhooks.md, run as it stands there against deliveries that the relay's own signer signed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WebhookSigner } from "#relay/webhooks/signer.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = readFileSync(join(ROOT, "docs/webhooks.md"), "utf8");
const [v1 = "", v1a = ""] = [...PAGE.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code ?? "");

const id = "evt_5d1f_120_3";
const rawBody =
  '{"id":"evt_5d1f_120_3","type":"purchase_order.updated","title":"Dichtung für Pumpe 4 – ersetzt"}';
const signer = new WebhookSigner();

/** What a receiver has at hand, under the names that the page uses. */
function delivery(kind: "v1" | "v1a", body = rawBody) {
  const { secret, publicKey } = signer.newSecret(kind);
  const old = signer.newSecret(kind);
  const timestamp = Math.floor(Date.now() / 1_000);
  const signatures = signer.sign([old.secret, secret], id, timestamp, rawBody);
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatures,
  };
  return { secret, publicKey, id, timestamp, signatures, headers, rawBody: body };
}

/** In a process of its own, so that its imports are what they would be elsewhere. */
function run(snippet: string, given: ReturnType<typeof delivery>, shown: string): string {
  const names = Object.keys(given).join(", ");
  const code = `${snippet}\nprocess.stdout.write(String(${shown}));`;
  const script = `const { ${names} } = JSON.parse(process.env.DELIVERY);\n${code}`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, DELIVERY: JSON.stringify(given) },
  });
  return stdout === "" ? stderr : stdout;
}

test("v1: the library's verifier takes what is signed, and throws for what was altered", () => {
  expect(v1).toContain("standardwebhooks");
  expect(run(v1, delivery("v1"), "event.type")).toBe("purchase_order.updated");
  expect(run(v1, delivery("v1", rawBody.replace("4", "5")), "event.type")).toMatch(/No matching signature/);
});

test("v1a: the public key alone tells what is signed from what was altered", () => {
  expect(v1a).toContain("createPublicKey");
  expect(run(v1a, delivery("v1a"), "isGood")).toBe("true");
  expect(run(v1a, delivery("v1a", `${rawBody} `), "isGood")).toBe("false");
});
