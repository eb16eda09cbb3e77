// `millrace-relay listen replay`: hands stored deliveries to the local program again, or has the relay send one again.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline/promises";
import { ConfigError, messageOf, MillraceError } from "#common/runtime/errors.ts";
import { WebhookSigner } from "../../webhooks/signer.ts";
import type { FlagValues } from "../command-line.ts";
import { forward } from "./forward.ts";
import { DEFAULT_URL, type ListenHost, type StoredDelivery } from "./listen.ts";
import { RelayCalls } from "./relay-calls.ts";
import { tokenOf } from "./token.ts";

/** @throws MillraceError, ConfigError */
export async function replay(values: FlagValues, host: ListenHost): Promise<void> {
  const what = values.argument ?? "";
  const say = (line: string): void => void host.stdout.write(`${line}\n`);
  if (what.startsWith("whd_")) {
    const relay = new RelayCalls(values.text("url") ?? DEFAULT_URL, tokenOf(values, host.env));
    const sent = (await relay.call("POST", `/v1/webhook-deliveries/${what}/retry`)) as {
      readonly attempt: { readonly status: number | null; readonly error: string | null } | null;
    };
    say(`${what}: ${sent.attempt?.status ?? sent.attempt?.error ?? "it is under way already"}`);
    return;
  }
  const url = values.text("forward");
  if (url === undefined)
    throw new ConfigError("millrace-relay listen replay", [
      { path: "--forward", message: "says where a file's deliveries go; give it" },
    ]);
  await replayFile(what, url, values.text("secret"), say);
}

async function replayFile(
  file: string,
  url: string,
  secret: string | undefined,
  say: (line: string) => void,
): Promise<void> {
  const lines = createInterface({ input: createReadStream(file) });
  const signer = new WebhookSigner();
  let number = 0;
  try {
    for await (const line of lines) {
      number += 1;
      if (line.trim() === "") continue;
      const { headers, body } = readLine(line, `${file}:${number}`);
      const { status, detail, tookMs } = await forward(url, signedAnew(signer, secret, headers, body), body);
      say(`${headers["webhook-id"] ?? "?"} → ${status ?? detail} in ${tookMs} ms`);
    }
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError(`reading ${file} failed: ${messageOf(error)}`, { cause: error });
  }
}

/** A receiver refuses signatures that are older than some minutes. */
function signedAnew(
  signer: WebhookSigner,
  secret: string | undefined,
  headers: StoredDelivery["headers"],
  body: string,
): Readonly<Record<string, string>> {
  if (secret === undefined) return headers;
  const timestamp = Math.floor(Date.now() / 1_000);
  const signature = signer.sign([secret], headers["webhook-id"] ?? "", timestamp, body);
  return { ...headers, "webhook-timestamp": String(timestamp), "webhook-signature": signature };
}

function readLine(line: string, place: string): StoredDelivery {
  try {
    return JSON.parse(line) as StoredDelivery;
  } catch {
    throw new MillraceError(`${place} is no stored delivery; files are made by listen --store`);
  }
}
