// How the states of the API are shown: a word, a tone and a sign, never a colour alone.
import type { IconName } from "./icon-paths.ts";

export type Tone = "good" | "warn" | "bad" | "info" | "idle";

export interface StatusLook {
  readonly label: string;
  readonly tone: Tone;
  readonly icon: IconName;
}

const LOOKS: Readonly<Record<string, StatusLook>> = {
  online: { label: "Online", tone: "good", icon: "check" },
  offline: { label: "Offline", tone: "bad", icon: "cross" },
  degraded: { label: "Degraded", tone: "warn", icon: "warning" },
  reauthorization_required: { label: "Needs reauthorization", tone: "bad", icon: "key" },
  synchronizing: { label: "Synchronizing", tone: "info", icon: "sync" },
  pending: { label: "Waiting for its agent", tone: "idle", icon: "clock" },
  paused: { label: "Paused", tone: "idle", icon: "pause" },
  quarantined: { label: "Quarantined", tone: "bad", icon: "warning" },
  revoked: { label: "Revoked", tone: "idle", icon: "cross" },
  disconnected: { label: "Disconnected", tone: "idle", icon: "cross" },
};

/** States may be added to the API: one that is not known shows its own word. */
export function statusLook(status: string): StatusLook {
  return LOOKS[status] ?? { label: wordsOf(status), tone: "idle", icon: "circle" };
}

/** `purchase_order` → `Purchase order`. */
export function wordsOf(name: string): string {
  const words = name.replaceAll(/[_-]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
