// What main and a room say to each other over the fork's IPC channel (structured clone, order kept).
import type { FileCheck } from "../integrity-rounds.ts";
import type { Protection } from "../mapping/protection.ts";
import type { LoadLimits } from "../load/source-load.ts";
import type { PlantPolicy } from "../commands/plant-policy.ts";
import type { CommandKind } from "#common/contract/commands.ts";
import type { ConnectionDescription } from "#common/contract/description.ts";
import type { CommandResult, ConnectionReport } from "#common/contract/messages.ts";
import type { ConnectionSettingsDocument } from "#common/contract/settings.ts";
import type { EgressCount } from "./egress-tally.ts";
import type { SettingsProblem } from "../settings/judge.ts";

/** The room's part of the agent's configuration, secrets resolved; plain data. */
export interface RoomConfig {
  readonly connectionId: string;
  readonly connection: string;
  readonly connector: string;
  /** Checked by the connector's own `parseConfig`. */
  readonly settings: unknown;
  /** Pack name or file; absent for telemetry connectors. */
  readonly pack: string | undefined;
  /** Checked by the pack itself. */
  readonly packSettings?: Readonly<Record<string, unknown>>;
  readonly timeZone: string;
  readonly raw: boolean;
  readonly hidden: readonly string[];
  /** Absent: nothing is protected. */
  readonly protection?: Protection;
  /** The plant's own key for pseudonyms, base64; it never leaves the plant. */
  readonly pseudonymKey?: string;
  readonly roomDir: string;
  /** Overrides of the pack's schedule, ms, by entity; `*` for all. */
  readonly pollMs: Readonly<Record<string, number>>;
  readonly reconcileMs: Readonly<Record<string, number>>;
  /** How far back the first reading of documents goes; absent: all. */
  readonly initialWindowDays?: number | undefined;
  /** What may be asked of the source; absent: not limited. */
  readonly load?: LoadLimits;
  /** What the relay may ask for; absent: nothing. */
  readonly allow?: PlantPolicy;
  /** What the relay has set on top of the plant's file; schedules are in `pollMs` and `reconcileMs` already. */
  readonly overlay?: ConnectionSettingsDocument;
  /** What telemetry does at 95 %: see agent/core/room/budget.ts. */
  readonly telemetryPolicy: "drop_oldest" | "decimate" | "last_value";
  readonly massDeleteFraction: number;
  readonly heartbeatMs: number;
  readonly logLevel: string;
}

/** Space for one room, bytes; main measures the volume and hands it out anew when it changes. */
export interface RoomBudget {
  readonly outboxBytes: number;
  readonly knownBytes: number;
  /** The volume itself is almost full: keep control, write nothing new. */
  readonly volumeFull: boolean;
}

/** A command that main has allowed; its body fits its kind. */
export interface RoomCommand {
  readonly id: string;
  readonly kind: CommandKind;
  readonly body: unknown;
  /** What remains of its time to begin, ms. */
  readonly ttlMs: number;
  /** A write that a process had begun when it died: what became of it is found out first. */
  readonly isRecovery?: boolean;
  /** A write that is only encoded: whether the pack takes it. Nothing is asked of the source. */
  readonly isCheck?: boolean;
  /** W3C Trace Context of whoever asked; what comes of it names it. */
  readonly traceparent?: string;
}

export type ToRoom =
  | { readonly type: "start"; readonly config: RoomConfig; readonly budget: RoomBudget }
  | { readonly type: "budget"; readonly budget: RoomBudget }
  /** The relay's cumulative acknowledgement. */
  | { readonly type: "acked"; readonly epoch: string; readonly seq: number }
  /** The relay asks for a new epoch (its or our history was restored), or an operator does. */
  | { readonly type: "new_epoch"; readonly reason: string }
  /** Main has closed its handle on the room's file: it may be moved. */
  | { readonly type: "file_released"; readonly file: string }
  | {
      readonly type: "rejected";
      readonly entity: string;
      readonly key: string;
      readonly code: string;
      readonly detail: string;
    }
  /** An operator confirms a held mass delete, asks for a sync, pauses or resumes. */
  | {
      readonly type: "operate";
      readonly action: "confirm_deletes" | "sync" | "resync" | "pause" | "resume";
      readonly entity?: string;
    }
  /** Its result follows, unless the room dies. */
  | { readonly type: "command"; readonly command: RoomCommand }
  | { readonly type: "command_cancel"; readonly id: string }
  /** Settings that the relay wishes; `judged` follows, unless the room dies. */
  | { readonly type: "judge"; readonly revision: number; readonly document: unknown }
  | { readonly type: "stop" };

export type FromRoom =
  /** The room's file is open and holds this; sent at start and after each new epoch. */
  | { readonly type: "opened"; readonly file: string; readonly epoch: string; readonly reason: string }
  /** New batches are durable. */
  | { readonly type: "committed"; readonly epoch: string; readonly nextSeq: number }
  /** The room is about to move or remove its file; it waits for `file_released`. */
  | { readonly type: "release_file"; readonly file: string }
  | { readonly type: "report"; readonly report: ConnectionReport }
  | { readonly type: "command_result"; readonly result: CommandResult }
  /** What the connection offers, when its source is open. */
  | { readonly type: "description"; readonly description: ConnectionDescription }
  | {
      readonly type: "heartbeat";
      readonly rssBytes: number;
      readonly heapBytes: number;
      readonly outboxBytes: number;
      readonly knownBytes: number;
      readonly changes: number;
    }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly fields: Readonly<Record<string, unknown>>;
      readonly message: string;
    }
  /** What came of the last weekly check of the room's file; at its opening and after each. */
  | { readonly type: "file_checked"; readonly check: FileCheck }
  /** Absent problems: the source cannot be asked now. */
  | {
      readonly type: "judged";
      readonly revision: number;
      readonly problems?: readonly SettingsProblem[];
    }
  /** The settings that it was started with do not fit the plant's own file any more; the room runs without them. */
  | { readonly type: "settings_outdated"; readonly problems: readonly SettingsProblem[] }
  /** With settings of the relay's: rows that became records and rows that could not; no longer told once there are records. */
  | { readonly type: "mapped"; readonly accepted: number; readonly rejected: number }
  /** What has been handed out for the relay since this was last told. */
  | { readonly type: "egress"; readonly counts: readonly EgressCount[] }
  /** The room cannot go on until its settings change; restarting does not help. */
  | { readonly type: "misconfigured"; readonly message: string }
  | { readonly type: "stopped" };
