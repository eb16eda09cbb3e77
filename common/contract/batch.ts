// The batch: what the outbox stores and the wire carries. Encoded and compressed once, at the agent.
//
// Layout, integers big-endian:
//   0  u8   content version          4  u32  entries             16  u64  closed at, ms since the epoch
//   1  u8   kind (1 records, 2 samples)  8  u32  body bytes before compression  24  8 bytes mapping version
//   2  u8   encoding (0 none, 1 zstd)   12  u32  CRC-32 of the stored body      32  body
//   3  u8   reserved, 0
import { crc32, zstdCompressSync, zstdDecompressSync, constants } from "node:zlib";
import { MAX_INFLATED_BYTES } from "./limits.ts";
import { CONTENT_VERSION } from "./protocol-version.ts";
import { MillraceError } from "../runtime/errors.ts";

export type BatchKind = "records" | "samples";

export interface BatchHeader {
  readonly contentVersion: number;
  readonly kind: BatchKind;
  readonly entries: number;
  readonly closedAtMs: number;
  /** First 8 bytes of the pack's content hash, hex. */
  readonly mappingVersion: string;
}

export interface DecodedBatch extends BatchHeader {
  /** Records: NDJSON lines (entry.ts). Samples: one JSON document (samples.ts). */
  readonly body: string;
}

/** The bytes cannot be a batch. The relay stores, gaps and passes such a batch (reason `undecodable_batch`). */
export class BatchDecodeError extends MillraceError {
  override name = "BatchDecodeError";
}

/** Injected into the cores, so that they stay free of Node's own modules. */
export interface BatchCodec {
  encode(header: Omit<BatchHeader, "contentVersion">, body: string): Uint8Array;
  /** @throws BatchDecodeError */
  decode(blob: Uint8Array): DecodedBatch;
}

export const BATCH_HEADER_BYTES = 32;
const KINDS: Readonly<Record<number, BatchKind>> = { 1: "records", 2: "samples" };
/** Below this, compression costs more than it saves. */
const COMPRESS_FROM_BYTES = 200;
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export const batchCodec: BatchCodec = { encode: encodeBatch, decode: decodeBatch };

function encodeBatch(header: Omit<BatchHeader, "contentVersion">, body: string): Uint8Array {
  const plain = Buffer.from(body, "utf8");
  const compress = plain.length >= COMPRESS_FROM_BYTES;
  const stored = compress ? zstdCompressSync(plain, ZSTD_OPTIONS) : plain;
  const blob = Buffer.allocUnsafe(BATCH_HEADER_BYTES + stored.length);
  blob[0] = CONTENT_VERSION;
  blob[1] = header.kind === "records" ? 1 : 2;
  blob[2] = compress ? 1 : 0;
  blob[3] = 0;
  blob.writeUInt32BE(header.entries, 4);
  blob.writeUInt32BE(plain.length, 8);
  blob.writeUInt32BE(crc32(stored), 12);
  blob.writeBigUInt64BE(BigInt(Math.max(0, Math.round(header.closedAtMs))), 16);
  blob.write(header.mappingVersion.padEnd(16, "0").slice(0, 16), 24, "hex");
  stored.copy(blob, BATCH_HEADER_BYTES);
  return blob;
}

function decodeBatch(bytes: Uint8Array): DecodedBatch {
  const blob = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (blob.length < BATCH_HEADER_BYTES)
    throw new BatchDecodeError(`batch of ${blob.length} bytes is shorter than its header`);
  const contentVersion = blob[0] ?? 0;
  if (contentVersion < 1 || contentVersion > CONTENT_VERSION) {
    throw new BatchDecodeError(
      `content version ${contentVersion} is not known; this build decodes 1 to ${CONTENT_VERSION}`,
    );
  }
  const kind = KINDS[blob[1] ?? 0];
  if (kind === undefined) throw new BatchDecodeError(`batch kind ${blob[1]} is not known`);
  const plainBytes = blob.readUInt32BE(8);
  if (plainBytes > MAX_INFLATED_BYTES)
    throw new BatchDecodeError(`batch inflates to ${plainBytes} bytes, over ${MAX_INFLATED_BYTES}`);
  const stored = blob.subarray(BATCH_HEADER_BYTES);
  if (crc32(stored) !== blob.readUInt32BE(12))
    throw new BatchDecodeError("batch body does not match its checksum");
  const plain = blob[2] === 1 ? inflate(stored) : stored;
  if (plain.length !== plainBytes)
    throw new BatchDecodeError(`batch body has ${plain.length} bytes, header says ${plainBytes}`);
  return {
    contentVersion,
    kind,
    entries: blob.readUInt32BE(4),
    closedAtMs: Number(blob.readBigUInt64BE(16)),
    mappingVersion: blob.toString("hex", 24, 32),
    body: plain.toString("utf8"),
  };
}

/** Of a stored batch, from its header alone; undefined for what cannot be one. */
export function batchClosedAtMs(blob: Uint8Array): number | undefined {
  if (blob.length < BATCH_HEADER_BYTES) return undefined;
  return Number(Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).readBigUInt64BE(16));
}

function inflate(stored: Buffer): Buffer {
  try {
    return zstdDecompressSync(stored, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch (error) {
    throw new BatchDecodeError("batch body does not decompress", { cause: error });
  }
}
