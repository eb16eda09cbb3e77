// GUIDs that are the same in every build: version 5 of RFC 9562, from a name.
import { createHash } from "node:crypto";

/** Ours alone, chosen once. Another one would make every installed product unknown to its upgrades. */
const NAMESPACE = "6f2d6bb1-5a0a-4c55-9d0e-6f9f1b7f4c1e";

/** In braces and capitals, as the installer's tables want it. */
export function stableGuid(name: string): string {
  const hash = createHash("sha1")
    .update(Buffer.from(NAMESPACE.replaceAll("-", ""), "hex"))
    .update(name)
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.subarray(0, 16).toString("hex").toUpperCase();
  return `{${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}}`;
}
