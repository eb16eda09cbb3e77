// A volume of a few MiB for tests of full disks, where this user may mount one (root on Linux).
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class SmallVolume implements Disposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Undefined where none can be mounted. */
  static mount(mebibytes: number): SmallVolume | undefined {
    const dir = mkdtempSync(join(tmpdir(), "millrace-volume-"));
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", dir], { stdio: "ignore" });
      return new SmallVolume(dir);
    } catch {
      rmSync(dir, { recursive: true, force: true });
      return undefined;
    }
  }

  /** Somebody else's file takes all that is free. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.dir);
    try {
      writeFileSync(this.#filler, Buffer.alloc(bavail * bsize));
    } catch (error) {
      // Others write here as well: then the file holds what was left.
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }

  /** That file is gone again. */
  free(): void {
    rmSync(this.#filler, { force: true });
  }

  [Symbol.dispose](): void {
    if (!existsSync(this.dir)) return;
    execFileSync("umount", ["-l", this.dir], { stdio: "ignore" });
    rmSync(this.dir, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.dir, "somebody-elses-file");
  }
}
