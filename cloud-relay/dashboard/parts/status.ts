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
  pending: { label: "Waiting for an agent", tone: "idle", icon: "clock" },
  paused: { label: "Paused", tone: "idle", icon: "pause" },
  quarantined: { label: "Quarantined", tone: "bad", icon: "warning" },
  revoked: { label: "Revoked", tone: "idle", icon: "cross" },
  disconnected: { label: "Disconnected", tone: "idle", icon: "cross" },
};

/** States may be added to the API: one that is not known shows its own word. */
export function statusLook(status: string): StatusLook {
  return LOOKS[status] ?? { label: wordsOf(status), tone: "idle", icon: "circle" };
}

/** Parts of the API's names that people write otherwise. */
const ABBREVIATIONS: Readonly<Record<string, string>> = {
  pm: "PM",
  id: "ID",
  api: "API",
  gl: "GL",
  url: "URL",
};

/** `pm_schedule` → `PM schedule`, `purchase_order` → `purchase order`: for the middle of a sentence. */
export function phraseOf(name: string): string {
  return name
    .split(/[_-]+/)
    .map((part) => ABBREVIATIONS[part] ?? part)
    .join(" ");
}

/** `purchase_order` → `Purchase order`: for a label. */
export function wordsOf(name: string): string {
  const words = phraseOf(name);
  return words.charAt(0).toUpperCase() + words.slice(1);
}
