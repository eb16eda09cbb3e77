// Builds a .deb by dpkg-deb: the same bytes for the same payload.
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { linuxTree, type ExtraFile, type LinuxTree, type PackageRequest } from "./linux-tree.ts";
import { packageFacts } from "./linux/files.ts";
import { linuxLayout } from "./linux/layout.ts";
import { maintainerScripts } from "./linux/maintainer-scripts.ts";
import type { Payload } from "./payload.ts";
import { PLATFORM_FACTS, type Product } from "./platforms.ts";
import { runProgram } from "./run-program.ts";
import { sourceCommit } from "./source-commit.ts";

const MAINTAINER = "Millrace maintainers <maintainers@millrace.example>";
const COMPRESSION = { quick: ["-Zzstd", "-z3"], small: ["-Zxz", "-z6"] } as const;

/** Returns the package's path. @throws BuildError with what dpkg-deb says */
export async function buildDeb({ payload, out, compression = "small" }: PackageRequest): Promise<string> {
  const { product, version, platform } = payload;
  const architecture = PLATFORM_FACTS[platform].architecture?.deb;
  if (architecture === undefined) throw new BuildError(`there is no .deb for ${platform}`);
  const { epochSeconds } = await sourceCommit();
  const scratch = await mkdtemp(join(tmpdir(), "millrace-deb-"));
  try {
    const tree = await linuxTree(payload, join(scratch, "tree"), documents(product, version));
    await writeControl(tree, payload, architecture, epochSeconds);
    const file = join(out, `${linuxLayout(product).name}_${debVersion(version)}_${architecture}.deb`);
    await mkdir(out, { recursive: true });
    const args = [
      "--root-owner-group",
      "--threads-max=1",
      ...COMPRESSION[compression],
      "--build",
      tree.root,
      file,
    ];
    await runProgram("dpkg-deb", args, { env: { ...process.env, SOURCE_DATE_EPOCH: String(epochSeconds) } });
    return file;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** A pre-release (`0.2.0-rc.1`) comes before its release. */
function debVersion(version: string): string {
  return version.replaceAll("-", "~");
}

async function writeControl(
  { root, files }: LinuxTree,
  { product, version }: Payload,
  architecture: string,
  epochSeconds: number,
): Promise<void> {
  const { summary, description, debDepends } = packageFacts(product);
  const { name } = linuxLayout(product);
  const kibibytes = files.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 1024), 0);
  const control = [
    `Package: ${name}`,
    `Version: ${debVersion(version)}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kibibytes}`,
    `Depends: ${debDepends.join(", ")}`,
    "Section: net",
    "Priority: optional",
    `Description: ${summary}`,
    ...folded(description),
  ];
  const sums = await Promise.all(
    files.map(async ({ path }) => {
      const sum = createHash("md5")
        .update(await readFile(join(root, path)))
        .digest("hex");
      return `${sum}  ${path.slice(1)}\n`;
    }),
  );
  const folder = join(root, "DEBIAN");
  await mkdir(folder);
  const write = async (file: string, content: string, mode: number): Promise<void> => {
    await writeFile(join(folder, file), content);
    await chmod(join(folder, file), mode);
    await utimes(join(folder, file), epochSeconds, epochSeconds);
  };
  await write("control", `${control.join("\n")}\n`, 0o644);
  await write("md5sums", sums.join(""), 0o644);
  const scripts = maintainerScripts({ product, version }).deb;
  for (const [script, content] of Object.entries(scripts)) await write(script, content, 0o755);
  await chmod(folder, 0o755);
  for (const path of [folder, root]) await utimes(path, epochSeconds, epochSeconds);
}

/** Lines of at most so many characters, each behind a space; an empty one between paragraphs. */
function folded(text: string): readonly string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    if (lines.length > 0) lines.push(" .");
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line.length + word.length > 78) {
        lines.push(line);
        line = "";
      }
      line += ` ${word}`;
    }
    lines.push(line);
  }
  return lines;
}

/** What Debian's policy wants of every package. */
function documents(product: Product, version: string): readonly ExtraFile[] {
  const { name, programs } = linuxLayout(product);
  const copyright = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: Millrace",
    "",
    "Files: *",
    "Copyright: 2026 the Millrace authors",
    "License: Apache-2.0",
    " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.",
    " .",
    " The package carries Node.js and npm packages under licences of their own:",
    ` ${programs}/versions/${version}/NOTICE has their texts,`,
    ` ${programs}/versions/${version}/sbom.cdx.json lists them.`,
    "",
  ];
  return [
    { path: `/usr/share/doc/${name}/copyright`, content: copyright.join("\n") },
    { path: `/usr/share/lintian/overrides/${name}`, content: lintianOverrides(name) },
  ];
}

/** Each with its reason; whatever else lintian says is a defect. */
const OVERRIDDEN: Readonly<Record<string, readonly string[]>> = {
  "the runtime is shipped as it was built and signed off by others, byte for byte": [
    "embedded-library *[usr/lib/*/node]",
    "hardening-no-pie *[usr/lib/*/node]",
    "unstripped-binary-or-object *",
  ],
  "only root and the service's account may execute the runtime": [
    "executable-is-not-world-readable *[usr/lib/*/node]",
    "non-standard-executable-perm *[usr/lib/*/node]",
  ],
  "the package is made without debhelper, for several distributions": ["maintainer-script-calls-systemctl *"],
  "the program has --help, its changes are in the repository": ["no-changelog *", "no-manual-page *"],
  "what is built for tests is compressed quickly": ["malformed-deb-archive *zst*"],
};

function lintianOverrides(name: string): string {
  const groups = Object.entries(OVERRIDDEN).map(([reason, tags]) =>
    [`# ${reason}`, ...tags.map((tag) => `${name}: ${tag}`)].join("\n"),
  );
  return `${groups.join("\n")}\n`;
}
