// A Debian machine with a systemd of its own, booted by systemd-nspawn inside namespaces that this run makes: no host service
// is asked, nothing is registered, the only network is its own loopback.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireTier, tierDenied } from "../../support/tiers.ts";
import { until } from "../../support/until.ts";
import { unpackDebian } from "./debian-root.ts";

/** A busy machine takes its time. */
const WAIT_MS = 120_000;
const MAX_OUTPUT_CHARS = 4 * 1024 * 1024;

/**
 * A hierarchy of control groups for itself, because the host's may be of the older kind; 133 is nspawn's word for "the machine
 * wants to start again".
 */
const LAUNCHER = `
set -eu
mount --make-rprivate /
mkdir -p "$1/cgroup"
mount -t cgroup2 none "$1/cgroup"
mkdir "$1/cgroup/$2"
echo $$ > "$1/cgroup/$2/cgroup.procs"
umount -R /sys/fs/cgroup
mount -t tmpfs none /run
mount -t cgroup2 none /sys/fs/cgroup
# Whoever started this may die without a word: then the machine ends with it, as if its power went. Its first process takes
# all others along.
exec 3<&0
(cat <&3 > /dev/null; nspawn=$(cat "$1/nspawn.pid"); kill -KILL $(cat "/proc/$nspawn/task/$nspawn/children")) &
watcher=$!
while :; do
  systemd-nspawn --quiet -D "$1/root" --boot --register=no --keep-unit --console=pipe --private-network \\
    --machine="$2" --hostname=plant < /dev/null &
  echo $! > "$1/nspawn.pid"
  wait $! && code=0 || code=$?
  rm -f "$1/nspawn.pid"
  [ "$code" -eq 133 ] || break
done
kill "$watcher" 2>/dev/null || true
echo $$ > "$1/cgroup/cgroup.procs"
for group in $(find "$1/cgroup/$2" -depth -type d); do rmdir "$group" || true; done
exit "$code"
`;

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  /** Account in the machine; default root. */
  readonly user?: string;
  readonly input?: string;
}

export class NspawnMachine implements AsyncDisposable {
  readonly #dir: string;
  readonly #name: string;
  readonly #launcher: ChildProcess;
  #console = "";
  #leader = 0;

