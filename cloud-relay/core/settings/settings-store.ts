// The part of the store that keeps what connections should be set to, and what their agents made of it.
import type { ConnectionSettingsDocument, ReportedSettings } from "#common/contract/settings.ts";
import type { Scope } from "../store.ts";

/** One desired document. Revisions of a connection count from 1. */
export interface DesiredDocument {
  readonly connectionId: string;
  readonly revision: number;
  readonly document: ConnectionSettingsDocument;
  readonly atMs: number;
  /** Id of the token that wrote it. */
  readonly by: string;
}

export interface SettingsState {
  /** The newest; absent while nothing was ever desired. */
  readonly desired: DesiredDocument | undefined;
  readonly reported: ReportedSettings | undefined;
  readonly reportedAtMs: number | undefined;
}

export interface SettingsStore {
  /** Of a connection outside the scope: as if nothing was ever desired. */
  get(scope: Scope, connectionId: string): Promise<SettingsState>;
  /** One revision; undefined when it is unknown, or too old to be kept. */
  document(scope: Scope, connectionId: string, revision: number): Promise<DesiredDocument | undefined>;
  /** Only when its revision follows the newest one: false when another came first. The oldest go beyond MAX_KEPT_DOCUMENTS. */
  putDesired(desired: DesiredDocument): Promise<boolean>;
  /** Replaces the report before. */
  putReported(reported: ReportedSettings, atMs: number): Promise<void>;
}

/** Desired documents that are kept of each connection. */
export const MAX_KEPT_DOCUMENTS = 20;
