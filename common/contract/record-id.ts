// The public id of a record: derived from connection, entity and canonical key, so both sides compute the same one.
import { hash } from "node:crypto";

/** UUID v5 (RFC 9562, 5.5) of `<entity>:<canonical key>` in the namespace of the connection's own UUID. */
export function recordId(connectionId: string, entity: string, key: string): string {
  const namespace = Buffer.from(connectionId.replaceAll("-", ""), "hex");
  const bytes = hash("sha1", Buffer.concat([namespace, Buffer.from(`${entity}:${key}`)]), "buffer");
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex", 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
