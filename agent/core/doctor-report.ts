// What `doctor` found: sections in the order in which a person reads them, each with its checks.

/** Names for `--only`, in their order. */
export const DOCTOR_SECTIONS = [
  "configuration",
  "installation",
  "permissions",
  "disk",
  "network",
  "clock",
  "relay",
  "connections",
] as const;
export type DoctorSectionName = (typeof DOCTOR_SECTIONS)[number];

export interface DoctorCheck {
  /** Stable name of the check within its section, such as `certificate`: for programs that read the JSON. */
  readonly check: string;
  /** `skipped`: could not be looked at, and `text` says why; `warning`: works, and could be better. */
  readonly outcome: "ok" | "warning" | "failed" | "skipped";
  /** What was tried and what was seen. */
  readonly text: string;
  /** What goes with it: what to do, details; none where all is well. */
  readonly more?: readonly string[];
}

export interface DoctorSection {
  readonly section: DoctorSectionName;
  /** In `connections`: whose. */
  readonly connection?: string;
  readonly checks: readonly DoctorCheck[];
}

/** The shape of `doctor --json`; members may be added, none change their meaning. */
export interface DoctorReport {
  readonly format: 1;
  /** ISO 8601, by this machine's clock. */
  readonly at: string;
  readonly version: string;
  /** Nothing failed; warnings do not count. */
  readonly healthy: boolean;
  readonly sections: readonly DoctorSection[];
}

export function doctorReport(at: string, version: string, sections: readonly DoctorSection[]): DoctorReport {
  const healthy = sections.every(({ checks }) => checks.every(({ outcome }) => outcome !== "failed"));
  return { format: 1, at, version, healthy, sections };
}
