// The agent's configuration as the rest of the agent sees it: checked, paths absolute, secrets resolved.
import type { PlantPolicy } from "./commands/plant-policy.ts";
import type { Protection } from "./mapping/protection.ts";
import type { LoadLimits } from "./load/source-load.ts";

export interface AgentConfig {
  /** The file it came from; its folder is what relative paths start from. */
  readonly file: string;
  readonly relay: RelaySettings;
  readonly dataDir: string;
  readonly logLevel: LogLevel;
  readonly space: {
    /** Bytes for all rooms together; undefined: the smaller of 4 GiB and half the free disk. */
    readonly totalBytes: number | undefined;
  };
  readonly room: RoomLimits;
  /** Where the status page listens: an address of this machine alone. Absent: nowhere. */
  readonly statusPage?: { readonly host: string; readonly port: number } | undefined;
  readonly connections: readonly ConnectionSettings[];
  /** Everything that the file says, masked, for the start-up log. */
  readonly summary: readonly string[];
  /** Secret texts that must not reach a log. */
  readonly secrets: readonly string[];
  /** Settings, by their path, in which a secret stands as plain text. */
  readonly inlineSecrets?: readonly string[];
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface RelaySettings {
  /** Of the agents' endpoint, path included, e.g. `wss://relay.example.com/agent`. Undefined: the one given at enrolment. */
  readonly url: string | undefined;
  /** PEM file with further certificate authorities. */
  readonly caFile: string | undefined;
  readonly proxy:
    | { readonly url: string; readonly user: string | undefined; readonly password: string | undefined }
    | undefined;
  /** Whether `ws://` may be used beyond this machine. */
  readonly allowInsecure: boolean;
}

export interface RoomLimits {
  readonly heartbeatTimeoutMs: number;
  readonly memoryBytes: number;
}

export interface ConnectionSettings {
  readonly name: string;
  readonly connector: string;
  /** Name of a bundled pack, or the absolute path of one. */
  readonly pack: string | undefined;
  /** Checked by the pack itself. */
  readonly packSettings?: Readonly<Record<string, unknown>>;
  /** Checked by the connector itself. */
  readonly settings: unknown;
  /** IANA zone. */
  readonly timeZone: string;
  readonly raw: boolean;
  readonly hidden: readonly string[];
  /** Absent: nothing is protected. */
  readonly protection?: Protection;
  /** ms by entity, `*` for all others; overrides the pack's. */
  readonly pollMs: Readonly<Record<string, number>>;
  readonly reconcileMs: Readonly<Record<string, number>>;
  /** How far back the first reading of documents goes; absent: all. */
  readonly initialWindowDays?: number | undefined;
  /** What may be asked of the source; absent: not limited. */
  readonly load?: LoadLimits;
  /** What the relay may ask for; absent: nothing. */
  readonly allow?: PlantPolicy;
  readonly telemetryPolicy: "drop_oldest" | "decimate" | "last_value";
  /** Share of an entity's records that may vanish in one pass without being asked, 0 to 1. */
  readonly massDeleteFraction: number;
}
