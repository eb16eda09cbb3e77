// What is written down of one connection's settings, so that it survives the agent.
import type { ConnectionSettingsDocument, ReportedSettings } from "#common/contract/settings.ts";

/** Where agent.db keeps them, in the connection's scope. */
export const SETTINGS_FACT = "settings";

export interface Revision {
  readonly revision: number;
  /** As the room has judged it. */
  readonly document: ConnectionSettingsDocument;
}

export interface KeptSettings {
  /** Absent: the plant's own file alone. */
  readonly inEffect?: Revision | undefined;
  /** What held before, to go back to. */
  readonly before?: Revision | undefined;
  /** On trial: how often the agent has started since. */
  readonly trialStarts?: number;
  /** JSON of the document that `reported` speaks of. */
  readonly judged?: string | undefined;
  readonly reported?: ReportedSettings;
}

export const emptyKept: KeptSettings = {};

/** What does not read is as if nothing had ever been set: the plant's own file holds. */
export function readKept(text: string | undefined): KeptSettings {
  if (text === undefined) return emptyKept;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : emptyKept;
  } catch {
    return emptyKept;
  }
}
