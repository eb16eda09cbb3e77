// Ids that the relay makes: time-ordered UUIDs (RFC 9562, version 7), with a prefix where people meet them.
import type { Entropy } from "./tokens.ts";

const VARIANTS = ["8", "9", "a", "b"];

/** A UUID v7; connections have it bare, because record ids are derived from it. */
export function uuidV7(nowMs: number, randomBytes: Entropy["randomBytes"]): string {
  const random = hex(randomBytes(10));
  const time = Math.max(0, Math.floor(nowMs)).toString(16).padStart(12, "0").slice(-12);
  const variant = VARIANTS[random.charCodeAt(3) & 0x3] ?? "8";
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`;
}

export type IdPrefix =
  | "ws"
  | "agt"
  | "tok"
  | "enr"
  | "req"
  | "op"
  | "lnk"
  | "cmd"
  | "usr"
  | "whe"
  | "whd"
  | "whs";

/** `<prefix>_<UUID v7 without dashes>` */
export function newId(prefix: IdPrefix, nowMs: number, randomBytes: Entropy["randomBytes"]): string {
  return `${prefix}_${uuidV7(nowMs, randomBytes).replaceAll("-", "")}`;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Two lower-case digits a byte. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte] ?? "";
  return text;
}
