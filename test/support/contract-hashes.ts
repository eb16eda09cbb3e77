// Hashes of everything that the wire's versions stand for: schemas, layouts, what is signed.
import { createHash } from "node:crypto";
import { batchCodec, BATCH_HEADER_BYTES } from "#common/contract/batch.ts";
import * as commands from "#common/contract/commands.ts";
import * as description from "#common/contract/description.ts";
import * as entry from "#common/contract/entry.ts";
import { BATCH_FRAME_HEADER_BYTES, encodeBatchFrame, encodeControl } from "#common/contract/frame.ts";
import { PROLOGUE, proofData } from "#common/contract/handshake.ts";
import * as messages from "#common/contract/messages.ts";
import { SUBPROTOCOL } from "#common/contract/protocol-version.ts";
import * as samples from "#common/contract/samples.ts";
import * as settings from "#common/contract/settings.ts";

export type Hashes = Readonly<Record<string, string>>;

/** Words for people may change; everything that decides what passes may not. */
const WORDS = new Set(["description", "title", "examples"]);

export function hashOf(value: unknown): string {
  const text = JSON.stringify(value, (key, inner: unknown) => (WORDS.has(key) ? undefined : inner));
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function schemaHashes(module: object): Record<string, string> {
  const schemas = Object.entries(module).filter(
    ([, value]) => typeof value === "object" && value !== null && ("type" in value || "anyOf" in value),
  );
  return Object.fromEntries(schemas.map(([name, schema]) => [name, hashOf(schema)]));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export const protocolHashes: Hashes = {
  ...schemaHashes(messages),
  ...schemaHashes(commands),
  ...schemaHashes(description),
  ...schemaHashes(settings),
  CLOSE: hashOf(messages.CLOSE),
  subprotocol: hashOf([SUBPROTOCOL, hex(PROLOGUE)]),
  proofs: hashOf(
    (["relay", "agent", "enroll"] as const).map((context) =>
      hex(proofData(context, Buffer.alloc(32, 1), "secret")),
    ),
  ),
  controlFrame: hashOf(hex(encodeControl({ type: "ping", n: 1 }))),
  batchFrame: hashOf([
    BATCH_FRAME_HEADER_BYTES,
    hex(encodeBatchFrame({ stream: 258, seq: 2 ** 40 + 3, id: "0123456789abcdef", blob: Buffer.of(1, 2) })),
  ]),
};

export const contentHashes: Hashes = {
  ...schemaHashes(entry),
  ...schemaHashes(samples),
  batchLayout: hashOf([
    BATCH_HEADER_BYTES,
    ...(["records", "samples"] as const).map((kind) =>
      hex(
        batchCodec.encode(
          { kind, entries: 7, closedAtMs: 1_700_000_000_123, mappingVersion: "0123456789abcdef" },
          "{}\n",
        ),
      ),
    ),
  ]),
  entryText: hashOf(
    entry.entryText({
      header: {
        op: "upsert",
        entity: "e",
        key: "[1]",
        hash: "h".repeat(22),
        origin: "change",
        read_ms: 1,
        raw: true,
      },
      record: "{}",
      raw: "[]",
    }),
  ),
};
