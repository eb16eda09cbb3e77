// Calls on large objects: length, chunk size, read, write, trim, temporary ones made and freed.
import { DatabaseError } from "../sql-engine/session.ts";
import { lobBytes, sliceOf, writeAt, type Lob, type LobStore } from "./lob-store.ts";
import type { MessageReader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import { CHARSET, FORM, MESSAGE, ORACLE_TYPE } from "./protocol.ts";

const OPERATION = {
  length: 0x1,
  read: 0x2,
  trim: 0x20,
  write: 0x40,
  createTemporary: 0x110,
  freeTemporary: 0x111,
  chunkSize: 0x4000,
  open: 0x8000,
  close: 0x10000,
  isOpen: 0x11000,
} as const;

interface LobRequest {
  readonly operation: number;
  readonly locator: Buffer;
  readonly sourceOffset: number;
  readonly destinationOffset: number;
  readonly data: Buffer | undefined;
  /** Undefined where none travels, in either direction. */
  readonly amount: number | undefined;
}

/** @throws DatabaseError */
export function runLobCall(reader: MessageReader, writer: MessageWriter, lobs: LobStore): void {
  const request = readRequest(reader);
  const { operation, amount, locator } = request;
  if (operation === OPERATION.createTemporary) {
    const isText = request.destinationOffset === ORACLE_TYPE.clob;
    const lob = lobs.add(isText ? "" : Buffer.alloc(0), isText ? request.sourceOffset : FORM.none, true);
    writer.u8(MESSAGE.parameter).raw(lob.locator).int(CHARSET.utf8).u8(0);
    return;
  }
  const lob = lobs.find(locator);
  if (lob === undefined) throw new DatabaseError(22922, "nonexistent LOB value");
  const answer = operate(lob, request, lobs, writer);
  writer.u8(MESSAGE.parameter).raw(locator);
  if (amount !== undefined) writer.int(answer);
  if (operation === OPERATION.isOpen) writer.u8(0);
}

/** The piggyback that frees temporary LOBs. */
export function freeLobs(reader: MessageReader, lobs: LobStore): void {
  reader.u8();
  const total = reader.int();
  reader.u8();
  reader.skipInts(3);
  reader.skip(3);
  reader.int();
  reader.u8();
  reader.skipInts(3);
  reader.u8();
  for (let index = 0; index < 3; index += 1) {
    reader.u8();
    reader.int();
  }
  const locators = reader.raw(total);
  for (let at = 0; at < total; at += 40) lobs.free(locators.subarray(at, at + 40));
}

function readRequest(reader: MessageReader): LobRequest {
  reader.u8();
  const locatorBytes = reader.int();
  reader.u8();
  reader.skipInts(3);
  reader.skip(3);
  const operation = reader.int();
  reader.skip(2);
  const [sourceOffset, destinationOffset] = [reader.int(), reader.int()];
  const hasAmount = reader.u8() === 1;
  reader.skip(6);
  const locator = reader.raw(locatorBytes);
  if (operation === OPERATION.createTemporary) reader.int();
  let data: Buffer | undefined;
  if (operation === OPERATION.write) {
    reader.u8();
    data = reader.bytes() ?? Buffer.alloc(0);
  }
  const amount = hasAmount ? reader.int() : undefined;
  return { operation, locator, sourceOffset, destinationOffset, data, amount };
}

/** The amount to answer with. */
function operate(lob: Lob, request: LobRequest, lobs: LobStore, writer: MessageWriter): number {
  const { operation, sourceOffset, amount = 0, data } = request;
  switch (operation) {
    case OPERATION.length:
      return lob.length;
    case OPERATION.chunkSize:
      return lobs.chunkSize;
    case OPERATION.read: {
      const part = sliceOf(lob, sourceOffset, amount);
      writer.u8(MESSAGE.lobData).bytes(lobBytes(part));
      return part.length;
    }
    case OPERATION.write:
      writeAt(lob, sourceOffset, data ?? Buffer.alloc(0));
      return 0;
    case OPERATION.trim:
      lob.data = lob.data.slice(0, amount);
      return amount;
    case OPERATION.open:
    case OPERATION.close:
    case OPERATION.isOpen:
      return 0;
    case OPERATION.freeTemporary:
      lobs.free(request.locator);
      return 0;
    default:
      throw new DatabaseError(3001, `unimplemented feature: LOB operation 0x${operation.toString(16)}`);
  }
}
