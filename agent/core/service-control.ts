// The machine's service manager, as far as the agent's own service goes: a port, so that commands know no platform.

export interface ServiceStatus {
  /** `waiting`: it ended by itself and is started again in a moment. `absent`: the package is not installed as a service. */
  readonly state: "running" | "starting" | "stopping" | "stopped" | "waiting" | "failed" | "absent";
  readonly startsAtBoot: boolean;
  readonly pid?: number;
  /** ms since the Unix epoch; of the state. */
  readonly sinceMs?: number;
  /** What the manager says beyond that, for people: how it ended last, how often it was started again. */
  readonly detail?: string;
}

export interface ServiceLogRequest {
  /** The newest so many. */
  readonly lines: number;
  /** Goes on until the signal aborts. */
  readonly follow: boolean;
  readonly out: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Every method throws MillraceError where the manager refuses or is missing; the message says what to do. */
export interface ServiceControl {
  status(): Promise<ServiceStatus>;
  /** Also lets it start with the machine from now on. Resolves when the agent is up. */
  start(): Promise<void>;
  /** Until it is started, or the machine is; resolves when the agent has ended. */
  stop(): Promise<void>;
  /** Resolves when the agent is up again. */
  restart(): Promise<void>;
  logs(request: ServiceLogRequest): Promise<void>;
}
