// A Windows of its own in a temporary folder, by Wine: programs, services and the installer run in it, on loopback only.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** As Debian installs them. */
const PROGRAMS = "/usr/lib/wine";
const LIBRARIES = "/usr/lib/x86_64-linux-gnu/wine";
const SHARED = "/usr/share/wine";
const COMMAND_MS = 240_000;
/** Longer than any test: what keeps Wine's service manager alive. */
const HELD_S = 3_600;

export interface WineResult {
  /** Of eight bits, as Unix hands it on: see `exitCode`. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What is left here of an exit code of Windows. */
export function exitCode(windowsCode: number): number {
  return windowsCode & 0xff;
}

export function wineIsThere(): boolean {
  return ["wine64", "wineserver64"].every((name) => existsSync(join(PROGRAMS, name)));
}

export class WineMachine implements AsyncDisposable {
  readonly #root: string;
  readonly #prefix: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #loader: string;
  #runs = 0;

  private constructor(root: string) {
    this.#root = root;
    this.#prefix = join(root, "prefix");
    const programs = join(root, "wine", "lib", "wine");
    this.#loader = join(programs, "wine64");
    this.#env = {
      ...process.env,
      WINEPREFIX: this.#prefix,
      WINELOADER: this.#loader,
      WINESERVER: join(programs, "wineserver64"),
      WINEDEBUG: "-all",
      WINEDLLOVERRIDES: "mscoree=d;mshtml=d",
      // File names beyond ASCII.
      LC_ALL: "C.UTF-8",
      DISPLAY: "",
    };
    for (const name of ["CI", "NODE_OPTIONS", "VITEST"]) delete this.#env[name];
  }

  static async boot(): Promise<WineMachine> {
    const root = mkdtempSync(join(tmpdir(), "millrace-wine-"));
    const machine = new WineMachine(root);
    try {
      layOutWine(join(root, "wine"));
      // Each is waited for to its very end: an installer that is quicker than the service manager fails.
      for (const words of [
        ["wineboot", "-i"],
        ["winecfg", "-v", "win10"],
      ]) {
        await machine.run(...words);
        await machine.#server("-w");
      }
      machine.#hold();
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
    return machine;
  }

  /** Where a file of drive C is; `path` as `C:\\Program Files\\…`. */
  file(path: string): string {
    return join(this.#prefix, "drive_c", ...path.slice(3).split("\\"));
  }

  has(path: string): boolean {
    return existsSync(this.file(path));
  }

  read(path: string): string {
    return readFileSync(this.file(path), "utf8");
  }

  /** Every file and folder below, sorted; none where there is no such folder. */
  list(path: string): string[] {
    if (!this.has(path)) return [];
    return readdirSync(this.file(path), { recursive: true, encoding: "utf8" }).toSorted();
  }

  /** A file of this Unix as Windows names it. */
  unixPath(path: string): string {
    return `Z:${path.replaceAll("/", "\\")}`;
  }

  run(...words: readonly string[]): Promise<WineResult> {
    return this.feed("", ...words);
  }

  /** With standard input. All three are files: Node for Windows cannot use a Unix pipe. */
  async feed(input: string | Uint8Array, ...words: readonly string[]): Promise<WineResult> {
    this.#runs += 1;
    const name = (what: string): string => join(this.#root, `${this.#runs}.${what}`);
    const files = { in: name("in"), out: name("out"), err: name("err") };
    writeFileSync(files.in, input);
    const handles = [openSync(files.in, "r"), openSync(files.out, "w"), openSync(files.err, "w")] as const;
    const child = spawn(this.#loader, words, {
      stdio: [...handles],
      env: this.#env,
      cwd: this.#root,
      timeout: COMMAND_MS,
      killSignal: "SIGKILL",
    });
    const [code] = (await once(child, "exit")) as [number | null];
    for (const handle of handles) closeSync(handle);
    return { code, out: readFileSync(files.out, "latin1"), err: readFileSync(files.err, "latin1") };
  }

  /** Unix's numbers of this machine's processes of a program, `node.exe`, oldest first. */
  processes(program: string): number[] {
    const own = `WINEPREFIX=${this.#prefix}\0`;
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        const words = factOf(pid, "cmdline").split("\0");
        return (words[0] ?? "").endsWith(program) && `${factOf(pid, "environ")}\0`.includes(own);
      })
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Ends the processes of this prefix and no others.
    if (existsSync(this.#prefix)) await this.#server("-k");
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
  }

  #hold(): void {
    const child = spawn(this.#loader, ["cmd", "/c", "ping", "-n", String(HELD_S), "127.0.0.1"], {
      stdio: "ignore",
      env: this.#env,
      cwd: this.#root,
    });
    child.unref();
  }

  async #server(option: "-w" | "-k"): Promise<void> {
    const server = this.#env["WINESERVER"] ?? "";
    const child = spawn(server, [option], { stdio: "ignore", env: this.#env, timeout: COMMAND_MS });
    await once(child, "exit");
  }
}

/** A process may be gone by now, or a zombie. */
function factOf(pid: string, what: string): string {
  try {
    return readFileSync(join("/proc", pid, what), "latin1");
  } catch {
    return "";
  }
}

/**
 * Wine as it is installed, but for one name in one library: Node's engine asks for VirtualAlloc2, which Wine 8 has without
 * what the engine needs of it; where it is not found the engine goes another way.
 */
function layOutWine(root: string): void {
  const libraries = join(root, "lib", "x86_64-linux-gnu", "wine");
  const programs = join(root, "lib", "wine");
  mkdirSync(join(root, "share"), { recursive: true });
  cpSync(PROGRAMS, programs, { recursive: true, dereference: true });
  symlinkSync(SHARED, join(root, "share", "wine"));
  const own = new Set(["ntdll.so", "kernelbase.dll"]);
  for (const folder of readdirSync(LIBRARIES)) {
    mkdirSync(join(libraries, folder), { recursive: true });
    for (const name of readdirSync(join(LIBRARIES, folder))) {
      const from = join(LIBRARIES, folder, name);
      const to = join(libraries, folder, name);
      // Wine finds its libraries from where ntdll.so is.
      if (own.has(name)) cpSync(from, to, { dereference: true });
      else symlinkSync(from, to);
    }
  }
  const patched = join(libraries, "x86_64-windows", "kernelbase.dll");
  const text = readFileSync(patched, "latin1").replaceAll("VirtualAlloc2\0", "VirtualAlloc1\0");
  writeFileSync(patched, text, "latin1");
}
