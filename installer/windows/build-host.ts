// Builds the service host and the installer's custom actions with mingw-w64, from the sources beside this file.
import { copyFile, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../run-program.ts";

const TOOLS = "x86_64-w64-mingw32";
const WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wformat=2", "-Wvla"];
const HERE = import.meta.dirname;
const COMPILE = ["-std=gnu11", "-O2", "-fstack-protector-strong", `-ffile-prefix-map=${HERE}=.`, ...WARNINGS];
const HOST_COMPILE = [...COMPILE, "-municode"];
/** Otherwise a library's comes from where it is built. */
const HOST_BASE = "-Wl,--image-base,0x140000000";
const ACTIONS_BASE = "-Wl,--image-base,0x180000000";
/** No library but the system's; no moment of the build in the file; addresses are random at each start; data is never code. */
const LINK = ["-s", "-static", "-Wl,--no-insert-timestamp,--dynamicbase,--nxcompat,--high-entropy-va"];
/** Numbers of entries in the event log: the host's own, and those of the agent's security events. */
const EVENT_NUMBERS = [range(1, 99), range(1000, 1999)].flat();

export interface WindowsPrograms {
  /** millracesvc.exe */
  readonly host: string;
  /** What the installer calls. */
  readonly actions: string;
}

/** Both into `into`, which is made. The same sources and version give the same bytes. @throws BuildError */
export async function buildWindowsPrograms(version: string, into: string): Promise<WindowsPrograms> {
  await mkdir(into, { recursive: true });
  const host = join(into, "millracesvc.exe");
  const actions = join(into, "custom-actions.dll");
  const resources = await compileResources(version, into);
  const header = await compileHeader(into);
  await runProgram(`${TOOLS}-gcc`, [
    ...HOST_COMPILE,
    `-DMILLRACE_VERSION=L"${version}"`,
    "-include",
    header,
    "-o",
    host,
    ...(await sources("host")),
    resources,
    "-ladvapi32",
    "-lcrypt32",
    "-lshell32",
    ...LINK,
    HOST_BASE,
  ]);
  const actionFiles = await sources("action");
  await runProgram(`${TOOLS}-gcc`, [
    ...COMPILE,
    "-shared",
    "-o",
    actions,
    ...actionFiles,
    "-lmsi",
    ...LINK,
    ACTIONS_BASE,
  ]);
  return { host, actions };
}

async function sources(folder: string): Promise<string[]> {
  const files = await readdir(join(HERE, folder));
  return files
    .filter((file) => file.endsWith(".c"))
    .toSorted()
    .map((file) => join(HERE, folder, file));
}

/** Windows' own headers are large: read once instead of by every file. */
async function compileHeader(into: string): Promise<string> {
  const header = join(into, "host.h");
  await copyFile(join(HERE, "host", "host.h"), header);
  await runProgram(`${TOOLS}-gcc`, [...HOST_COMPILE, "-x", "c-header", header, "-o", `${header}.gch`]);
  return header;
}

/** The texts of the event log, and what Explorer shows of the file. */
async function compileResources(version: string, into: string): Promise<string> {
  const messages = join(into, "events.mc");
  await writeFile(messages, messageTable());
  await runProgram(`${TOOLS}-windmc`, ["-U", "-h", into, "-r", into, messages]);
  const script = join(into, "host.rc");
  await writeFile(script, `#include "events.rc"\n${versionInfo(version)}`);
  const object = join(into, "host-resources.o");
  await runProgram(`${TOOLS}-windres`, ["-I", into, script, object]);
  return object;
}

/** Every entry's text is its one insert: the messages themselves are written by whoever has something to say. */
function messageTable(): string {
  const head = "MessageIdTypedef=DWORD\nLanguageNames=(English=0x409:EVENTS)\n";
  const entries = EVENT_NUMBERS.map(
    (number) => `MessageId=${number}\nSymbolicName=EVENT_${number}\nLanguage=English\n%1\n.\n`,
  );
  return `${head}${entries.join("")}`;
}

function versionInfo(version: string): string {
  const numbers = `${numericVersion(version).replaceAll(".", ",")},0`;
  const strings = {
    CompanyName: "Millrace",
    FileDescription: "Millrace Agent service host",
    FileVersion: version,
    InternalName: "millracesvc",
    OriginalFilename: "millracesvc.exe",
    ProductName: "Millrace Agent",
    ProductVersion: version,
  };
  const values = Object.entries(strings).map(([name, value]) => `      VALUE "${name}", "${value}"`);
  return [
    "1 VERSIONINFO",
    `FILEVERSION ${numbers}`,
    `PRODUCTVERSION ${numbers}`,
    "FILEOS 0x40004",
    "FILETYPE 1",
    "BEGIN",
    '  BLOCK "StringFileInfo"',
    "  BEGIN",
    '    BLOCK "040904B0"',
    "    BEGIN",
    ...values,
    "    END",
    "  END",
    '  BLOCK "VarFileInfo"',
    "  BEGIN",
    '    VALUE "Translation", 0x409, 1200',
    "  END",
    "END",
    "",
  ].join("\n");
}

/** What Windows can compare: three numbers. */
export function numericVersion(version: string): string {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})/.exec(version);
  if (match === null) throw new TypeError(`${version} does not begin with three numbers`);
  return match.slice(1).join(".");
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
