// The plaintext of a sealed frame: a kind byte, then a control message or a batch with its short header.
import { Compile } from "typebox/compile";
import { DownMessage, UpMessage } from "./messages.ts";
import { MillraceError } from "../runtime/errors.ts";

export type BatchFrame = {
  readonly type: "batch";
  readonly stream: number;
  readonly seq: number;
  /** 64-bit id, hex. */
  readonly id: string;
  readonly blob: Uint8Array;
};

/** A frame that opened but is not one of ours: the session closes with PROTOCOL_ERROR. */
export class FrameError extends MillraceError {
  override name = "FrameError";
}

const CONTROL = 1;
const BATCH = 2;
/** kind u8, stream u16, seq u64, id 8 bytes */
export const BATCH_FRAME_HEADER_BYTES = 19;

const upMessage = Compile(UpMessage);
const downMessage = Compile(DownMessage);

export function encodeControl(message: object): Uint8Array {
  const text = JSON.stringify(message);
  const frame = Buffer.allocUnsafe(1 + Buffer.byteLength(text));
  frame[0] = CONTROL;
  frame.write(text, 1);
  return frame;
}

export function encodeBatchFrame(frame: Omit<BatchFrame, "type">): Uint8Array {
  const bytes = Buffer.allocUnsafe(BATCH_FRAME_HEADER_BYTES + frame.blob.length);
  bytes[0] = BATCH;
  bytes.writeUInt16BE(frame.stream, 1);
  bytes.writeBigUInt64BE(BigInt(frame.seq), 3);
  bytes.write(frame.id, 11, "hex");
  bytes.set(frame.blob, BATCH_FRAME_HEADER_BYTES);
  return bytes;
}

/** What the relay reads. @throws FrameError */
export function decodeUpFrame(bytes: Uint8Array): UpMessage | BatchFrame {
  if (bytes[0] === BATCH) return decodeBatchFrame(bytes);
  const message = decodeControl(bytes);
  if (!upMessage.Check(message)) throw new FrameError(describe(message));
  return message;
}

/** What the agent reads. @throws FrameError */
export function decodeDownFrame(bytes: Uint8Array): DownMessage {
  const message = decodeControl(bytes);
  if (!downMessage.Check(message)) throw new FrameError(describe(message));
  return message;
}

/** A control frame as JSON, unchecked. @throws FrameError */
export function decodeControl(bytes: Uint8Array): unknown {
  if (bytes[0] !== CONTROL) throw new FrameError(`frame kind ${bytes[0] ?? "none"} is not known here`);
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + 1, bytes.byteLength - 1).toString("utf8"));
  } catch (error) {
    throw new FrameError("control frame is not JSON", { cause: error });
  }
}

function decodeBatchFrame(bytes: Uint8Array): BatchFrame {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length <= BATCH_FRAME_HEADER_BYTES)
    throw new FrameError(`batch frame of ${frame.length} bytes has no body`);
  const seq = frame.readBigUInt64BE(3);
  if (seq > BigInt(Number.MAX_SAFE_INTEGER)) throw new FrameError(`seq ${seq} is out of range`);
  return {
    type: "batch",
    stream: frame.readUInt16BE(1),
    seq: Number(seq),
    id: frame.toString("hex", 11, 19),
    blob: frame.subarray(BATCH_FRAME_HEADER_BYTES),
  };
}

function describe(message: unknown): string {
  const type =
    typeof message === "object" && message !== null && "type" in message ? String(message.type) : "none";
  return `control message of type ${JSON.stringify(type.slice(0, 100))} does not fit its schema or state`;
}
