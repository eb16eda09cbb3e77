// Packages for tests: as `npm run package` builds them, quickly compressed, in versions that a test makes up.
import { execFile } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DataFormat } from "#agent/data-formats.ts";
import { buildDeb } from "../../../installer/deb.ts";
import { maintainerScripts } from "../../../installer/linux/maintainer-scripts.ts";
import { stagePayload, type Payload } from "../../../installer/payload.ts";
import type { Platform, Product } from "../../../installer/platforms.ts";
import { buildRpm } from "../../../installer/rpm.ts";

const run = promisify(execFile);
const HERE: Platform = process.arch === "arm64" ? "linux-arm64" : "linux-x64";

/** A folder for payloads and packages, which goes with it. */
export class PackageBench implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "millrace-packages-"));
  readonly #payloads = new Map<string, Promise<Payload>>();

  async deb(product: Product, version: string): Promise<string> {
    return buildDeb({ payload: await this.#payload(product, version), out: this.dir, compression: "quick" });
  }

  async rpm(product: Product, version: string): Promise<string> {
    return buildRpm({ payload: await this.#payload(product, version), out: this.dir, compression: "quick" });
  }

  /** The same package, made as if the version read only these formats. */
  async debThatReads(formats: readonly DataFormat[], product: Product, version: string): Promise<string> {
    const file = await this.deb(product, version);
    const tree = mkdtempSync(join(this.dir, "tree-"));
    await run("dpkg-deb", ["--raw-extract", file, tree]);
    const { preinst } = maintainerScripts({ product, version, formats }).deb;
    writeFileSync(join(tree, "DEBIAN/preinst"), preinst);
    chmodSync(join(tree, "DEBIAN/preinst"), 0o755);
    await run("dpkg-deb", ["--root-owner-group", "-Zzstd", "-z1", "--build", tree, file]);
    return file;
  }

  #payload(product: Product, version: string): Promise<Payload> {
    const key = `${product} ${version}`;
    const into = join(this.dir, product);
    const payload = this.#payloads.get(key) ?? stagePayload({ product, platform: HERE, into, version });
    this.#payloads.set(key, payload);
    return payload;
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
