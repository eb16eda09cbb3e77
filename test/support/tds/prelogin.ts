// PRELOGIN: the first message either way, in which both sides agree on encryption.
import { TdsProtocolError } from "./byte-reader.ts";

const OPTION = { version: 0x00, encryption: 0x01, instance: 0x02, thread: 0x03, mars: 0x04, end: 0xff };

export const ENCRYPTION = { off: 0x00, on: 0x01, notSupported: 0x02, required: 0x03 } as const;

/**
 * What the server does about encryption, as its administrator set it: `off` leaves it to the client, `on` and `required`
 * insist (and say so with different bytes), `strict` takes only clients that begin with TLS.
 */
export type EncryptionPolicy = "not_supported" | "off" | "on" | "required" | "strict";

/** The client's byte; `notSupported` where it sends none. @throws TdsProtocolError */
export function parsePrelogin(payload: Buffer): number {
  for (let offset = 0; payload[offset] !== OPTION.end; offset += 5) {
    if (offset + 5 > payload.length) throw new TdsProtocolError("the client's PRELOGIN has no end");
    if (payload[offset] === OPTION.encryption) {
      const value = payload[payload.readUInt16BE(offset + 1)];
      if (value !== undefined) return value;
    }
  }
  return ENCRYPTION.notSupported;
}

/** What the server answers; TLS follows when it is `on` or `required` and the client can. */
export function negotiate(policy: EncryptionPolicy, client: number): number {
  if (policy === "not_supported") return ENCRYPTION.notSupported;
  if (policy === "off")
    return client === ENCRYPTION.on || client === ENCRYPTION.required
      ? ENCRYPTION.on
      : ENCRYPTION.notSupported;
  return client === ENCRYPTION.notSupported || policy === "required" ? ENCRYPTION.required : ENCRYPTION.on;
}

export function preloginAnswer(encryption: number, majorVersion: number): Buffer {
  const options: readonly (readonly [number, Buffer])[] = [
    [OPTION.version, Buffer.of(majorVersion, 0, 0x0f, 0xa0, 0, 0)],
    [OPTION.encryption, Buffer.of(encryption)],
    [OPTION.instance, Buffer.of(0)],
    [OPTION.thread, Buffer.alloc(0)],
    [OPTION.mars, Buffer.of(0)],
  ];
  const heads = Buffer.alloc(options.length * 5 + 1, OPTION.end);
  let dataOffset = heads.length;
  for (const [index, [option, data]] of options.entries()) {
    heads.writeUInt8(option, index * 5);
    heads.writeUInt16BE(dataOffset, index * 5 + 1);
    heads.writeUInt16BE(data.length, index * 5 + 3);
    dataOffset += data.length;
  }
  return Buffer.concat([heads, ...options.map(([, data]) => data)]);
}
