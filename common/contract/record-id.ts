// The public id of a record: derived from connection, entity and canonical key, so both sides compute the same one.
import { hash } from "node:crypto";

/** A hexadecimal digit whose upper two bits say "variant of RFC 9562", by the digit that was there. */
const VARIANT = "89ab89ab89ab89ab";

/** UUID v5 (RFC 9562, 5.5) of `<entity>:<canonical key>` in the namespace of the connection's own UUID. */
export function recordId(connectionId: string, entity: string, key: string): string {
  const namespace = Buffer.from(connectionId.replaceAll("-", ""), "hex");
  const hex = hash("sha1", Buffer.concat([namespace, Buffer.from(`${entity}:${key}`)]), "hex");
  const variant = VARIANT.charAt(Number.parseInt(hex.charAt(16), 16));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
