// Node's randomness and hashing, as the core asks for them.
import { createHash, randomBytes, randomFillSync } from "node:crypto";
import type { Entropy } from "#relay/core/tokens.ts";

/** Small draws come from a pool: one call into the system for many request ids. */
const POOL_BYTES = 4_096;
const MAX_POOLED_BYTES = 32;

export const systemEntropy: Entropy = { randomBytes: pooled(), sha256Hex };

function pooled(): (count: number) => Uint8Array {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;
  return (count) => {
    if (count > MAX_POOLED_BYTES) return randomBytes(count);
    if (used + count > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const bytes = Uint8Array.from(pool.subarray(used, used + count));
    // What was handed out must not stay here.
    pool.fill(0, used, used + count);
    used += count;
    return bytes;
  };
}

function sha256Hex(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
