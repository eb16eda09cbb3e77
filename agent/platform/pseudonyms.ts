// Pseudonyms by the plant's own key: HMAC-SHA256, so that nobody without the key can try out names.
import { createHmac, randomBytes } from "node:crypto";
import type { FieldProtection, Protection } from "#agent/core/mapping/protection.ts";
import type { AgentDatabase } from "./agent-database.ts";

/** Where agent.db keeps it. */
export const PSEUDONYM_KEY_FACT = "pseudonym-key";
const KEY_BYTES = 32;
/** Of 43: 132 bits. */
const SHOWN_CHARACTERS = 22;
/** Names repeat; above that many the cache starts anew. */
const MAX_CACHED = 20_000;

/** The agent's key, made when it is first needed. With another one every pseudonym is another. */
export function pseudonymKey(database: AgentDatabase): string {
  const known = database.fact("agent", PSEUDONYM_KEY_FACT);
  if (known !== undefined) return known;
  const key = randomBytes(KEY_BYTES).toString("base64");
  database.setFact("agent", PSEUDONYM_KEY_FACT, key);
  return key;
}

/** @param key base64; absent: one that nobody keeps, for looking only */
export function fieldProtection(protection: Protection, key: string | undefined): FieldProtection {
  const secret = key === undefined ? randomBytes(KEY_BYTES) : Buffer.from(key, "base64");
  const known = new Map<string, string>();
  return {
    ...protection,
    pseudonym: (text) => {
      let hit = known.get(text);
      if (hit === undefined) {
        if (known.size >= MAX_CACHED) known.clear();
        const digest = createHmac("sha256", secret).update(text).digest("base64url");
        hit = `p_${digest.slice(0, SHOWN_CHARACTERS)}`;
        known.set(text, hit);
      }
      return hit;
    },
  };
}