  private constructor(dir: string) {
    this.#dir = dir;
    this.#name = `millrace-${dir.split("-").at(-1) ?? ""}`;
    this.#launcher = spawn("unshare", ["-m", "sh", "-c", LAUNCHER, "sh", dir, this.#name], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const keep = (chunk: Buffer): void =>
      void (this.#console = (this.#console + chunk.toString()).slice(-MAX_OUTPUT_CHARS));
    this.#launcher.stdout?.on("data", keep);
    this.#launcher.stderr?.on("data", keep);
  }

  /** Resolves when everything that starts with the machine has started. */
  static async boot(): Promise<NspawnMachine> {
    const dir = mkdtempSync(join(tmpdir(), "millrace-machine-"));
    // The accounts of the machine look into their own folders.
    chmodSync(dir, 0o755);
    mkdirSync(join(dir, "root"));
    await unpackDebian(join(dir, "root"));
    const machine = new NspawnMachine(dir);
    try {
      await machine.#booted(0);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Its root folder as seen from here. */
  get root(): string {
    return join(this.#dir, "root");
  }

  /** Where in it `path` lies. */
  file(path: string): string {
    return join(this.root, path);
  }

  /** What it wrote to its console. */
  get console(): string {
    return this.#console;
  }

  /** A shell script in the machine, as an administrator at its terminal would run it. */
  run(script: string, { user, input }: RunOptions = {}): Promise<Outcome> {
    const shell = ["/bin/sh", "-c", script];
    const account = user === undefined ? [] : ["runuser", "-u", user, "--"];
    const home = user === undefined ? "HOME=/root" : "HOME=/tmp";
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const words = [
      "-t",
      String(this.#leader),
      "-a",
      "env",
      "-i",
      path,
      home,
      "LANG=C.UTF-8",
      ...account,
      ...shell,
    ];
    return runHere("nsenter", words, input);
  }

  /** Like `run`, where nothing else than success will do. Gives both outputs. */
  async sh(script: string, options: RunOptions = {}): Promise<string> {
    const { code, out, err } = await this.run(script, options);
    if (code !== 0) throw new Error(`in the machine, ${script} ended with ${code}:\n${out}${err}`);
    return out + err;
  }

  /** A program of this side, in the machine's network: its loopback is reached by nobody else. */
  async inItsNetwork(program: string, args: readonly string[]): Promise<string> {
    const { code, out, err } = await runHere("nsenter", ["-t", String(this.#leader), "-n", program, ...args]);
    if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${out}${err}`);
    return out;
  }

  /** A program of this side that goes on in the machine's network, until its standard input ends. */
  startInItsNetwork(program: string, args: readonly string[]): ChildProcess {
    const words = ["-t", String(this.#leader), "-n", program, ...args];
    return spawn("nsenter", words, { stdio: ["pipe", "pipe", "inherit"] });
  }

  async reboot(): Promise<void> {
    const before = this.#leader;
    await this.run("systemctl reboot");
    await this.#booted(before);
  }

  async #booted(before: number): Promise<void> {
    this.#leader = await until(
      "the machine to boot",
      () => {
        if (this.#launcher.exitCode !== null)
          throw new Error(`systemd-nspawn ended with ${this.#launcher.exitCode}: ${this.#console}`);
        const leader = this.#findLeader();
        return leader === before ? undefined : leader;
      },
      WAIT_MS,
    );
    await until(
      "systemd to answer",
      async () =>
        (await this.run("systemctl list-jobs --no-legend && test -S /run/systemd/private")).code === 0,
      WAIT_MS,
    );
    await this.run("systemctl is-system-running --wait");
  }

  /** The machine's process 1, once it is systemd itself. */
  #findLeader(): number | undefined {
    try {
      const nspawn = readFileSync(join(this.#dir, "nspawn.pid"), "utf8").trim();
      const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").trim().split(" ");
      return children
        .map(Number)
        .find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "systemd");
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#launcher.exitCode === null && this.#launcher.signalCode === null) {
      const ended = once(this.#launcher, "exit");
      this.#launcher.stdin?.end();
      await ended;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function runHere(program: string, args: readonly string[], input = ""): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout
      .setEncoding("utf8")
      .on("data", (chunk: string) => (out = (out + chunk).slice(-MAX_OUTPUT_CHARS)));
    child.stderr
      .setEncoding("utf8")
      .on("data", (chunk: string) => (err = (err + chunk).slice(-MAX_OUTPUT_CHARS)));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

/** systemd's own secret, made when it first encrypts; logs, and what package managers write down; the tests' own. */
const NOT_OF_PACKAGES =
  /^\/(root|srv|tmp|run|proc|sys)(\/|$)|^\/var\/(log|tmp|lib\/(dpkg|rpm|systemd)|cache\/(ldconfig|debconf))(\/|$)|^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$/;

/** Every file and folder that a package could leave behind, sorted. */
export async function filesOfMachine(machine: NspawnMachine): Promise<readonly string[]> {
  const paths = (await machine.sh("find / -xdev")).split("\n");
  return paths.filter((path) => path !== "" && !NOT_OF_PACKAGES.test(path)).sort();
}

/**
 * Whether a machine can be booted here. A program that is missing can be installed; what the kernel denies this process (in a
 * container, say) cannot, and is told in any case.
 */
export async function canBootMachines(): Promise<boolean> {
  const isThere = 'for p in systemd-nspawn mmdebstrap nsenter; do command -v "$p" || exit 1; done';
  const hasPrograms = (await runHere("sh", ["-c", isThere])).code === 0;
  const name = "machines";
  const install = "apt-get install systemd-container mmdebstrap";
  if (!requireTier(name, hasPrograms, `systemd-nspawn or mmdebstrap is missing; ${install}`)) return false;
  const script = "mount --make-rprivate / && mount -t cgroup2 none /mnt";
  const isAllowed =
    process.getuid?.() === 0 && (await runHere("unshare", ["-m", "--net", "sh", "-c", script])).code === 0;
  if (!isAllowed)
    tierDenied(
      name,
      "a machine of its own needs root, and a kernel that lets root make namespaces and mount",
    );
  return isAllowed;
}
