// Packages for Windows in versions that a test makes up, and what a machine must have to build them.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stagePayload } from "../../../installer/payload.ts";
import { buildMsi } from "../../../installer/windows/build-msi.ts";

const BUILD_PROGRAMS = ["wixl", "msibuild", "msiinfo", "x86_64-w64-mingw32-gcc"];

/** What is missing to build a package; none: it can be built. */
export function missingBuildPrograms(): string[] {
  const folders = (process.env["PATH"] ?? "").split(":");
  return BUILD_PROGRAMS.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
}

/** Gives the package's path. */
export async function buildWindowsPackage(version: string, into: string): Promise<string> {
  const payload = await stagePayload({
    product: "agent",
    platform: "win-x64",
    into: join(into, `payload-${version}`),
    version,
  });
  return buildMsi({ payload, version, out: into });
}
