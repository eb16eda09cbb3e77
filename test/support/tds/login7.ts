// LOGIN7: who logs in, from which program, into which database.
import type { Login } from "#test/support/sql-engine/session.ts";
import { ByteReader, TdsProtocolError } from "./byte-reader.ts";

const FIXED_BYTES = 94;
const MAX_LOGIN_BYTES = 128 * 1024;
const OFFSET = {
  hostName: 36,
  userName: 40,
  password: 44,
  appName: 48,
  serverName: 52,
  extension: 56,
  database: 68,
  sspi: 78,
};
const READ_ONLY_INTENT = 0x20;
const HAS_EXTENSION = 0x10;
const INTEGRATED_SECURITY = 0x80;

export interface Login7 extends Login {
  /** As the number of `TDS_VERSION`. */
  readonly tdsVersion: number;
  readonly packetBytes: number;
  readonly hostName: string;
  readonly serverName: string;
  readonly hasFeatures: boolean;
  /** The first token of a Windows login, in place of user and password. */
  readonly sspi: Buffer | undefined;
}

/** @throws TdsProtocolError */
export function parseLogin7(payload: Buffer): Login7 {
  if (payload.length < FIXED_BYTES || payload.length > MAX_LOGIN_BYTES)
    throw new TdsProtocolError(`a LOGIN7 of ${payload.length} bytes`);
  const reader = new ByteReader(payload);
  const length = reader.u32();
  if (length !== payload.length)
    throw new TdsProtocolError(`a LOGIN7 of ${payload.length} bytes says that it has ${length}`);
  const tdsVersion = reader.u32();
  const packetBytes = reader.u32();
  const [flags2 = 0, typeFlags = 0, flags3 = 0] = payload.subarray(25, 28);
  const sspi = slice(payload, OFFSET.sspi, 1);
  return {
    tdsVersion,
    packetBytes,
    hostName: text(payload, OFFSET.hostName),
    user: text(payload, OFFSET.userName),
    password: plainPassword(slice(payload, OFFSET.password, 2)),
    applicationName: text(payload, OFFSET.appName),
    serverName: text(payload, OFFSET.serverName),
    database: text(payload, OFFSET.database),
    isReadOnlyIntent: (typeFlags & READ_ONLY_INTENT) !== 0,
    hasFeatures: (flags3 & HAS_EXTENSION) !== 0 && payload.readUInt16LE(OFFSET.extension + 2) > 0,
    sspi: (flags2 & INTEGRATED_SECURITY) !== 0 || sspi.length > 0 ? sspi : undefined,
  };
}

/** Nibbles swapped, then exclusive-or with 0xA5: hides the password from nobody. */
function plainPassword(bytes: Buffer): string {
  const plain = bytes.map((byte) => {
    const swapped = byte ^ 0xa5;
    return ((swapped & 0x0f) << 4) | (swapped >> 4);
  });
  return Buffer.from(plain).toString("utf16le");
}

function text(payload: Buffer, at: number): string {
  return slice(payload, at, 2).toString("utf16le");
}

/** The part that the pair of offset and length at `at` names. */
function slice(payload: Buffer, at: number, bytesEach: number): Buffer {
  const start = payload.readUInt16LE(at);
  const end = start + payload.readUInt16LE(at + 2) * bytesEach;
  if (end > payload.length) throw new TdsProtocolError("a part of a LOGIN7 lies behind its end");
  return payload.subarray(start, end);
}
