// What a command of the command line is, and what it may use: everything beyond text comes from the context.
import type { AgentConfig, ConnectionSettings, RelaySettings } from "#agent/core/agent-config.ts";
import type { AgentEvent, AgentIdentity } from "#agent/core/agent-identity.ts";
import type { CommandJournal } from "#agent/core/commands/journal.ts";
import type { EgressBook } from "#agent/core/egress.ts";
import type { ControlRequest } from "#agent/core/control.ts";
import type { DoctorReport, DoctorSection, DoctorSectionName } from "#agent/core/doctor-report.ts";
import type { ServiceControl } from "#agent/core/service-control.ts";
import type { SecurityEvents } from "#agent/core/security-events.ts";
import type { BoundConnection } from "#common/contract/messages.ts";
import type { Issue } from "#common/runtime/errors.ts";
import type { SecretDesk } from "./secret.ts";

export const EXIT_OK = 0;
/** It was tried and failed. */
export const EXIT_FAILURE = 1;
/** It could not be tried: wrong usage or configuration. */
export const EXIT_USAGE = 2;
/** It was refused, and trying again changes nothing: a code that is used up, an agent that is enrolled already. */
export const EXIT_REFUSED = 3;

export interface OptionSpec {
  readonly type: "string" | "boolean";
  /** What stands for the value in the help, `<file>`. */
  readonly value?: string;
  readonly description: string;
  readonly isRequired?: boolean;
}

export interface PositionalSpec {
  readonly name: string;
  readonly description: string;
  readonly isRequired: boolean;
}

export interface CommandArguments {
  readonly positionals: readonly string[];
  /** Of a string option or undefined. */
  text(option: string): string | undefined;
  has(option: string): boolean;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** A paragraph or two for `--help`. */
  readonly details: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly positionals: readonly PositionalSpec[];
  readonly examples: readonly string[];
  /** Returns the exit code. @throws MillraceError, whose message is shown (exit 1), ConfigError (exit 2) */
  run(args: CommandArguments, context: CommandContext): Promise<number>;
}

/** Of a connection's section. */
export type ConfigPart = "settings" | "pack" | "pack_settings" | "connector" | "hide" | "allow";

export interface LoadedConfig {
  readonly config: AgentConfig;
  locate(connection: number, part: ConfigPart, issues: readonly Issue[]): Issue[];
}

export interface CliDatabase extends Disposable {
  readonly journal: CommandJournal;
  readonly egress: EgressBook;
  identity(): AgentIdentity | undefined;
  connections(): readonly BoundConnection[];
  saveEnrolment(identity: AgentIdentity, connections: readonly BoundConnection[]): void;
  recentEvents(limit: number): readonly AgentEvent[];
}

export interface EnrolmentRequest {
  readonly relayUrl: string;
  readonly code: string;
  readonly name: string;
  readonly relay: RelaySettings;
  readonly allowInsecure: boolean;
  readonly signal: AbortSignal;
}

export interface Enrolment {
  readonly identity: AgentIdentity;
  readonly connections: readonly BoundConnection[];
}

/** The world as commands see it; main.ts wires it, tests exchange it. */
export interface CommandContext {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly isTerminal: boolean;
  readonly hostName: string;
  /** Who is at the terminal, for the audit trail. */
  readonly userName: string;
  /** In hex. */
  sha256(text: string): string;
  sleep(ms: number): Promise<void>;
  /** `undefined`: the usual place. @throws ConfigError */
  loadConfig(file: string | undefined): LoadedConfig;
  /** Problems that connectors and packs find in one connection's section. */
  checkConnection(connection: ConnectionSettings): Promise<
    readonly {
      readonly part: ConfigPart;
      readonly issues: readonly Issue[];
    }[]
  >;
  /** @throws FolderInUseError */
  lockDataDir(dataDir: string): Disposable;
  openDatabase(dataDir: string): CliDatabase;
  /** Undefined if there is none yet. */
  openExistingDatabase(dataDir: string): CliDatabase | undefined;
  /** @throws ControlError (`isNotRunning`) */
  askAgent(dataDir: string, request: ControlRequest): Promise<unknown>;
  /** Generates the key and uses the code. @throws UplinkError, EnrollmentCodeError */
  enroll(request: EnrolmentRequest): Promise<Enrolment>;
  /** Runs until the signal aborts or it cannot go on. @throws MillraceError */
  runAgent(config: AgentConfig): Promise<void>;
  /** This machine's secrets; `undefined`: those of the usual configuration file. @throws MillraceError */
  openSecrets(configFile: string | undefined): SecretDesk;
  /** Typed without being shown, or piped in. @throws MillraceError */
  readSecret(prompt: string): Promise<string>;
  /** What a command does that concerns security. */
  readonly security: SecurityEvents;
  /** First records of one entity, as text or as data. */
  preview(request: PreviewRequest): Promise<string>;
  /** One level of what a source holds, as text or as data. */
  discover(request: DiscoverRequest): Promise<string>;
  /** Never throws for what is wrong with the installation. */
  doctor(request: DoctorRequest): Promise<DoctorReport>;
  /** @throws MillraceError when the archive cannot be written */
  supportBundle(request: SupportBundleRequest): Promise<SupportBundle>;
  /** What an administrator runs so that the connection's pack can be read. @throws ConfigError, MillraceError */
  grants(connection: ConnectionSettings, dataDir: string): Promise<string>;
  /** @throws MillraceError on a platform without one */
  service(): Promise<ServiceControl>;
}

export interface PreviewRequest {
  readonly connection: ConnectionSettings;
  readonly entity: string;
  readonly limit: number;
  readonly asJson: boolean;
  readonly dataDir: string;
  readonly configFile: string;
  readonly signal: AbortSignal;
}

export interface DiscoverRequest extends Omit<PreviewRequest, "entity" | "limit"> {
  /** Names from the top down: schema, table; of OPC UA, the last is a node's id. */
  readonly path: readonly string[];
  /** Instead of a level: which bundled pack fits, or a draft of one, to this file. */
  readonly draft?: { readonly packOut: string | undefined };
}

export interface DoctorRequest {
  /** `undefined`: the usual place. */
  readonly config: string | undefined;
  readonly only: ReadonlySet<DoctorSectionName> | undefined;
  /** Only this one of the connections. */
  readonly connection: string | undefined;
  /** PEM of the key that releases are signed with, from elsewhere. */
  readonly signingKeyFile: string | undefined;
  /** Hears each section as it is done. */
  readonly told: (section: DoctorSection) => void;
  readonly signal: AbortSignal;
}

export interface SupportBundleRequest {
  /** `undefined`: the usual place. */
  readonly config: string | undefined;
  /** `undefined`: a name with the time in it, in this folder. */
  readonly out: string | undefined;
  /** Lines of the log. */
  readonly logLines: number;
  readonly logFile: string | undefined;
  readonly signal: AbortSignal;
}

export interface SupportBundle {
  readonly file: string;
  readonly bytes: number;
  /** Names in the archive. */
  readonly entries: readonly string[];
  /** What should be in it and is not, with the reason. */
  readonly missing: readonly string[];
}

/** Shared by every command that needs the configuration. */
export const CONFIG_OPTION: OptionSpec = {
  type: "string",
  value: "<file>",
  description: "Configuration file. Default: $MILLRACE_AGENT_CONFIG, else /etc/millrace-agent/agent.yaml",
};
